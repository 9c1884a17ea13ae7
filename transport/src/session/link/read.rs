//! The receiving half of a link.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sealift_platform::net::BoxStream;
use sealift_proto::codec::{self, List};
use sealift_proto::link::{Direction, HEAD_LEN, Kind, LinkReceiver, MessageHead, RunOpener};
use sealift_proto::message::RunHeader;
use sealift_proto::seal::{HEADER_LEN, SEALED_PIECE_LEN, TAG_LEN};
use tokio::io::{AsyncReadExt, ReadHalf};

use super::BATCH;
use crate::session::SessionError;

/// The receiving half of a link.
pub struct LinkReader<D: Direction> {
    stream: ReadHalf<BoxStream>,
    receiver: LinkReceiver<D>,
    held: Held,
    /// A run is partly read. If it stays so, because it was dropped, nothing more can be read.
    midway: bool,
}

/// What comes next on a link.
pub enum Incoming<'l, D: Direction> {
    /// A message, to be decoded.
    Message(Vec<u8>),
    /// A run, to be read to its end.
    Run(RunReader<'l, D>),
    /// The other side has ended the link in order.
    End,
}

/// Bytes that came and were not taken yet.
struct Held {
    bytes: Vec<u8>,
    range: Range<usize>,
    /// How many came in all.
    came: Arc<AtomicU64>,
}

impl Held {
    fn bytes(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }

    fn len(&self) -> usize {
        self.range.len()
    }

    fn take(&mut self, len: usize) {
        self.range.start += len;
    }

    /// Reads what has come, as much as there is room for; 0 at the end. May be given up without losing anything.
    async fn read(&mut self, stream: &mut ReadHalf<BoxStream>) -> io::Result<usize> {
        // The room is one piece of memory, always the same: never more than a part of a piece is moved, and what was read
        // is still in the processor's cache when it is opened.
        self.bytes.copy_within(self.range.clone(), 0);
        self.range = 0..self.len();
        let count = stream.read(&mut self.bytes[self.range.end..]).await?;
        self.range.end += count;
        self.came.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
        Ok(count)
    }
}

impl<D: Direction> LinkReader<D> {
    pub(in crate::session) fn new(stream: ReadHalf<BoxStream>, receiver: LinkReceiver<D>) -> Self {
        let bytes = vec![0; BATCH * SEALED_PIECE_LEN];
        let held = Held { bytes, range: 0..0, came: Arc::default() };
        Self { stream, receiver, held, midway: false }
    }

    /// Counts the bytes that come, whatever they are: also those of a message that is not whole yet.
    #[must_use]
    pub fn came(&self) -> Arc<AtomicU64> {
        self.held.came.clone()
    }

    /// Waits for what comes next. May be given up without losing anything, but for a run whose header has come in part.
    ///
    /// # Errors
    /// When the link breaks, or what comes does not open; [`SessionError::Midway`] after a run that was not read to its end.
    pub async fn next(&mut self) -> Result<Incoming<'_, D>, SessionError> {
        if self.midway {
            return Err(SessionError::Midway);
        }
        // An end between two messages is an end in order.
        if self.held.len() == 0 && self.held.read(&mut self.stream).await? == 0 {
            return Ok(Incoming::End);
        }
        self.hold(HEAD_LEN).await?;
        let head = self.held.bytes().first_chunk().copied();
        let head = MessageHead::parse(head.ok_or_else(broken)?)?;
        if head.kind() == Kind::Run {
            return self.run(head).await.map(Incoming::Run);
        }
        let end = HEAD_LEN + head.message_len();
        self.hold(end).await?;
        let message = self.receiver.message(&head, &self.held.bytes()[HEAD_LEN..end])?;
        self.held.take(end);
        Ok(Incoming::Message(message))
    }

    async fn run(&mut self, head: MessageHead) -> Result<RunReader<'_, D>, SessionError> {
        const START: usize = HEAD_LEN + HEADER_LEN;
        self.hold(START).await?;
        let header = self.held.bytes()[HEAD_LEN..].first_chunk();
        let opener = self.receiver.run(&head, header.ok_or_else(broken)?)?;
        self.held.take(START);
        self.midway = true;
        let sealed = head.message_len() - HEADER_LEN;
        let header = RunHeader { request: 0, outcomes: List::default() };
        let mut run = RunReader { link: self, opener, sealed, plain: 0..0, header };
        run.read_header().await?;
        Ok(run)
    }

    /// Reads until `wanted` bytes are held, which must not be more than the room.
    async fn hold(&mut self, wanted: usize) -> Result<(), SessionError> {
        while self.held.len() < wanted {
            if self.held.read(&mut self.stream).await? == 0 {
                return Err(broken());
            }
        }
        Ok(())
    }
}

/// An end where none may be.
fn broken() -> SessionError {
    SessionError::Io(io::ErrorKind::UnexpectedEof.into())
}

/// A run being received.
pub struct RunReader<'l, D: Direction> {
    link: &'l mut LinkReader<D>,
    opener: RunOpener,
    /// Sealed bytes of the run that were not opened yet.
    sealed: usize,
    /// Opened bytes in the buffer, not yet handed out. They lie right before what is held, and go with the next reading.
    plain: Range<usize>,
    header: RunHeader,
}

impl<D: Direction> RunReader<'_, D> {
    /// What the run says of itself.
    #[must_use]
    pub const fn header(&self) -> &RunHeader {
        &self.header
    }

    /// Waits for content and opens it into `out`: at least one byte, and all that has come already as far as there is
    /// room. 0 means the end, or no room. What was read counts, whatever becomes of the rest. May be given up without
    /// losing anything.
    ///
    /// # Errors
    /// When the link breaks or a piece does not open; `out` may hold bytes then that did open, and no others.
    pub async fn read(&mut self, out: &mut [u8]) -> Result<usize, SessionError> {
        let mut done = 0;
        while done < out.len() {
            if self.plain.is_empty() {
                let Some(len) = self.opener.next_len() else { break };
                if self.link.held.len() < len && done > 0 {
                    break;
                }
                done += self.open(&mut out[done..]).await?;
            }
            let now = self.plain.len().min(out.len() - done);
            let opened = &self.link.held.bytes[self.plain.start..self.plain.start + now];
            out[done..done + now].copy_from_slice(opened);
            self.plain.start += now;
            done += now;
        }
        Ok(done)
    }

    /// Fills `out` with content.
    ///
    /// # Errors
    /// As [`RunReader::read`]; [`SessionError::Malformed`] when the run has less.
    pub async fn read_exact(&mut self, out: &mut [u8]) -> Result<(), SessionError> {
        let mut done = 0;
        while done < out.len() {
            match self.read(&mut out[done..]).await? {
                0 => return Err(SessionError::Malformed),
                count => done += count,
            }
        }
        Ok(())
    }

    /// Reads the end of the run, behind all of its content. What follows on the link can then be read.
    ///
    /// # Errors
    /// As [`RunReader::read`]; [`SessionError::Malformed`] when content is left.
    pub async fn finish(mut self) -> Result<(), SessionError> {
        match self.read(&mut [0]).await? {
            0 => Ok(()),
            _ => Err(SessionError::Malformed),
        }
    }

    /// Opens the next piece: into `out` if it has room for it, saving a copy, and so many bytes of it then are the piece's;
    /// otherwise where it lies.
    async fn open(&mut self, out: &mut [u8]) -> Result<usize, SessionError> {
        let len = self.opener.next_len().ok_or(SessionError::Malformed)?;
        self.link.hold(len).await?;
        let start = self.link.held.range.start;
        let piece = &mut self.link.held.bytes[start..start + len];
        let count = if out.len() + TAG_LEN >= len {
            self.opener.piece_into(piece, out)?
        } else {
            self.plain = start..start + self.opener.piece(piece)?;
            0
        };
        self.link.held.take(len);
        self.sealed -= len;
        self.link.midway = self.opener.next_len().is_some();
        Ok(count)
    }

    /// The header lies at the start of the run and may span pieces.
    async fn read_header(&mut self) -> Result<(), SessionError> {
        let mut first = [0; 4];
        self.read_exact(&mut first).await?;
        let len = RunHeader::body_len(first).map_err(|_| SessionError::Malformed)?;
        let mut body = vec![0; len];
        self.read_exact(&mut body).await?;
        self.header = codec::decode(&body).map_err(|_| SessionError::Malformed)?;
        let content = self.header.content_len().and_then(|len| usize::try_from(len).ok());
        // What is still sealed has one tag for each piece; exactly the announced content must follow.
        let tags = self.sealed.div_ceil(SEALED_PIECE_LEN) * TAG_LEN;
        let rest = self.plain.len() + self.sealed - tags;
        if content == Some(rest) { Ok(()) } else { Err(SessionError::Malformed) }
    }
}
