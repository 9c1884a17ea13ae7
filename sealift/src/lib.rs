//! The command for people: every verb of `seeder` and `leecher` in one program, on the same profile and out of the same libraries.

pub mod args;
pub mod commands;
pub mod status;
pub mod suggest;
