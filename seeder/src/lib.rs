//! The seeder: watches folders, hashes what is in them, tells the space what it offers, and serves it.

pub mod hashes;
pub mod journal;
pub mod names;
pub mod print;
pub mod rules;
pub mod scan;

#[cfg(test)]
mod testing;
