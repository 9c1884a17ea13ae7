//! Folders, files and locks of a simulated disk, as programs hold them.

use std::io;
use std::path::Path;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use sealift_platform::disk::{File, Kind, Listed, Lock, Root, Stat};

use super::SimDisk;
use super::state::{Body, FileNode, FolderNode, Inode, State};

/// A folder held open.
pub(super) struct SimRoot {
    disk: SimDisk,
    top: Inode,
    life: u64,
}

impl SimRoot {
    pub(super) const fn new(disk: SimDisk, top: Inode, life: u64) -> Self {
        Self { disk, top, life }
    }

    fn look(&self) -> io::Result<MutexGuard<'_, State>> {
        self.disk.alive(self.life)
    }

    fn change(&self) -> io::Result<MutexGuard<'_, State>> {
        self.disk.change(self.life)
    }

    fn handle(&self, inode: Inode, writable: bool) -> Box<dyn File> {
        let (disk, locked) = (self.disk.clone(), AtomicBool::new(false));
        Box::new(SimFile { disk, inode, life: self.life, writable, locked })
    }

    fn open_file(&self, path: &Path, writable: bool) -> io::Result<Box<dyn File>> {
        let mut state = self.look()?;
        let inode = state.find(self.top, path)?;
        if state.node(inode)?.kind() == Kind::Folder {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        state.file(inode)?;
        drop(state);
        Ok(self.handle(inode, writable))
    }

    /// Adds `body` under a name that must be free.
    fn make(&self, path: &Path, body: Body, mode: u32) -> io::Result<Inode> {
        let now = self.disk.now();
        let mut state = self.change()?;
        let (folder, name) = state.place(self.top, path)?;
        if state.folder(folder)?.live.contains_key(name) {
            return Err(Errno::EXIST.into());
        }
        let inode = state.add(body, mode, now);
        state.folder(folder)?.live.insert(name.to_owned(), inode);
        state.touch(folder, now);
        Ok(inode)
    }

    fn do_rename(&self, from: &Path, to: &Path, replace: bool) -> io::Result<()> {
        let now = self.disk.now();
        let mut state = self.change()?;
        let (from_folder, from_name) = state.place(self.top, from)?;
        let (to_folder, to_name) = state.place(self.top, to)?;
        let inode = *state.folder(from_folder)?.live.get(from_name).ok_or(Errno::NOENT)?;
        if let Some(there) = state.folder(to_folder)?.live.get(to_name).copied() {
            if !replace {
                return Err(Errno::EXIST.into());
            }
            if there == inode {
                return Ok(());
            }
            if state.node(there)?.kind() == Kind::Folder {
                return Err(Errno::ISDIR.into());
            }
        }
        state.folder(from_folder)?.live.remove(from_name);
        state.folder(to_folder)?.live.insert(to_name.to_owned(), inode);
        state.touch(from_folder, now);
        state.touch(to_folder, now);
        let changed = state.stamp(now);
        if let Some(node) = state.nodes.get_mut(&inode) {
            node.changed_ns = changed;
        }
        Ok(())
    }

    fn take_away(&self, path: &Path, folder_wanted: bool) -> io::Result<()> {
        let now = self.disk.now();
        let mut state = self.change()?;
        let (folder, name) = state.place(self.top, path)?;
        let inode = *state.folder(folder)?.live.get(name).ok_or(Errno::NOENT)?;
        match (state.node(inode)?.kind() == Kind::Folder, folder_wanted) {
            (true, false) => return Err(Errno::ISDIR.into()),
            (false, true) => return Err(Errno::NOTDIR.into()),
            (true, true) if !state.folder(inode)?.live.is_empty() => {
                return Err(Errno::NOTEMPTY.into());
            }
            _ => {}
        }
        state.folder(folder)?.live.remove(name);
        state.touch(folder, now);
        Ok(())
    }
}

impl Root for SimRoot {
    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        let mut state = self.look()?;
        let inode = state.find(self.top, path)?;
        let names = state.folder(inode)?.live.clone();
        names
            .into_iter()
            .map(|(name, inode)| Ok(Listed { kind: state.node(inode)?.kind(), name }))
            .collect()
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        let mut state = self.look()?;
        let inode = state.find(self.top, path)?;
        stat(&state, inode)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open_file(path, false)
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open_file(path, true)
    }

    fn create(&self, path: &Path, private: bool) -> io::Result<Box<dyn File>> {
        let mode = if private { 0o600 } else { 0o644 };
        let inode = self.make(path, Body::File(FileNode::default()), mode)?;
        Ok(self.handle(inode, true))
    }

    fn create_folder(&self, path: &Path, private: bool) -> io::Result<()> {
        let mode = if private { 0o700 } else { 0o755 };
        self.make(path, Body::Folder(FolderNode::default()), mode).map(|_| ())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.do_rename(from, to, true)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.do_rename(from, to, false)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.take_away(path, false)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.take_away(path, true)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        let inode = state.find(self.top, path)?;
        state.folder(inode)?.sync();
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        match self.change() {
            Ok(mut state) => {
                state.sync_all();
                told(!std::mem::take(&mut state.untold))
            }
            Err(error) => {
                if let Ok(mut state) = self.look() {
                    state.fail_sync_all();
                }
                Err(error)
            }
        }
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.look()?;
        Ok(state.capacity.saturating_sub(state.used()))
    }

    fn watchable(&self) -> bool {
        false
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let now = self.disk.now();
        let mut state = self.look()?;
        let (folder, name) = state.place(self.top, path)?;
        let known = state.folder(folder)?.live.get(name).copied();
        let inode = match known {
            Some(inode) => inode,
            None => {
                let inode = state.add(Body::File(FileNode::default()), 0o600, now);
                state.folder(folder)?.live.insert(name.to_owned(), inode);
                inode
            }
        };
        state.file(inode)?;
        if !state.locks.insert(inode) {
            return Ok(None);
        }
        drop(state);
        Ok(Some(Box::new(SimLock { disk: self.disk.clone(), inode, life: self.life })))
    }
}

/// Tells a failure of earlier writing.
fn told(kept: bool) -> io::Result<()> {
    if kept { Ok(()) } else { Err(Errno::IO.into()) }
}

fn stat(state: &State, inode: Inode) -> io::Result<Stat> {
    let node = state.node(inode)?;
    let len = match &node.body {
        Body::File(file) => file.live.len() as u64,
        _ => 0,
    };
    Ok(Stat {
        kind: node.kind(),
        len,
        modified_ns: node.modified_ns,
        changed_ns: node.changed_ns,
        inode,
        device: 1,
        links: state.names_of(inode),
        owner: 1000,
        mode: node.mode,
    })
}

/// An open file.
struct SimFile {
    disk: SimDisk,
    inode: Inode,
    life: u64,
    writable: bool,
    /// Whether this holds the lock on the file.
    locked: AtomicBool,
}

impl Drop for SimFile {
    fn drop(&mut self) {
        if self.locked.load(Ordering::Relaxed)
            && let Ok(mut state) = self.disk.alive(self.life)
        {
            state.locks.remove(&self.inode);
        }
    }
}

impl SimFile {
    fn change(&self) -> io::Result<MutexGuard<'_, State>> {
        if !self.writable {
            return Err(Errno::BADF.into());
        }
        self.disk.change(self.life)
    }

    /// Makes the file `len` bytes long if the disk holds it.
    fn resize(&self, state: &mut State, len: u64) -> io::Result<()> {
        let used = state.used();
        let capacity = state.capacity;
        let content = &mut state.file(self.inode)?.live;
        let others = used - content.len() as u64;
        if others.saturating_add(len) > capacity {
            return Err(Errno::NOSPC.into());
        }
        content.resize(usize::try_from(len).map_err(|_| Errno::FBIG)?, 0);
        Ok(())
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.alive(self.life)?;
        let content = &state.file(self.inode)?.live;
        let Some(rest) = usize::try_from(offset).ok().and_then(|start| content.get(start..)) else {
            return Ok(0);
        };
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let now = self.disk.now();
        let mut state = self.change()?;
        let end = offset.checked_add(bytes.len() as u64).ok_or(Errno::FBIG)?;
        if end > state.file(self.inode)?.live.len() as u64 {
            self.resize(&mut state, end)?;
        }
        let start = usize::try_from(offset).map_err(|_| Errno::FBIG)?;
        state.file(self.inode)?.write(start, bytes);
        state.touch(self.inode, now);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let now = self.disk.now();
        let mut state = self.change()?;
        self.resize(&mut state, len)?;
        state.touch(self.inode, now);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        match self.disk.change(self.life) {
            Ok(mut state) => {
                let file = state.file(self.inode)?;
                file.sync();
                told(!file.take_untold())
            }
            Err(error) => {
                if let Ok(mut state) = self.disk.alive(self.life) {
                    state.file(self.inode)?.fail_sync();
                    state.untold = true;
                }
                Err(error)
            }
        }
    }

    fn stat(&self) -> io::Result<Stat> {
        stat(&*self.disk.alive(self.life)?, self.inode)
    }

    fn set_modified(&self, nanoseconds: i128) -> io::Result<()> {
        let now = self.disk.now();
        let mut state = self.disk.change(self.life)?;
        let changed = state.stamp(now);
        if let Some(node) = state.nodes.get_mut(&self.inode) {
            node.modified_ns = nanoseconds;
            node.changed_ns = changed;
        }
        Ok(())
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        let now = self.disk.now();
        let mut state = self.disk.change(self.life)?;
        let changed = state.stamp(now);
        if let Some(node) = state.nodes.get_mut(&self.inode) {
            node.mode = mode & 0o777;
            node.changed_ns = changed;
        }
        Ok(())
    }

    fn pass_cache(&mut self) -> bool {
        true
    }

    fn try_lock(&self) -> io::Result<bool> {
        let mut state = self.disk.alive(self.life)?;
        let free = state.locks.insert(self.inode);
        if free {
            self.locked.store(true, Ordering::Relaxed);
        }
        Ok(free || self.locked.load(Ordering::Relaxed))
    }
}

/// A held lock.
struct SimLock {
    disk: SimDisk,
    inode: Inode,
    life: u64,
}

impl Lock for SimLock {
    fn describe(&self, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.alive(self.life)?;
        state.file(self.inode)?.live = bytes.to_vec();
        Ok(())
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        if let Ok(mut state) = self.disk.alive(self.life) {
            state.locks.remove(&self.inode);
        }
    }
}
