//! Whole small files, on any [`Root`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{File, Kind, Root};

/// Names tried for a temporary file.
const TRIES: u32 = 4096;

/// Puts a file with content `bytes` at `path`, replacing one that is there, so that a crash or power cut at any moment
/// leaves the old content or the new, whole. Processes that do so at once do not disturb one another: one of them is
/// last. Mode 0600 if `private`. Folders are not made.
///
/// # Errors
/// What the system says; the old file is then as it was, unless only the last flush of the folder failed.
pub fn replace(root: &dyn Root, path: &Path, bytes: &[u8], private: bool) -> io::Result<()> {
    let (temporary, file) = create_temporary(root, path, private)?;
    file.write_all_at(bytes, 0)
        .and_then(|()| file.sync())
        .and_then(|()| root.rename(&temporary, path))
        .inspect_err(|_| drop(root.remove(&temporary)))?;
    root.sync_folder(path.parent().unwrap_or(Path::new("")))
}

/// Gives what is at `from` the name `to`, if there is nothing of that name. Where the file system cannot do that in one step, the
/// name is first taken by something empty, which what is at `from` replaces then: what another program made there before is never
/// replaced; what it makes in its place in that very moment may be, and a crash in it leaves something empty.
///
/// # Errors
/// `AlreadyExists`, or what the system says.
pub fn give_name(root: &dyn Root, from: &Path, to: &Path) -> io::Result<()> {
    match root.rename_new(from, to) {
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
        other => return other,
    }
    if root.stat(from)?.kind == Kind::Folder {
        root.create_folder(to, false)?;
        return root.rename(from, to).inspect_err(|_| drop(root.remove_folder(to)));
    }
    let taken = root.create(to, true)?;
    let (own, there) = (taken.stat()?, root.stat(to)?);
    if (own.inode, own.device) != (there.inode, there.device) || there.len > 0 {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    root.rename(from, to).inspect_err(|_| drop(root.remove(to)))
}

/// Reads the whole file at `path`.
///
/// # Errors
/// `InvalidData` when it is longer than `max` bytes, or what the system says.
pub fn read_all(root: &dyn Root, path: &Path, max: usize) -> io::Result<Vec<u8>> {
    let file = root.open(path)?;
    let mut bytes = Vec::new();
    let mut block = [0; 16 * 1024];
    loop {
        let count = file.read_at(&mut block, bytes.len() as u64)?;
        if count == 0 {
            return Ok(bytes);
        }
        if bytes.len() + count > max {
            let told = format!("{} is over {max} bytes", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, told));
        }
        bytes.extend_from_slice(&block[..count]);
    }
}

/// Fills `buffer` with what `file` has from `offset` on; false if it ends before.
///
/// # Errors
/// What the system says.
pub fn read_whole(file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset.saturating_add(done as u64)) {
            Ok(0) => return Ok(false),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// A new file beside `path`. A name that is taken is passed over and never removed: the number of this process may have
/// had an earlier owner, which died before its rename, but another container with the same number may also be writing.
fn create_temporary(
    root: &dyn Root,
    path: &Path,
    private: bool,
) -> io::Result<(PathBuf, Box<dyn File>)> {
    for _ in 0..TRIES {
        let temporary = temporary_name(path)?;
        match root.create(&temporary, private) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => return result.map(|file| (temporary, file)),
        }
    }
    let told = format!("too many leftovers beside {}", path.display());
    Err(io::Error::new(io::ErrorKind::AlreadyExists, told))
}

/// A name beside `path` that no other thread of this process uses: `.NAME.PID-COUNT.tmp`.
fn temporary_name(path: &Path) -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}-{count}.tmp", std::process::id()));
    Ok(path.with_file_name(temporary))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Share;

    #[test]
    fn a_buffer_is_filled_from_anywhere_as_far_as_the_file_goes() {
        let share = Share::new();
        let root = share.root();
        replace(&*root, Path::new("a"), b"0123456789", false).unwrap();
        let file = root.open(Path::new("a")).unwrap();
        let mut buffer = [0; 4];
        assert!(read_whole(&*file, &mut buffer, 6).unwrap() && buffer == *b"6789");
        assert!(!read_whole(&*file, &mut buffer, 7).unwrap());
        assert!(read_whole(&*file, &mut [], 10).unwrap());
        assert!(!read_whole(&*file, &mut buffer, 1 << 40).unwrap());
    }
}
