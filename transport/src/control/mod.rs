//! The control connection: one TLS connection to the relay that carries requests, forwarded messages and news.

mod alive;
mod client;
mod error;
mod events;
mod tls;

pub use client::{Control, Probe, Purpose, dial};
pub use error::{CallError, DialError};
pub use events::{Event, Events};
pub use tls::Pin;
pub(crate) use tls::any_key;
