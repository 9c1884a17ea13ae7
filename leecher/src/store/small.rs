//! Files of one chunk: written whole, many of them, under names that only this process uses, and without a record.
//!
//! Such a name is `.sealift-part-small-ID-JOB`, with an ID of the process. A file `.sealift-part-small-ID` in `--out` is
//! locked as long as the process lives and lists the folders it uses: whoever finds it unlocked removes what was left there.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sealift_platform::disk::{File, Root as Folder, read_all};
use sealift_platform::random::Random;
use sealift_proto::text::hex;

use super::claim::{PREFIX, lock};
use super::part::is_zeros;
use super::target::Target;

/// What follows [`PREFIX`] in names of small files.
const KIND: &str = "small-";
/// Bytes of an ID; it is written in hexadecimal.
const ID: usize = 8;
/// Longest list of folders that is believed, bytes.
const LIST_MAX: usize = 64 * 1024 * 1024;
/// How many files are held open until they are flushed, at most.
const HELD: usize = 64;

/// The small files of this process.
pub(super) struct Smalls {
    folder: Arc<dyn Folder>,
    id: Mutex<Option<Mark>>,
    held: Arc<()>,
}

/// A written file without its final name; removed if it never gets one.
pub(super) struct Small {
    folder: Arc<dyn Folder>,
    path: PathBuf,
    named: AtomicBool,
    /// Still open, for its own flush. The counter tells how many are.
    held: Option<(Box<dyn File>, Arc<()>)>,
    /// How many flushes of the file system had failed before it was written.
    pub(super) losses: u64,
}

/// The ID, and the file that says that its process lives.
struct Mark {
    folder: Arc<dyn Folder>,
    id: String,
    _locked: Box<dyn File>,
}

impl Smalls {
    pub(super) fn new(folder: Arc<dyn Folder>) -> Self {
        Self { folder, id: Mutex::default(), held: Arc::default() }
    }

    /// Removes the small files of processes that are no more, in the folders that they list and in those of `targets`.
    pub(super) fn sweep(&self, targets: &[Target]) -> io::Result<()> {
        for listed in self.folder.list(Path::new(""))? {
            let name = listed.name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            let id = name.and_then(|name| name.strip_prefix(KIND));
            if let Some(id) = id.filter(|id| is_id(id)) {
                // What cannot be removed now harms nobody, and stays for the next process.
                let _ = sweep_one(&*self.folder, id, targets);
            }
        }
        Ok(())
    }

    /// Takes no more files, and removes what says that this process uses such names.
    pub(super) fn end(&self) {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Gets ready to write files into the folders of `targets`.
    pub(super) fn prepare(&self, random: &dyn Random, targets: &[Target]) -> io::Result<()> {
        let mut id = self.id.lock().unwrap_or_else(PoisonError::into_inner);
        if id.is_some() {
            return Ok(());
        }
        let folders: BTreeSet<&Path> = targets.iter().map(Target::parent).collect();
        *id = Some(Mark::make(&self.folder, random, &folders)?);
        Ok(())
    }

    /// Writes the file of `job`. `losses` is how many flushes of the file system have failed so far.
    pub(super) fn write(
        &self,
        job: usize,
        target: &Target,
        executable: u32,
        chunk: &[u8],
        losses: u64,
    ) -> io::Result<Small> {
        let id = self.id.lock().unwrap_or_else(PoisonError::into_inner);
        let id = id.as_ref().map(|mark| mark.id.clone()).ok_or(io::ErrorKind::NotFound)?;
        let path = target.path.with_file_name(format!("{PREFIX}{KIND}{id}-{job}"));
        let file = self.create(&path)?;
        let written = fill(&*file, target, executable, chunk);
        written.inspect_err(|_| drop(self.folder.remove(&path)))?;
        let room = Arc::strong_count(&self.held) <= HELD;
        let held = room.then(|| (file, self.held.clone()));
        Ok(Small { folder: self.folder.clone(), path, named: AtomicBool::new(false), held, losses })
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
        file.set_mode(file.stat()?.mode | executable)?;
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
        if !self.named.load(Ordering::Relaxed) {
            // One that cannot be removed stays hidden, and in nobody's way.
            let _ = self.folder.remove(&self.path);
        }
    }
}

impl Mark {
    fn make(
        folder: &Arc<dyn Folder>,
        random: &dyn Random,
        folders: &BTreeSet<&Path>,
    ) -> io::Result<Self> {
        loop {
            let id = hex(&random.bytes::<ID>());
            let path = mark_path(&id);
            let file = folder.create(&path, true)?;
            // Another process may have taken it for a leftover before the lock came.
            if lock(&**folder, &path, &*file)? {
                let mark = Self { folder: folder.clone(), id, _locked: file };
                mark._locked.write_all_at(&list_of(folders), 0)?;
                return Ok(mark);
            }
        }
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // One that stays is removed by the next process.
        let _ = self.folder.remove(&mark_path(&self.id));
    }
}

fn mark_path(id: &str) -> PathBuf {
    PathBuf::from(format!("{PREFIX}{KIND}{id}"))
}

/// The folders, a zero byte behind each; names that are no text are not made here.
fn list_of(folders: &BTreeSet<&Path>) -> Vec<u8> {
    let named = folders.iter().filter_map(|folder| folder.to_str());
    named.flat_map(|folder| [folder.as_bytes(), b"\0"].concat()).collect()
}

fn is_id(text: &str) -> bool {
    text.len() == 2 * ID && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn sweep_one(folder: &dyn Folder, id: &str, targets: &[Target]) -> io::Result<()> {
    let path = mark_path(id);
    let file = folder.open_write(&path)?;
    if !lock(folder, &path, &*file)? {
        return Ok(());
    }
    let list = read_all(folder, &path, LIST_MAX).unwrap_or_default();
    let prefix = format!("{PREFIX}{KIND}{id}-");
    let names = list.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
    // A power cut may have taken the list: whoever runs the same command again has the same folders.
    let folders: BTreeSet<&Path> =
        names.map(Path::new).chain(targets.iter().map(Target::parent)).collect();
    for within in folders {
        let Ok(listed) = folder.list(within) else { continue };
        let left = listed.iter().filter_map(|listed| listed.name.to_str());
        for name in left.filter(|name| name.starts_with(&prefix)) {
            folder.remove(&within.join(name))?;
        }
    }
    folder.remove(&path)
}
