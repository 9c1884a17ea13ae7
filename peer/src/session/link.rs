//! Sealed messages and runs over a connected stream (PROTOCOL.md section 7.2).

mod read;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sealift_platform::Platform;
use sealift_platform::net::BoxStream;
use sealift_platform::random::Random;
use sealift_proto::codec;
use sealift_proto::frame::{LinkKind, Preamble};
use sealift_proto::link::{Direction, LinkError, LinkSender, RunSealer};
use sealift_proto::message::RunHeader;
use sealift_proto::seal::{PIECE_LEN, SEALED_PIECE_LEN, TAG_LEN};
use sealift_proto::space::HostName;
use serde::Serialize;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::time::timeout;

pub use read::{Incoming, LinkReader, RunReader};

use super::SessionError;

/// How long connecting a link may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Pieces sealed or opened between two system calls: 256 KiB.
const BATCH: usize = 16;

/// Connects this side's half of a link through the relay; `first` follows the ticket in the same packet.
///
/// # Errors
/// When the relay cannot be reached there.
pub(super) async fn connect(
    platform: &Platform,
    (host, port): (&HostName, u16),
    ticket: [u8; 32],
    first: &[u8],
) -> io::Result<BoxStream> {
    let connecting = async {
        let mut stream = platform.net.connect(host.as_str(), port).await?;
        let preamble = Preamble { kind: LinkKind::Relay, value: ticket }.to_bytes();
        stream.write_all(&[&preamble[..], first].concat()).await?;
        stream.flush().await?;
        Ok(stream)
    };
    timeout(CONNECT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The sending half of a link.
pub struct LinkWriter<D: Direction> {
    stream: WriteHalf<BoxStream>,
    sender: LinkSender<D>,
    random: Arc<dyn Random>,
    buffer: Vec<u8>,
    /// A message is partly sent. If it stays so, because its future was dropped, nothing can follow.
    midway: bool,
}

impl<D: Direction> LinkWriter<D> {
    pub(super) fn new(
        stream: WriteHalf<BoxStream>,
        sender: LinkSender<D>,
        random: Arc<dyn Random>,
    ) -> Self {
        Self { stream, sender, random, buffer: Vec::new(), midway: false }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// When the link has ended or the message is too long.
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

    /// Begins a run. Exactly as many bytes as `header` announces must be [written](RunWriter::write) before it is
    /// [finished](RunWriter::finish); a run that is dropped before ends the link.
    ///
    /// # Errors
    /// When the header announces more than a run may hold.
    pub fn run(&mut self, header: &RunHeader) -> Result<RunWriter<'_, D>, SessionError> {
        self.check()?;
        let start = header.to_bytes();
        let content = header.content_len().and_then(|len| usize::try_from(len).ok());
        let len = content.and_then(|len| len.checked_add(start.len())).ok_or(LinkError::Length)?;
        let (sealer, head) = self.sender.run(len, self.random.bytes())?;
        self.midway = true;
        self.buffer.clear();
        self.buffer.extend_from_slice(&head);
        let mut run = RunWriter { piece_start: self.buffer.len(), link: self, sealer };
        run.buffer(&start)?;
        Ok(run)
    }
}

/// A run being sent.
pub struct RunWriter<'l, D: Direction> {
    link: &'l mut LinkWriter<D>,
    sealer: RunSealer,
    /// Where the piece that is being filled begins in the buffer.
    piece_start: usize,
}

impl<D: Direction> RunWriter<'_, D> {
    /// Sends more of the run's content.
    ///
    /// # Errors
    /// When the link has ended or the run would become longer than announced.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), SessionError> {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(PIECE_LEN));
            self.buffer(now)?;
            bytes = later;
            if self.link.buffer.len() >= BATCH * SEALED_PIECE_LEN {
                self.flush().await?;
            }
        }
        Ok(())
    }

    /// Sends what is left of the run.
    ///
    /// # Errors
    /// When the link has ended or less was written than announced.
    pub async fn finish(mut self) -> Result<(), SessionError> {
        // The last piece may be empty: then nothing has sealed it yet.
        if self.sealer.next_len() == Some(self.link.buffer.len() - self.piece_start) {
            self.seal()?;
        }
        if self.sealer.next_len().is_some() {
            return Err(LinkError::Length.into());
        }
        self.flush().await?;
        self.link.stream.flush().await?;
        self.link.midway = false;
        Ok(())
    }

    /// Takes at most one piece's worth of bytes, sealing each piece that becomes full.
    fn buffer(&mut self, mut bytes: &[u8]) -> Result<(), SessionError> {
        while !bytes.is_empty() {
            let wanted = self.sealer.next_len().ok_or(LinkError::Length)?;
            let have = self.link.buffer.len() - self.piece_start;
            let (now, later) = bytes.split_at(bytes.len().min(wanted - have));
            if now.is_empty() {
                return Err(LinkError::Length.into());
            }
            self.link.buffer.extend_from_slice(now);
            bytes = later;
            if have + now.len() == wanted {
                self.seal()?;
            }
        }
        Ok(())
    }

    fn seal(&mut self) -> Result<(), SessionError> {
        let tag: [u8; TAG_LEN] = self.sealer.piece(&mut self.link.buffer[self.piece_start..])?;
        self.link.buffer.extend_from_slice(&tag);
        self.piece_start = self.link.buffer.len();
        Ok(())
    }

    /// Writes what is sealed; a piece that is not full yet stays.
    async fn flush(&mut self) -> Result<(), SessionError> {
        self.link.stream.write_all(&self.link.buffer[..self.piece_start]).await?;
        self.link.buffer.drain(..self.piece_start);
        self.piece_start = 0;
        Ok(())
    }
}
