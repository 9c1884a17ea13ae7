//! Signed heads of catalogue logs (PROTOCOL.md section 8.1): the part of a catalogue that the relay checks too.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::codec::{self, Bytes, Extensions};
use crate::control::Hash;
use crate::identity::{DeviceId, Statement};
use crate::kind;
use crate::label;
use crate::limits::{HEAD_MAX, STATUS_MAX};
use crate::space::SpaceId;

pub use crate::limits::SEGMENTS_MAX;

/// First log number that holds a catalogue; 0 is the space record, 1 the card.
pub const FIRST_CATALOGUE: u16 = kind::log::CATALOGUE;

/// The newest state of one catalogue: segments `base..position` are the whole of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Head {
    /// Always [`crate::frame::VERSION`].
    pub version: u8,
    /// The space.
    pub space: SpaceId,
    /// The seeder, which signs the head.
    pub device: DeviceId,
    /// Number of the log, [`FIRST_CATALOGUE`] and up.
    pub log: u16,
    /// Random; a new one replaces an older one only with a later time.
    #[serde(with = "codec::array")]
    pub log_id: [u8; 16],
    /// Position of the first segment; rises when the catalogue is written anew.
    pub base: u64,
    /// One past the last segment.
    pub position: u64,
    /// [`chain_start`], then [`chain_next`] over each segment.
    #[serde(with = "codec::array")]
    pub chain: [u8; 32],
    /// Epoch whose catalogue key seals the segments.
    pub epoch: u32,
    /// When it was made, unix milliseconds; never falls within a log.
    pub time: u64,
    /// Sealed object holding a catalogue status: how many files wait to be hashed.
    pub status: Bytes<STATUS_MAX>,
    /// Additions.
    pub extensions: Extensions,
}

impl Statement for Head {
    const CONTEXT: &'static str = label::HEAD;
    const MAX: usize = HEAD_MAX;
}

/// Chain value of a log without segments: `SHA-256("sealift/1 log\0" ‖ log id ‖ u64 base)`.
#[must_use]
pub fn chain_start(log_id: &[u8; 16], base: u64) -> [u8; 32] {
    let hash = Sha256::new().chain_update(label::LOG).chain_update(log_id);
    hash.chain_update(base.to_be_bytes()).finalize().into()
}

/// Chain value after one more segment: `SHA-256("sealift/1 segment\0" ‖ before ‖ SHA-256(sealed segment))`.
#[must_use]
pub fn chain_next(before: &[u8; 32], segment: &[u8]) -> [u8; 32] {
    let hash = Sha256::new().chain_update(label::SEGMENT).chain_update(before);
    hash.chain_update(Sha256::digest(segment)).finalize().into()
}

/// Names a statement by the SHA-256 of its encoding, signature included.
#[must_use]
pub fn statement_hash(statement: &[u8]) -> Hash {
    Hash(Sha256::digest(statement).into())
}
