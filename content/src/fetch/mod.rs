//! Fetching files from those who have them: what to ask whom for, asking, verifying, handing on.

mod background;
mod deliver;
pub mod download;
pub mod error;
pub mod event;
mod given;
mod pages;
mod partners;
pub mod ranges;
pub mod schedule;
mod session;
mod shared;
mod source;
pub mod space;
mod swarm;
pub mod view;
