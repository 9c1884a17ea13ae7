//! Sealed messages and runs over a connected stream (PROTOCOL.md section 7.2).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sealift_platform::Platform;
use sealift_platform::net::BoxStream;
use sealift_platform::random::Random;
use sealift_proto::codec::{self, List};
use sealift_proto::frame::{LinkKind, Preamble};
use sealift_proto::link::{
    Direction, HEAD_LEN, Kind, LinkError, LinkReceiver, LinkSender, MessageHead, RunOpener,
    RunSealer,
};
use sealift_proto::message::RunHeader;
use sealift_proto::seal::{HEADER_LEN, PIECE_LEN, SEALED_PIECE_LEN, TAG_LEN};
use sealift_proto::space::HostName;
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

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

/// The receiving half of a link.
pub struct LinkReader<D: Direction> {
    stream: ReadHalf<BoxStream>,
    receiver: LinkReceiver<D>,
    buffer: Vec<u8>,
    /// A message is partly read. If it stays so, because its future or run was dropped, nothing more can be read.
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

impl<D: Direction> LinkReader<D> {
    pub(super) fn new(stream: ReadHalf<BoxStream>, receiver: LinkReceiver<D>) -> Self {
        Self { stream, receiver, buffer: Vec::new(), midway: false }
    }

    /// Waits for what comes next.
    ///
    /// # Errors
    /// When the link breaks, or what comes does not open.
    pub async fn next(&mut self) -> Result<Incoming<'_, D>, SessionError> {
        if self.midway {
            return Err(SessionError::Midway);
        }
        let mut head = [0; HEAD_LEN];
        // An end between two messages is an end in order.
        if self.stream.read(&mut head[..1]).await? == 0 {
            return Ok(Incoming::End);
        }
        self.midway = true;
        self.stream.read_exact(&mut head[1..]).await?;
        let head = MessageHead::parse(head)?;
        if head.kind() == Kind::Run {
            return self.run(head).await.map(Incoming::Run);
        }
        self.buffer.resize(head.message_len(), 0);
        self.stream.read_exact(&mut self.buffer).await?;
        let message = self.receiver.message(&head, &self.buffer)?;
        self.midway = false;
        Ok(Incoming::Message(message))
    }

    async fn run(&mut self, head: MessageHead) -> Result<RunReader<'_, D>, SessionError> {
        let mut header = [0; HEADER_LEN];
        self.stream.read_exact(&mut header).await?;
        let opener = self.receiver.run(&head, &header)?;
        let left = head.message_len() - HEADER_LEN;
        let header = RunHeader { request: 0, outcomes: List::default() };
        let mut run = RunReader { link: self, opener, left, read: 0..0, plain: 0..0, header };
        run.read_header().await?;
        Ok(run)
    }
}

/// A run being received.
pub struct RunReader<'l, D: Direction> {
    link: &'l mut LinkReader<D>,
    opener: RunOpener,
    /// Sealed bytes not yet read from the stream.
    left: usize,
    /// Sealed bytes in the buffer, not yet opened.
    read: std::ops::Range<usize>,
    /// Opened bytes in the buffer, not yet handed out.
    plain: std::ops::Range<usize>,
    header: RunHeader,
}

impl<D: Direction> RunReader<'_, D> {
    /// What the run says of itself.
    #[must_use]
    pub const fn header(&self) -> &RunHeader {
        &self.header
    }

    /// The next bytes of content, at most one piece; `None` at the end.
    ///
    /// # Errors
    /// When the link breaks or a piece does not open; what was handed out before counts.
    pub async fn next(&mut self) -> Result<Option<&[u8]>, SessionError> {
        self.take(PIECE_LEN).await
    }

    /// As [`RunReader::next`], but at most `most` bytes.
    ///
    /// # Errors
    /// As [`RunReader::next`].
    pub async fn take(&mut self, most: usize) -> Result<Option<&[u8]>, SessionError> {
        while self.plain.is_empty() {
            if !self.open().await? {
                return Ok(None);
            }
        }
        let start = self.plain.start;
        let end = self.plain.end.min(start + most);
        self.plain.start = end;
        Ok(Some(&self.link.buffer[start..end]))
    }

    /// Opens the next piece; false if there is none.
    async fn open(&mut self) -> Result<bool, SessionError> {
        let Some(len) = self.opener.next_len() else {
            return Ok(false);
        };
        if self.read.is_empty() {
            let batch = self.left.min(BATCH * SEALED_PIECE_LEN);
            self.link.buffer.resize(batch, 0);
            self.link.stream.read_exact(&mut self.link.buffer).await?;
            self.left -= batch;
            self.read = 0..batch;
        }
        let start = self.read.start;
        let plain = self.opener.piece(&mut self.link.buffer[start..start + len])?;
        self.read.start += len;
        self.plain = start..start + plain;
        self.link.midway = self.opener.next_len().is_some();
        Ok(true)
    }

    /// The header lies at the start of the run and may span pieces.
    async fn read_header(&mut self) -> Result<(), SessionError> {
        let mut start = Vec::new();
        let wanted = loop {
            if let Some(first) = start.first_chunk() {
                break 4 + RunHeader::body_len(*first).map_err(|_| SessionError::Malformed)?;
            }
            self.take_into(&mut start, 4).await?;
        };
        self.take_into(&mut start, wanted).await?;
        self.header = codec::decode(&start[4..]).map_err(|_| SessionError::Malformed)?;
        let content = self.header.content_len().and_then(|len| usize::try_from(len).ok());
        let rest = self.plain.len() + self.read.len() + self.left;
        // What is still sealed has one tag for each piece; exactly the announced content must follow.
        let sealed = self.read.len() + self.left;
        let tags = sealed.div_ceil(SEALED_PIECE_LEN) * TAG_LEN;
        if content == Some(rest - tags) { Ok(()) } else { Err(SessionError::Malformed) }
    }

    async fn take_into(&mut self, start: &mut Vec<u8>, wanted: usize) -> Result<(), SessionError> {
        while start.len() < wanted {
            if self.plain.is_empty() && !self.open().await? {
                return Err(SessionError::Malformed);
            }
            let take = self.plain.len().min(wanted - start.len());
            start.extend_from_slice(&self.link.buffer[self.plain.start..self.plain.start + take]);
            self.plain.start += take;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
