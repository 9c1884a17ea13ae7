//! Where files are to land.

use std::path::{Path, PathBuf};

/// Where a file is to land.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Path beneath `--out`; every name in it is safe on this system.
    pub path: PathBuf,
    /// Time of last change, unix milliseconds.
    pub modified_ms: i64,
    /// Whether it gets the execute bits that the umask allows.
    pub executable: bool,
}

impl Target {
    /// The folder it is in.
    pub(super) fn parent(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    /// Time of last change, nanoseconds since 1970.
    pub(super) fn modified_ns(&self) -> i128 {
        i128::from(self.modified_ms) * 1_000_000
    }
}
