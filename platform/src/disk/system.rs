//! The file systems of a Unix machine.

mod direct;
mod file;
mod flush;
mod resolve;
#[cfg(test)]
mod tests;

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use self::file::{HeldLock, SystemFile, stat_of};
use self::resolve::Beneath;
use super::{Disk, File, Kind, Listed, Lock, Root, Stat};

/// The disks of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn Root>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = rustix::fs::open(named(path), flags, Mode::empty())?;
        Ok(Arc::new(SystemRoot { beneath: Beneath::new(folder) }))
    }

    fn open_real(&self, path: &Path) -> io::Result<Arc<dyn Root>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let top = rustix::fs::open("/", flags, Mode::empty())?;
        let beneath = path.strip_prefix("/").map_err(|_| Errno::INVAL)?;
        let folder = Beneath::new(top).open(beneath, flags, Mode::empty());
        let folder = folder.map_err(|error| match error {
            Errno::LOOP => {
                io::Error::other("a link has taken its place, and links are not followed")
            }
            other => other.into(),
        })?;
        Ok(Arc::new(SystemRoot { beneath: Beneath::new(folder) }))
    }

    fn open_or_create(&self, path: &Path, private: bool) -> io::Result<Arc<dyn Root>> {
        let path = named(path);
        let missing: Vec<&Path> =
            path.ancestors().take_while(|part| named(part).symlink_metadata().is_err()).collect();
        for part in missing.into_iter().rev() {
            make_folder(part, private)?;
        }
        self.open(path)
    }
}

/// An empty path names the working folder.
fn named(path: &Path) -> &Path {
    if path.as_os_str().is_empty() { Path::new(".") } else { path }
}

fn make_folder(path: &Path, private: bool) -> io::Result<()> {
    let mode = if private { 0o700 } else { 0o777 };
    match DirBuilder::new().mode(mode).create(path) {
        // Somebody else made it just now.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
        Ok(()) => std::fs::File::open(named(path.parent().unwrap_or(path)))?.sync_all(),
    }
}

struct SystemRoot {
    beneath: Beneath,
}

/// What opening for use always has: a pipe does not block, a terminal is not taken, children do not inherit.
const CAREFULLY: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

impl SystemRoot {
    fn open_regular(&self, path: &Path, flags: OFlags) -> io::Result<Box<dyn File>> {
        let opened = self.beneath.open(path, flags | CAREFULLY, Mode::empty());
        let file = SystemFile::new(opened.map_err(|error| match error {
            Errno::NXIO | Errno::ISDIR | Errno::OPNOTSUPP => not_regular(path),
            other => other.into(),
        })?);
        if file.stat()?.kind == Kind::File { Ok(Box::new(file)) } else { Err(not_regular(path)) }
    }

    fn open_folder(&self, path: &Path) -> io::Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(self.beneath.open(path, flags, Mode::empty())?)
    }
}

fn not_regular(path: &Path) -> io::Error {
    let told = format!("{} is not a regular file", path.display());
    io::Error::new(io::ErrorKind::InvalidInput, told)
}

impl Root for SystemRoot {
    fn list(&self, path: &Path) -> io::Result<Vec<Listed>> {
        let folder = self.open_folder(path)?;
        let mut listed = Vec::new();
        for entry in rustix::fs::Dir::read_from(&folder)? {
            let entry = entry?;
            let name = std::ffi::OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => kind_of(&folder, name)?,
                known => Some(file::kind_of_type(known)),
            };
            listed.extend(kind.map(|kind| Listed { name: name.to_owned(), kind }));
        }
        Ok(listed)
    }

    fn stat(&self, path: &Path) -> io::Result<Stat> {
        if path.as_os_str().is_empty() {
            return Ok(stat_of(&rustix::fs::fstat(self.beneath.root())?));
        }
        let (parent, name) = self.beneath.parent(path)?;
        Ok(stat_of(&rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open_regular(path, OFlags::RDONLY)
    }

    fn open_write(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open_regular(path, OFlags::RDWR)
    }

    fn create(&self, path: &Path, private: bool) -> io::Result<Box<dyn File>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | CAREFULLY;
        let mode = Mode::from_raw_mode(if private { 0o600 } else { 0o666 });
        Ok(Box::new(SystemFile::new(self.beneath.open(path, flags, mode)?)))
    }

    fn create_folder(&self, path: &Path, private: bool) -> io::Result<()> {
        let (parent, name) = self.beneath.parent(path)?;
        let mode = Mode::from_raw_mode(if private { 0o700 } else { 0o777 });
        Ok(rustix::fs::mkdirat(&parent, name, mode)?)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (from, old) = self.beneath.parent(from)?;
        let (to, new) = self.beneath.parent(to)?;
        Ok(rustix::fs::renameat(&from, old, &to, new)?)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let beside = from.parent() == to.parent();
        let (from, old) = self.beneath.parent(from)?;
        let (other, new) = if beside {
            (None, to.file_name().map(Path::new).ok_or(Errno::INVAL)?)
        } else {
            let (other, new) = self.beneath.parent(to)?;
            (Some(other), new)
        };
        let to = other.as_ref().unwrap_or(&from);
        match rename_no_replace(&from, old, to, new) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                link_unlink(&from, old, to, new).map_err(|error| match error {
                    // FAT, exFAT and the like, which have one name for each file.
                    Errno::PERM | Errno::NOSYS | Errno::NOTSUP => io::ErrorKind::Unsupported.into(),
                    other => other.into(),
                })
            }
            other => Ok(other?),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.beneath.parent(path)?;
        Ok(rustix::fs::unlinkat(&parent, name, AtFlags::empty())?)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        let (parent, name) = self.beneath.parent(path)?;
        Ok(rustix::fs::unlinkat(&parent, name, AtFlags::REMOVEDIR)?)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.open_folder(path)?)?)
    }

    fn set_folder_modified(&self, path: &Path, nanoseconds: i128) -> io::Result<()> {
        SystemFile::new(self.open_folder(path)?).set_modified(nanoseconds)
    }

    fn sync_all(&self) -> io::Result<()> {
        flush::file_system(self.beneath.root())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let told = rustix::fs::fstatvfs(self.beneath.root())?;
        Ok(free_bytes(told.f_blocks, told.f_bavail, told.f_frsize))
    }

    fn watchable(&self) -> bool {
        watchable(self.beneath.root())
    }

    fn is_made_up(&self) -> bool {
        flush::is_made_up(self.beneath.root())
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let flags = OFlags::RDWR | OFlags::CREATE | CAREFULLY;
        let file = self.beneath.open(path, flags, Mode::from_raw_mode(0o600))?;
        if stat_of(&rustix::fs::fstat(&file)?).kind != Kind::File {
            return Err(not_regular(path));
        }
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Box::new(HeldLock::new(file)))),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Kind of an entry that the listing did not tell; `None` when it is gone meanwhile.
fn kind_of(folder: &OwnedFd, name: &std::ffi::OsStr) -> io::Result<Option<Kind>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat_of(&stat).kind)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_no_replace(from: impl AsFd, old: &Path, to: impl AsFd, new: &Path) -> Result<(), Errno> {
    rustix::fs::renameat_with(from, old, to, new, RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_no_replace(_: impl AsFd, _: &Path, _: impl AsFd, _: &Path) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// A second name never replaces anything; a file that cannot have one stays where it is, with an error.
fn link_unlink(from: impl AsFd, old: &Path, to: impl AsFd, new: &Path) -> Result<(), Errno> {
    rustix::fs::linkat(&from, old, &to, new, AtFlags::empty())?;
    rustix::fs::unlinkat(&from, old, AtFlags::empty())
}

/// Some file systems, such as ramfs, know no size: then nothing is known to be free either.
const fn free_bytes(blocks: u64, available: u64, unit: u64) -> u64 {
    if blocks == 0 { u64::MAX } else { available.saturating_mul(unit) }
}

/// File systems whose changes on other machines, or outside the kernel, raise no events here.
fn watchable(folder: &OwnedFd) -> bool {
    !flush::is_remote(folder)
}
