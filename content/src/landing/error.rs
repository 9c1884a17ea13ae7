//! Why a file cannot land.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sealift_proto::manifest::ManifestError;

/// Why a file cannot land. Paths are raw: they are escaped where they are shown.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LandingError {
    /// What the disk says of this place.
    #[error("{}: {error}", place.display())]
    Disk {
        /// Where.
        place: PathBuf,
        /// What it says.
        error: Arc<io::Error>,
    },
    /// There is too little space in this folder.
    #[error("{} has too little space: {needed} bytes are needed, {free} are free", place.display())]
    NoRoom {
        /// The folder.
        place: PathBuf,
        /// Bytes that are needed.
        needed: u64,
        /// Bytes that are free.
        free: u64,
    },
    /// A folder is needed where something else is.
    #[error("{} is in the way", place.display())]
    InTheWay {
        /// Where.
        place: PathBuf,
    },
    /// No file has such a size.
    #[error(transparent)]
    Size(#[from] ManifestError),
    /// What the standard output says.
    #[error("standard output: {0}")]
    Stdout(Arc<io::Error>),
    /// The reader of the standard output has gone.
    #[error("standard output was closed before the end of the file")]
    StdoutClosed,
    /// What has been written of the file to standard output cannot be taken back.
    #[error("the file changed while it was written out")]
    StdoutChanged,
    /// It was finished before it had come: not if it is used as it is meant to be.
    #[error("a file that has not come")]
    NotCome,
    /// A chunk of a file that was never begun.
    #[error("a chunk of a file that was never begun")]
    NotBegun,
    /// It has no place in the list of targets.
    #[error("a file without a target")]
    NoTarget,
}

impl LandingError {
    /// The disk says `error` of `place`.
    #[must_use]
    pub fn disk(place: impl Into<PathBuf>, error: io::Error) -> Self {
        Self::Disk { place: place.into(), error: Arc::new(error) }
    }
}
