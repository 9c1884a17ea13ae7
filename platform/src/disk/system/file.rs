//! Open files and locks of a Unix machine.

use std::fs::Permissions;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::time::{Duration, UNIX_EPOCH};

use rustix::fs::{FileType, FlockOperation};
use rustix::io::Errno;

use super::direct::{self, Direct};
use crate::disk::{File, Kind, Lock, Stat};

pub(super) struct SystemFile {
    file: std::fs::File,
    direct: Option<Direct>,
    /// It was hardly in the cache, and is not to be there.
    spared: bool,
}

impl SystemFile {
    pub(super) fn new(file: OwnedFd) -> Self {
        Self { file: file.into(), direct: None, spared: false }
    }

    fn len(&self) -> u64 {
        self.file.metadata().map_or(0, |metadata| metadata.len())
    }

    /// Reads through the cache, and leaves there only what may have been there before.
    fn read_cached(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let count = self.file.read_at(buffer, offset)?;
        if self.spared {
            self.forget_cached(offset..offset + count as u64);
        }
        Ok(count)
    }
}

impl Drop for SystemFile {
    fn drop(&mut self) {
        if self.spared {
            direct::forget_looks(&self.file, 0..self.len());
        }
    }
}

impl File for SystemFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            let direct = self.direct.as_ref().and_then(|direct| direct.read(buffer, offset));
            match direct.unwrap_or_else(|| self.read_cached(buffer, offset)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let direct = self.direct.as_ref().map_or(Ok(0), |direct| direct.write(bytes, offset))?;
        self.file.write_all_at(&bytes[direct..], offset + direct as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn stat(&self) -> io::Result<Stat> {
        Ok(stat_of(&rustix::fs::fstat(&self.file)?))
    }

    fn set_modified(&self, nanoseconds: i128) -> io::Result<()> {
        // The years 1 to 9999; what a file system cannot hold of them, the kernel clamps.
        let clamped = nanoseconds.clamp(-62_135_596_800_000_000_000, 253_402_300_799_999_999_999);
        let billion = 1_000_000_000;
        let distance = clamped.unsigned_abs();
        let distance = Duration::new(
            u64::try_from(distance / billion).unwrap_or(0),
            u32::try_from(distance % billion).unwrap_or(0),
        );
        let time = if clamped < 0 {
            UNIX_EPOCH.checked_sub(distance)
        } else {
            UNIX_EPOCH.checked_add(distance)
        };
        self.file.set_modified(time.unwrap_or(UNIX_EPOCH))
    }

    fn set_mode(&self, mode: u32) -> io::Result<()> {
        self.file.set_permissions(Permissions::from_mode(mode & 0o777))
    }

    fn pass_cache(&mut self) -> bool {
        self.direct = Direct::open(&self.file).ok();
        self.direct.is_some()
    }

    fn spare_cache(&mut self) {
        if !self.is_cached(0..self.len()) {
            self.pass_cache();
            self.spared = true;
        }
    }

    fn is_cached(&self, range: Range<u64>) -> bool {
        direct::is_cached(&self.file, range)
    }

    fn forget_cached(&self, range: Range<u64>) {
        direct::forget_cached(&self.file, range);
    }

    fn try_lock(&self) -> io::Result<bool> {
        match rustix::fs::flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

pub(super) fn kind_of_type(file_type: FileType) -> Kind {
    match file_type {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    }
}

/// The widths of the fields differ between systems; all of them fit.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "needed on other systems")]
pub(super) fn stat_of(stat: &rustix::fs::Stat) -> Stat {
    let time = |seconds: i64, nanoseconds: i64| {
        i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds)
    };
    Stat {
        kind: kind_of_type(FileType::from_raw_mode(stat.st_mode)),
        len: u64::try_from(stat.st_size).unwrap_or(0),
        modified_ns: time(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
        changed_ns: time(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        inode: stat.st_ino as u64,
        device: stat.st_dev as u64,
        links: stat.st_nlink as u64,
        owner: stat.st_uid,
        mode: u32::from(stat.st_mode) & 0o7777,
    }
}

/// The system gives the lock back when the file is closed, also when the process is killed. The file stays: removing it
/// would let two processes lock two files of one name.
pub(super) struct HeldLock(std::fs::File);

impl HeldLock {
    pub(super) fn new(file: OwnedFd) -> Self {
        Self(file.into())
    }
}

impl Lock for HeldLock {
    fn describe(&self, bytes: &[u8]) -> io::Result<()> {
        self.0.set_len(0)?;
        self.0.write_all_at(bytes, 0)
    }
}
