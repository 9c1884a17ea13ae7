//! What is on a simulated disk: what programs see, and what a power cut would leave.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path};

use rustix::io::Errno;
use sealift_platform::disk::Kind;

use super::Loss;

/// Number of a node.
pub(super) type Inode = u64;
/// The folder everything lies beneath.
pub(super) const TOP: Inode = 1;

/// A power cut may keep or lose each page of a file by itself.
const PAGE: usize = 4096;

/// A file: `live` is what programs read, `safe` what was synced.
#[derive(Clone, Default)]
pub(super) struct FileNode {
    pub(super) live: Vec<u8>,
    safe: Vec<u8>,
    /// Pages that a failed sync was to keep: they count as clean now, and no later sync keeps them unless they are written anew.
    forgotten: BTreeSet<usize>,
    /// A sync of everything failed here: the next sync of this file tells it.
    untold: bool,
}

impl FileNode {
    /// A file whose content was synced.
    pub(super) fn synced(content: &[u8]) -> Self {
        Self { live: content.to_vec(), safe: content.to_vec(), ..Self::default() }
    }

    /// Writes `bytes` where there is room for them already.
    pub(super) fn write(&mut self, start: usize, bytes: &[u8]) {
        let end = start + bytes.len();
        self.live[start..end].copy_from_slice(bytes);
        self.forgotten.retain(|page| page * PAGE >= end || (page + 1) * PAGE <= start);
    }

    pub(super) fn sync(&mut self) {
        self.keep(|_| true);
    }

    /// Whether there is a failure to be told; it is told once.
    pub(super) fn take_untold(&mut self) -> bool {
        std::mem::take(&mut self.untold)
    }

    /// A sync that failed: as on a real system the pages count as clean afterwards.
    pub(super) fn fail_sync(&mut self) {
        let pages = self.live.chunks(PAGE).enumerate();
        let dirty = pages.filter(|(page, live)| {
            self.safe.get(page * PAGE..page * PAGE + live.len()) != Some(live)
        });
        self.forgotten.extend(dirty.map(|(page, _)| page));
    }

    /// Keeps the pages that `wanted` picks of those that can still be kept.
    fn keep(&mut self, mut wanted: impl FnMut(usize) -> bool) {
        self.safe.resize(self.live.len(), 0);
        let pages = self.safe.chunks_mut(PAGE).zip(self.live.chunks(PAGE)).enumerate();
        for (page, (safe, live)) in pages {
            if !self.forgotten.contains(&page) && wanted(page) {
                safe.copy_from_slice(live);
            }
        }
    }

    fn lose(&mut self, loss: &Loss) {
        if let Loss::Some(random) = loss {
            self.keep(|_| random.coin());
        }
        self.live.clone_from(&self.safe);
        self.forgotten.clear();
        self.untold = false;
    }
}

/// A folder: names that programs see, and names that were synced.
#[derive(Clone, Default)]
pub(super) struct FolderNode {
    pub(super) live: BTreeMap<OsString, Inode>,
    safe: BTreeMap<OsString, Inode>,
}

impl FolderNode {
    pub(super) fn sync(&mut self) {
        self.safe.clone_from(&self.live);
    }

    fn lose(&mut self, loss: &Loss) {
        // Within one folder the names change as one: renaming is atomic on every file system that is meant.
        if matches!(loss, Loss::Some(random) if random.coin()) {
            self.safe.clone_from(&self.live);
        }
        self.live.clone_from(&self.safe);
    }
}

#[derive(Clone)]
pub(super) enum Body {
    File(FileNode),
    Folder(FolderNode),
    Link,
    Pipe,
}

#[derive(Clone)]
pub(super) struct Node {
    pub(super) body: Body,
    pub(super) mode: u32,
    pub(super) modified_ns: i128,
    pub(super) changed_ns: i128,
}

impl Node {
    pub(super) const fn kind(&self) -> Kind {
        match self.body {
            Body::File(_) => Kind::File,
            Body::Folder(_) => Kind::Folder,
            Body::Link => Kind::Link,
            Body::Pipe => Kind::Other,
        }
    }
}

/// Everything on the disk, and what is planned to go wrong with it.
pub(super) struct State {
    pub(super) nodes: BTreeMap<Inode, Node>,
    pub(super) locks: BTreeSet<Inode>,
    next: Inode,
    tick: i128,
    pub(super) capacity: u64,
    /// Rises with each power cut; what was opened before is dead.
    pub(super) life: u64,
    /// Changing operations so far.
    pub(super) operations: u64,
    pub(super) plan: Option<(u64, super::Fault)>,
    pub(super) powerless: bool,
    /// A sync of one file failed: the next sync of everything tells it.
    pub(super) untold: bool,
}

impl State {
    pub(super) fn new(capacity: u64) -> Self {
        let mut state = Self {
            nodes: BTreeMap::new(),
            locks: BTreeSet::new(),
            next: TOP,
            tick: 0,
            capacity,
            life: 0,
            operations: 0,
            plan: None,
            powerless: false,
            untold: false,
        };
        state.add(Body::Folder(FolderNode::default()), 0o755, 0);
        state
    }

    /// Adds a node without a name; `now` in nanoseconds.
    pub(super) fn add(&mut self, body: Body, mode: u32, now: i128) -> Inode {
        let inode = self.next;
        self.next += 1;
        let time = self.stamp(now);
        self.nodes.insert(inode, Node { body, mode, modified_ns: time, changed_ns: time });
        inode
    }

    /// `now` made different from every stamp before, as a real clock's nanoseconds are.
    pub(super) const fn stamp(&mut self, now: i128) -> i128 {
        self.tick += 1;
        now + self.tick % 1_000_000
    }

    pub(super) fn touch(&mut self, inode: Inode, now: i128) {
        let time = self.stamp(now);
        if let Some(node) = self.nodes.get_mut(&inode) {
            node.modified_ns = time;
            node.changed_ns = time;
        }
    }

    pub(super) fn node(&self, inode: Inode) -> io::Result<&Node> {
        self.nodes.get(&inode).ok_or_else(|| Errno::NOENT.into())
    }

    pub(super) fn folder(&mut self, inode: Inode) -> io::Result<&mut FolderNode> {
        match self.nodes.get_mut(&inode).map(|node| &mut node.body) {
            Some(Body::Folder(folder)) => Ok(folder),
            Some(Body::Link) => Err(Errno::LOOP.into()),
            Some(_) => Err(Errno::NOTDIR.into()),
            None => Err(Errno::NOENT.into()),
        }
    }

    pub(super) fn file(&mut self, inode: Inode) -> io::Result<&mut FileNode> {
        match self.nodes.get_mut(&inode).map(|node| &mut node.body) {
            Some(Body::File(file)) => Ok(file),
            Some(Body::Link) => Err(Errno::LOOP.into()),
            Some(Body::Folder(_)) => Err(Errno::ISDIR.into()),
            Some(Body::Pipe) => Err(io::ErrorKind::InvalidInput.into()),
            None => Err(Errno::NOENT.into()),
        }
    }

    /// The node at `path` beneath `from`; links are not followed.
    pub(super) fn find(&mut self, from: Inode, path: &Path) -> io::Result<Inode> {
        let mut at = from;
        for name in names(path)? {
            at = *self.folder(at)?.live.get(name).ok_or(Errno::NOENT)?;
        }
        Ok(at)
    }

    /// The folder that holds `path`, and the last name.
    pub(super) fn place<'a>(
        &mut self,
        from: Inode,
        path: &'a Path,
    ) -> io::Result<(Inode, &'a OsStr)> {
        let all = names(path)?;
        let (name, folders) = all.split_last().ok_or(Errno::INVAL)?;
        let mut at = from;
        for folder in folders {
            at = *self.folder(at)?.live.get(*folder).ok_or(Errno::NOENT)?;
        }
        self.folder(at)?;
        Ok((at, name))
    }

    /// Every file and folder as if each had been synced.
    pub(super) fn sync_all(&mut self) {
        for node in self.nodes.values_mut() {
            match &mut node.body {
                Body::File(file) => file.sync(),
                Body::Folder(folder) => folder.sync(),
                Body::Link | Body::Pipe => {}
            }
        }
    }

    /// As [`State::sync_all`], when that failed.
    pub(super) fn fail_sync_all(&mut self) {
        for node in self.nodes.values_mut() {
            if let Body::File(file) = &mut node.body {
                file.fail_sync();
                file.untold = true;
            }
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.nodes.values().fold(0, |sum, node| match &node.body {
            Body::File(file) => sum + file.live.len() as u64,
            _ => sum,
        })
    }

    pub(super) fn names_of(&self, inode: Inode) -> u64 {
        let names = |node: &Node| match &node.body {
            Body::Folder(folder) => folder.live.values().filter(|other| **other == inode).count(),
            _ => 0,
        };
        self.nodes.values().map(|node| names(node) as u64).sum()
    }

    /// The power goes and comes back: what was not synced is forgotten, open files and locks are gone.
    pub(super) fn lose(&mut self, loss: &Loss) {
        for node in self.nodes.values_mut() {
            match &mut node.body {
                _ if matches!(loss, Loss::Nothing) => {}
                Body::File(file) => file.lose(loss),
                Body::Folder(folder) => folder.lose(loss),
                Body::Link | Body::Pipe => {}
            }
        }
        self.forget_unnamed();
        self.locks.clear();
        self.life += 1;
        self.plan = None;
        self.powerless = false;
        self.untold = false;
    }

    /// Drops nodes that no name leads to.
    pub(super) fn forget_unnamed(&mut self) {
        let mut named = BTreeSet::from([TOP]);
        let mut queue = vec![TOP];
        while let Some(inode) = queue.pop() {
            let Some(Node { body: Body::Folder(folder), .. }) = self.nodes.get_mut(&inode) else {
                continue;
            };
            let names = folder.live.values().chain(folder.safe.values());
            queue.extend(names.filter(|inode| named.insert(**inode)));
        }
        self.nodes.retain(|inode, _| named.contains(inode));
    }
}

/// The names in a relative or absolute path; `..` is refused.
fn names(path: &Path) -> io::Result<Vec<&OsStr>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) if name.len() > 255 => return Err(Errno::NAMETOOLONG.into()),
            Component::Normal(name) => names.push(name),
            Component::RootDir | Component::CurDir => {}
            Component::ParentDir | Component::Prefix(_) => return Err(Errno::INVAL.into()),
        }
    }
    Ok(names)
}
