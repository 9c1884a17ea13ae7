//! What the replica of one log consists of and how far it has come: the file `state`, replaced by rename.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sealift_platform::disk::Root;
use sealift_platform::private;
use sealift_proto::codec;
use sealift_proto::identity::DeviceId;
use sealift_proto::log;
use sealift_proto::space::SpaceId;
use serde::{Deserialize, Serialize};

use super::index::{Summary, read_exact_at};
use super::{Corrupt, ReplicaError};

/// Version of the replica's files; another one is built anew.
const VERSION: u8 = 4;
/// Longest state file accepted, bytes.
const STATE_MAX: u64 = 64 * 1024;

/// Which log of whom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct LogKey {
    /// The space.
    pub space: SpaceId,
    /// The seeder.
    pub device: DeviceId,
    /// Number of the log, 2 and up.
    pub log: u16,
}

impl LogKey {
    /// Folder of the log within the cache.
    pub(super) fn folder(&self) -> PathBuf {
        let device = sealift_proto::text::base32(self.device.as_bytes());
        space_folder(&self.space).join(format!("{device}-{}", self.log))
    }
}

/// Folder of all logs of `space` within the cache.
pub(super) fn space_folder(space: &SpaceId) -> PathBuf {
    Path::new("replica").join(space.short())
}

/// One index file of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Level {
    pub(super) number: u64,
    pub(super) summary: Summary,
}

impl Level {
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        level_path(folder, self.number)
    }
}

pub(super) fn level_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number}.index"))
}

/// How far the replica of a log is. Segments `base..position` are in its index files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogState {
    version: u8,
    pub(super) key: LogKey,
    /// Which generation of the log.
    #[serde(with = "codec::array")]
    pub log_id: [u8; 16],
    /// Position of its first segment.
    pub base: u64,
    /// One past the last segment that is part of the replica.
    pub position: u64,
    /// Chain value at `position`.
    #[serde(with = "codec::array")]
    pub chain: [u8; 32],
    /// What all changes from `base` on weigh.
    pub weight: u64,
    /// The signed head that verified all of it; empty while a first sync is under way.
    pub head: Vec<u8>,
    pub(super) next_level: u64,
    /// Oldest first.
    pub(super) levels: Vec<Level>,
}

impl LogState {
    pub(super) fn new(key: LogKey, log_id: [u8; 16], base: u64) -> Self {
        Self {
            version: VERSION,
            key,
            log_id,
            base,
            position: base,
            chain: log::chain_start(&log_id, base),
            weight: 0,
            head: Vec::new(),
            next_level: 0,
            levels: Vec::new(),
        }
    }

    /// Reads the state at `path`; `None` if there is none.
    pub(super) fn load(
        root: &dyn Root,
        path: &Path,
        key: &LogKey,
    ) -> Result<Option<Self>, ReplicaError> {
        let Some(bytes) = read_checked(root, path)? else { return Ok(None) };
        let state: Self = codec::decode(&bytes).map_err(|_| Corrupt("state"))?;
        if state.version != VERSION || state.key != *key {
            return Err(Corrupt("state").into());
        }
        Ok(Some(state))
    }

    pub(super) fn save(&self, root: &dyn Root, path: &Path) -> std::io::Result<()> {
        write_checked(root, path, &codec::encode(self))
    }
}

/// Content of the small file at `path`, less its first bytes and the check at its end; `None` if it is missing.
///
/// # Errors
/// [`ReplicaError::Corrupt`] when the check does not hold.
pub(super) fn read_checked(root: &dyn Root, path: &Path) -> Result<Option<Vec<u8>>, ReplicaError> {
    let file = match root.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        // A folder or link in the state's place is no state.
        Err(error) if error.kind() == ErrorKind::InvalidInput => {
            return Err(Corrupt("state").into());
        }
        Err(error) => return Err(error.into()),
    };
    let len = file.stat()?.len;
    if !(32..=STATE_MAX).contains(&len) {
        return Err(Corrupt("state").into());
    }
    let mut bytes = vec![0; usize::try_from(len).map_err(|_| Corrupt("state"))?];
    read_exact_at(&*file, &mut bytes, 0)?;
    let check = bytes.split_off(bytes.len() - 32);
    if !private::is_kept(&bytes) {
        return Err(Corrupt("state").into());
    }
    if blake3::hash(&bytes).as_bytes()[..] == check {
        Ok(Some(bytes.split_off(private::FIRST_LEN)))
    } else {
        Err(Corrupt("state").into())
    }
}

/// Replaces the small file at `path` by `bytes` and a check: whoever reads sees all of the old or all of the new.
///
/// # Errors
/// What the system says.
pub(super) fn write_checked(root: &dyn Root, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("new");
    match root.remove(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = root.create(&draft, true)?;
    let bytes = [private::FIRST.as_bytes(), bytes].concat();
    file.write_all_at(&[&bytes[..], blake3::hash(&bytes).as_bytes()].concat(), 0)?;
    file.sync()?;
    root.rename(&draft, path)?;
    root.sync_folder(path.parent().unwrap_or(Path::new("")))
}

/// Makes the folders of the path `folder` that are not there.
pub(super) fn create_folders(root: &dyn Root, folder: &Path) -> std::io::Result<()> {
    let mut path = PathBuf::new();
    for name in folder {
        path.push(name);
        match root.create_folder(&path, true) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
