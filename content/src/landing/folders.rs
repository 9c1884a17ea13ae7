//! The folders that files land in: made once, and their own names made durable once.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use sealift_platform::disk::{Kind, Root as Folder};

use super::LandingError;
use sealift_platform::sync::lock;

/// What is known of the folders beneath `--out`.
pub(super) struct Folders {
    folder: Arc<dyn Folder>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// They exist.
    ready: HashSet<PathBuf>,
    /// They did not exist when first looked for: nothing in them is older than this process.
    bare: HashSet<PathBuf>,
    /// They got folders whose names are not durable yet.
    unsynced: BTreeSet<PathBuf>,
    /// The names that were in them before are durable.
    settled: HashSet<PathBuf>,
}

/// Why a folder cannot be made.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Something else has its name.
    InTheWay(PathBuf),
    /// What the disk says.
    Disk(PathBuf, io::Error),
}

impl Trouble {
    /// The same of folders beneath `place`.
    pub(super) fn at(self, place: &Path) -> LandingError {
        match self {
            Self::InTheWay(path) => LandingError::InTheWay { place: place.join(path) },
            Self::Disk(path, error) => LandingError::disk(place.join(path), error),
        }
    }
}

impl Folders {
    pub(super) fn new(folder: Arc<dyn Folder>) -> Self {
        Self { folder, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// Whether `path` did not exist when first asked: no file in it can be there already.
    pub(super) fn is_bare(&self, path: &Path) -> bool {
        let mut known = self.known();
        if known.bare.contains(path) {
            return true;
        }
        if path.as_os_str().is_empty() || known.ready.contains(path) {
            return false;
        }
        match self.folder.stat(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                known.bare.insert(path.to_owned());
                true
            }
            Ok(stat) if stat.kind == Kind::Folder => {
                known.ready.insert(path.to_owned());
                false
            }
            _ => false,
        }
    }

    /// Makes `path` and the folders above it.
    pub(super) fn make(&self, path: &Path) -> Result<(), Trouble> {
        let mut known = self.known();
        if path.as_os_str().is_empty() || known.ready.contains(path) {
            return Ok(());
        }
        let mut at = PathBuf::new();
        for name in path {
            let above = at.clone();
            at.push(name);
            if known.ready.contains(&at) {
                continue;
            }
            match self.folder.create_folder(&at, false) {
                Ok(()) => {
                    known.unsynced.insert(above);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.check(&at)?,
                Err(error) => return Err(Trouble::Disk(at, error)),
            }
            known.ready.insert(at.clone());
        }
        Ok(())
    }

    fn check(&self, path: &Path) -> Result<(), Trouble> {
        match self.folder.stat(path) {
            Ok(stat) if stat.kind == Kind::Folder => Ok(()),
            Ok(_) => Err(Trouble::InTheWay(path.to_owned())),
            Err(error) => Err(Trouble::Disk(path.to_owned(), error)),
        }
    }

    /// Makes the names that were in `path` before this process durable, once: another process may have been stopped just
    /// before it did.
    pub(super) fn settle(&self, path: &Path) -> io::Result<()> {
        if self.known().settled.contains(path) {
            return Ok(());
        }
        self.folder.sync_folder(path)?;
        self.known().settled.insert(path.to_owned());
        Ok(())
    }

    /// Takes the list of the folders that got new folders and are to be flushed.
    pub(super) fn take_unsynced(&self) -> BTreeSet<PathBuf> {
        std::mem::take(&mut self.known().unsynced)
    }

    /// Gives back what could not be flushed.
    pub(super) fn still_unsynced(&self, paths: BTreeSet<PathBuf>) {
        self.known().unsynced.extend(paths);
    }
}
