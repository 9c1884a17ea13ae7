//! The sending half of a link.

use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use sealift_platform::net::BoxStream;
use sealift_platform::random::Random;
use sealift_proto::codec;
use sealift_proto::link::{Direction, HEAD_LEN, LinkError, LinkSender, RunSealer};
use sealift_proto::message::RunHeader;
use sealift_proto::seal::{HEADER_LEN, SEALED_PIECE_LEN};
use serde::Serialize;
use tokio::io::{AsyncWrite, AsyncWriteExt, WriteHalf};

use super::BATCH;
use crate::session::SessionError;

/// Room for what is sent at once: the start of a run and a batch of pieces.
const ROOM: usize = HEAD_LEN + HEADER_LEN + BATCH * SEALED_PIECE_LEN;

/// The sending half of a link.
pub struct LinkWriter<D: Direction> {
    stream: WriteHalf<BoxStream>,
    sender: LinkSender<D>,
    random: Arc<dyn Random>,
    /// Made for the first run, then used again for each.
    room: Vec<u8>,
    /// A message is partly sent. If it stays so, because its future was dropped, nothing can follow.
    midway: bool,
}

impl<D: Direction> LinkWriter<D> {
    pub(in crate::session) fn new(
        stream: WriteHalf<BoxStream>,
        sender: LinkSender<D>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { stream, sender, random, room: Vec::new(), midway: false }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// When the link has ended or the message is too long; [`SessionError::Midway`] when sending was given up before.
    pub async fn message<T: Serialize>(&mut self, message: &T) -> Result<(), SessionError> {
        self.check()?;
        let bytes = self.sender.message(&codec::encode(message), self.random.bytes())?;
        self.midway = true;
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await?;
        self.midway = false;
        Ok(())
    }

    fn check(&self) -> Result<(), SessionError> {
        if self.midway { Err(SessionError::Midway) } else { Ok(()) }
    }

    /// Begins a run, which takes the writer until it is [finished](RunWriter::finish): exactly as many bytes as `header`
    /// announces must be put into it. A run that is dropped before ends the link.
    ///
    /// # Errors
    /// When the header announces more than a run may hold.
    pub fn run(mut self, header: &RunHeader) -> Result<RunWriter<D>, SessionError> {
        self.check()?;
        let start = header.to_bytes();
        let content = header.content_len().and_then(|len| usize::try_from(len).ok());
        let len = content.and_then(|len| len.checked_add(start.len())).ok_or(LinkError::Length)?;
        let (sealer, head) = self.sender.run(len, self.random.bytes())?;
        self.room.resize(ROOM, 0);
        self.room[..head.len()].copy_from_slice(&head);
        let mut run = RunWriter { link: self, sealer, sealed: 0..head.len(), end: head.len() };
        run.put(&start)?;
        Ok(run)
    }
}

/// A run being sent. Content is put into it as long as it has room; what is sealed then is sent.
pub struct RunWriter<D: Direction> {
    link: LinkWriter<D>,
    sealer: RunSealer,
    /// What is sealed and not sent yet, within the room.
    sealed: Range<usize>,
    /// End of the content behind it, of a piece that is not whole yet.
    end: usize,
}

impl<D: Direction> RunWriter<D> {
    /// Puts up to `most` more bytes of the run's content where they are sealed: `read` is called with one part after the
    /// other and must fill each. How many it were; fewer if there is no more room, which comes back by sending.
    ///
    /// # Errors
    /// When the run would become longer than announced.
    pub fn fill(
        &mut self,
        most: usize,
        mut read: impl FnMut(&mut [u8]),
    ) -> Result<usize, SessionError> {
        let mut done = 0;
        while done < most && self.sealed.end + SEALED_PIECE_LEN <= ROOM {
            let piece = self.sealer.next_len().ok_or(LinkError::Length)?;
            let now = (self.sealed.end + piece - self.end).min(most - done);
            if now == 0 {
                return Err(LinkError::Length.into());
            }
            read(&mut self.link.room[self.end..self.end + now]);
            self.end += now;
            done += now;
            if self.end == self.sealed.end + piece {
                self.seal()?;
            }
        }
        Ok(done)
    }

    /// As [`RunWriter::fill`], with what lies in memory: how many of `bytes` there was room for.
    ///
    /// # Errors
    /// As [`RunWriter::fill`].
    pub fn put(&mut self, bytes: &[u8]) -> Result<usize, SessionError> {
        let mut left = bytes;
        self.fill(bytes.len(), |part| {
            let (now, later) = left.split_at(part.len());
            part.copy_from_slice(now);
            left = later;
        })
    }

    /// Sends what is sealed as far as the link takes it without waiting, for threads that must not wait; whether all of it
    /// is sent. If not, [`RunWriter::send`] has to be waited for before this is called again.
    ///
    /// # Errors
    /// When the link has ended.
    pub fn try_send(&mut self) -> Result<bool, SessionError> {
        // Nobody waits yet: who sends the rest asks again.
        match self.poll_send(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(result) => result.map(|()| true).map_err(SessionError::Io),
            Poll::Pending => Ok(false),
        }
    }

    /// Sends what is sealed. May be given up without losing anything.
    ///
    /// # Errors
    /// When the link has ended.
    pub async fn send(&mut self) -> Result<(), SessionError> {
        Ok(std::future::poll_fn(|context| self.poll_send(context)).await?)
    }

    /// Puts all of `bytes` into the run, sending what is sealed meanwhile.
    ///
    /// # Errors
    /// When the link has ended or the run would become longer than announced.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), SessionError> {
        while !bytes.is_empty() {
            let count = self.put(bytes)?;
            bytes = &bytes[count..];
            if !bytes.is_empty() {
                self.send().await?;
            }
        }
        Ok(())
    }

    /// Sends what is left of the run, and gives the writer back.
    ///
    /// # Errors
    /// When the link has ended or the run is shorter than announced.
    pub async fn finish(mut self) -> Result<LinkWriter<D>, SessionError> {
        // The last piece may be empty: then nothing has sealed it yet.
        if self.sealer.next_len() == Some(0) {
            self.send().await?;
            self.seal()?;
        }
        if self.sealer.next_len().is_some() {
            return Err(LinkError::Length.into());
        }
        self.send().await?;
        self.link.stream.flush().await?;
        Ok(self.link)
    }

    fn seal(&mut self) -> Result<(), SessionError> {
        let tag = self.sealer.piece(&mut self.link.room[self.sealed.end..self.end])?;
        let behind = self.end + tag.len();
        self.link.room[self.end..behind].copy_from_slice(&tag);
        self.sealed.end = behind;
        self.end = behind;
        Ok(())
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.sealed.is_empty() {
            let bytes = &self.link.room[self.sealed.clone()];
            let sent =
                std::task::ready!(Pin::new(&mut self.link.stream).poll_write(context, bytes))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sealed.start += sent;
        }
        // What is not sealed yet, less than a piece, begins anew.
        self.link.room.copy_within(self.sealed.end..self.end, 0);
        self.end -= self.sealed.end;
        self.sealed = 0..0;
        Poll::Ready(Ok(()))
    }
}
