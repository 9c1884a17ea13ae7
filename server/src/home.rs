//! A program's folder: private, and used by one process at a time.

use std::io;
use std::path::Path;
use std::sync::Arc;

use sealift_platform::disk::{Disk, Lock, Root};
use sealift_platform::private;

use crate::Program;

/// Why a folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// The disk refuses, or others could read it.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// Another process uses it, which is described here.
    #[error("in use: {0}")]
    InUse(String),
}

/// An open folder.
pub struct Home {
    /// What is in it.
    pub root: Arc<dyn Root>,
    /// Keeps other processes out.
    pub lock: Box<dyn Lock>,
}

/// Opens the folder at `path`, made if missing, for this process alone until the lock is dropped.
///
/// # Errors
/// [`HomeError`].
pub fn open(program: Program, disk: &dyn Disk, path: &Path) -> Result<Home, HomeError> {
    let root = private::open(disk, path)?;
    let name = format!("{}.lock", program.name);
    let name = Path::new(&name);
    let Some(lock) = root.try_lock(name)? else {
        return Err(HomeError::InUse(private::holder(&*root, name)));
    };
    private::describe(&*lock)?;
    Ok(Home { root, lock })
}

#[cfg(test)]
mod tests {
    use sealift_platform::disk::SystemDisk;

    use super::*;

    #[test]
    fn a_folder_is_for_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().join("home");
        let program = Program { name: "echo", detail: "" };
        let held = open(program, &SystemDisk, &home).unwrap();
        let second = open(program, &SystemDisk, &home).err().unwrap();
        let HomeError::InUse(holder) = second else { panic!("{second}") };
        assert!(holder.contains(&std::process::id().to_string()), "{holder}");
        drop(held);
        assert!(open(program, &SystemDisk, &home).is_ok());
    }
}
