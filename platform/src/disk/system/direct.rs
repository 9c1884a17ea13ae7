//! Content that passes by the system's cache: neither copied into new pages of it, nor in the way of what users keep there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;

use crate::disk::BLOCK;

/// A second way to an open file.
pub(super) struct Direct {
    file: File,
    /// The file system takes no such reads or writes after all, or wants other lengths.
    refused: AtomicBool,
}

impl Direct {
    /// Opens `file` once more, if that is known to do good on its file system.
    #[cfg(target_os = "linux")]
    pub(super) fn open(file: &File) -> io::Result<Self> {
        use rustix::fs::{Mode, OFlags};
        use std::os::fd::AsRawFd;

        use super::file::stat_of;

        if !super::flush::is_plain(file) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let access = rustix::fs::fcntl_getfl(file)? & OFlags::RWMODE;
        let flags = access | OFlags::DIRECT | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let opened = rustix::fs::open(path, flags, Mode::empty())?;
        let [one, two] =
            [rustix::fs::fstat(file)?, rustix::fs::fstat(&opened)?].map(|s| stat_of(&s));
        if (one.device, one.inode) != (two.device, two.inode) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(Self { file: opened.into(), refused: AtomicBool::new(false) })
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn open(_: &File) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Writes the beginning of `bytes`, as much of it as can go this way; how much.
    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let whole = self.fitting(bytes, offset);
        let mut done = 0;
        // What was written to the middle of a block cannot be gone on from.
        while done < whole && done.is_multiple_of(BLOCK) {
            match self.file.write_at(&bytes[done..whole], offset + done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if self.is_refusal(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Reads into `buffer`, if it can be filled this way.
    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> Option<io::Result<usize>> {
        if buffer.is_empty() || self.fitting(buffer, offset) < buffer.len() {
            return None;
        }
        match self.file.read_at(buffer, offset) {
            Err(error) if self.is_refusal(&error) => None,
            other => Some(other),
        }
    }

    /// How many bytes at the beginning can go this way.
    fn fitting(&self, bytes: &[u8], offset: u64) -> usize {
        let aligned = bytes.as_ptr().align_offset(BLOCK) == 0
            && offset.is_multiple_of(BLOCK as u64)
            && !self.refused.load(Ordering::Relaxed);
        if aligned { bytes.len() - bytes.len() % BLOCK } else { 0 }
    }

    fn is_refusal(&self, error: &io::Error) -> bool {
        let refused = error.raw_os_error() == Some(Errno::INVAL.raw_os_error());
        self.refused.fetch_or(refused, Ordering::Relaxed);
        refused
    }
}
