//! Why a connection was ended before it showed who it is.

use std::io;

use sealift_proto::control::Refusal;

use crate::frames::FrameReadError;
use crate::partial::Aborted;
use crate::reason;

/// Why a connection was ended before it showed who it is.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// Neither TLS nor anything else of this protocol, or what does not lead here.
    #[error("not a connection for this {0}")]
    Foreign(&'static str),
    /// Nothing of it came in time.
    #[error("it took too long")]
    Slow,
    /// Others needed the place.
    #[error("too many at once")]
    Crowded,
    /// The program refused it, and said so.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// What only this program knows of.
    #[error("{why}")]
    Other {
        /// One word, for metrics.
        reason: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// Bytes that are no frames.
    #[error("bad frame: {0}")]
    Wire(#[from] FrameReadError),
}

impl Rejected {
    /// Its name, one word that operators search for; never changed once given.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Foreign(_) => "foreign",
            Self::Slow => "slow",
            Self::Crowded => "crowded",
            Self::Refused(why) => reason::of(*why),
            Self::Other { reason, .. } => reason,
            Self::Io(_) => "io",
            Self::Wire(FrameReadError::Aborted(Aborted::Crowded)) => "crowded",
            Self::Wire(FrameReadError::Aborted(Aborted::Late)) => "slow",
            Self::Wire(_) => "frame",
        }
    }
}
