//! Sealing and opening piece by piece, in the caller's buffers.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::label;

use super::{
    Backend, HEADER_LEN, PIECE_LEN, PIECES_MAX, SALT_LEN, SEALED_PIECE_LEN, Salt, SealError,
    SealKey, TAG_LEN, aead::Aead,
};

/// Seals the pieces of one message in order. Neither a key nor a counter ever goes on to a second message.
#[derive(Debug)]
pub struct Sealer {
    pieces: Pieces,
    next: u64,
    ended: bool,
}

impl Sealer {
    /// Starts a message; the second value goes before its pieces.
    #[must_use]
    pub fn new(key: &SealKey, context: &[u8], salt: Salt) -> (Self, [u8; HEADER_LEN]) {
        Self::with_backend(Backend::default(), key, context, salt)
    }

    /// Like [`Sealer::new`], by the given implementation of AES.
    #[must_use]
    pub fn with_backend(
        backend: Backend,
        key: &SealKey,
        context: &[u8],
        salt: Salt,
    ) -> (Self, [u8; HEADER_LEN]) {
        let (pieces, commitment) = Pieces::derive(backend, key, context, &salt);
        let mut header = [0; HEADER_LEN];
        header[..SALT_LEN].copy_from_slice(&salt);
        header[SALT_LEN..].copy_from_slice(&commitment);
        (Self { pieces, next: 0, ended: false }, header)
    }

    /// Seals the next piece in place and gives the tag that belongs right behind it. A piece of [`PIECE_LEN`] bytes is
    /// followed by others; a shorter one, if need be of none, is the last.
    ///
    /// # Errors
    /// [`SealError::PieceLength`] for a longer one, [`SealError::Ended`] after the last, [`SealError::TooLong`] at the
    /// limit of the format.
    pub fn seal_piece(&mut self, piece: &mut [u8]) -> Result<[u8; TAG_LEN], SealError> {
        if piece.len() > PIECE_LEN {
            return Err(SealError::PieceLength);
        }
        if self.ended {
            return Err(SealError::Ended);
        }
        let nonce = self.pieces.nonce(self.next)?;
        self.next += 1;
        self.ended = piece.len() < PIECE_LEN;
        Ok(self.pieces.aead.seal(nonce, piece))
    }

    /// Whether the last piece has been sealed.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.ended
    }

    #[cfg(test)]
    pub(super) const fn set_next(&mut self, number: u64) {
        self.next = number;
    }
}

/// Opens the pieces of one message, in order or at any place. After a failure every further piece fails in order too.
#[derive(Debug)]
pub struct Opener {
    pieces: Pieces,
    next: u64,
    ended: bool,
    failed: bool,
}

impl Opener {
    /// Starts with the bytes before the first piece.
    ///
    /// # Errors
    /// [`SealError::Commitment`] when the message was sealed under another key, context or salt.
    pub fn new(
        key: &SealKey,
        context: &[u8],
        header: &[u8; HEADER_LEN],
    ) -> Result<Self, SealError> {
        Self::with_backend(Backend::default(), key, context, header)
    }

    /// Like [`Opener::new`], by the given implementation of AES.
    ///
    /// # Errors
    /// [`SealError::Commitment`] when the message was sealed under another key, context or salt.
    pub fn with_backend(
        backend: Backend,
        key: &SealKey,
        context: &[u8],
        header: &[u8; HEADER_LEN],
    ) -> Result<Self, SealError> {
        let (salt, commitment) = header.split_at(SALT_LEN);
        let salt: Salt = salt.try_into().expect("a header begins with the salt");
        let (pieces, expected) = Pieces::derive(backend, key, context, &salt);
        if !bool::from(expected.ct_eq(commitment)) {
            return Err(SealError::Commitment);
        }
        Ok(Self { pieces, next: 0, ended: false, failed: false })
    }

    /// Opens the next piece, ciphertext and tag, in place. The first bytes of `piece`, as many as the result says, are then
    /// its plaintext. A piece of [`SEALED_PIECE_LEN`] bytes is followed by others; a shorter one is the last.
    ///
    /// # Errors
    /// [`SealError::Short`], [`SealError::PieceLength`] or [`SealError::Altered`] for a piece that is not the next one of
    /// this message, [`SealError::Ended`] after the last or a failed one, [`SealError::TooLong`] at the limit of the format.
    pub fn open_piece(&mut self, piece: &mut [u8]) -> Result<usize, SealError> {
        self.in_order(|opener| opener.open_piece_at(opener.next, piece))
    }

    /// As [`Opener::open_piece`], but into `plain`, which begins with the piece's plaintext then: one copy less where that
    /// is to lie elsewhere. Bytes of `plain` behind it stay as they are.
    ///
    /// # Errors
    /// As [`Opener::open_piece`]; also [`SealError::PieceLength`] when `plain` is too short.
    pub fn open_piece_into(&mut self, piece: &[u8], plain: &mut [u8]) -> Result<usize, SealError> {
        self.in_order(|opener| {
            let (ciphertext, tag) = piece.split_last_chunk().ok_or(SealError::Short)?;
            let plain = plain.get_mut(..ciphertext.len()).ok_or(SealError::PieceLength)?;
            if ciphertext.len() > PIECE_LEN {
                return Err(SealError::PieceLength);
            }
            let nonce = opener.pieces.nonce(opener.next)?;
            opener.pieces.aead.open_into(nonce, ciphertext, tag, plain)?;
            Ok(ciphertext.len())
        })
    }

    /// Opens the next piece by `open`, unless the message has ended or failed.
    fn in_order(
        &mut self,
        open: impl FnOnce(&Self) -> Result<usize, SealError>,
    ) -> Result<usize, SealError> {
        if self.ended || self.failed {
            return Err(SealError::Ended);
        }
        let opened = open(self);
        match opened {
            Ok(len) => {
                self.next += 1;
                self.ended = len < PIECE_LEN;
            }
            Err(_) => self.failed = true,
        }
        opened
    }

    /// Opens the piece with the given number in place, whatever was opened before. That the message is whole is known only
    /// once its last piece has been opened.
    ///
    /// # Errors
    /// As [`Opener::open_piece`].
    pub fn open_piece_at(&self, number: u64, piece: &mut [u8]) -> Result<usize, SealError> {
        if piece.len() > SEALED_PIECE_LEN {
            return Err(SealError::PieceLength);
        }
        let Some((ciphertext, tag)) = piece.split_last_chunk_mut::<TAG_LEN>() else {
            return Err(SealError::Short);
        };
        self.pieces.aead.open(self.pieces.nonce(number)?, ciphertext, tag)?;
        Ok(ciphertext.len())
    }

    /// Whether the last piece has been opened, and with it the whole message.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.ended
    }

    #[cfg(test)]
    pub(super) const fn set_next(&mut self, number: u64) {
        self.next = number;
    }
}

/// What the pieces of one message are sealed with.
struct Pieces {
    aead: Aead,
    base_nonce: [u8; 12],
}

impl std::fmt::Debug for Pieces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pieces(..)")
    }
}

impl Pieces {
    /// Derives key and base nonce of a message, and its commitment.
    fn derive(backend: Backend, key: &SealKey, context: &[u8], salt: &Salt) -> (Self, [u8; 32]) {
        let first = expand_block(key, &[], context, salt, 1);
        let second = expand_block(key, &*first, context, salt, 2);
        let mut piece_key = Zeroizing::new([0; 32]);
        let mut base_nonce = [0; 12];
        let mut commitment = [0; 32];
        piece_key.copy_from_slice(&first[..32]);
        base_nonce.copy_from_slice(&first[32..44]);
        commitment[..20].copy_from_slice(&first[44..]);
        commitment[20..].copy_from_slice(&second[..12]);
        (Self { aead: Aead::new(backend, &piece_key), base_nonce }, commitment)
    }

    /// The nonce of a piece: its number, big-endian, into the end of the base nonce.
    fn nonce(&self, number: u64) -> Result<[u8; 12], SealError> {
        if number >= PIECES_MAX {
            return Err(SealError::TooLong);
        }
        let mut nonce = self.base_nonce;
        for (byte, count) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= count;
        }
        Ok(nonce)
    }
}

/// One block of HKDF-Expand (RFC 5869 section 2.3). By hand, because the `hkdf` crate takes no key shorter than the hash,
/// and the format expands a key of 32 bytes with SHA-512.
fn expand_block(
    key: &SealKey,
    previous: &[u8],
    context: &[u8],
    salt: &Salt,
    number: u8,
) -> Zeroizing<[u8; 64]> {
    let mut mac = Hmac::<Sha512>::new_from_slice(&key.0).expect("HMAC takes keys of any length");
    for part in [previous, label::COBBLESTONE.as_bytes(), salt, context, &[number]] {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}
