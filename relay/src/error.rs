//! Why a relay does not run.

use std::io;
use std::path::PathBuf;

use sealift_server::identity::KeyError;

/// Why a relay does not run.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The home cannot be used.
    #[error("cannot use the folder {0}: {1}")]
    Home(PathBuf, io::Error),
    /// Another relay runs on the same home.
    #[error(
        "another relay ({1}) uses {0}; stop it, or give this one a home of its own with --home"
    )]
    InUse(PathBuf, String),
    /// Its key is missing or damaged.
    #[error("{0}: {1}")]
    Key(PathBuf, KeyError),
    /// Its store is damaged or cannot be read.
    #[error(
        "the store {0} cannot be used: {1}. Check its disk and whose file it is. If it is moved away, devices publish again when they \
         connect, and open invites are lost"
    )]
    Store(PathBuf, String),
    /// A task ended by itself.
    #[error("the relay failed within")]
    Failed,
}

impl RelayError {
    /// Whether the local disk is what is wrong.
    #[must_use]
    pub const fn is_disk(&self) -> bool {
        matches!(self, Self::Home(..) | Self::Key(..) | Self::Store(..))
    }
}
