//! What stands between a listener and strangers, for every Sealift program that listens.
//!
//! ```text
//! accept       connections, also when the system has no more       limits     a program's table of numbers, in force
//! entrance     first byte, TLS, until one has shown who it is       gate       how many have not, and how many handshakes
//! frames       messages off a stream                                partial    messages that have come in part
//! room         memory and descriptors                               admission  which spaces, by name, token or address
//! admin        metrics, health and state, for the operator          log        lines that strangers cannot make many or forge
//! ```
//!
//! A program gives its own limits ([`limits!`]), metrics ([`metrics!`]) and report ([`admin::Observed`]), and says in
//! [`entrance::Service`] what it does with those who come in. `examples/echo.rs` is a whole one. Nothing here opens what is sealed.

pub mod accept;
pub mod admin;
pub mod admission;
pub mod budget;
pub mod carrier;
pub mod config;
pub mod entrance;
pub mod frames;
pub mod gate;
pub mod home;
pub mod identity;
pub mod limits;
pub mod listen;
pub mod log;
pub mod machine;
pub mod manager;
pub mod metrics;
pub mod pace;
pub mod partial;
pub mod reach;
pub mod reason;
pub mod rejected;
pub mod room;
pub mod signals;
pub mod silence;
pub mod sources;
pub mod tokens;

/// What a program is called where its machinery speaks of it: `relay` has `relay.key`, `relay.lock` and `relay.sock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Its name, in words and of its files.
    pub name: &'static str,
    /// What its log shows more of for `debug`, as filters: `sealift_relay=debug`.
    pub detail: &'static str,
}

impl Program {
    /// The file of its key, in its home.
    #[must_use]
    pub fn key_file(self) -> String {
        format!("{}.key", self.name)
    }

    /// First line of that file.
    #[must_use]
    pub(crate) fn key_title(self) -> String {
        format!("sealift-private {} key 1", self.name)
    }

    /// The socket on which it tells its state, in its home.
    #[must_use]
    pub fn socket(self) -> String {
        format!("{}.sock", self.name)
    }
}
