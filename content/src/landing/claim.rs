//! Part files of several chunks: each belongs to one process at a time.

use std::io;
use std::path::{Path, PathBuf};

use sealift_platform::disk::{File, Root as Folder};
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::Layout;
use sealift_proto::text::hex;

use super::record;

/// What every part file's name begins with: seeders never offer such files.
pub const PREFIX: &str = ".sealift-part-";
/// How many processes may fetch the same file into the same folder at once.
const CLAIMS: u32 = 64;

/// Which part files are meant: those of one content under one name in one folder.
pub(super) struct Wanted<'a> {
    pub(super) folder: &'a dyn Folder,
    pub(super) target: &'a Path,
    pub(super) root: Root,
    pub(super) layout: Layout,
}

/// A part file of this process, as long as the file is open.
pub(super) struct Claim {
    pub(super) path: PathBuf,
    pub(super) file: Box<dyn File>,
}

enum Tried {
    Absent,
    Taken,
    Ours(Claim),
}

impl Wanted<'_> {
    /// Claims a part file. Of those that earlier processes left, the one with most in it; the others are removed.
    pub(super) fn claim(&self) -> io::Result<Claim> {
        let mut left = Vec::new();
        for attempt in 0..CLAIMS {
            match self.try_open(self.path(attempt))? {
                Tried::Ours(claim) => left.push(claim),
                Tried::Taken => {}
                Tried::Absent if left.is_empty() => match self.try_create(self.path(attempt))? {
                    Tried::Ours(claim) => return Ok(claim),
                    _ => continue,
                },
                Tried::Absent => break,
            }
        }
        left.sort_by_key(|claim| self.recorded_in(&claim.path));
        let best = left.pop().ok_or_else(|| {
            let told = "too many programs fetch this file into this folder";
            io::Error::new(io::ErrorKind::ResourceBusy, told)
        })?;
        for other in left {
            self.remove(&other.path)?;
        }
        Ok(best)
    }

    /// Removes what earlier processes left, once the file is there.
    pub(super) fn tidy(&self) -> io::Result<()> {
        for attempt in 0..CLAIMS {
            let path = self.path(attempt);
            match self.try_open(path.clone())? {
                Tried::Taken => {}
                Tried::Absent => return record::forget(self.folder, &record::path_for(&path)),
                Tried::Ours(_) => self.remove(&path)?,
            }
        }
        Ok(())
    }

    fn remove(&self, part: &Path) -> io::Result<()> {
        record::forget(self.folder, &record::path_for(part))?;
        self.folder.remove(part)
    }

    /// Bytes that the records of such part files name at most.
    pub(super) fn recorded(&self) -> u64 {
        let paths = (0..CLAIMS).map(|attempt| self.path(attempt));
        let there = paths.take_while(|path| self.folder.stat(path).is_ok());
        there.map(|path| self.recorded_in(&path)).max().unwrap_or(0)
    }

    fn recorded_in(&self, part: &Path) -> u64 {
        let path = record::path_for(part);
        record::read(self.folder, &path, self.root, self.layout).bytes(self.layout)
    }

    /// The name says nothing of content or name to others.
    fn path(&self, attempt: u32) -> PathBuf {
        let name = self.target.file_name().unwrap_or_default();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.root.0).update(name.to_string_lossy().as_bytes());
        let tag = hex(&hasher.finalize().as_bytes()[..8]);
        let suffix = if attempt == 0 { String::new() } else { format!("-{attempt}") };
        self.target.with_file_name(format!("{PREFIX}{tag}{suffix}"))
    }

    fn try_open(&self, path: PathBuf) -> io::Result<Tried> {
        match self.folder.open_write(&path) {
            Ok(file) => self.lock(path, file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Tried::Absent),
            // Something that is no file of ours is left alone.
            Err(error) => self.folder.stat(&path).map(|_| Tried::Taken).map_err(|_| error),
        }
    }

    fn try_create(&self, path: PathBuf) -> io::Result<Tried> {
        match self.folder.create(&path, false) {
            Ok(file) => self.lock(path, file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Tried::Taken),
            Err(error) => Err(error),
        }
    }

    fn lock(&self, path: PathBuf, file: Box<dyn File>) -> io::Result<Tried> {
        let ours = lock(self.folder, &path, &*file)?;
        Ok(if ours { Tried::Ours(Claim { path, file }) } else { Tried::Taken })
    }
}

/// Locks `file`, opened at `path`; whether it is ours alone now. Before the lock came, another process may have given the
/// file its final name or removed it; and a further name for it would let somebody write into what is verified.
pub(super) fn lock(folder: &dyn Folder, path: &Path, file: &dyn File) -> io::Result<bool> {
    if !file.try_lock()? {
        return Ok(false);
    }
    let open = file.stat()?;
    match folder.stat(path) {
        Ok(named) => Ok(named.inode == open.inode && open.links <= 1),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
