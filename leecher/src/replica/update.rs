//! Taking new segments into the replica of a log.
//!
//! New entries are sorted and written as one more index file. Index files are merged when a newer one has come near the
//! size of its elder, so that their number stays small and each entry is rewritten only a few times. Until the signed head
//! has verified the chain, everything is listed by the file `staging` only, which nobody searches and from which an
//! interrupted first sync goes on.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift_platform::disk::{Lock, Root};
use sealift_proto::catalogue::Change;

use super::cursor::{Cursor, Merge, Source};
use super::index::{Index, Writer};
use super::state::{Level, LogKey, LogState, create_folders, level_path};
use super::{Kind, Place, ReplicaError, Stored};

/// What the changes held in memory weigh before they are written: some 30 MB, 128 Ki usual ones.
const PENDING_MAX: u64 = 16 * 1024 * 1024;
/// A level is merged into its elder when that has at most this many times its entries.
const MERGE_FACTOR: u64 = 4;

/// The one writer of a log's replica; others wait or go without.
pub struct Update {
    root: Arc<dyn Root>,
    folder: PathBuf,
    _lock: Box<dyn Lock>,
    state: LogState,
    verified: Option<LogState>,
    pending: BTreeMap<String, Option<Stored>>,
    pending_weight: u64,
    /// What `state` says is in `pending` or in its levels, and no commit or discard has begun.
    sound: bool,
}

impl Update {
    /// Takes the writer's place; `None` if another process has it.
    ///
    /// It goes on from the verified state or an interrupted sync, whichever of the two is of the log `log_id` from
    /// `base` and has come further without passing `position`; else, or with `anew`, it starts from `base`.
    ///
    /// # Errors
    /// What the disk says.
    pub fn begin(
        root: &Arc<dyn Root>,
        key: &LogKey,
        log_id: [u8; 16],
        base: u64,
        position: u64,
        anew: bool,
    ) -> Result<Option<Self>, ReplicaError> {
        let folder = key.folder();
        create_folders(&**root, &folder)?;
        let Some(lock) = root.try_lock(&folder.join("lock"))? else { return Ok(None) };
        let load = |name: &str| match LogState::load(&**root, &folder.join(name), key) {
            // What is damaged is built anew.
            Err(ReplicaError::Corrupt(_)) => Ok(None),
            other => other,
        };
        let verified = load("state")?.filter(|state| !state.head.is_empty());
        let fits = |state: &LogState| {
            !anew && state.log_id == log_id && state.base == base && state.position <= position
        };
        let mut candidates = [load("staging")?, verified.clone()]
            .into_iter()
            .flatten()
            .filter(fits)
            .collect::<Vec<_>>();
        candidates.sort_by_key(|state| state.position);
        let state = candidates
            .into_iter()
            .rev()
            .find(|state| open_levels(&**root, &folder, &state.levels).is_ok());
        let taken = verified.as_ref().map_or(0, |state| state.next_level);
        let mut state = state.unwrap_or_else(|| LogState::new(*key, log_id, base));
        state.next_level = state.next_level.max(taken);
        Ok(Some(Self {
            root: Arc::clone(root),
            folder,
            _lock: lock,
            state,
            verified,
            pending: BTreeMap::new(),
            pending_weight: 0,
            sound: true,
        }))
    }

    /// Position of the next segment it takes.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.state.position
    }

    /// Chain value at [`Update::position`].
    #[must_use]
    pub const fn chain(&self) -> &[u8; 32] {
        &self.state.chain
    }

    /// What all changes taken so far weigh, from the base on.
    #[must_use]
    pub const fn weight(&self) -> u64 {
        self.state.weight
    }

    /// Passes over the next segment, whose changes cannot be taken. What is staged is of no use from here on, but for the chain,
    /// which tells whether the seeder signed it.
    pub const fn pass(&mut self, chain: [u8; 32], weight: u64) {
        self.sound = false;
        self.state.weight = self.state.weight.saturating_add(weight);
        self.state.position += 1;
        self.state.chain = chain;
    }

    /// Takes the changes of the next segment, which weighs `weight`; `chain` is the chain value after it.
    ///
    /// # Errors
    /// What the disk says.
    pub fn apply(
        &mut self,
        chain: [u8; 32],
        weight: u64,
        changes: Vec<Change>,
    ) -> Result<(), ReplicaError> {
        self.state.weight = self.state.weight.saturating_add(weight);
        self.pending_weight += weight;
        for (index, change) in changes.into_iter().enumerate() {
            // A segment unfolds to 1 MiB at most.
            let place = Place {
                position: self.state.position,
                index: u32::try_from(index).unwrap_or(u32::MAX),
            };
            let stored = match &change {
                Change::Put(entry) => Some(Stored {
                    kind: Kind::File,
                    size: entry.size,
                    modified: entry.modified,
                    flags: entry.flags,
                    root: entry.root,
                    place,
                }),
                Change::Folder(folder) => Some(Stored {
                    kind: Kind::Folder { unshared: folder.unshared, left_out: folder.left_out },
                    size: 0,
                    modified: folder.modified,
                    flags: 0,
                    root: None,
                    place,
                }),
                Change::Remove(_) => None,
            };
            self.pending.insert(change.path().as_str().to_owned(), stored);
        }
        self.state.position += 1;
        self.state.chain = chain;
        if self.pending_weight >= PENDING_MAX { self.checkpoint() } else { Ok(()) }
    }

    /// Makes what has been taken so far something from which a later sync goes on.
    fn checkpoint(&mut self) -> Result<(), ReplicaError> {
        self.sound = false;
        self.flush()?;
        self.state.head = Vec::new();
        self.state.save(&*self.root, &self.folder.join("staging"))?;
        self.sound = true;
        Ok(())
    }

    /// Makes everything taken so far the replica, verified by the signed head `head`.
    ///
    /// # Errors
    /// What the disk says; the replica is then as before.
    pub fn commit(mut self, head: Vec<u8>) -> Result<(), ReplicaError> {
        self.sound = false;
        self.flush()?;
        self.state.head = head;
        self.state.save(&*self.root, &self.folder.join("state"))?;
        self.verified = Some(self.state.clone());
        self.sweep()
    }

    /// Forgets what has been taken since the last commit: it did not verify.
    ///
    /// # Errors
    /// What the disk says.
    pub fn discard(mut self) -> Result<(), ReplicaError> {
        self.sound = false;
        self.sweep()
    }

    /// Removes the staging state and every index file that the verified state does not list.
    fn sweep(&self) -> Result<(), ReplicaError> {
        let listed: Vec<_> = self
            .verified
            .iter()
            .flat_map(|state| &state.levels)
            .map(|level| level.path(&self.folder))
            .collect();
        for entry in self.root.list(&self.folder)? {
            let path = self.folder.join(&entry.name);
            let ours = path.extension().is_some_and(|extension| extension == "index");
            let staging = entry.name == "staging" || entry.name == "staging.new";
            if (ours && !listed.contains(&path)) || staging {
                self.root.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Writes what is pending as a new level, merged with the newest ones where they are not much larger.
    fn flush(&mut self) -> Result<(), ReplicaError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        self.pending_weight = 0;
        let keep = levels_to_keep(&self.state.levels, pending.len() as u64);
        let merged = open_levels(&*self.root, &self.folder, &self.state.levels[keep..])?;
        let mut sources: Vec<Source<'_>> = Vec::new();
        for index in &merged {
            sources.push(Box::new(Cursor::new(index, "")?));
        }
        sources.push(Box::new(pending.into_iter().map(Ok)));
        let level = self.write_level(Merge::new(sources)?, keep == 0)?;
        self.state.levels.truncate(keep);
        self.state.levels.extend(level);
        Ok(())
    }

    fn write_level(
        &mut self,
        steps: Merge<'_>,
        is_oldest: bool,
    ) -> Result<Option<Level>, ReplicaError> {
        let number = self.state.next_level;
        self.state.next_level += 1;
        let path = level_path(&self.folder, number);
        // Left over from a writer that was stopped before it listed the file.
        match self.root.remove(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let mut writer = Writer::new(self.root.create(&path, true)?);
        for step in steps {
            let (path, entry) = step?;
            // Nothing is below the oldest level that a removal could hide.
            if entry.is_some() || !is_oldest {
                writer.push(&path, entry.as_ref())?;
            }
        }
        let summary = writer.finish()?;
        self.root.sync_folder(&self.folder)?;
        Ok((summary.entries > 0).then_some(Level { number, summary }))
    }
}

impl Drop for Update {
    /// A sync that is broken off, because the person waits for no more of it, loses nothing that has come.
    fn drop(&mut self) {
        if self.sound && !self.pending.is_empty() {
            // Without the checkpoint the next sync fetches the same again.
            let _ = self.checkpoint();
        }
    }
}

/// Forgets the replica of a log because reading it met damage, so that the next sync builds it anew. Without effect while
/// another process writes: that one meets the damage too.
///
/// # Errors
/// What the disk says.
pub fn forget(root: &Arc<dyn Root>, key: &LogKey) -> std::io::Result<()> {
    let folder = key.folder();
    let Some(_lock) = root.try_lock(&folder.join("lock"))? else { return Ok(()) };
    for name in ["state", "staging"] {
        match root.remove(&folder.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// How many of `levels` stay as they are when `fresh` entries are added.
fn levels_to_keep(levels: &[Level], fresh: u64) -> usize {
    let mut total = fresh;
    let mut keep = levels.len();
    while keep > 0 && levels[keep - 1].summary.entries <= total.saturating_mul(MERGE_FACTOR) {
        total = total.saturating_add(levels[keep - 1].summary.entries);
        keep -= 1;
    }
    keep
}

pub(super) fn open_levels(
    root: &dyn Root,
    folder: &Path,
    levels: &[Level],
) -> Result<Vec<Index>, ReplicaError> {
    levels.iter().map(|level| Index::open(root, &level.path(folder), &level.summary)).collect()
}
