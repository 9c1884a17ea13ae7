//! Why there is no connection to a space, or none that is of use.

use sealift_proto::codec::CodecError;
use sealift_proto::place::RelayPlace;
use sealift_proto::space::{ChainError, SpaceId};
use sealift_proto::wrap::WrapError;
use sealift_space::package::PackageError;
use sealift_space::profile::file::FileError;

use crate::control::{CallError, DialError};
use crate::notice::ClockApart;

/// What went wrong on the way to a space.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The profile.
    #[error(transparent)]
    Space(#[from] sealift_space::Error),
    /// There is no connection to the relay.
    #[error("the relay {}: {error}", relay.host_port())]
    Dial {
        /// The relay.
        relay: RelayPlace,
        /// Why.
        error: DialError,
        /// The space that it was for, where it was not for an invite.
        space: Option<SpaceId>,
        /// Seconds for which this device's certificate holds by its own clock, or why it does not.
        certificate: Option<Result<u64, ChainError>>,
    },
    /// The relay did not do what it was asked.
    #[error("the relay {relay}: {error}")]
    Call {
        /// Its `HOST:PORT`.
        relay: String,
        /// Why.
        error: CallError,
    },
    /// The relay's first news have no end.
    #[error("the relay {relay} does not come to the end of its news")]
    EndlessNews {
        /// Its `HOST:PORT`.
        relay: String,
    },
    /// The record is of an epoch whose secret this device does not have.
    #[error("this device can no longer read the space")]
    NoEpoch,
    /// A statement of this device's own is longer than it may be.
    #[error("a statement outgrew its limit")]
    StatementOutgrown,
    /// This device's card is longer than it may be.
    #[error("this device's card outgrew its limits: {0}")]
    CardOutgrown(CodecError),
    /// The seed of this device's receiving key gives none.
    #[error("this device's receiving key cannot be used: {0}")]
    ReceiveKey(WrapError),
    /// An invite did not lead into its space.
    #[error(transparent)]
    Join(#[from] JoinError),
}

/// Why an invite did not lead into its space.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// There is no connection to the relay that it names.
    #[error("the relay {}: {error}", relay.host_port())]
    Dial {
        /// The relay.
        relay: RelayPlace,
        /// Why.
        error: DialError,
    },
    /// As many devices as it allows have joined by it.
    #[error("this invite has been used up")]
    Spent,
    /// The relay has no such package.
    #[error("the relay does not know this invite")]
    Unknown,
    /// The package does not open, or does not hold.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// It seems to have ended, but the relay has just handed it out.
    #[error("the invite seems to have ended, and the clocks are {} s apart", .0.seconds)]
    Clock(ClockApart),
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        Self::Space(error.into())
    }
}

impl Error {
    /// Whether it is the relay that is not there, not itself, or cannot do it now.
    #[must_use]
    pub const fn is_relays(&self) -> bool {
        match self {
            Self::Dial { error, .. } | Self::Join(JoinError::Dial { error, .. }) => {
                error.is_relays()
            }
            Self::Call { error, .. } => error.is_relays(),
            Self::EndlessNews { .. } => true,
            _ => false,
        }
    }

    /// Whether it is this device's disk: it fails, or what is on it is damaged or missing.
    #[must_use]
    pub const fn is_disk(&self) -> bool {
        match self {
            Self::Space(error) => error.is_disk(),
            Self::ReceiveKey(_) => true,
            _ => false,
        }
    }

    /// Whether it may pass by itself, so that what was begun goes on when it has.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Space(error) => error.is_disk_for_now(),
            Self::Dial { error, .. } | Self::Join(JoinError::Dial { error, .. }) => {
                error.may_pass()
            }
            Self::Call { error, .. } => error.may_pass(),
            Self::EndlessNews { .. } => true,
            _ => false,
        }
    }
}
