//! Catalogues that were found not to hold, so that they are not fetched again for each command: the file `refused` of a log.

use std::sync::Arc;

use sealift_platform::disk::Root;
use sealift_proto::codec;
use serde::{Deserialize, Serialize};

use super::state::{LogKey, create_folders, read_checked, write_checked};

/// What a catalogue is refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flaw {
    /// A segment does not open, or is for another place.
    Sealed,
    /// A segment holds no list of changes: it does not unfold, unfolds to too much, or has a path or size that no file can have.
    Content,
    /// Its changes weigh more than those of one device may.
    Weight,
}

/// What was refused: whatever goes on from this base has the same flaw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Pin of the relay that it came from.
    pub relay: [u8; 16],
    /// Generation of the log.
    #[serde(with = "codec::array")]
    pub log_id: [u8; 16],
    /// Position of its first segment.
    pub base: u64,
    /// Why.
    pub flaw: Flaw,
}

impl Refused {
    /// What was last refused of `key`; `None` where nothing was, or it cannot be told.
    #[must_use]
    pub fn load(root: &Arc<dyn Root>, key: &LogKey) -> Option<Self> {
        let bytes = read_checked(&**root, &key.folder().join("refused")).ok().flatten()?;
        codec::decode(&bytes).ok()
    }

    /// Remembers it.
    ///
    /// # Errors
    /// What the disk says.
    pub fn save(&self, root: &Arc<dyn Root>, key: &LogKey) -> std::io::Result<()> {
        create_folders(&**root, &key.folder())?;
        write_checked(&**root, &key.folder().join("refused"), &codec::encode(self))
    }
}
