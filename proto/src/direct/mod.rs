//! Direct links of a session (PROTOCOL.md section 10.3 and following): addresses, the opening, and knocks.
//!
//! ```text
//! connector                                      acceptor
//! preamble of kind 2: session id, nonce    →                            Preamble, call
//!                                        ←    nonce                     Opening on both sides
//! seeder    ─────────── proof ──────────▶ leecher                       AtSeeder::prove, AtLeecher::verify
//! leecher   ─── link number, proof ─────▶ seeder                        Verified::take, AwaitingLeecher::check
//! ```
//!
//! Either of the two may be the connector. The leecher speaks last: its proof takes the link, so that of several openings
//! only those come to something that it wants. Each step consumes the one before it.

mod candidate;
mod knock;

use subtle::ConstantTimeEq;

use crate::frame::{LinkKind, PREAMBLE, Preamble};
use crate::handshake::SessionId;
use crate::keys::ExporterKey;
use crate::kind::end;
use crate::label;

pub use candidate::{CANDIDATES_MAX, Candidate, Candidates, Ip, Origin, Transport, Unfit};
pub use knock::{KNOCK_LEN, Knock, KnockKind};

/// Bytes of a nonce of an opening.
pub const NONCE_LEN: usize = 16;
/// Bytes of a proof.
pub const PROOF_LEN: usize = 32;
/// Bytes with which the leecher takes a link: its number and the proof.
pub const TAKE_LEN: usize = 4 + PROOF_LEN;
/// Label under which the TLS of QUIC exports what the proofs bind to (RFC 8446 section 7.5); the context is empty.
pub const BINDING_LABEL: &[u8] = label::QUIC_EXPORTER.as_bytes();
/// Application protocol name in the TLS handshake of QUIC.
pub const ALPN: &[u8] = label::QUIC_ALPN.as_bytes();

/// Connector, transport, session, two nonces, binding.
const TRANSCRIPT_LEN: usize = 1 + 1 + 16 + 2 * NONCE_LEN + 32;

/// Why a direct link does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DirectError {
    /// Not the bytes that open a direct link, or those of a session that is not here.
    #[error("no opening of a direct link")]
    Foreign,
    /// A proof that does not hold: the other side is not the one of the session.
    #[error("somebody else answers there")]
    Proof,
}

/// One of the two ends of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// The one that fetches.
    Leecher,
    /// The one that offers.
    Seeder,
}

impl End {
    /// The byte in proofs and knocks.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Leecher => end::LEECHER,
            Self::Seeder => end::SEEDER,
        }
    }

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Leecher => Self::Seeder,
            Self::Seeder => Self::Leecher,
        }
    }
}

/// What one side needs of a session to open further links of it.
#[derive(Debug, Clone)]
pub struct Ends {
    /// The session.
    pub session: SessionId,
    /// Which end this side is.
    pub end: End,
    /// The session's key for proofs.
    pub exporter: ExporterKey,
}

/// The first bytes of a connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// The session that it is for.
    pub session: SessionId,
    /// Its nonce.
    pub nonce: [u8; NONCE_LEN],
}

impl Call {
    /// The bytes to send.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; PREAMBLE] {
        let mut value = [0; 32];
        value[..16].copy_from_slice(&self.session.0);
        value[16..].copy_from_slice(&self.nonce);
        Preamble { kind: LinkKind::Direct, value }.to_bytes()
    }

    /// Reads the bytes received.
    ///
    /// # Errors
    /// [`DirectError::Foreign`] when they open no direct link of this version.
    pub fn from_bytes(bytes: &[u8; PREAMBLE]) -> Result<Self, DirectError> {
        let preamble = Preamble::from_bytes(bytes).map_err(|_| DirectError::Foreign)?;
        if preamble.kind != LinkKind::Direct {
            return Err(DirectError::Foreign);
        }
        let mut call = Self { session: SessionId([0; 16]), nonce: [0; NONCE_LEN] };
        call.session.0.copy_from_slice(&preamble.value[..16]);
        call.nonce.copy_from_slice(&preamble.value[16..]);
        Ok(call)
    }
}

/// What both sides prove that they have the keys over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Who connected.
    pub connector: End,
    /// Over what.
    pub transport: Transport,
    /// The connector's nonce.
    pub connector_nonce: [u8; NONCE_LEN],
    /// The acceptor's nonce.
    pub acceptor_nonce: [u8; NONCE_LEN],
    /// The value that the TLS of QUIC exports; zeros over TCP.
    pub binding: [u8; 32],
}

/// One opening, once both nonces are known.
struct Opening {
    key: ExporterKey,
    transcript: [u8; TRANSCRIPT_LEN],
}

impl Opening {
    fn new(ends: &Ends, terms: &Terms) -> Self {
        let mut transcript = [0; TRANSCRIPT_LEN];
        let parts: [&[u8]; 6] = [
            &[terms.connector.number()],
            &[terms.transport.number()],
            &ends.session.0,
            &terms.connector_nonce,
            &terms.acceptor_nonce,
            &terms.binding,
        ];
        let mut at = 0;
        for part in parts {
            transcript[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        Self { key: ends.exporter.clone(), transcript }
    }

    fn of_seeder(&self) -> [u8; PROOF_LEN] {
        self.key.mac(&[label::DIRECT_SEEDER.as_bytes(), &self.transcript])
    }

    fn of_leecher(&self, number: u32) -> [u8; PROOF_LEN] {
        self.key.mac(&[label::DIRECT_LEECHER.as_bytes(), &self.transcript, &number.to_be_bytes()])
    }
}

/// An opening at the seeder, which proves itself first.
pub struct AtSeeder(Opening);

impl AtSeeder {
    /// For the seeder's end of a session.
    #[must_use]
    pub fn new(ends: &Ends, terms: &Terms) -> Self {
        Self(Opening::new(ends, terms))
    }

    /// The bytes to send; then the leecher's are awaited.
    #[must_use]
    pub fn prove(self) -> (AwaitingLeecher, [u8; PROOF_LEN]) {
        let proof = self.0.of_seeder();
        (AwaitingLeecher(self.0), proof)
    }
}

/// The seeder has proved itself.
pub struct AwaitingLeecher(Opening);

impl AwaitingLeecher {
    /// Checks what the leecher sent, and gives the number of the link. Whether it is new is for
    /// [`LinkNumbers`](crate::link::LinkNumbers) to say.
    ///
    /// # Errors
    /// [`DirectError::Proof`].
    pub fn check(self, bytes: &[u8; TAKE_LEN]) -> Result<u32, DirectError> {
        let [a, b, c, d, proof @ ..] = bytes;
        let number = u32::from_be_bytes([*a, *b, *c, *d]);
        let good = self.0.of_leecher(number)[..].ct_eq(&proof[..]);
        if bool::from(good) { Ok(number) } else { Err(DirectError::Proof) }
    }
}

/// An opening at the leecher, which waits for the seeder's proof.
pub struct AtLeecher(Opening);

impl AtLeecher {
    /// For the leecher's end of a session.
    #[must_use]
    pub fn new(ends: &Ends, terms: &Terms) -> Self {
        Self(Opening::new(ends, terms))
    }

    /// Checks the seeder's proof.
    ///
    /// # Errors
    /// [`DirectError::Proof`].
    pub fn verify(self, proof: &[u8; PROOF_LEN]) -> Result<Verified, DirectError> {
        let good = self.0.of_seeder()[..].ct_eq(&proof[..]);
        if bool::from(good) { Ok(Verified(self.0)) } else { Err(DirectError::Proof) }
    }
}

/// The seeder is at the other end. Dropping this leaves the link untaken.
pub struct Verified(Opening);

impl Verified {
    /// The bytes with which the leecher takes the link as number `number` of the session.
    #[must_use]
    pub fn take(self, number: u32) -> [u8; TAKE_LEN] {
        let mut bytes = [0; TAKE_LEN];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        bytes[4..].copy_from_slice(&self.0.of_leecher(number));
        bytes
    }
}

#[cfg(test)]
mod tests;
