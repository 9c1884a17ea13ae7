//! What two implementations of Sealift must agree on: encodings, messages, certificates, handshake, sealing and chunks.
//!
//! Nothing here reads a clock, a file or a socket. `docs/PROTOCOL.md` is the specification; each module names the section
//! that it implements. The feature `sealed` holds everything that takes a secret of a space: the relay is built without it.

pub mod codec;
pub mod identity;
#[cfg(feature = "sealed")]
pub mod padme;
pub mod path;
#[cfg(feature = "sealed")]
pub mod seal;
pub mod text;
