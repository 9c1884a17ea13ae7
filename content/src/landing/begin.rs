//! What is there of a file before anything of it is asked for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sealift_platform::Platform;
use sealift_platform::disk::{Buffer, Kind, Root as Folder};
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::{CHUNK, Layout};

use super::claim::Wanted;
use super::folders::Trouble;
use super::part::Part;
use super::stage::top_of;
use super::{Landing, LandingError, State, Target};
use crate::hashes::file::SMALL;
use crate::landing::sink::Begun;
use crate::naming::numbered;

/// Most names tried for a file whose own is taken: `a (1)`, `a (2)`, …
pub(super) const NAMES: u32 = 10_000;

impl Landing {
    /// How many of the `size` bytes of the file of `job` are not there yet, as far as can be told without reading them.
    #[must_use]
    pub fn missing_bytes(&self, job: usize, root: Option<Root>, size: u64) -> u64 {
        let (Some(target), Some(root)) = (self.targets.get(job), root) else { return size };
        let Ok(layout) = Layout::new(size) else { return size };
        if self.folders.is_bare(target.parent()) {
            return size;
        }
        let stat = self.folder.stat(&target.path);
        if stat.is_ok_and(|stat| stat.kind == Kind::File && stat.len == size) {
            return 0;
        }
        size.saturating_sub(self.wanted(target, root, layout).recorded())
    }

    /// Whether the content of `job` is there already: then nobody has to be asked for it.
    ///
    /// # Errors
    /// What the disk says.
    pub fn find_there(&self, job: usize, root: Root, size: u64) -> Result<bool, LandingError> {
        let target = self.target(job)?;
        let there = self.same_content(target, root, size);
        let there = there.map_err(|error| self.disk(&target.path, error))?;
        let found = there.is_some();
        if let Some(path) = there {
            self.jobs().insert(job, State::There(path));
        }
        Ok(found)
    }

    pub(super) fn begin_job(
        &self,
        job: usize,
        root: Root,
        size: u64,
    ) -> Result<Begun, LandingError> {
        let target = self.target(job)?;
        let layout = Layout::new(size)?;
        let state = match self.jobs().remove(&job) {
            Some(State::Part(part)) if part.is_of(root, layout) => Some(State::Part(part)),
            Some(state @ (State::There(_) | State::Landed(_))) => Some(state),
            // What was begun before is let go of before it is claimed anew.
            _ => None,
        };
        let state = match state {
            Some(state) => state,
            None => self.begin_at(target, root, layout)?,
        };
        let begun = match &state {
            State::Part(part) => part.begun(),
            State::There(_) | State::Landed(_) => Begun::default(),
            State::Awaited | State::Small(_) => Begun::nothing(1),
        };
        let starts = self.starts.begin(job, &target.path, root, layout);
        let begun = if begun.missing.is_empty() { begun } else { Begun { starts, ..begun } };
        self.jobs().insert(job, state);
        Ok(begun)
    }

    fn begin_at(&self, target: &Target, root: Root, layout: Layout) -> Result<State, LandingError> {
        let fail = |error| self.disk(&target.path, error);
        let there = self.same_content(target, root, layout.size());
        if let Some(path) = there.map_err(fail)? {
            return Ok(State::There(path));
        }
        if layout.chunks() == 1 {
            let ready = self.smalls.prepare(&*self.random, &self.targets);
            ready.map_err(fail)?;
            self.make_room(target)?;
            return Ok(State::Awaited);
        }
        let wanted = self.wanted(target, root, layout);
        // Before memory and a file are given to a size that a stranger claims.
        let promised = self.promised.load(Ordering::Relaxed);
        let needed = layout.size().saturating_sub(wanted.recorded());
        self.check_room(promised.saturating_add(needed))?;
        self.make_folder(target.parent())?;
        let part = Part::claim(&self.folder, &wanted, &self.promised);
        Ok(State::Part(Arc::new(part.map_err(fail)?)))
    }

    fn wanted<'a>(&'a self, target: &'a Target, root: Root, layout: Layout) -> Wanted<'a> {
        Wanted { folder: &*self.folder, target: &target.path, root, layout }
    }

    /// The name under which this very content is there already: the wanted one or one given to a further copy.
    fn same_content(&self, target: &Target, root: Root, size: u64) -> io::Result<Option<PathBuf>> {
        if self.folders.is_bare(target.parent()) {
            return Ok(None);
        }
        for number in 0..NAMES {
            let path = numbered(&target.path, number);
            let stat = match self.folder.stat(&path) {
                Err(error) if is_absence(&error) => return Ok(None),
                other => other?,
            };
            if stat.kind == Kind::File
                && stat.len == size
                && hash_file(&*self.folder, &path)? == Some(root)
            {
                self.folders.settle(target.parent())?;
                self.tidy(target, root, size);
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// What stays of it is hidden, and in nobody's way.
    fn tidy(&self, target: &Target, root: Root, size: u64) {
        self.starts.tidy(&target.path);
        if let Some(layout) = Layout::new(size).ok().filter(|layout| layout.chunks() > 1) {
            let _ = self.wanted(target, root, layout).tidy();
        }
    }

    /// Makes the folder in which the small file for `target` grows.
    fn make_room(&self, target: &Target) -> Result<(), LandingError> {
        match top_of(&target.path).filter(|top| self.folders.is_bare(top)) {
            Some(_) => self.smalls.stage(&target.path).map_err(|trouble| self.trouble(trouble)),
            None => self.make_folder(target.parent()),
        }
    }

    pub(super) fn make_folder(&self, path: &Path) -> Result<(), LandingError> {
        self.folders.make(path).map_err(|trouble| self.trouble(trouble))
    }

    fn trouble(&self, trouble: Trouble) -> LandingError {
        trouble.at(&self.place)
    }
}

/// Removes what is left in `out` of the file that was to be at `path` with the content `root`, once it is another.
///
/// # Errors
/// What the disk says.
pub fn forget_older(
    platform: &Platform,
    out: &Path,
    path: &Path,
    root: Root,
    size: u64,
) -> io::Result<()> {
    let folder = platform.disk.open_or_create(out, false)?;
    let layout = Layout::new(size).map_err(io::Error::other)?;
    Wanted { folder: &*folder, target: path, root, layout }.tidy()
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// BLAKE3 of the regular file at `path`; `None` if it cannot be opened as one.
pub(super) fn hash_file(folder: &dyn Folder, path: &Path) -> io::Result<Option<Root>> {
    let Ok(mut file) = folder.open(path) else { return Ok(None) };
    if file.stat()?.len > SMALL {
        file.spare_cache();
    }
    let mut hasher = blake3::Hasher::new();
    let mut buffer = Buffer::new(usize::try_from(CHUNK).unwrap_or(0));
    let mut offset = 0;
    loop {
        let read = file.read_at(&mut buffer, offset)?;
        if read == 0 {
            return Ok(Some(Root(hasher.finalize().into())));
        }
        hasher.update(&buffer[..read]);
        offset += u64::try_from(read).unwrap_or(0);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use sealift_platform::disk::{Disk, SystemDisk};

    #[test]
    fn a_file_that_is_there_is_compared_past_the_cache() {
        let out = tempfile::tempdir().unwrap();
        let content = vec![9; 5 << 20];
        std::fs::write(out.path().join("f"), &content).unwrap();
        let folder = SystemDisk.open(out.path()).unwrap();
        let file = folder.open_write(Path::new("f")).unwrap();
        let all = 0..content.len() as u64;
        file.sync().unwrap();
        file.forget_cached(all.clone());
        // Looking takes what it looks at into the cache: not where it is looked later.
        if file.is_cached(3 * 4096..all.end) {
            return println!("skipped: everything stays in memory here");
        }
        let root = hash_file(&*folder, Path::new("f")).unwrap();
        assert_eq!(root, Some(Root(*blake3::hash(&content).as_bytes())));
        assert!(!file.is_cached(7 * 4096..all.end));
        assert!(!file.is_cached(all), "nor does it take its own looks for the file");
    }
}
