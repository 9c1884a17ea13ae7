//! What `seeder` and `leecher` share: the profile on disk, the way to the relay, sessions and links.

mod alike;
pub mod connect;
pub mod control;
pub mod direct;
pub mod error;
pub mod home;
pub mod join;
pub mod lan;
pub mod members;
pub mod pace;
pub mod path;
pub mod profile;
pub mod roster;
pub mod session;
pub mod unwritten;
pub mod words;
