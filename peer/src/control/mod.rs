//! The control connection: one TLS connection to the relay that carries requests, forwarded messages and news.

mod client;
mod error;
mod tls;

pub use client::{Control, Event, Events, Purpose, dial};
pub use error::{CallError, DialError};
pub use tls::Pin;
