//! Content that passes by the system's cache: neither copied into new pages of it, nor in the way of what users keep there.

use std::fs::File;
use std::io;
use std::ops::Range;
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

/// At how many places of a file it is looked whether they are in the cache.
const LOOKS: u64 = 8;

/// Whether most of the bytes `range` of `file` are in the cache, or that cannot be told.
#[cfg(target_os = "linux")]
pub(super) fn is_cached(file: &File, range: Range<u64>) -> bool {
    use rustix::fs::Advice;

    // Otherwise each look would have much of what follows read.
    let advise = |advice| {
        let _ = rustix::fs::fadvise(file, 0, None, advice);
    };
    advise(Advice::Random);
    let there = places(range).filter(|place| is_there(file, *place)).count();
    advise(Advice::Normal);
    there as u64 * 2 > LOOKS
}

#[cfg(target_os = "linux")]
fn is_there(file: &File, offset: u64) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};

    let mut byte = [0];
    let mut into = [io::IoSliceMut::new(&mut byte)];
    !matches!(preadv2(file, &mut into, offset, ReadWriteFlags::NOWAIT), Err(Errno::AGAIN))
}

/// Where it is looked.
fn places(range: Range<u64>) -> impl Iterator<Item = u64> {
    let step = range.end.saturating_sub(range.start) / LOOKS;
    (0..LOOKS).map(move |look| range.start + step * look)
}

/// Has the system drop what looking for the bytes `range` brought into the cache, or the next look would take it for what it looks for.
pub(super) fn forget_looks(file: &File, range: Range<u64>) {
    for place in places(range) {
        let block = place / BLOCK as u64 * BLOCK as u64;
        forget_cached(file, block..block + BLOCK as u64);
    }
}

/// Has the system drop what is in the cache of the bytes `range`; what waits to be written stays.
#[cfg(target_os = "linux")]
pub(super) fn forget_cached(file: &File, range: Range<u64>) {
    // A length of zero would be all that follows.
    if let Some(len) = range.end.checked_sub(range.start).and_then(std::num::NonZeroU64::new) {
        // It is a favour to others; the system need not do it.
        let _ = rustix::fs::fadvise(file, range.start, Some(len), rustix::fs::Advice::DontNeed);
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_cached(_: &File, _: Range<u64>) -> bool {
    true
}

#[cfg(not(target_os = "linux"))]
pub(super) fn forget_cached(_: &File, _: Range<u64>) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn what_was_not_in_the_cache_is_not_there_after_it_was_read_past_it() {
        use crate::disk::system::file::SystemFile;
        use crate::disk::{Buffer, File as _};
        let path = tempfile::NamedTempFile::new().unwrap();
        let len = (4 << 20) + 4000;
        let content: Vec<u8> = (0..len).map(|at: u32| (at / 4096) as u8).collect();
        let all = 0..u64::from(len);
        // A look may have the system read what it looks for: whoever looks next must look elsewhere.
        let elsewhere =
            |page: u64| (0..LOOKS).map(move |look| (4 << 20) / LOOKS * look + page * 4096);
        std::fs::write(path.path(), &content).unwrap();
        let file = File::open(path.path()).unwrap();
        file.sync_all().unwrap();
        assert!(is_cached(&file, all.clone()));
        forget_cached(&file, all);
        // Nor is more to be read than that.
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random).unwrap();
        if elsewhere(57).any(|place| is_there(&file, place)) || Direct::open(&file).is_err() {
            println!(
                "skipped: device {} keeps everything in memory",
                file.metadata().unwrap().dev()
            );
            return;
        }
        let mut sparing = SystemFile::new(File::open(path.path()).unwrap().into());
        sparing.spare_cache();
        let mut buffer = Buffer::new(content.len());
        let whole = 4 << 20;
        assert_eq!(sparing.read_at(&mut buffer[..whole], 0).unwrap(), whole);
        // The end is no whole block, and goes through the cache.
        assert_eq!(sparing.read_at(&mut buffer[whole..], whole as u64).unwrap(), 4000);
        assert!(*buffer == content);
        // A page now and then is there for the system's own reasons.
        assert!(elsewhere(99).filter(|place| is_there(&file, *place)).count() <= 1);
    }
}
