//! The configuration file: TOML, every key known, every mistake told with its line.

mod file;
mod hint;

use std::path::PathBuf;

pub(crate) use file::File;

/// Name of the file in the relay's home.
pub(crate) const NAME: &str = "relay.toml";
/// Where a package puts it.
pub(crate) const OF_THE_SYSTEM: &str = "/etc/sealift/relay.toml";
/// Largest file that is read, bytes.
pub(crate) const LARGEST: usize = 256 << 10;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the configuration {0}: {1}")]
    Disk(PathBuf, std::io::Error),
    /// It does not say what a configuration may say.
    #[error("{place}:{line}: {what}", place = .0.display(), line = .1.line, what = .1.what)]
    Wrong(PathBuf, Mistake),
}

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// In which line, from 1.
    pub(crate) line: usize,
    /// What is wrong, and what would be right.
    pub(crate) what: String,
}
