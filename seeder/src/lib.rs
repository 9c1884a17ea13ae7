//! The seeder: watches folders, hashes what is in them, tells the space what it offers, and serves it.

pub mod activity;
pub mod catalogue;
pub mod engine;
pub mod folder;
pub mod hashes;
pub mod index;
pub mod journal;
pub mod names;
pub mod print;
pub mod rules;
pub mod scan;
pub mod serve;
pub mod settle;
pub mod watch;

#[cfg(test)]
mod testing;
