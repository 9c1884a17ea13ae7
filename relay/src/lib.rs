//! The blind relay of Sealift: it carries what it cannot read.

mod limits;
mod rate;
mod store;
mod switchboard;

pub use limits::Limits;
