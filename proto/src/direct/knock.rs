//! Datagrams with which two ends of a session find a way through their routers (PROTOCOL.md section 10.5).
//!
//! ```text
//! knock = 02 "SLP" ‖ session id [16] ‖ speaker [1] ‖ kind [1] ‖ nonce [16] ‖ zeros [10] ‖ MAC [16]     64 bytes
//! ```
//!
//! QUIC never sends a first byte with both of its highest bits clear, so knocks share its socket.

use subtle::ConstantTimeEq;

use super::{End, Ends};
use crate::handshake::SessionId;
use crate::keys::ExporterKey;
use crate::kind::{datagram, knock};
use crate::label;

/// Bytes of a knock.
pub const KNOCK_LEN: usize = 64;
const START: [u8; 4] = [datagram::KNOCK, b'S', b'L', b'P'];
/// Bytes in front of the MAC, which covers all of them.
const COVERED: usize = KNOCK_LEN - MAC_LEN;
const MAC_LEN: usize = 16;

/// What a knock wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnockKind {
    /// An answer with the same nonce.
    Ask,
    /// Nothing: it answers.
    Answer,
}

/// A datagram that opens a way, or tells that there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knock {
    /// What it wants.
    pub kind: KnockKind,
    /// Random in an Ask; that of the Ask in an answer.
    pub nonce: [u8; 16],
}

impl Knock {
    /// The bytes that this end of the session sends.
    #[must_use]
    pub fn to_bytes(&self, ends: &Ends) -> [u8; KNOCK_LEN] {
        let mut bytes = [0; KNOCK_LEN];
        let kind = match self.kind {
            KnockKind::Ask => knock::ASK,
            KnockKind::Answer => knock::ANSWER,
        };
        bytes[..4].copy_from_slice(&START);
        bytes[4..20].copy_from_slice(&ends.session.0);
        bytes[20..22].copy_from_slice(&[ends.end.number(), kind]);
        bytes[22..38].copy_from_slice(&self.nonce);
        let mac = mac(&ends.exporter, &bytes[..COVERED]);
        bytes[COVERED..].copy_from_slice(&mac);
        bytes
    }

    /// The session that a datagram claims to be for; `None` for what is no knock. To be asked before [`Knock::from_bytes`].
    #[must_use]
    pub fn session(datagram: &[u8]) -> Option<SessionId> {
        let bytes: &[u8; KNOCK_LEN] = datagram.try_into().ok()?;
        if bytes[..4] != START {
            return None;
        }
        let mut session = SessionId([0; 16]);
        session.0.copy_from_slice(&bytes[4..20]);
        Some(session)
    }

    /// Reads what the other end of the session sent; `None` for everything else.
    #[must_use]
    pub fn from_bytes(datagram: &[u8], ends: &Ends) -> Option<Self> {
        let bytes: &[u8; KNOCK_LEN] = datagram.try_into().ok()?;
        let good = mac(&ends.exporter, &bytes[..COVERED])[..].ct_eq(&bytes[COVERED..]);
        if !bool::from(good) || Self::session(datagram) != Some(ends.session) {
            return None;
        }
        let kind = match bytes[21] {
            knock::ASK => KnockKind::Ask,
            knock::ANSWER => KnockKind::Answer,
            _ => return None,
        };
        let from_other: End = ends.end.other();
        let whole = bytes[20] == from_other.number() && bytes[38..COVERED].iter().all(|b| *b == 0);
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&bytes[22..38]);
        whole.then_some(Self { kind, nonce })
    }
}

fn mac(key: &ExporterKey, covered: &[u8]) -> [u8; MAC_LEN] {
    let mut short = [0; MAC_LEN];
    short.copy_from_slice(&key.mac(&[label::KNOCK.as_bytes(), covered])[..MAC_LEN]);
    short
}
