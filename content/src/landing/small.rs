//! Files of one chunk: written whole, many of them, under names that only this process uses, and without a record.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sealift_platform::disk::{File, Root as Folder};
use sealift_platform::random::Random;
use sealift_platform::sync::lock;

use super::folders::Trouble;
use super::mark::Mark;
use super::part::{is_zeros, set_mode};
use super::stage::{Spot, Stage, Top, top_of};
use super::target::Target;

/// How many files are held open until they are flushed, at most.
const HELD: usize = 64;

/// The small files of this process.
pub(super) struct Smalls {
    folder: Arc<dyn Folder>,
    mark: Mutex<Option<Mark>>,
    stage: Stage,
    held: Arc<()>,
}

/// A written file without its final name; removed if it never gets one.
pub(super) struct Small {
    folder: Arc<dyn Folder>,
    path: PathBuf,
    named: AtomicBool,
    /// Still open, for its own flush. The counter tells how many are.
    held: Option<(Box<dyn File>, Arc<()>)>,
    /// The new folder that it grows in, if it does not lie beside its final name.
    top: Option<Top>,
    /// How many flushes of the file system had failed before it was written.
    pub(super) losses: u64,
}

impl Smalls {
    pub(super) fn new(folder: Arc<dyn Folder>) -> Self {
        let stage = Stage::new(folder.clone());
        Self { folder, mark: Mutex::default(), stage, held: Arc::default() }
    }

    fn mark(&self) -> MutexGuard<'_, Option<Mark>> {
        lock(&self.mark)
    }

    /// The folder in which new folders are built.
    fn hidden(&self) -> io::Result<PathBuf> {
        self.mark().as_ref().map(Mark::stage).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Takes no more files, and removes what says that this process uses such names.
    pub(super) fn end(&self) {
        *self.mark() = None;
    }

    /// Gets ready to write files into the folders of `targets`.
    pub(super) fn prepare(&self, random: &dyn Random, targets: &[Target]) -> io::Result<()> {
        let mut mark = self.mark();
        if mark.is_none() {
            let folders: BTreeSet<&Path> = targets.iter().map(Target::parent).collect();
            *mark = Some(Mark::make(&self.folder, random, &folders)?);
        }
        Ok(())
    }

    /// Has the folder of the file at `path` built out of sight, if that has not come to its end already.
    pub(super) fn stage(&self, path: &Path) -> Result<(), Trouble> {
        let hidden = self.hidden().map_err(|error| Trouble::Disk(path.to_owned(), error))?;
        self.stage.begin(&hidden, path)
    }

    /// Gives the folder `top`, all of whose `files` are durable, its name if that can be done at once, and otherwise builds
    /// it out of sight no longer.
    pub(super) fn place(&self, top: &Path, files: &[&Path], unsynced: bool) -> bool {
        self.hidden().is_ok_and(|hidden| self.stage.place(&hidden, top, files, unsynced))
    }

    /// Where the file for `target` grows, if its folder is being built out of sight.
    pub(super) fn spot(&self, target: &Target) -> Option<Spot<'_>> {
        self.stage.spot(&self.hidden().ok()?, &target.path)
    }

    /// Writes the file of `job`, at `spot` or beside its final name. `losses` is how many flushes of the file system have failed so far.
    pub(super) fn write(
        &self,
        job: usize,
        target: &Target,
        spot: Option<Spot<'_>>,
        executable: u32,
        chunk: &[u8],
        losses: u64,
    ) -> io::Result<Small> {
        let (path, top) = match &spot {
            Some(spot) => (spot.path.clone(), Some(spot.top.clone())),
            None => {
                let beside = self.mark().as_ref().map(|mark| mark.beside(&target.path, job));
                (beside.ok_or(io::ErrorKind::NotFound)?, None)
            }
        };
        // If it cannot be written it is removed.
        let mut small = Small {
            folder: self.folder.clone(),
            path,
            named: AtomicBool::new(false),
            held: None,
            top,
            losses,
        };
        let file = self.create(&small.path)?;
        fill(&*file, target, executable, chunk)?;
        if Arc::strong_count(&self.held) <= HELD {
            small.held = Some((file, self.held.clone()));
        }
        Ok(small)
    }

    /// A new file, also where an earlier try of the same job left one.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        match self.folder.create(path, false) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.folder.remove(path)?;
                self.folder.create(path, false)
            }
            other => other,
        }
    }
}

fn fill(file: &dyn File, target: &Target, executable: u32, chunk: &[u8]) -> io::Result<()> {
    if is_zeros(chunk) {
        file.set_len(u64::try_from(chunk.len()).unwrap_or(u64::MAX))?;
    } else if !chunk.is_empty() {
        file.write_all_at(chunk, 0)?;
    }
    file.set_modified(target.modified_ns())?;
    if target.executable && executable != 0 {
        set_mode(file, file.stat()?.mode | executable)?;
    }
    Ok(())
}

impl Small {
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The name beneath `--out` of the new folder that it grows in.
    pub(super) fn top<'a>(&self, target: &'a Target) -> Option<&'a Path> {
        self.top.as_ref().and(top_of(&target.path))
    }

    /// Makes the content survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        match &self.held {
            Some((file, _)) => file.sync(),
            None => self.folder.open_write(&self.path)?.sync(),
        }
    }

    /// It has its final name now.
    pub(super) fn set_named(&self) {
        self.named.store(true, Ordering::Relaxed);
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        if self.named.load(Ordering::Relaxed) {
            return;
        }
        // One that cannot be removed stays hidden, and in nobody's way.
        if self.folder.remove(&self.path).is_err()
            && let Some(top) = &self.top
        {
            top.set();
        }
    }
}
