//! Why a leecher does not do what it was asked, as data.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sealift_content::fetch::error::{Obstacle, Unreachable};
use sealift_proto::shown::escape_path;
use sealift_space::profile::file::FileError;

use crate::replica::ReplicaError;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The profile, or what lies on the way to the space.
    #[error(transparent)]
    Transport(Box<sealift_transport::Error>),
    /// There is no connection to the relay, only the local network.
    #[error("the relay cannot be reached")]
    NoRelay,
    /// The folder of local copies of catalogues.
    #[error("cannot use {}: {error}", escape_path(place))]
    Copies {
        /// The folder.
        place: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A local copy of a catalogue cannot be written.
    #[error("cannot use the local copy of the catalogues: {0}")]
    Unwritten(ReplicaError),
    /// A local copy of a catalogue cannot be read; where it was damaged it is forgotten, so that trying again helps.
    #[error("the local copy of the catalogues cannot be read: {0}")]
    Unreadable(ReplicaError),
    /// A task of the catalogue ended early.
    #[error("a task of the catalogue ended early: {0}")]
    Ended(tokio::task::JoinError),
}

impl Error {
    /// Whether it is the relay that is not there, not itself, or cannot do it now.
    #[must_use]
    pub fn is_relays(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_relays(),
            Self::NoRelay => true,
            _ => false,
        }
    }

    /// Whether it is this device's disk.
    #[must_use]
    pub fn is_disk(&self) -> bool {
        match self {
            Self::Transport(error) => error.is_disk(),
            Self::NoRelay | Self::Ended(_) => false,
            Self::Copies { .. } | Self::Unwritten(_) | Self::Unreadable(_) => true,
        }
    }

    /// Whether it may pass by itself, so that what was begun goes on when it has.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Transport(error) => error.may_pass(),
            Self::NoRelay | Self::Copies { .. } | Self::Unwritten(ReplicaError::Disk(_)) => true,
            Self::Unwritten(ReplicaError::Corrupt(_)) | Self::Unreadable(_) | Self::Ended(_) => {
                false
            }
        }
    }
}

impl From<sealift_transport::Error> for Error {
    fn from(error: sealift_transport::Error) -> Self {
        Self::Transport(Box::new(error))
    }
}

impl From<sealift_space::Error> for Error {
    fn from(error: sealift_space::Error) -> Self {
        sealift_transport::Error::from(error).into()
    }
}

impl From<FileError> for Error {
    fn from(error: FileError) -> Self {
        sealift_transport::Error::from(error).into()
    }
}

/// A space that cannot be reached, as a download takes it.
impl From<Error> for Unreachable {
    fn from(error: Error) -> Self {
        let obstacle = match error {
            _ if error.is_relays() => Obstacle::Relay,
            _ if error.is_disk() => Obstacle::Disk,
            _ => Obstacle::Other,
        };
        Self { obstacle, passing: error.may_pass(), cause: Arc::new(error) }
    }
}
