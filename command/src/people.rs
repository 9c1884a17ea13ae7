//! What `seeder` and `leecher` have in common as programs: commands, flags, and this device with a console.

pub mod flags;
pub mod join;
pub mod members;
pub mod speaker;
pub mod ways;
