//! What `seeder` and `leecher` share: the profile on disk, the way to the relay, sessions and links.

pub mod connect;
pub mod control;
pub mod direct;
pub mod join;
pub mod lan;
pub mod pace;
pub mod path;
pub mod roster;
pub mod session;
pub mod unwritten;
