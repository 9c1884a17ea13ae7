//! What further links of a session stand on.

use std::sync::Arc;

use sealift_platform::net::BoxStream;
use sealift_platform::random::Random;
use sealift_proto::direct::{self, End};
use sealift_proto::handshake::SessionId;
use sealift_proto::keys::ExporterKey;
use sealift_proto::link::{Direction, LinkReceiver, LinkSender, ToLeecher, ToSeeder};
use tokio::io::{ReadHalf, WriteHalf};

use super::link::{LinkReader, LinkWriter};
use super::paced::{Way, paced};
use crate::pace::Pace;

/// One side of a session whose two sides have shown that they have the same keys: it makes a link of any stream that the
/// other side has proved to hold the other end of (PROTOCOL.md section 7.2).
pub struct Ends<S: Direction, R: Direction> {
    pub(super) id: SessionId,
    pub(super) end: End,
    pub(super) sending: S::Key,
    pub(super) receiving: R::Key,
    pub(super) exporter: ExporterKey,
    pub(super) random: Arc<dyn Random>,
    pub(super) pace: Option<Pace>,
    /// Which direction the pace is for.
    pub(super) way: Way,
}

/// The leecher's side.
pub type LeecherEnds = Ends<ToSeeder, ToLeecher>;
/// The seeder's side.
pub type SeederEnds = Ends<ToLeecher, ToSeeder>;

impl<S: Direction, R: Direction> Ends<S, R> {
    /// What this side proves itself with where a direct link opens.
    #[must_use]
    pub fn proofs(&self) -> direct::Ends {
        direct::Ends { session: self.id, end: self.end, exporter: self.exporter.clone() }
    }

    pub(super) fn writer(&self, half: WriteHalf<BoxStream>, number: u32) -> LinkWriter<S> {
        let sender = LinkSender::new(self.sending.clone(), self.id, number);
        LinkWriter::new(half, sender, self.random.clone())
    }

    pub(super) fn reader(&self, half: ReadHalf<BoxStream>, number: u32) -> LinkReader<R> {
        LinkReader::new(half, LinkReceiver::new(self.receiving.clone(), self.id, number))
    }

    /// The further link `number` over `stream`, on which nothing but the proofs of both sides has passed. A number must
    /// not be used twice.
    #[must_use]
    pub fn link(&self, stream: BoxStream, number: u32) -> (LinkWriter<S>, LinkReader<R>) {
        let (reader, writer) = tokio::io::split(paced(stream, self.way, self.pace.as_ref()));
        (self.writer(writer, number), self.reader(reader, number))
    }
}
