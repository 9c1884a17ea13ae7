//! A folder on the real disk for tests.

use std::path::Path;
use std::sync::Arc;

use sealift_platform::disk::{Disk, Root, SystemDisk};

pub(crate) struct Share {
    pub(crate) dir: tempfile::TempDir,
    root: Arc<dyn Root>,
}

impl Share {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = SystemDisk.open(dir.path()).unwrap();
        Self { dir, root }
    }

    pub(crate) fn root(&self) -> Arc<dyn Root> {
        self.root.clone()
    }

    pub(crate) fn path(&self, path: impl AsRef<Path>) -> std::path::PathBuf {
        self.dir.path().join(path)
    }

    pub(crate) fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// The real machine.
pub(crate) fn platform() -> sealift_platform::Platform {
    sealift_platform::Platform::system()
}
