//! Fetching files from seeders: what to ask for, asking, verifying, landing.

pub mod download;
mod pages;
pub mod plan;
pub mod sink;
pub mod source;
mod verify;
