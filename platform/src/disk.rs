//! Files and folders, reached only from a folder opened once.

mod buffer;
mod helpers;
#[cfg(unix)]
mod system;

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

pub use buffer::{BLOCK, Buffer};
pub use helpers::{give_name, read_all, read_whole, replace};
#[cfg(unix)]
pub use system::SystemDisk;

/// What an entry of a folder is, links not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, socket or device.
    Other,
}

/// What identifies one state of a file: if any of it changes, the content may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// What it is.
    pub kind: Kind,
    /// Length in bytes.
    pub len: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub modified_ns: i128,
    /// Last change of content or metadata, nanoseconds since 1970.
    pub changed_ns: i128,
    /// Number of the file within its file system.
    pub inode: u64,
    /// File system it is on.
    pub device: u64,
    /// How many names it has.
    pub links: u64,
    /// User it belongs to.
    pub owner: u32,
    /// Permission bits.
    pub mode: u32,
}

/// One name in a folder. The name is kept as the system gives it: it need not be UTF-8.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Name within the folder.
    pub name: std::ffi::OsString,
    /// What it is.
    pub kind: Kind,
}

/// Opens folders.
pub trait Disk: Send + Sync {
    /// Opens the folder at `path`, following links on the way to it, since its owner named it.
    ///
    /// # Errors
    /// When it is missing, not a folder or not readable.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn Root>>;

    /// Opens the folder at the absolute path `path` as it was when it was resolved: no link is followed, also on the way.
    ///
    /// # Errors
    /// As [`Disk::open`], and where a link has taken the place of a folder.
    fn open_real(&self, path: &Path) -> io::Result<Arc<dyn Root>> {
        self.open(path)
    }

    /// As [`Disk::open`], making missing folders first (mode 0700 if `private`).
    ///
    /// # Errors
    /// When it cannot be made or opened.
    fn open_or_create(&self, path: &Path, private: bool) -> io::Result<Arc<dyn Root>>;
}

/// A folder held open. Each path is relative to it, is resolved beneath it, and no link is ever followed on the way
/// nor at the end: such a path fails as if it were missing or with a loop error. An empty path is the folder itself.
pub trait Root: Send + Sync {
    /// Names in the folder at `path`.
    ///
    /// # Errors
    /// When it is missing, not a folder or not readable.
    fn list(&self, path: &Path) -> io::Result<Vec<Listed>>;

    /// State of the entry at `path`, which may be a link.
    ///
    /// # Errors
    /// When it is missing or cannot be reached.
    fn stat(&self, path: &Path) -> io::Result<Stat>;

    /// Opens a regular file to read. Never blocks on a pipe or device: everything else is refused with `InvalidInput`.
    ///
    /// # Errors
    /// When it is missing, unreadable or no regular file.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Opens an existing regular file to read and write.
    ///
    /// # Errors
    /// As [`Root::open`].
    fn open_write(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Makes a new file to read and write (mode 0600 if `private`, else 0666 less the umask); refuses an existing name.
    ///
    /// # Errors
    /// `AlreadyExists`, or what the system says.
    fn create(&self, path: &Path, private: bool) -> io::Result<Box<dyn File>>;

    /// Makes one folder (mode 0700 if `private`, else 0777 less the umask).
    ///
    /// # Errors
    /// `AlreadyExists`, or what the system says.
    fn create_folder(&self, path: &Path, private: bool) -> io::Result<()>;

    /// Renames; a file already at `to` is replaced.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames, but fails with `AlreadyExists` if there is anything at `to`; in one step, never by asking first.
    ///
    /// # Errors
    /// `AlreadyExists`, `Unsupported` where the file system has no such step (see [`give_name`]), or what the system says.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// What the system says.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in the folder at `path` survive a power cut.
    ///
    /// # Errors
    /// What the system says.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// Sets the time of last change of the folder at `path`, nanoseconds since 1970; times the file system cannot hold are clamped.
    ///
    /// # Errors
    /// What the system says, or `Unsupported`.
    fn set_folder_modified(&self, _path: &Path, _nanoseconds: i128) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Makes everything written on its file system so far survive a power cut: content, lengths and names, of whomever. One
    /// call costs less than flushing many files one by one. A failure is told once and is final, as with [`File::sync`]:
    /// anything written before it must be taken as lost.
    ///
    /// # Errors
    /// `Unsupported` where the system has no such call or does not tell its failures; nothing was flushed then.
    fn sync_all(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Bytes that may still be written on its file system; `u64::MAX` where it does not know.
    ///
    /// # Errors
    /// What the system says.
    fn free_bytes(&self) -> io::Result<u64>;

    /// Whether changes beneath are reported by the system's watcher; network file systems say no.
    fn watchable(&self) -> bool;

    /// Whether the system makes up the files as they are read (`/proc`, `/sys`): they say nothing true of their lengths.
    fn is_made_up(&self) -> bool {
        false
    }

    /// Takes the lock file at `path`, made if missing; held until the returned value is dropped or the process ends,
    /// however it ends. `None` when another holds it.
    ///
    /// # Errors
    /// What the system says.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;
}

/// An open regular file.
pub trait File: Send + Sync {
    /// Reads up to `buffer.len()` bytes at `offset`; 0 means the end.
    ///
    /// # Errors
    /// What the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    /// What the system says; some of it may be written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes it `len` bytes long.
    ///
    /// # Errors
    /// What the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Makes content and length survive a power cut. A failure is final: what was written must be taken as lost.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self) -> io::Result<()>;

    /// Current state, of the open file, whatever its name now.
    ///
    /// # Errors
    /// What the system says.
    fn stat(&self) -> io::Result<Stat>;

    /// Sets the time of last change, nanoseconds since 1970; times the file system cannot hold are clamped.
    ///
    /// # Errors
    /// What the system says.
    fn set_modified(&self, nanoseconds: i128) -> io::Result<()>;

    /// Sets its permission bits.
    ///
    /// # Errors
    /// What the system says.
    fn set_mode(&self, mode: u32) -> io::Result<()>;

    /// From now on content passes by the system's cache where it can, without being copied into it and without driving out what
    /// others keep there: whole blocks that lie in memory and in the file at multiples of [`BLOCK`]. All else goes as before, and
    /// both may be mixed. Whether the file's system knows that way; holes in its files cost nothing then.
    fn pass_cache(&mut self) -> bool {
        false
    }

    /// As [`File::pass_cache`], for a file that is to be read whole: unless most of it lies in the cache already, as far as some
    /// looks tell, from where it comes sooner.
    fn spare_cache(&mut self) {}

    /// Whether most of the bytes `range` lie in the system's cache, as far as some looks tell, or that cannot be told.
    fn is_cached(&self, range: Range<u64>) -> bool {
        let _ = range;
        true
    }

    /// Has the system forget what it keeps of the bytes `range` in its cache, for one who read them and had not found them there.
    fn forget_cached(&self, range: Range<u64>) {
        let _ = range;
    }

    /// Locks the file itself, until it is closed or the process ends, however it ends; `false` when another holds it.
    ///
    /// # Errors
    /// What the system says.
    fn try_lock(&self) -> io::Result<bool>;
}

/// A held lock.
pub trait Lock: Send + Sync {
    /// Writes `bytes` into the lock file, for others to read who holds it.
    ///
    /// # Errors
    /// What the system says.
    fn describe(&self, bytes: &[u8]) -> io::Result<()>;
}
