//! Hashes of files: reading them, remembering what was read, and the order in which it is done.

pub mod cache;
pub mod file;
mod lanes;
pub mod pool;
pub mod underway;
