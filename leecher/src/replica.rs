//! The local copy of the catalogues: what `search`, `list` and `download` look at.
//!
//! Each log of each seeder has a folder `replica/SPACE/DEVICE-LOG/` in the cache. Its file `state` says how far the copy is
//! and lists index files, which are immutable; both are replaced by rename only. Any number of processes read without a
//! lock, and one at a time writes. Nothing here is precious: what is damaged is noticed and built anew by the next sync.

mod block;
mod cursor;
mod empty;
mod index;
mod refused;
mod state;
mod update;
mod view;

pub(crate) use block::{Lines, Text};
pub use empty::Empties;
pub(crate) use index::Index;
pub use refused::{Flaw, Refused};
pub use state::{LogKey, LogState};
pub use update::{Update, forget};
pub use view::{Listed, LogView, logs};

use sealift_proto::catalogue::Root;

/// Where in its log an entry was stated: how a file is named that has no root yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Position of the segment.
    pub position: u64,
    /// Place of the change within the segment.
    pub index: u32,
}

/// Whether an entry is a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It is.
    File,
    /// It is a folder, which has neither size nor content.
    Folder {
        /// How many names right in it could not be shared.
        unshared: u32,
        /// How many are left out on purpose.
        left_out: u32,
    },
}

/// An entry of the replica; its path is the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// What it is.
    pub kind: Kind,
    /// Length in bytes.
    pub size: u64,
    /// Last change of the content, unix milliseconds.
    pub modified: i64,
    /// Flags of the entry.
    pub flags: u8,
    /// The content; `None` until the seeder has read it.
    pub root: Option<Root>,
    /// Where it was stated.
    pub place: Place,
}

impl Stored {
    /// Whether it is a file.
    #[must_use]
    pub const fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File)
    }

    /// How many names right in it could not be shared; of a file none.
    #[must_use]
    pub fn unshared(&self) -> u64 {
        match self.kind {
            Kind::File => 0,
            Kind::Folder { unshared, .. } => u64::from(unshared),
        }
    }

    /// How many names right in it are left out on purpose; of a file none.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        match self.kind {
            Kind::File => 0,
            Kind::Folder { left_out, .. } => u64::from(left_out),
        }
    }
}

/// A file of the replica that is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("damaged {0}")]
pub struct Corrupt(pub(crate) &'static str);

/// Why the replica cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ReplicaError {
    /// What the system says.
    #[error(transparent)]
    Disk(#[from] std::io::Error),
    /// A file is damaged; the next sync builds it anew.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
}

#[cfg(test)]
mod tests;
