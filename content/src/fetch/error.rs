//! Why files do not come.

use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;

use sealift_proto::identity::DeviceId;
use sealift_proto::message::Missing;
use sealift_transport::session::SessionError;

use crate::landing::LandingError;

/// What stands between this device and its space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The relay cannot be reached.
    Relay,
    /// This device's own disk fails.
    Disk,
    /// Anything else.
    Other,
}

/// A space cannot be reached. Who reaches it knows the cause, and has words for it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the space cannot be reached: {cause}")]
pub struct Unreachable {
    /// What stands in the way.
    pub obstacle: Obstacle,
    /// It may pass by itself.
    pub passing: bool,
    /// Why.
    pub cause: Arc<dyn Error + Send + Sync>,
}

/// What was the matter last when a download was given up.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Trouble {
    /// The space could not be reached.
    #[error(transparent)]
    Space(Unreachable),
    /// A session with this device ended, or did not come about.
    #[error("a session failed: {1}")]
    Session(DeviceId, Arc<SessionError>),
}

/// Why a file was not fetched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// It cannot land here.
    #[error(transparent)]
    Landing(#[from] LandingError),
    /// This device cannot do what it takes, whoever is there.
    #[error(transparent)]
    Space(Unreachable),
    /// The relay cannot be reached, and the local network was not asked.
    #[error("there is no relay: {0}")]
    NoRelay(Unreachable),
    /// The relay cannot be reached, and nobody was heard of on the local network.
    #[error("there is no relay, and nobody near: {0}")]
    NobodyNear(Unreachable),
    /// None of those who have it is there.
    #[error("nobody who has it is there")]
    Away {
        /// Somebody was, before.
        started: bool,
        /// Who has it.
        holders: BTreeSet<DeviceId>,
    },
    /// Those who have it were lost, and not found again in time.
    #[error("those who have it were lost: {why}")]
    Lost {
        /// Somebody was there before.
        started: bool,
        /// What was the matter last.
        why: Trouble,
    },
    /// The last who had it sent something else.
    #[error("a wrong chunk came")]
    WrongChunk {
        /// Who did.
        by: DeviceId,
    },
    /// There is no session with the last who had it.
    #[error("no session: {why}")]
    NoSession {
        /// With whom.
        with: DeviceId,
        /// Why.
        why: Arc<SessionError>,
    },
    /// Those who stated it do not give it.
    #[error("{why}")]
    NotGiven {
        /// Who did.
        holders: BTreeSet<DeviceId>,
        /// Why, as one of them says.
        why: Missing,
    },
    /// Nobody has it.
    #[error("nobody has it")]
    Nobody,
    /// The download was ended before.
    #[error("the download ended early")]
    Ended,
}
