//! How bytes move and rest: what is fetched lands in files, and what is shared is hashed.

pub mod hashes;
pub mod journal;
pub mod landing;
pub mod naming;
