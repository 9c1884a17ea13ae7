//! The commands, one file each.

mod choose;
pub mod download;
mod facts;
pub mod join;
pub mod list;
pub mod members;
pub mod ping;
pub mod search;
pub mod status;
pub mod verify;
