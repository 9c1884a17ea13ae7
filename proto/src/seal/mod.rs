//! The one sealed format, Cobblestone-256 of <https://c2sp.org/chunked-encryption> (PROTOCOL.md section 7):
//!
//! ```text
//! message = salt [24] ‖ commitment [32] ‖ piece 0 ‖ piece 1 ‖ … ‖ last piece
//! piece   = AES-256-GCM(piece key, base nonce XOR number, no additional data, plaintext)
//! piece key [32] ‖ base nonce [12] ‖ commitment [32] = HKDF-Expand-SHA-512(key,
//!           "c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" ‖ salt ‖ context)
//! ```
//!
//! Each piece but the last holds exactly 16 KiB of plaintext, and the last one less, if need be none: so a message that
//! was cut cannot pass for a whole one. The salt must never repeat under one key; it comes from the caller, who has the
//! random generator.

mod aead;
mod stream;

use zeroize::ZeroizeOnDrop;

pub use crate::limits::{PIECE_LEN, PIECES_MAX};
pub use aead::Backend;
pub use stream::{Opener, Sealer};

/// Bytes that sealing adds to a piece.
pub const TAG_LEN: usize = 16;
/// Bytes of a whole sealed piece.
pub const SEALED_PIECE_LEN: usize = PIECE_LEN + TAG_LEN;
/// Bytes of a salt.
pub const SALT_LEN: usize = 24;
/// Bytes before the first piece: salt and commitment.
pub const HEADER_LEN: usize = SALT_LEN + 32;

/// A fresh random value for one message.
pub type Salt = [u8; SALT_LEN];

/// What sealing and opening run into. What another party can cause is told apart only for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Shorter than the shortest message, or a piece shorter than its tag.
    #[error("a sealed message is cut short")]
    Short,
    /// The commitment is that of another key, context or salt.
    #[error("a sealed message is for another key or place")]
    Commitment,
    /// A piece does not verify: altered, moved, or cut.
    #[error("a sealed message was altered")]
    Altered,
    /// A piece has more than [`PIECE_LEN`] bytes.
    #[error("a piece is too long")]
    PieceLength,
    /// The message has more than [`PIECES_MAX`] pieces.
    #[error("a sealed message is too long")]
    TooLong,
    /// The last piece has been there already, or an earlier piece failed.
    #[error("a sealed message goes on after its end")]
    Ended,
}

/// A key that messages are sealed under: 32 uniformly random bytes. Cleared when dropped; never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SealKey([u8; 32]);

impl SealKey {
    /// Takes 32 random or derived bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(..)")
    }
}

/// Bytes of the message that `plain_len` bytes of plaintext are sealed into.
#[must_use]
pub const fn sealed_len(plain_len: usize) -> usize {
    HEADER_LEN + plain_len + (plain_len / PIECE_LEN + 1) * TAG_LEN
}

/// Bytes of the plaintext within a message of `sealed_len` bytes, where a message can have that length.
#[must_use]
pub const fn plain_len(sealed_len: usize) -> Option<usize> {
    let Some(body) = sealed_len.checked_sub(HEADER_LEN) else { return None };
    let Some(last) = (body % SEALED_PIECE_LEN).checked_sub(TAG_LEN) else { return None };
    Some(body / SEALED_PIECE_LEN * PIECE_LEN + last)
}

/// Seals `plaintext` as one message.
///
/// # Panics
/// Never: no plaintext in memory has [`PIECES_MAX`] pieces.
#[must_use]
pub fn seal(key: &SealKey, context: &[u8], salt: Salt, plaintext: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(sealed_len(plaintext.len()));
    seal_onto(&mut message, key, context, salt, plaintext);
    message
}

/// Like [`seal`], behind what `out` holds already.
///
/// # Panics
/// Never: no plaintext in memory has [`PIECES_MAX`] pieces.
pub fn seal_onto(out: &mut Vec<u8>, key: &SealKey, context: &[u8], salt: Salt, plaintext: &[u8]) {
    let (mut sealer, header) = Sealer::new(key, context, salt);
    out.extend_from_slice(&header);
    let pieces = plaintext.chunks_exact(PIECE_LEN);
    let last = pieces.remainder();
    for piece in pieces.chain([last]) {
        let start = out.len();
        out.extend_from_slice(piece);
        let tag = sealer.seal_piece(&mut out[start..]).expect("fewer pieces than the limit");
        out.extend_from_slice(&tag);
    }
}

/// Opens a whole message.
///
/// # Errors
/// When it is not, from first to last byte, what was sealed under `key` and `context`.
pub fn open(key: &SealKey, context: &[u8], message: &[u8]) -> Result<Vec<u8>, SealError> {
    let Some((header, body)) = message.split_first_chunk::<HEADER_LEN>() else {
        return Err(SealError::Short);
    };
    let mut opener = Opener::new(key, context, header)?;
    let mut plaintext = Vec::with_capacity(body.len());
    let pieces = body.chunks_exact(SEALED_PIECE_LEN);
    let last = pieces.remainder();
    for piece in pieces.chain([last]) {
        let start = plaintext.len();
        plaintext.extend_from_slice(piece);
        let len = opener.open_piece(&mut plaintext[start..])?;
        plaintext.truncate(start + len);
    }
    Ok(plaintext)
}

#[cfg(test)]
mod tests;
