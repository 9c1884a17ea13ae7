//! Hashes of files: reading them, remembering what was read, and the order in which it is done.

pub mod cache;
pub mod file;
mod lanes;
pub mod pool;
pub mod print;
pub mod underway;

use std::path::PathBuf;
use std::sync::Arc;

use sealift_platform::disk::Root as Folder;

/// What a file is called by whoever has it read.
pub type Name = Arc<str>;

/// Knows where the files are that are to be read.
pub trait Places: Send + Sync + 'static {
    /// The folder that `name` is beneath, and its path beneath it; `None` if it is not there. Blocks.
    fn find(&self, name: &str) -> Option<(Arc<dyn Folder>, PathBuf)>;
}
