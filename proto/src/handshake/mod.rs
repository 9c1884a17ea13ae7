//! The handshake: offer, wrap, ack, ready (PROTOCOL.md section 6).
//!
//! ```text
//! leecher                                                     seeder
//! Offered::new ─────────── OFFER ─────────── forwarded ─────▶ respond
//! Offered::answer ◀──────── WRAP or REFUSE ── forwarded ───── AwaitingAck, kept in Pending
//! Answered::acknowledge ── ACK ───────────── on the link ───▶ AwaitingAck::confirm
//! Acknowledged::confirm ◀─ READY ─────────── on the link ──── Ready
//! SessionKeys                                                 SessionKeys
//! ```
//!
//! Each step consumes the one before it, so a wrong order does not compile and a handshake that failed is gone. Time and
//! randomness are arguments.

mod leecher;
mod message;
mod pending;
mod seeder;

use serde::{Deserialize, Serialize};

use crate::codec;
use crate::control::Address;
use crate::features::Features;
use crate::identity::{DeviceId, SecretKey, SignatureError};
use crate::keys::{EpochKeys, ExporterKey, LeecherToSeederKey, Schedule, SeederToLeecherKey};
use crate::kind::refuse as code;
use crate::space::{Chain, ChainError, Membership, Role, Serial, SpaceId};
use crate::wrap::{Suite, WrapError};

pub use leecher::{Acknowledged, Answered, Offered};
pub use message::{Message, Offer, Refuse, SHARES_MAX, Share, Wrap};
pub use pending::{PENDING_MAX, PENDING_MILLIS, PENDING_PER_DEVICE, Pending};
pub use seeder::{AwaitingAck, Ready, refuse, respond};

/// What one side knows of the space when a message arrives.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// The space.
    pub space: SpaceId,
    /// The present epoch.
    pub epoch: u32,
    /// Its keys.
    pub keys: &'a EpochKeys,
    /// Number of the weakest suite that is taken; from the space record.
    pub lowest_suite: u8,
    /// Certificates that no longer hold; from the space record.
    pub removed: &'a [Serial],
    /// Now, unix seconds.
    pub now: u64,
}

/// This side of a handshake.
#[derive(Debug, Clone, Copy)]
pub struct Party<'a> {
    /// The device's key.
    pub key: &'a SecretKey,
    /// How the device belongs to the space.
    pub chain: &'a Chain,
    /// The connection it speaks from.
    pub address: Address,
}

/// The other side of a handshake, verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The connection it speaks from.
    pub address: Address,
    /// What its chain says.
    pub membership: Membership,
    /// What may be used with it: the features that both sides named.
    pub features: Features,
}

/// Names a session: random, chosen by the seeder, seen by nobody but the two until the link opens.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct SessionId(#[serde(with = "codec::array")] pub [u8; 16]);

/// The keys of a session: what a handshake is for.
#[derive(Debug, Clone)]
pub struct SessionKeys {
    /// The session.
    pub id: SessionId,
    /// For what the leecher sends.
    pub to_seeder: LeecherToSeederKey,
    /// For what the seeder sends.
    pub to_leecher: SeederToLeecherKey,
    /// For proofs on further links.
    pub exporter: ExporterKey,
}

impl SessionKeys {
    fn new(id: SessionId, schedule: Schedule) -> Self {
        Self {
            id,
            to_seeder: schedule.leecher_to_seeder,
            to_leecher: schedule.seeder_to_leecher,
            exporter: schedule.exporter,
        }
    }
}

/// Why a handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The bytes are no message, or one that breaks the rules of its own form.
    #[error("a malformed handshake message")]
    Malformed,
    /// A message that does not come now.
    #[error("a handshake message out of turn")]
    Unexpected,
    /// It does not open under the key of the epoch.
    #[error("a handshake message does not open")]
    Sealed,
    /// Another version of the protocol.
    #[error("another version of the protocol")]
    Version,
    /// Another space.
    #[error("another space")]
    Space,
    /// Another epoch: one side has not seen the newest space record.
    #[error("the two sides are in different epochs of the space")]
    Epoch,
    /// Not the addresses between which the relay carried it.
    #[error("a handshake message between other devices")]
    Address,
    /// Not signed by the device that it comes from.
    #[error("a handshake message is not signed by its sender")]
    Signature,
    /// The sender's chain does not hold.
    #[error(transparent)]
    Chain(ChainError),
    /// The sender's chain is for another device or space, or does not allow this.
    #[error("the sender may not do this")]
    NotAllowed,
    /// No share is of a suite that is known here and high enough.
    #[error("no common suite")]
    NoCommonSuite,
    /// An answer to another offer.
    #[error("an answer to another offer")]
    OtherOffer,
    /// An answer under a suite that was not offered or is too low.
    #[error("a suite that was not offered")]
    Suite,
    /// The key was not wrapped or unwrapped.
    #[error(transparent)]
    Wrap(WrapError),
    /// ACK or READY does not verify: the two sides do not have the same keys.
    #[error("the keys of the two sides differ")]
    Confirmation,
    /// The seeder says no.
    #[error("the seeder refused: {0}")]
    Refused(RefuseCode),
}

impl HandshakeError {
    /// What the seeder may tell about it in a REFUSE; `None` where the sender is not known to be a member's device.
    #[must_use]
    pub const fn code(&self) -> Option<RefuseCode> {
        match self {
            Self::Version => Some(RefuseCode::Version),
            Self::Epoch => Some(RefuseCode::Epoch),
            Self::Chain(ChainError::Expired { .. }) => Some(RefuseCode::Expired),
            Self::Chain(ChainError::Removed) => Some(RefuseCode::Removed),
            Self::Chain(_) | Self::NotAllowed => Some(RefuseCode::NotMember),
            Self::NoCommonSuite => Some(RefuseCode::NoCommonSuite),
            Self::Wrap(_) | Self::Malformed => Some(RefuseCode::Malformed),
            _ => None,
        }
    }
}

impl From<SignatureError> for HandshakeError {
    fn from(_: SignatureError) -> Self {
        Self::Signature
    }
}

/// Why a seeder refuses an offer. The numbers are fixed; a retired one stays listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefuseCode {
    /// 1
    #[error("another version of the protocol")]
    Version,
    /// 2
    #[error("another epoch of the space")]
    Epoch,
    /// 3
    #[error("not a member of the space, or without the right to fetch")]
    NotMember,
    /// 4
    #[error("the certificate has ended, or a clock is wrong")]
    Expired,
    /// 5
    #[error("removed from the space by its owner")]
    Removed,
    /// 6
    #[error("no common suite")]
    NoCommonSuite,
    /// 7
    #[error("malformed offer")]
    Malformed,
    /// 8
    #[error("too much at once, or its disk takes nothing")]
    Busy,
    /// 9
    #[error("the seeder is shutting down")]
    Shutdown,
    /// Any other number.
    #[error("refused with code {0}")]
    Other(u8),
}

impl RefuseCode {
    /// The number in REFUSE.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Version => code::VERSION,
            Self::Epoch => code::EPOCH,
            Self::NotMember => code::NOT_MEMBER,
            Self::Expired => code::EXPIRED,
            Self::Removed => code::REMOVED,
            Self::NoCommonSuite => code::NO_COMMON_SUITE,
            Self::Malformed => code::MALFORMED,
            Self::Busy => code::BUSY,
            Self::Shutdown => code::SHUTDOWN,
            Self::Other(number) => number,
        }
    }

    /// The code with that number.
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            code::VERSION => Self::Version,
            code::EPOCH => Self::Epoch,
            code::NOT_MEMBER => Self::NotMember,
            code::EXPIRED => Self::Expired,
            code::REMOVED => Self::Removed,
            code::NO_COMMON_SUITE => Self::NoCommonSuite,
            code::MALFORMED => Self::Malformed,
            code::BUSY => Self::Busy,
            code::SHUTDOWN => Self::Shutdown,
            other => Self::Other(other),
        }
    }
}

impl Terms<'_> {
    /// Whether `suite` is high enough.
    fn allows(&self, suite: Suite) -> bool {
        suite.is_allowed(self.lowest_suite)
    }

    /// What the chain of `device` says, if it holds and allows `role`.
    fn member(
        &self,
        chain: &Chain,
        device: &DeviceId,
        role: Role,
    ) -> Result<Membership, HandshakeError> {
        let membership = chain.verify(self.now, self.removed).map_err(HandshakeError::Chain)?;
        let right = membership.device == *device
            && membership.space == self.space
            && membership.role.allows(role);
        if right { Ok(membership) } else { Err(HandshakeError::NotAllowed) }
    }
}

#[cfg(test)]
mod tests;
