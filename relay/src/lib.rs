//! The blind relay of Sealift: it carries what it cannot read.

mod gate;
mod limits;
mod rate;
mod splice;
mod store;
mod switchboard;
mod tls;
mod wire;

pub use limits::Limits;
pub use tls::KeyError;
