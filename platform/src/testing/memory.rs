//! A disk in memory for tests: it can be without letter case, of limited size, and fail at a chosen operation.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::disk::{Disk, File, Kind, Listed, Lock, Root, Stat};

/// One stored thing.
#[derive(Clone)]
pub enum Node {
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A device or the like.
    Other,
    /// A regular file.
    File(Arc<Mutex<Content>>),
}

#[derive(Default, Clone)]
/// What is in a file, and what is known of it.
pub struct Content {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Time of last change, nanoseconds since 1970.
    pub modified_ns: i128,
    /// Its rights.
    pub mode: u32,
    /// How many names it has beyond the one it was made with.
    pub further_names: u64,
    inode: u64,
}

/// The disk; clones share it.
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Inner>);

#[derive(Default)]
struct Inner {
    nodes: Mutex<BTreeMap<PathBuf, Node>>,
    locks: Mutex<HashSet<PathBuf>>,
    locked_files: Mutex<HashSet<u64>>,
    ignores_case: bool,
    /// Takes portable names only.
    narrow: bool,
    /// Cannot rename without replacing.
    replaces: bool,
    capacity: Option<u64>,
    /// Altering operations done so far.
    operations: AtomicU64,
    /// From this operation on, all of them fail, as if the process had been stopped there.
    stop_at: Mutex<Option<u64>>,
    /// This operation fails, and no other.
    fail_at: Mutex<Option<u64>>,
    inodes: AtomicU64,
    /// Times that folders were given.
    times: Mutex<BTreeMap<PathBuf, i128>>,
}

impl MemoryDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that takes names for the same that differ in letter case only.
    pub fn without_case() -> Self {
        Self(Arc::new(Inner { ignores_case: true, ..Inner::default() }))
    }

    /// One that takes portable names only.
    pub fn of_portable_names() -> Self {
        Self(Arc::new(Inner { narrow: true, ..Inner::default() }))
    }

    /// One that cannot rename without replacing.
    pub fn that_replaces() -> Self {
        Self(Arc::new(Inner { replaces: true, ..Inner::default() }))
    }

    /// One that holds so many bytes.
    pub fn of_capacity(bytes: u64) -> Self {
        Self(Arc::new(Inner { capacity: Some(bytes), ..Inner::default() }))
    }

    /// The disk as an open folder.
    pub fn root(&self) -> Arc<dyn Root> {
        Arc::new(self.clone())
    }

    /// How many altering operations were done.
    pub fn operations(&self) -> u64 {
        self.0.operations.load(Ordering::SeqCst)
    }

    /// Lets `count` more altering operations pass; `None` lifts the limit.
    pub fn stop_after(&self, count: Option<u64>) {
        *self.0.stop_at.lock().unwrap() = count.map(|count| self.operations() + count);
    }

    /// Lets `count` more altering operations pass and the next one fail.
    pub fn fail_at(&self, count: u64) {
        *self.0.fail_at.lock().unwrap() = Some(self.operations() + count);
    }

    /// Whether a failure that was asked for has come.
    pub fn is_failing(&self) -> bool {
        let reached =
            |at: &Mutex<Option<u64>>| at.lock().unwrap().is_some_and(|at| at < self.operations());
        reached(&self.0.stop_at) || reached(&self.0.fail_at)
    }

    /// Gives the file a further name that is not seen here.
    pub fn link_further(&self, path: &str) {
        match self.0.nodes.lock().unwrap().get(&self.key(Path::new(path))) {
            Some(Node::File(content)) => content.lock().unwrap().further_names += 1,
            _ => panic!("no file {path}"),
        }
    }

    /// Puts `node` at `path`.
    pub fn put(&self, path: &str, node: Node) {
        self.0.nodes.lock().unwrap().insert(self.key(Path::new(path)), node);
    }

    /// Puts a file with these `bytes` at `path`.
    pub fn put_file(&self, path: &str, bytes: &[u8]) {
        let inode = self.0.inodes.fetch_add(1, Ordering::SeqCst) + 1;
        let content = Content { bytes: bytes.to_vec(), mode: 0o644, inode, ..Content::default() };
        self.put(path, Node::File(Arc::new(Mutex::new(content))));
    }

    /// The bytes of the file at `path`; `None` where there is none.
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        match self.0.nodes.lock().unwrap().get(&self.key(Path::new(path)))? {
            Node::File(content) => Some(content.lock().unwrap().bytes.clone()),
            _ => None,
        }
    }

    /// Alters the bytes of the file at `path`.
    pub fn alter(&self, path: &str, alter: impl FnOnce(&mut Vec<u8>)) {
        match self.0.nodes.lock().unwrap().get(&self.key(Path::new(path))) {
            Some(Node::File(content)) => alter(&mut content.lock().unwrap().bytes),
            _ => panic!("no file {path}"),
        }
    }

    /// All folders, each with the time it was given.
    pub fn folders(&self) -> Vec<(String, Option<i128>)> {
        let (nodes, times) = (self.0.nodes.lock().unwrap(), self.0.times.lock().unwrap());
        let folders = nodes.iter().filter(|(_, node)| matches!(node, Node::Folder));
        folders.map(|(at, _)| (at.to_str().unwrap().to_owned(), times.get(at).copied())).collect()
    }

    /// All files, without the hidden ones of a store.
    pub fn files(&self) -> Vec<String> {
        let nodes = self.0.nodes.lock().unwrap();
        let files = nodes.iter().filter(|(_, node)| matches!(node, Node::File(_)));
        files.map(|(path, _)| path.to_str().unwrap().to_owned()).collect()
    }

    fn key(&self, path: &Path) -> PathBuf {
        let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
        assert!(plain, "{} is not beneath the folder", path.display());
        if self.0.ignores_case {
            PathBuf::from(path.to_str().unwrap().to_uppercase())
        } else {
            path.to_owned()
        }
    }

    fn nodes(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Node>> {
        self.0.nodes.lock().unwrap()
    }

    /// Counts an altering operation.
    fn alters(&self) -> io::Result<()> {
        let number = self.0.operations.fetch_add(1, Ordering::SeqCst);
        if self.0.fail_at.lock().unwrap().is_some_and(|at| at == number) {
            return Err(io::Error::other("failed"));
        }
        match *self.0.stop_at.lock().unwrap() {
            Some(stop) if number >= stop => Err(io::Error::other("stopped")),
            _ => Ok(()),
        }
    }

    fn get(&self, path: &Path) -> io::Result<Node> {
        let key = self.key(path);
        let nodes = self.nodes();
        let above = key.ancestors().skip(1).filter(|path| !path.as_os_str().is_empty());
        for path in above {
            match nodes.get(path) {
                Some(Node::Folder) => {}
                Some(_) => return Err(ErrorKind::NotADirectory.into()),
                None => return Err(ErrorKind::NotFound.into()),
            }
        }
        if key.as_os_str().is_empty() {
            return Ok(Node::Folder);
        }
        nodes.get(&key).cloned().ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn insert_new(&self, path: &Path, node: Node) -> io::Result<()> {
        self.alters()?;
        match self.get(path) {
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Err(_) => {
                let above = path.parent().filter(|above| !above.as_os_str().is_empty());
                above.map(|above| self.get(above)).transpose()?;
                self.nodes().insert(self.key(path), node);
                Ok(())
            }
        }
    }

    fn open_file(&self, path: &Path) -> io::Result<Box<dyn File>> {
        match self.get(path)? {
            Node::File(content) => Ok(self.handle(content)),
            _ => Err(ErrorKind::InvalidInput.into()),
        }
    }

    fn handle(&self, content: Arc<Mutex<Content>>) -> Box<dyn File> {
        Box::new(Open { disk: self.clone(), content, locked: AtomicBool::new(false) })
    }

    fn used(&self) -> u64 {
        let nodes = self.nodes();
        let files = nodes.values().map(|node| match node {
            Node::File(content) => content.lock().unwrap().bytes.len() as u64,
            _ => 0,
        });
        files.sum()
    }
}

fn stat_of(kind: Kind, content: Option<&Content>) -> Stat {
    Stat {
        kind,
        len: content.map_or(0, |content| content.bytes.len() as u64),
        modified_ns: content.map_or(0, |content| content.modified_ns),
        changed_ns: 0,
        inode: content.map_or(0, |content| content.inode),
        device: 1,
        links: 1 + content.map_or(0, |content| content.further_names),
        owner: 1000,
        mode: content.map_or(0o755, |content| content.mode),
    }
}

impl Disk for MemoryDisk {
    fn open(&self, _: &Path) -> io::Result<Arc<dyn Root>> {
        Ok(self.root())
    }

    fn open_or_create(&self, _: &Path, _: bool) -> io::Result<Arc<dyn Root>> {
        Ok(self.root())
    }
}

impl Root for MemoryDisk {
    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        self.get(path)?;
        let key = self.key(path);
        let nodes = self.nodes();
        let within = nodes.iter().filter(|(at, _)| at.parent() == Some(&key));
        let listed = within.map(|(at, node)| Listed {
            name: at.file_name().unwrap().to_owned(),
            kind: match node {
                Node::Folder => Kind::Folder,
                Node::Link => Kind::Link,
                Node::Other => Kind::Other,
                Node::File(_) => Kind::File,
            },
        });
        Ok(listed.collect())
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        Ok(match self.get(path)? {
            Node::Folder => stat_of(Kind::Folder, None),
            Node::Link => stat_of(Kind::Link, None),
            Node::Other => stat_of(Kind::Other, None),
            Node::File(content) => stat_of(Kind::File, Some(&content.lock().unwrap())),
        })
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open_file(path)
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open_file(path)
    }

    fn create(&self, path: &Path, _: bool) -> io::Result<Box<dyn File>> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if self.0.narrow && name.ends_with(['.', ' ', '*']) {
            return Err(ErrorKind::InvalidInput.into());
        }
        let inode = self.0.inodes.fetch_add(1, Ordering::SeqCst) + 1;
        let content = Arc::new(Mutex::new(Content { inode, mode: 0o644, ..Content::default() }));
        self.insert_new(path, Node::File(Arc::clone(&content)))?;
        Ok(self.handle(content))
    }

    fn create_folder(&self, path: &Path, _: bool) -> io::Result<()> {
        self.insert_new(path, Node::Folder)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.alters()?;
        self.get(from)?;
        let (from, to) = (self.key(from), self.key(to));
        let mut nodes = self.nodes();
        let within: Vec<_> = nodes.keys().filter(|at| at.starts_with(&from)).cloned().collect();
        for at in within {
            let node = nodes.remove(&at).unwrap();
            let beneath = at.strip_prefix(&from).unwrap();
            let whole = beneath.as_os_str().is_empty();
            nodes.insert(if whole { to.clone() } else { to.join(beneath) }, node);
        }
        Ok(())
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.get(from)?;
        if self.0.replaces {
            return Err(ErrorKind::Unsupported.into());
        }
        if self.get(to).is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        self.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.alters()?;
        match self.get(path)? {
            Node::Folder => Err(ErrorKind::IsADirectory.into()),
            _ => {
                self.nodes().remove(&self.key(path));
                Ok(())
            }
        }
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.alters()?;
        if !self.list(path)?.is_empty() {
            return Err(ErrorKind::DirectoryNotEmpty.into());
        }
        self.nodes().remove(&self.key(path));
        Ok(())
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.alters()?;
        self.get(path).map(drop)
    }

    fn set_folder_modified(&self, path: &Path, nanoseconds: i128) -> io::Result<()> {
        self.alters()?;
        match self.get(path)? {
            Node::Folder => {
                self.0.times.lock().unwrap().insert(self.key(path), nanoseconds);
                Ok(())
            }
            _ => Err(ErrorKind::NotADirectory.into()),
        }
    }

    fn sync_all(&self) -> io::Result<()> {
        self.alters()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(self.0.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(self.used())))
    }

    fn watchable(&self) -> bool {
        true
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let key = self.key(path);
        if !self.0.locks.lock().unwrap().insert(key.clone()) {
            return Ok(None);
        }
        Ok(Some(Box::new(Held { disk: self.clone(), key })))
    }
}

struct Held {
    disk: MemoryDisk,
    key: PathBuf,
}

impl Lock for Held {
    fn describe(&self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.0.locks.lock().unwrap().remove(&self.key);
    }
}

struct Open {
    disk: MemoryDisk,
    content: Arc<Mutex<Content>>,
    locked: AtomicBool,
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.locked.load(Ordering::SeqCst) {
            let inode = self.content.lock().unwrap().inode;
            self.disk.0.locked_files.lock().unwrap().remove(&inode);
        }
    }
}

impl File for Open {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.content.lock().unwrap();
        let rest = content.bytes.get(offset as usize..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.disk.alters()?;
        let end = offset as usize + bytes.len();
        let grows = end.saturating_sub(self.content.lock().unwrap().bytes.len());
        if self.disk.free_bytes()? < grows as u64 {
            return Err(ErrorKind::StorageFull.into());
        }
        let mut content = self.content.lock().unwrap();
        if content.bytes.len() < end {
            content.bytes.resize(end, 0);
        }
        content.bytes[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.disk.alters()?;
        self.content.lock().unwrap().bytes.resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.alters()
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(Kind::File, Some(&self.content.lock().unwrap())))
    }

    fn set_modified(&self, nanoseconds: i128) -> io::Result<()> {
        self.content.lock().unwrap().modified_ns = nanoseconds;
        Ok(())
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.disk.alters()?;
        self.content.lock().unwrap().mode = mode;
        Ok(())
    }

    fn pass_cache(&mut self) -> bool {
        true
    }

    fn try_lock(&self) -> io::Result<bool> {
        let inode = self.content.lock().unwrap().inode;
        let free = self.disk.0.locked_files.lock().unwrap().insert(inode);
        if free {
            self.locked.store(true, Ordering::SeqCst);
        }
        Ok(free || self.locked.load(Ordering::SeqCst))
    }
}
