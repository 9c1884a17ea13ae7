//! A folder on the machine's disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Disk, Root, SystemDisk};

/// A folder on the machine's disk, removed when dropped.
pub struct Share {
    /// The folder.
    pub dir: tempfile::TempDir,
    root: Arc<dyn Root>,
}

impl Default for Share {
    fn default() -> Self {
        Self::new()
    }
}

impl Share {
    /// An empty folder.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = SystemDisk.open(dir.path()).unwrap();
        Self { dir, root }
    }

    /// The folder, open.
    pub fn root(&self) -> Arc<dyn Root> {
        self.root.clone()
    }

    /// The place of `path` beneath it.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Writes a file beneath it, with the folders above it.
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}
