//! What is known of a space without a socket: the profile on disk, the spaces in it, their members, and invites that were made or
//! taken here.

mod alike;
pub mod error;
pub mod home;
pub mod invites;
pub mod members;
pub mod package;
pub mod profile;

pub use error::Error;
