//! The leecher: finds files of a space by name and fetches them, verified, into a folder.

pub mod args;
pub mod commands;
pub mod fetch;
pub mod freshen;
pub mod online;
pub mod progress;
pub mod replica;
pub mod search;
pub mod store;
pub mod sync;
mod text;

#[cfg(test)]
mod memory;
