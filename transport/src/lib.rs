//! How devices reach each other: the connection to a relay, sessions and links, direct ways, the local network, and a space that is
//! connected.

pub mod client;
pub mod connect;
pub mod control;
pub mod device;
pub mod direct;
pub mod error;
pub mod join;
pub mod lan;
pub mod notice;
pub mod pace;
pub mod path;
pub mod session;
pub mod unwritten;

pub use error::{Error, JoinError};
