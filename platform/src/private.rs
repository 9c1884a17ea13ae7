//! What the programs keep is nobody else's: folders say so by a file in them, files by their first bytes.
//!
//! A seeder offers neither. The two hold without one another: a key that was copied out of its folder still says what it is,
//! and a file that is empty or damaged still lies in a folder that says whose it is.

use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{Disk, Lock, Root, read_all};

/// Name of the file that says that a folder and all beneath it is never offered.
pub const MARKER: &str = ".sealift-private";
/// The first bytes of every file that a program of Sealift keeps.
pub const FIRST: &str = "sealift-private ";
/// The first bytes of what lies beside a part of a download.
const BESIDE: [&[u8]; 2] = [b"sealift record ", b"sealift start "];
/// How many bytes [`is_kept`] needs to see.
pub const FIRST_LEN: usize = FIRST.len();
/// For whoever finds the marker.
const WORDS: &str = "\
Sealift keeps keys and other files of its own in this folder.
This file keeps `seeder` from ever sharing the folder or anything beneath it, wherever it lies. Leave it here.
";

/// Opens the folder at `path` in which a program keeps its files, made with mode 0700 if it is missing. The marker is in it,
/// on disk, before anything else can be.
///
/// # Errors
/// When it cannot be made, marked or opened.
pub fn open(disk: &dyn Disk, path: &Path) -> io::Result<Arc<dyn Root>> {
    let root = disk.open_or_create(path, true)?;
    if !is_marked(&*root, Path::new(""))? {
        mark(&*root)?;
    }
    Ok(root)
}

fn mark(root: &dyn Root) -> io::Result<()> {
    match root.create(Path::new(MARKER), true) {
        Ok(file) => file.write_all_at(WORDS.as_bytes(), 0).and_then(|()| file.sync())?,
        // Another program of this user made it just now.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    root.sync_folder(Path::new(""))
}

/// Whether the folder at `folder` is marked as private; by anything of that name.
///
/// # Errors
/// When it cannot be told: the folder is to be taken as private.
pub fn is_marked(root: &dyn Root, folder: &Path) -> io::Result<bool> {
    match root.stat(&folder.join(MARKER)) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a file that begins with these bytes is one that a program of Sealift keeps.
#[must_use]
pub fn is_kept(first: &[u8]) -> bool {
    first.starts_with(FIRST.as_bytes()) || BESIDE.iter().any(|kind| first.starts_with(kind))
}

/// Writes into the lock file who holds it.
///
/// # Errors
/// What the system says.
pub fn describe(lock: &dyn Lock) -> io::Result<()> {
    lock.describe(format!("{FIRST}lock\nprocess {}\n", std::process::id()).as_bytes())
}

/// Who holds the lock file at `path`, as it says; empty if it does not.
#[must_use]
pub fn holder(root: &dyn Root, path: &Path) -> String {
    let bytes = read_all(root, path, 200).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.lines().nth(1).unwrap_or_default().trim().to_owned()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::disk::SystemDisk;

    #[test]
    fn a_home_is_marked_before_anything_is_in_it_and_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("a/b");
        let root = open(&SystemDisk, &home).unwrap();
        assert!(is_marked(&*root, Path::new("")).unwrap());
        let names: Vec<_> = root.list(Path::new("")).unwrap();
        assert_eq!(names.len(), 1);
        let words = std::fs::read_to_string(home.join(MARKER)).unwrap();
        assert!(words.contains("Leave it here"));
        std::fs::write(home.join(MARKER), "").unwrap();
        let root = open(&SystemDisk, &home).unwrap();
        assert!(is_marked(&*root, Path::new("")).unwrap(), "whatever is in it");
        assert!(!is_marked(&*SystemDisk.open(folder.path()).unwrap(), Path::new("a")).unwrap());
    }

    #[test]
    fn a_lock_says_whose_file_it_is_and_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = SystemDisk.open(folder.path()).unwrap();
        let lock = root.try_lock(Path::new("l")).unwrap().unwrap();
        assert_eq!(holder(&*root, Path::new("l")), "");
        describe(&*lock).unwrap();
        assert_eq!(holder(&*root, Path::new("l")), format!("process {}", std::process::id()));
        assert!(is_kept(&std::fs::read(folder.path().join("l")).unwrap()));
    }
}
