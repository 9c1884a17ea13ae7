//! A disk in memory that keeps what was synced and forgets the rest when its power goes.
//!
//! The rules are those that every file system keeps and no more: the content of a file lasts once the file was synced, a name
//! once its folder was. What happened in between may last or not ([`Loss`]).

mod roots;
mod state;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use rustix::io::Errno;
use sealift_platform::clock::Clock;
use sealift_platform::disk::{Disk, Root};
use sealift_platform::sync::lock;
use tokio::sync::watch;

use super::random::SimRandom;
use roots::SimRoot;
use state::{Body, FileNode, FolderNode, Inode, State, TOP};

/// Bytes a disk holds unless told otherwise.
const CAPACITY: u64 = 1 << 30;

/// What an end takes of what was not synced.
#[derive(Clone)]
pub enum Loss {
    /// Nothing: the process was killed, the machine goes on.
    Nothing,
    /// All of it.
    All,
    /// Each page of a file and each folder's names by a throw of a coin.
    Some(SimRandom),
}

/// What is to happen at a chosen operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// That operation fails with "no space left on device", the following do not.
    Full,
    /// That operation fails with "input/output error", the following do not.
    Broken,
    /// The power goes before that operation: it and all others fail until [`SimDisk::restart`].
    PowerCut,
}

/// A disk; clones are the same disk.
#[derive(Clone)]
pub struct SimDisk {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    clock: Arc<dyn Clock>,
    power: watch::Sender<bool>,
}

impl SimDisk {
    /// An empty disk of 1 GiB whose times come from `clock`.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let state = Mutex::new(State::new(CAPACITY));
        Self { inner: Arc::new(Inner { state, clock, power: watch::Sender::new(true) }) }
    }

    /// Changing operations (create, write, resize, sync, rename, remove) so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Plans `fault` for the `number`-th changing operation from now; 0 is the next one. Replaces an earlier plan.
    pub fn fail_at(&self, number: u64, fault: Fault) {
        let mut state = self.state();
        state.plan = Some((state.operations + number, fault));
    }

    /// Makes it hold `bytes` in all.
    pub fn set_capacity(&self, bytes: u64) {
        self.state().capacity = bytes;
    }

    /// Whether there is power.
    #[must_use]
    pub fn has_power(&self) -> bool {
        *self.inner.power.borrow()
    }

    /// Waits until a planned [`Fault::PowerCut`] has come.
    pub async fn power_gone(&self) {
        let mut power = self.inner.power.subscribe();
        // The sender lives as long as this disk.
        let _ = power.wait_for(|on| !on).await;
    }

    /// Waits until there is power.
    pub async fn power_back(&self) {
        let mut power = self.inner.power.subscribe();
        // The sender lives as long as this disk.
        let _ = power.wait_for(|on| *on).await;
    }

    /// Cuts the power now: everything fails until [`SimDisk::restart`].
    pub fn cut_power(&self) {
        self.state().powerless = true;
        self.inner.power.send_replace(false);
    }

    /// Cuts the power, if it is not gone yet, and brings it back. Whoever had the disk open must open it anew.
    pub fn restart(&self, loss: &Loss) {
        self.state().lose(loss);
        self.inner.power.send_replace(true);
    }

    /// Makes missing folders and writes a file there, synced with all its names: for what lies there beforehand.
    ///
    /// # Errors
    /// As [`Root::create`].
    pub fn put(&self, path: impl AsRef<Path>, content: &[u8]) -> io::Result<()> {
        let now = self.now();
        let mut state = self.state();
        let path = path.as_ref();
        let folder = make_folders(&mut state, path.parent().unwrap_or(Path::new("")), 0o755, now)?;
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let inode = state.add(Body::File(FileNode::synced(content)), 0o644, now);
        let folder = state.folder(folder)?;
        folder.live.insert(name.to_owned(), inode);
        folder.sync();
        Ok(())
    }

    /// Puts a symbolic link there; nothing follows it.
    ///
    /// # Errors
    /// When its folder is missing.
    pub fn put_link(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.put_special(path.as_ref(), Body::Link)
    }

    /// Puts a named pipe there.
    ///
    /// # Errors
    /// When its folder is missing.
    pub fn put_pipe(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.put_special(path.as_ref(), Body::Pipe)
    }

    /// Removes what lies at `path`, for good; nothing happens if nothing does.
    pub fn clear(&self, path: impl AsRef<Path>) {
        let mut state = self.state();
        let Ok((folder, name)) = state.place(TOP, path.as_ref()) else { return };
        if let Ok(folder) = state.folder(folder) {
            folder.live.remove(name);
            folder.sync();
        }
        state.forget_unnamed();
    }

    /// Changes a byte of a file as a failing disk does: nothing else about the file changes.
    ///
    /// # Errors
    /// When there is no such byte.
    pub fn rot(&self, path: impl AsRef<Path>, at: usize) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.find(TOP, path.as_ref())?;
        let file = state.file(inode)?;
        *file.live.get_mut(at).ok_or(Errno::INVAL)? ^= 1;
        file.sync();
        Ok(())
    }

    /// Content of a file, as programs see it.
    ///
    /// # Errors
    /// When there is none.
    pub fn get(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        let inode = state.find(TOP, path.as_ref())?;
        Ok(state.file(inode)?.live.clone())
    }

    /// All files beneath `path`, with their content.
    #[must_use]
    pub fn files(&self, path: impl AsRef<Path>) -> Vec<(PathBuf, Vec<u8>)> {
        let mut state = self.state();
        let mut found = Vec::new();
        let Ok(inode) = state.find(TOP, path.as_ref()) else { return found };
        let mut queue = vec![(path.as_ref().to_owned(), inode)];
        while let Some((path, inode)) = queue.pop() {
            match state.nodes.get(&inode).map(|node| &node.body) {
                Some(Body::File(file)) => found.push((path, file.live.clone())),
                Some(Body::Folder(folder)) => {
                    let inside =
                        |(name, inode): (&std::ffi::OsString, &Inode)| (path.join(name), *inode);
                    queue.extend(folder.live.iter().map(inside));
                }
                _ => {}
            }
        }
        found.sort();
        found
    }

    fn put_special(&self, path: &Path, body: Body) -> io::Result<()> {
        let now = self.now();
        let mut state = self.state();
        let (folder, name) = state.place(TOP, path)?;
        let inode = state.add(body, 0o777, now);
        let folder = state.folder(folder)?;
        folder.live.insert(name.to_owned(), inode);
        folder.sync();
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.inner.state)
    }

    /// Nanoseconds since 1970.
    fn now(&self) -> i128 {
        i128::from(self.inner.clock.unix_millis()) * 1_000_000
    }

    /// Counts a changing operation; fails if it is to fail, or if `life` is over.
    fn change(&self, life: u64) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.alive(life)?;
        let number = state.operations;
        state.operations += 1;
        match state.plan {
            Some((at, fault)) if at == number => {
                state.plan = None;
                match fault {
                    Fault::Full => Err(Errno::NOSPC.into()),
                    Fault::Broken => Err(Errno::IO.into()),
                    Fault::PowerCut => {
                        state.powerless = true;
                        self.inner.power.send_replace(false);
                        Err(Errno::IO.into())
                    }
                }
            }
            _ => Ok(state),
        }
    }

    /// Fails if the power is gone, or was since `life`.
    fn alive(&self, life: u64) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        if state.powerless || state.life != life {
            return Err(io::Error::other("the disk has lost its power"));
        }
        Ok(state)
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn Root>> {
        let life = self.state().life;
        let mut state = self.alive(life)?;
        let inode = state.find(TOP, path)?;
        state.folder(inode)?;
        drop(state);
        Ok(Arc::new(SimRoot::new(self.clone(), inode, life)))
    }

    fn open_or_create(&self, path: &Path, private: bool) -> io::Result<Arc<dyn Root>> {
        let (now, life) = (self.now(), self.state().life);
        let mut state = self.alive(life)?;
        let inode = make_folders(&mut state, path, if private { 0o700 } else { 0o755 }, now)?;
        drop(state);
        Ok(Arc::new(SimRoot::new(self.clone(), inode, life)))
    }
}

/// Makes missing folders down to `path`, which last: they stand for what an installation made.
fn make_folders(state: &mut State, path: &Path, mode: u32, now: i128) -> io::Result<Inode> {
    let mut at = TOP;
    for name in path.components() {
        let name = Path::new(name.as_os_str());
        at = match state.find(at, name) {
            Ok(inode) => inode,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let inode = state.add(Body::Folder(FolderNode::default()), mode, now);
                let folder = state.folder(at)?;
                folder.live.insert(name.as_os_str().to_owned(), inode);
                folder.sync();
                inode
            }
            Err(error) => return Err(error),
        };
        state.folder(at)?;
    }
    Ok(at)
}
