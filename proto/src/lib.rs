//! What two implementations of Sealift must agree on: encodings, messages, certificates, handshake, sealing and chunks.
//!
//! Nothing here reads a clock, a file or a socket. `docs/PROTOCOL.md` is the specification; each module names the section
//! that it implements. The feature `sealed` holds everything that takes a secret of a space: the relay is built without it.

pub mod codec;
pub mod control;
pub mod features;
pub mod frame;
pub mod identity;
pub mod kind;
pub mod label;
pub mod limits;
pub mod log;
pub mod path;
pub mod place;
pub mod probe;
pub mod shown;
pub mod space;
pub mod text;

#[cfg(feature = "sealed")]
pub mod catalogue;
#[cfg(feature = "sealed")]
pub mod direct;
#[cfg(feature = "sealed")]
pub mod handshake;
#[cfg(feature = "sealed")]
pub mod invite;
#[cfg(feature = "sealed")]
pub mod keys;
#[cfg(feature = "sealed")]
pub mod link;
#[cfg(feature = "sealed")]
pub mod manifest;
#[cfg(feature = "sealed")]
pub mod message;
#[cfg(feature = "sealed")]
pub mod object;
#[cfg(feature = "sealed")]
pub mod padme;
#[cfg(feature = "sealed")]
pub mod seal;
#[cfg(feature = "sealed")]
pub mod wrap;

#[cfg(feature = "sealed")]
#[cfg(test)]
mod specification;
#[cfg(all(test, feature = "sealed"))]
mod testing;
