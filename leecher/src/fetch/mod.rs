//! Fetching files from seeders: what to ask whom for, asking, verifying, landing.

mod background;
mod deliver;
pub mod download;
mod elsewhere;
mod pages;
pub mod ranges;
pub mod schedule;
mod session;
mod shared;
mod source;
pub mod view;
