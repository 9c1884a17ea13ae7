//! Configuration files: TOML, every key known, every mistake told with its line.

mod hint;
mod reader;

use std::io;
use std::path::{Path, PathBuf};

use sealift_platform::disk::{Disk, read_all};

pub use reader::{
    Value, Wrong, choice, entries, list, one, parse, read_limits, section, text, unknown,
};

/// Largest file that is read, bytes.
pub const LARGEST: usize = 256 << 10;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration {0}: {1}")]
    Disk(PathBuf, io::Error),
    /// It does not say what a configuration may say.
    #[error("{place}:{line}: {what}", place = .0.display(), line = .1.line, what = .1.what)]
    Wrong(PathBuf, Mistake),
}

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// In which line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub what: String,
}

/// The first of `paths` where there is a file, with its text.
///
/// # Errors
/// When one that is there cannot be read.
pub fn find(
    disk: &dyn Disk,
    paths: impl IntoIterator<Item = PathBuf>,
) -> Result<Option<(PathBuf, Vec<u8>)>, ConfigError> {
    for path in paths {
        match read(disk, &path, LARGEST) {
            Ok(text) => return Ok(Some((path, text))),
            // A link to nowhere is no reason to go on without what it limits.
            Err(error) if is_absent(&error) && path.symlink_metadata().is_err() => {}
            Err(error) => return Err(ConfigError::Disk(path, error)),
        }
    }
    Ok(None)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Reads a file that the program's owner named, of at most `largest` bytes.
///
/// # Errors
/// When it cannot be read or is larger.
pub fn read(disk: &dyn Disk, path: &Path, largest: usize) -> io::Result<Vec<u8>> {
    // Its owner named it, and may have put a link there.
    let real = std::fs::canonicalize(path)?;
    let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(io::ErrorKind::IsADirectory.into());
    };
    read_all(&*disk.open(folder)?, Path::new(name), largest)
}
