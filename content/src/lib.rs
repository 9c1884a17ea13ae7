//! How bytes move and rest: what is fetched from others and where it lands, what is served to others, and its hashes.
//!
//! Nothing here speaks: errors carry data, and what happens is told by events.

pub mod entry;
pub mod fetch;
pub mod hashes;
pub mod journal;
pub mod landing;
mod link;
pub mod naming;
pub mod numbers;
pub mod serve;
mod session;
#[cfg(test)]
mod testing;
