//! The leecher: finds files of a space by name and fetches them, verified, into a folder.

pub mod replica;
pub mod search;
mod text;

#[cfg(test)]
mod memory;
