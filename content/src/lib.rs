//! How bytes move and rest: what is fetched from others, where it lands, and the hashes of what is shared.
//!
//! Nothing here speaks: errors carry data, and what happens is told by events.

pub mod fetch;
pub mod hashes;
pub mod journal;
pub mod landing;
pub mod naming;
