//! Reading the replica of a log.

use std::io::ErrorKind;
use std::sync::Arc;

use sealift_platform::disk::Root;
use sealift_proto::identity::DeviceId;
use sealift_proto::space::SpaceId;

use super::cursor::{Cursor, Merge, Source};
use super::index::Index;
use super::state::{LogKey, LogState, space_folder};
use super::update::open_levels;
use super::{Corrupt, ReplicaError, Stored};

/// How often a reader starts over when a writer replaced what it was about to open.
const ATTEMPTS: usize = 5;

/// A path and its entry.
pub type Listed = (String, Stored);

/// All logs of `space` that the replica knows, by device and number.
///
/// # Errors
/// What the disk says.
pub fn logs(root: &dyn Root, space: &SpaceId) -> std::io::Result<Vec<LogKey>> {
    let listed = match root.list(&space_folder(space)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let key = |name: &str| {
        let (device, log) = name.rsplit_once('-')?;
        let device = DeviceId::new(sealift_proto::text::from_base32(device)?).ok()?;
        Some(LogKey { space: *space, device, log: log.parse().ok()? })
    };
    let mut logs: Vec<_> =
        listed.iter().filter_map(|entry| entry.name.to_str().and_then(key)).collect();
    logs.sort_unstable();
    Ok(logs)
}

/// One verified state of a log, held open: later syncs do not change what it shows.
pub struct LogView {
    state: LogState,
    levels: Vec<Index>,
}

impl LogView {
    /// Opens the newest verified state of `key`; `None` if there is none yet.
    ///
    /// # Errors
    /// What the disk says, or that files are damaged.
    pub fn open(root: &Arc<dyn Root>, key: &LogKey) -> Result<Option<Self>, ReplicaError> {
        let folder = key.folder();
        let mut last = ReplicaError::Corrupt(Corrupt("index"));
        for _ in 0..ATTEMPTS {
            let Some(state) = LogState::load(&**root, &folder.join("state"), key)? else {
                return Ok(None);
            };
            if state.head.is_empty() {
                return Err(Corrupt("state").into());
            }
            match open_levels(&**root, &folder, &state.levels) {
                Ok(levels) => return Ok(Some(Self { state, levels })),
                Err(error) => last = error,
            }
        }
        Err(match last {
            ReplicaError::Disk(error) if error.kind() == ErrorKind::NotFound => {
                Corrupt("index").into()
            }
            other => other,
        })
    }

    /// How far it is.
    #[must_use]
    pub const fn state(&self) -> &LogState {
        &self.state
    }

    /// Which log of whom.
    #[must_use]
    pub const fn key(&self) -> &LogKey {
        &self.state.key
    }

    pub(crate) fn levels(&self) -> &[Index] {
        &self.levels
    }

    /// The file or folder stated at `path`.
    ///
    /// # Errors
    /// What the disk says, or that files are damaged.
    pub fn find(&self, path: &str) -> Result<Option<Stored>, ReplicaError> {
        let (mut text, mut detail) = (Vec::new(), Vec::new());
        for index in self.levels.iter().rev() {
            let block = index.block_for(path);
            if index.blocks().get(block).is_none_or(|block| block.first.as_str() > path) {
                continue;
            }
            let view = index.text(block, &mut text)?;
            if let Some(entry) = view.position(path) {
                index.detail(block, &mut detail)?;
                return Ok(view.stored(entry, &detail)?);
            }
        }
        Ok(None)
    }

    /// The files and folders stated from `from` on, in the order of their paths.
    ///
    /// # Errors
    /// What the disk says, or that files are damaged.
    pub fn entries<'v>(
        &'v self,
        from: &str,
    ) -> Result<impl Iterator<Item = Result<Listed, ReplicaError>> + use<'v>, ReplicaError> {
        let mut sources: Vec<Source<'_>> = Vec::new();
        for index in &self.levels {
            sources.push(Box::new(Cursor::new(index, from)?));
        }
        let merged = Merge::new(sources)?;
        Ok(merged.filter_map(|step| match step {
            Ok((path, entry)) => entry.map(|stored| Ok((path, stored))),
            Err(error) => Some(Err(error)),
        }))
    }

    /// What is stated beneath the folder `folder`, in the order of their paths.
    ///
    /// # Errors
    /// What the disk says, or that files are damaged.
    pub fn beneath<'v>(
        &'v self,
        folder: &str,
    ) -> Result<impl Iterator<Item = Result<Listed, ReplicaError>> + use<'v>, ReplicaError> {
        let prefix = format!("{folder}/");
        let entries = self.entries(&prefix)?;
        Ok(entries.take_while(move |step| match step {
            Ok((path, _)) => path.starts_with(&prefix),
            Err(_) => true,
        }))
    }
}
