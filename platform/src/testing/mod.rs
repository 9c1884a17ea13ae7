//! Disks for tests: one in memory, and a folder on the machine's.

#![allow(clippy::unwrap_used, reason = "what a test sets up cannot fail, or the test does")]

mod memory;
mod share;

pub use memory::{Content, MemoryDisk, Node};
pub use share::Share;
