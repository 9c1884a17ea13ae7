//! Sessions between a leecher and a seeder: the handshake of `sealift_proto::handshake`, driven over the control connection
//! and a link.

mod allowance;
mod ends;
pub(crate) mod lan;
mod leecher;
mod link;
mod paced;
mod search;
mod seeder;

use sealift_platform::Platform;
use sealift_proto::control::{Address, Refusal};
use sealift_proto::handshake::{HandshakeError, Party, RefuseCode, Terms};
use sealift_proto::identity::SecretKey;
use sealift_proto::link::LinkError;
use sealift_proto::space::HostName;

pub use ends::{Ends, LeecherEnds, SeederEnds};
pub use leecher::{LeecherReader, LeecherSession, Sessions, WrapChoice};
pub use link::{Incoming, LinkReader, LinkWriter, RunReader, RunWriter};
pub use search::{DirectSearch, Found};
pub use seeder::{Acceptor, SeederSession, Ticket};

use sealift_proto::place::RelayPlace;
use sealift_space::profile::space::SpaceState;

/// Why there is no session, or why it ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The other side is not connected to the relay.
    #[error("it is not connected to the relay")]
    Offline,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The control connection ended meanwhile.
    #[error("the connection to the relay ended")]
    Closed,
    /// The relay would not carry it.
    #[error("the relay refused: {0}")]
    Relay(Refusal),
    /// The handshake failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// A message on the link was altered, or is none.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A sealed message that says nothing known.
    #[error("the other side sent a malformed message")]
    Malformed,
    /// The relay would have this device connect somewhere else than to a relay of the space.
    #[error("the relay named a place for the link that is no relay of the space")]
    Elsewhere,
    /// Sending or receiving was given up in the middle of a message: nothing can follow on this link.
    #[error("the link was left in the middle of a message")]
    Midway,
    /// Only direct links may carry content, and there are none; what was tried.
    #[error("there is no direct path: {0}")]
    NoPath(String),
    /// The link broke.
    #[error("the link broke: {0}")]
    Io(#[from] std::io::Error),
}

impl SessionError {
    /// Whether another try may help.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        match self {
            // Not before next month.
            Self::Relay(why) => !matches!(why, Refusal::Traffic),
            Self::Offline | Self::Timeout | Self::Closed | Self::Io(_) | Self::Midway => true,
            Self::Handshake(HandshakeError::Refused(code)) => {
                matches!(code, RefuseCode::Busy | RefuseCode::Shutdown)
            }
            _ => false,
        }
    }

    /// Whether somebody between the two altered something, or one of the two lies.
    #[must_use]
    pub const fn is_tampering(&self) -> bool {
        use HandshakeError as H;
        match self {
            Self::Link(_) | Self::Malformed | Self::Elsewhere => true,
            Self::Handshake(error) => matches!(
                error,
                H::Malformed
                    | H::Sealed
                    | H::Address
                    | H::Signature
                    | H::OtherOffer
                    | H::Suite
                    | H::Confirmation
                    | H::Wrap(_)
            ),
            _ => false,
        }
    }
}

type Place = (HostName, u16);

/// Where to connect for a link that `relay` has announced at `address`: at the host it was dialled at, or at another relay that
/// the owner names. Anywhere else, bytes of the relay's choice would reach whatever this device can.
fn link_place(space: &SpaceState, relay: &RelayPlace, address: Option<Place>) -> Option<Place> {
    let Some((host, port)) = address else {
        return Some((relay.host.clone(), relay.port));
    };
    let mut named = space.secret().relays.iter();
    let known = host == relay.host || named.any(|known| known.host == host && known.port == port);
    known.then_some((host, port))
}

/// What this side brings to a handshake.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The machine.
    pub platform: &'a Platform,
    /// The space.
    pub space: &'a SpaceState,
    /// This device's key.
    pub key: &'a SecretKey,
    /// The connection it speaks from.
    pub address: Address,
}

impl Side<'_> {
    /// Calls `with` with the terms of the space now and this party.
    fn with<R>(&self, with: impl FnOnce(&Terms<'_>, &Party<'_>) -> R) -> R {
        let removed = self.space.removed();
        let terms = Terms {
            space: self.space.id(),
            epoch: self.space.epoch(),
            keys: self.space.keys(),
            lowest_suite: self.space.secret().lowest_suite,
            removed: &removed,
            now: self.platform.clock.unix_seconds(),
        };
        let party = Party { key: self.key, chain: self.space.chain(), address: self.address };
        with(&terms, &party)
    }
}
