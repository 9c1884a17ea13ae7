//! Sealed messages on a link (PROTOCOL.md section 7.2).
//!
//! ```text
//! opening = session id [16] ‖ u32 link number ‖ proof [32]          leecher → seeder, before all else
//! READY   = [32]                                                    seeder → leecher, first link only
//! message = u32 length ‖ u8 kind ‖ Cobblestone message of that length
//!           context: "sealift/1 link\0" ‖ session id ‖ u8 direction ‖ u32 link number ‖ u64 count ‖ u8 kind
//! ```
//!
//! `count` is 0 for the first message of a direction of a link and rises by one. It is never sent: a message that was
//! left out, repeated, moved or sent back does not open. Kind 1 is a padded message; kind 2 a run, unpadded, whose pieces
//! count as they open.

use std::marker::PhantomData;

use crate::handshake::SessionId;
use crate::keys::{LeecherToSeederKey, SeederToLeecherKey};
use crate::kind::{end, link};
use crate::label;
use crate::limits::LINK_WINDOW;
use crate::message::{MESSAGE_MAX, RUN_HEADER_MAX, RUN_MAX};
use crate::padme;
use crate::seal::{self, HEADER_LEN, Opener, PIECE_LEN, SEALED_PIECE_LEN, Salt, Sealer, TAG_LEN};

/// Bytes before a Cobblestone message: its length and kind.
pub const HEAD_LEN: usize = 5;
/// Bytes that open a link.
pub const OPENING_LEN: usize = 16 + 4 + 32;
/// Longest plaintext of a run: header length, header and content.
pub const RUN_PLAIN_MAX: usize = 4 + RUN_HEADER_MAX + RUN_CONTENT_MAX;
/// [`RUN_MAX`] as a length in memory: 16 MiB fits every platform.
const RUN_CONTENT_MAX: usize = 16 * 1024 * 1024;
const _: () = assert!(RUN_CONTENT_MAX as u64 == RUN_MAX);

/// Bytes of the context.
const CONTEXT_LEN: usize = label::LINK.len() + 16 + 1 + 4 + 8 + 1;

/// Why a message on a link was not sealed or opened. The link is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// A kind that is not known.
    #[error("a message of unknown kind")]
    Kind,
    /// A length that no message of its kind has.
    #[error("a message of impossible length")]
    Length,
    /// It does not open: altered, left out, repeated, moved, or under other keys.
    #[error("a message on the link does not open")]
    Sealed,
    /// An earlier message failed, or one is asked for as another kind than it is.
    #[error("the link has failed")]
    Failed,
    /// A link number that was used, or lies below one that was.
    #[error("a link number that is not new")]
    Number,
}

/// A direction of a session: which of the two speaks.
pub trait Direction: Send + Sync + 'static {
    /// The byte in the context.
    const NUMBER: u8;
    /// The key of this direction.
    type Key: AsRef<seal::SealKey> + Clone + Send + Sync;
}

/// From the leecher to the seeder.
#[derive(Debug)]
pub enum ToSeeder {}

impl Direction for ToSeeder {
    const NUMBER: u8 = end::LEECHER;
    type Key = LeecherToSeederKey;
}

/// From the seeder to the leecher.
#[derive(Debug)]
pub enum ToLeecher {}

impl Direction for ToLeecher {
    const NUMBER: u8 = end::SEEDER;
    type Key = SeederToLeecherKey;
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message of the session, padded.
    Message,
    /// A run.
    Run,
}

impl Kind {
    const fn number(self) -> u8 {
        match self {
            Self::Message => link::MESSAGE,
            Self::Run => link::RUN,
        }
    }

    const fn from_number(number: u8) -> Option<Self> {
        match number {
            link::MESSAGE => Some(Self::Message),
            link::RUN => Some(Self::Run),
            _ => None,
        }
    }

    /// Longest plaintext.
    const fn plain_max(self) -> usize {
        match self {
            Self::Message => padme::padded_len(4 + MESSAGE_MAX),
            Self::Run => RUN_PLAIN_MAX,
        }
    }
}

/// What stands before a Cobblestone message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageHead {
    kind: Kind,
    len: usize,
}

impl MessageHead {
    /// Reads it, before memory is reserved for what follows.
    ///
    /// # Errors
    /// [`LinkError::Kind`], or [`LinkError::Length`] over the limit of the kind.
    pub fn parse(bytes: [u8; HEAD_LEN]) -> Result<Self, LinkError> {
        let [a, b, c, d, kind] = bytes;
        let kind = Kind::from_number(kind).ok_or(LinkError::Kind)?;
        let len = usize::try_from(u32::from_be_bytes([a, b, c, d]));
        let len = len.map_err(|_| LinkError::Length)?;
        match seal::plain_len(len) {
            Some(plain) if plain <= kind.plain_max() => Ok(Self { kind, len }),
            _ => Err(LinkError::Length),
        }
    }

    fn new(kind: Kind, plain_len: usize) -> Result<Self, LinkError> {
        if plain_len > kind.plain_max() {
            return Err(LinkError::Length);
        }
        Ok(Self { kind, len: seal::sealed_len(plain_len) })
    }

    fn to_bytes(self) -> [u8; HEAD_LEN] {
        // Bounded by the limits of the kinds, far below 4 GiB.
        let [a, b, c, d] = u32::try_from(self.len).unwrap_or(u32::MAX).to_be_bytes();
        [a, b, c, d, self.kind.number()]
    }

    /// What follows.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// How many bytes follow.
    #[must_use]
    pub const fn message_len(&self) -> usize {
        self.len
    }
}

/// The place of a message: who speaks on which link, and how many messages came before.
#[derive(Debug, Clone)]
struct Place {
    session: SessionId,
    link: u32,
    count: u64,
}

impl Place {
    /// The context of the next message, which is then no longer the next.
    fn take<D: Direction>(&mut self, kind: Kind) -> [u8; CONTEXT_LEN] {
        let mut context = [0; CONTEXT_LEN];
        let parts: [&[u8]; 6] = [
            label::LINK.as_bytes(),
            &self.session.0,
            &[D::NUMBER],
            &self.link.to_be_bytes(),
            &self.count.to_be_bytes(),
            &[kind.number()],
        ];
        let mut at = 0;
        for part in parts {
            context[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        self.count += 1;
        context
    }
}

/// The sending end of one direction of a link.
#[derive(Debug)]
pub struct LinkSender<D: Direction> {
    key: D::Key,
    place: Place,
    direction: PhantomData<D>,
}

impl<D: Direction> LinkSender<D> {
    /// For a link that has just been opened.
    #[must_use]
    pub const fn new(key: D::Key, session: SessionId, link: u32) -> Self {
        Self { key, place: Place { session, link, count: 0 }, direction: PhantomData }
    }

    /// Seals a message: all the bytes to send, head included.
    ///
    /// # Errors
    /// [`LinkError::Length`] over [`MESSAGE_MAX`].
    pub fn message(&mut self, content: &[u8], salt: Salt) -> Result<Vec<u8>, LinkError> {
        let padded = padme::pad(content).map_err(|_| LinkError::Length)?;
        let head = MessageHead::new(Kind::Message, padded.len())?;
        let context = self.place.take::<D>(Kind::Message);
        let mut bytes = Vec::with_capacity(HEAD_LEN + head.len);
        bytes.extend_from_slice(&head.to_bytes());
        seal::seal_onto(&mut bytes, self.key.as_ref(), &context, salt, &padded);
        Ok(bytes)
    }

    /// Starts a run of `plain_len` bytes. The bytes are sent first, then all pieces; nothing else may come between.
    ///
    /// # Errors
    /// [`LinkError::Length`] over [`RUN_PLAIN_MAX`].
    pub fn run(
        &mut self,
        plain_len: usize,
        salt: Salt,
    ) -> Result<(RunSealer, [u8; HEAD_LEN + HEADER_LEN]), LinkError> {
        let head = MessageHead::new(Kind::Run, plain_len)?;
        let context = self.place.take::<D>(Kind::Run);
        let (sealer, header) = Sealer::new(self.key.as_ref(), &context, salt);
        let mut bytes = [0; HEAD_LEN + HEADER_LEN];
        bytes[..HEAD_LEN].copy_from_slice(&head.to_bytes());
        bytes[HEAD_LEN..].copy_from_slice(&header);
        Ok((RunSealer { sealer, left: plain_len }, bytes))
    }
}

/// Seals the pieces of one run.
#[derive(Debug)]
pub struct RunSealer {
    sealer: Sealer,
    left: usize,
}

impl RunSealer {
    /// Plaintext bytes of the next piece; `None` after the last, which may have none.
    #[must_use]
    pub fn next_len(&self) -> Option<usize> {
        (!self.sealer.ended()).then_some(self.left.min(PIECE_LEN))
    }

    /// Seals the next piece in place and gives the tag to send right behind it.
    ///
    /// # Errors
    /// [`LinkError::Length`] unless `piece` is as long as [`RunSealer::next_len`] says.
    pub fn piece(&mut self, piece: &mut [u8]) -> Result<[u8; TAG_LEN], LinkError> {
        if self.next_len() != Some(piece.len()) {
            return Err(LinkError::Length);
        }
        self.left -= piece.len();
        self.sealer.seal_piece(piece).map_err(|_| LinkError::Length)
    }
}

/// The receiving end of one direction of a link. After a failure everything fails.
#[derive(Debug)]
pub struct LinkReceiver<D: Direction> {
    key: D::Key,
    place: Place,
    failed: bool,
    direction: PhantomData<D>,
}

impl<D: Direction> LinkReceiver<D> {
    /// For a link that has just been opened.
    #[must_use]
    pub const fn new(key: D::Key, session: SessionId, link: u32) -> Self {
        let place = Place { session, link, count: 0 };
        Self { key, place, failed: false, direction: PhantomData }
    }

    /// Opens a message; `sealed` are the bytes behind its head.
    ///
    /// # Errors
    /// [`LinkError::Sealed`] when it is not the next message of the link, [`LinkError::Failed`] when it is a run or
    /// something failed before.
    pub fn message(&mut self, head: &MessageHead, sealed: &[u8]) -> Result<Vec<u8>, LinkError> {
        let context = self.expect(head, Kind::Message)?;
        let opened = self.open(head, &context, sealed);
        self.failed = opened.is_err();
        opened
    }

    fn open(
        &self,
        head: &MessageHead,
        context: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, LinkError> {
        if sealed.len() != head.len {
            return Err(LinkError::Length);
        }
        let padded =
            seal::open(self.key.as_ref(), context, sealed).map_err(|_| LinkError::Sealed)?;
        Ok(padme::unpad(&padded).map_err(|_| LinkError::Sealed)?.to_vec())
    }

    /// Starts opening a run; `header` are the [`HEADER_LEN`] bytes behind its head. The run is to be opened to its end
    /// before anything else on the link.
    ///
    /// # Errors
    /// [`LinkError::Sealed`] when it is not the next message of the link, [`LinkError::Failed`] when it is no run or
    /// something failed before.
    pub fn run(
        &mut self,
        head: &MessageHead,
        header: &[u8; HEADER_LEN],
    ) -> Result<RunOpener, LinkError> {
        let context = self.expect(head, Kind::Run)?;
        match Opener::new(self.key.as_ref(), &context, header) {
            Ok(opener) => Ok(RunOpener { opener, left: head.len - HEADER_LEN }),
            Err(_) => {
                self.failed = true;
                Err(LinkError::Sealed)
            }
        }
    }

    fn expect(&mut self, head: &MessageHead, kind: Kind) -> Result<[u8; CONTEXT_LEN], LinkError> {
        if self.failed || head.kind != kind {
            self.failed = true;
            return Err(LinkError::Failed);
        }
        Ok(self.place.take::<D>(kind))
    }
}

/// Opens the pieces of one run. A piece that opened counts, whatever becomes of the rest.
#[derive(Debug)]
pub struct RunOpener {
    opener: Opener,
    left: usize,
}

impl RunOpener {
    /// Sealed bytes of the next piece; `None` after the last.
    #[must_use]
    pub fn next_len(&self) -> Option<usize> {
        (!self.opener.ended()).then_some(self.left.min(SEALED_PIECE_LEN))
    }

    /// Opens the next piece in place; so many of its first bytes are then plaintext.
    ///
    /// # Errors
    /// [`LinkError::Length`] unless `piece` is as long as [`RunOpener::next_len`] says, [`LinkError::Sealed`] when it
    /// does not open.
    pub fn piece(&mut self, piece: &mut [u8]) -> Result<usize, LinkError> {
        if self.next_len() != Some(piece.len()) {
            return Err(LinkError::Length);
        }
        self.left -= piece.len();
        self.opener.open_piece(piece).map_err(|_| LinkError::Sealed)
    }

    /// As [`RunOpener::piece`], but into `plain`, which must have room for it and begins with its plaintext then.
    ///
    /// # Errors
    /// As [`RunOpener::piece`].
    pub fn piece_into(&mut self, piece: &[u8], plain: &mut [u8]) -> Result<usize, LinkError> {
        if self.next_len() != Some(piece.len()) || piece.len() > plain.len() + TAG_LEN {
            return Err(LinkError::Length);
        }
        self.left -= piece.len();
        self.opener.open_piece_into(piece, plain).map_err(|_| LinkError::Sealed)
    }
}

/// What opens a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The session.
    pub session: SessionId,
    /// The link: 0 for the first.
    pub link: u32,
    /// On the first link the ACK.
    pub proof: [u8; 32],
}

impl Opening {
    /// The bytes to send.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; OPENING_LEN] {
        let mut bytes = [0; OPENING_LEN];
        bytes[..16].copy_from_slice(&self.session.0);
        bytes[16..20].copy_from_slice(&self.link.to_be_bytes());
        bytes[20..].copy_from_slice(&self.proof);
        bytes
    }

    /// Reads the bytes received; every value has a meaning, so nothing can be wrong with them yet.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; OPENING_LEN]) -> Self {
        let mut opening = Self { session: SessionId([0; 16]), link: 0, proof: [0; 32] };
        let mut link = [0; 4];
        opening.session.0.copy_from_slice(&bytes[..16]);
        link.copy_from_slice(&bytes[16..20]);
        opening.proof.copy_from_slice(&bytes[20..]);
        Self { link: u32::from_be_bytes(link), ..opening }
    }
}

/// The link numbers of one session: chosen by the leecher, rising, none accepted twice. Links that open at the same time
/// may come out of order, within [`LinkNumbers::WINDOW`].
#[derive(Debug, Default)]
pub struct LinkNumbers {
    /// One above the highest that was taken.
    next: u64,
    /// Bit `n` is set where `next - 1 - n` was taken.
    taken: u64,
}

impl LinkNumbers {
    /// So far below the highest number a link may come late.
    pub const WINDOW: u64 = LINK_WINDOW;

    /// Takes the number of a new link. The first link of a session has number 0.
    ///
    /// # Errors
    /// [`LinkError::Number`] when it was taken, or lies too far below the highest that was.
    pub fn take(&mut self, link: u32) -> Result<(), LinkError> {
        let link = u64::from(link);
        let first_is_zero = self.next > 0 || link == 0;
        if !first_is_zero {
            return Err(LinkError::Number);
        }
        if link >= self.next {
            let rise = link + 1 - self.next;
            let moved = u32::try_from(rise).ok().and_then(|rise| self.taken.checked_shl(rise));
            self.taken = moved.unwrap_or(0) | 1;
            self.next = link + 1;
            return Ok(());
        }
        let below = self.next - 1 - link;
        if below >= Self::WINDOW || self.taken >> below & 1 == 1 {
            return Err(LinkError::Number);
        }
        self.taken |= 1 << below;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
