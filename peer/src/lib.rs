//! What `seeder` and `leecher` share: the profile on disk, the way to the relay, sessions and links, and how a command
//! speaks with the person who typed it.

pub mod args;
pub mod connect;
pub mod console;
pub mod control;
pub mod direct;
pub mod escape;
pub mod exit;
pub mod home;
pub mod human;
pub mod join;
pub mod lan;
pub mod line;
pub mod manual;
pub mod members;
pub mod meter;
pub mod pace;
pub mod path;
pub mod process;
pub mod profile;
pub mod roster;
pub mod screen;
pub mod session;
pub mod terminal;
pub mod trace;
pub mod unwritten;
