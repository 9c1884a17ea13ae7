//! Walks on a thread of its own, and what they tell the engine.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sealift_platform::disk::{Disk, Stat};
use sealift_proto::catalogue::Root;
use tokio::sync::mpsc;

use super::Shared;
use crate::folder::Folder;
use crate::index::Name;
use crate::rules::{Memory, Rules};
use crate::scan::{Found, Skipped, Visitor, one, walk};
use crate::watch::Watcher;
use sealift_content::hashes::print::Print;

/// Files and folders told at once.
const BATCH: usize = 512;

/// A file that a walk found.
pub(super) struct WalkedFile {
    pub(super) name: Name,
    pub(super) print: Print,
    pub(super) mode: u32,
    /// Its content, if it was read before in this state.
    pub(super) known: Option<Root>,
    /// Whether it is known to be complete.
    pub(super) closed: bool,
}

/// A folder that a walk found.
pub(super) struct WalkedFolder {
    pub(super) name: Name,
    /// When names in it last changed, unix milliseconds.
    pub(super) modified: i64,
    /// Whether all that is in it has been told.
    pub(super) whole: bool,
}

/// Something that a walk found.
pub(super) enum Item {
    File(WalkedFile),
    Folder(WalkedFolder),
}

/// From a walk to the engine.
pub(super) enum Walked {
    /// Files and folders found.
    Found { folder: usize, walk: u64, items: Vec<Item> },
    /// Something is left out.
    Skipped { folder: usize, walk: u64, local: PathBuf, why: Skipped },
    /// All at and beneath `start` has been told, if `result` says so.
    Ended { folder: usize, walk: u64, start: PathBuf, result: io::Result<bool> },
    /// The walk is over.
    /// `changing`: rules changed so short a time ago that those before them held too.
    Free { folder: usize, whole: bool, changing: bool },
}

/// One walk through one folder, of the whole of it or of some paths.
pub(super) struct Walker {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) watcher: Option<Arc<Watcher>>,
    pub(super) folder: usize,
    pub(super) rules: Arc<Memory>,
    pub(super) walk: u64,
    /// Each with whether what is there is known to be complete. An empty path is the whole folder.
    pub(super) starts: Vec<(PathBuf, bool)>,
    pub(super) whole: bool,
    pub(super) out: mpsc::Sender<Walked>,
    pub(super) stop: Arc<AtomicBool>,
}

impl Walker {
    /// Walks. Blocks.
    pub(super) fn run(mut self) {
        let mut rules = Rules::new(self.rules.clone());
        for (start, closed) in std::mem::take(&mut self.starts) {
            let result = self.walk(&mut rules, &start, closed);
            self.send(Walked::Ended { folder: self.folder, walk: self.walk, start, result });
        }
        let (whole, changing) = (self.whole, rules.is_changing());
        self.send(Walked::Free { folder: self.folder, whole, changing });
    }

    fn walk(&self, rules: &mut Rules, start: &Path, closed: bool) -> io::Result<bool> {
        let folder = self.shared.folders.get(self.folder).ok_or(io::ErrorKind::NotFound)?;
        let root = folder.root().ok_or(io::ErrorKind::NotFound)?;
        let mut gather = Gather { walker: self, of: &folder, closed, items: Vec::new() };
        let bounds = folder.bounds(&*self.disk);
        let result = match folder.only() {
            Some(only) => one(&*root, &bounds, only, &mut gather),
            None => walk(&*root, &bounds, rules, start, &mut gather),
        };
        gather.hand_over();
        result
    }

    fn send(&self, walked: Walked) {
        // Nobody listens only while everything ends.
        let _ = self.out.blocking_send(walked);
    }
}

struct Gather<'a> {
    walker: &'a Walker,
    of: &'a Folder,
    closed: bool,
    items: Vec<Item>,
}

impl Gather<'_> {
    fn hand_over(&mut self) {
        if !self.items.is_empty() {
            let items = std::mem::take(&mut self.items);
            let Walker { folder, walk, .. } = *self.walker;
            self.walker.send(Walked::Found { folder, walk, items });
        }
    }

    fn take(&mut self, item: Item) {
        self.items.push(item);
        if self.items.len() >= BATCH {
            self.hand_over();
        }
    }

    fn take_folder(&mut self, local: &Path, stat: &Stat, whole: bool) {
        if let Some(name) = self.of.name_of(local) {
            let modified = Print::of(stat).modified_ms();
            self.take(Item::Folder(WalkedFolder { name, modified, whole }));
        }
    }
}

impl Visitor for Gather<'_> {
    fn entering(&mut self, local: &Path) {
        if let Some(watcher) = &self.walker.watcher {
            watcher.enter(&self.of.dir.join(local));
        }
    }

    fn found(&mut self, found: Found) {
        let name: Name = found.path.as_str().into();
        let print = Print::of(&found.stat);
        let known = self.walker.shared.cache.find(&print, &name);
        let mode = found.stat.mode;
        self.take(Item::File(WalkedFile { name, print, mode, known, closed: self.closed }));
    }

    fn leaving(&mut self, local: &Path, stat: &Stat) {
        self.take_folder(local, stat, true);
    }

    fn passing(&mut self, local: &Path, stat: &Stat) {
        self.take_folder(local, stat, false);
    }

    fn closed(&mut self, local: &Path) {
        // All that was told of it before its marker came goes.
        let Walker { folder, walk, .. } = *self.walker;
        self.walker.send(Walked::Ended { folder, walk, start: local.to_owned(), result: Ok(true) });
    }

    fn skipped(&mut self, local: &Path, why: Skipped) {
        let Walker { folder, walk, .. } = *self.walker;
        self.walker.send(Walked::Skipped { folder, walk, local: local.to_owned(), why });
    }

    fn cancelled(&self) -> bool {
        self.walker.stop.load(Ordering::Relaxed)
    }
}
