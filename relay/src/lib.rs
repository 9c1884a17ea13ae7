//! The blind relay of Sealift: it carries what it cannot read, and keeps what it cannot open.
//!
//! ```text
//! conn         the Hello, and what follows           switchboard   who may reach whom (pure)
//! conn/control what each message does                outbox        what waits to be sent
//! hub          what all connections share            store         what is on disk
//! splice       the bytes of links                    limits        every number
//! ```
//!
//! What stands between its listeners and strangers is `sealift_server`.

pub mod command;
mod config;
mod conn;
mod error;
mod exposition;
mod handle;
mod home;
mod hub;
mod limits;
mod links;
mod metrics;
mod outbox;
mod probes;
mod program;
mod relay;
pub mod report;
mod splice;
mod store;
mod switchboard;
#[cfg(test)]
mod testing;
mod udp;

pub use error::RelayError;
pub use handle::Handle;
pub use limits::{InForce, Limits};
pub use relay::{Config, Relay, run};
pub use sealift_server::admission::Allowed;
pub use sealift_server::identity::KeyError;
pub use sealift_server::tokens::{TokenError, Tokens};
