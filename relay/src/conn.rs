//! One connection, from its first byte to its end (PROTOCOL.md sections 5.1 and 5.2).

mod accept;
mod control;
mod hello;
mod silence;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use sealift_platform::net::BoxStream;
use sealift_proto::control::Refusal;
use sealift_proto::frame::{ALPN, LinkKind, PREAMBLE, Preamble};

use crate::gate::Place;
use crate::hub::Hub;
use crate::wire::{Carrier, FrameReader, WireError};

pub(crate) use accept::accept_all;

/// First byte of a TLS handshake record (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// First byte of a preamble.
const PREAMBLE_START: u8 = b'S';

/// How long one that is turned away may take to hear of it.
const TURN_AWAY: Duration = Duration::from_millis(500);

/// What every connection needs.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) hub: Arc<Hub>,
    pub(crate) tls: TlsAcceptor,
}

/// Why a connection was ended before it showed who it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejected {
    /// Neither TLS nor a link of this protocol, or a link that does not lead here.
    #[error("not a connection for this relay")]
    Foreign,
    /// A ticket that is unknown, used or too old.
    #[error("a link without a valid ticket")]
    Ticket,
    /// Nothing of it came in time.
    #[error("it took too long")]
    Slow,
    /// Others needed the place.
    #[error("too many at once")]
    Crowded,
    /// The relay refused it, and said so.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// Bytes that are no frames.
    #[error("bad frame: {0}")]
    Wire(#[from] WireError),
}

impl Door {
    /// Waits until a handshake from there may begin.
    async fn turn(
        &self,
        from: SocketAddr,
        deadline: Instant,
        place: &mut Place,
    ) -> Result<(), Rejected> {
        let wait = self.hub.gate.handshake(from.ip(), self.hub.now()).ok_or(Rejected::Crowded)?;
        if wait.is_zero() {
            return Ok(());
        }
        let waiting = async {
            tokio::time::sleep(wait).await;
            Ok(())
        };
        within(deadline, place, waiting).await
    }

    async fn welcome(self, stream: BoxStream, from: SocketAddr) {
        let _counted = self.hub.room.connection();
        if let Err(why) = self.open(stream, from).await {
            let reason = why.reason();
            self.hub.metrics.rejected.add(reason);
            tracing::info!(reason, %from, %why, "connection rejected");
        }
    }

    async fn open(&self, mut stream: BoxStream, from: SocketAddr) -> Result<(), Rejected> {
        let deadline = Instant::now() + self.hub.limits.get().handshake;
        let mut place = self.hub.gate.enter(from.ip());
        let first = within(deadline, &mut place, read_first(&mut stream)).await?;
        match first {
            // A scan that connects and goes is nothing to talk about.
            None => Ok(()),
            Some(TLS_HANDSHAKE) => self.control(stream, from, deadline, place).await,
            Some(PREAMBLE_START) => self.link(stream, deadline, place).await,
            Some(_) => Err(Rejected::Foreign),
        }
    }

    async fn link(
        &self,
        mut stream: BoxStream,
        deadline: Instant,
        mut place: Place,
    ) -> Result<(), Rejected> {
        let mut bytes = [PREAMBLE_START; PREAMBLE];
        let reading = async { Ok(stream.read_exact(&mut bytes[1..]).await.map(drop)?) };
        within(deadline, &mut place, reading).await?;
        drop(place);
        let preamble = Preamble::from_bytes(&bytes).map_err(|_| Rejected::Foreign)?;
        if preamble.kind != LinkKind::Relay {
            return Err(Rejected::Foreign);
        }
        let good = self.hub.link(&preamble.value, stream).await;
        if good { Ok(()) } else { Err(Rejected::Ticket) }
    }

    async fn control(
        &self,
        stream: BoxStream,
        from: SocketAddr,
        deadline: Instant,
        mut place: Place,
    ) -> Result<(), Rejected> {
        let (partial, ended) = self.hub.partials.connection();
        let sent = Arc::clone(&self.hub.metrics.sent);
        let mut stream = Carrier::new(TLS_HANDSHAKE, stream, partial.clone(), sent);
        if let Err(why) = self.turn(from, deadline, &mut place).await {
            turn_away(&mut stream).await;
            return Err(why);
        }
        let handshake = async { Ok(self.tls.accept(stream).await?) };
        let tls = within(deadline, &mut place, handshake).await?;
        let session = tls.get_ref().1;
        if session.alpn_protocol() != Some(ALPN) {
            return Err(Rejected::Foreign);
        }
        let exporter = hello::exporter(session)?;
        let (reader, writer) = tokio::io::split(tls);
        let reader = FrameReader::new(reader, partial, ended);
        let mut greeting = hello::Greeting { reader, writer };
        let verified =
            within(deadline, &mut place, greeting.hello(&self.hub, &exporter, from.ip())).await;
        drop(place);
        match verified {
            Ok(hello::Guest::Member { membership, serving }) => {
                self.hub.metrics.welcomed.add(1);
                control::serve_member(&self.hub, greeting, membership, serving, from).await
            }
            Ok(hello::Guest::Joining { device, place }) => {
                self.hub.metrics.welcomed.add(1);
                control::serve_joining(&self.hub, greeting, device, place, from).await
            }
            Err(Rejected::Refused(why)) => {
                greeting.refuse(why, self.hub.limits.get().farewell).await;
                Err(Rejected::Refused(why))
            }
            Err(other) => Err(other),
        }
    }
}

/// Says that there is no room for a handshake, in the one way that TLS has before it: the client takes it for
/// [`Refusal::Busy`] (PROTOCOL.md section 5.6).
async fn turn_away(stream: &mut Carrier<BoxStream>) {
    const ALERT: [u8; 7] = [21, 3, 3, 0, 2, 2, 80];
    let saying = async {
        // What has come is taken off first: closing with unread bytes would take the word back.
        let _ = stream.read(&mut [0; 4096]).await?;
        stream.write_all(&ALERT).await?;
        stream.shutdown().await
    };
    let _ = tokio::time::timeout(TURN_AWAY, saying).await;
}

/// Runs a step of what must be done before the connection has shown who it is.
async fn within<T>(
    deadline: Instant,
    place: &mut Place,
    step: impl Future<Output = Result<T, Rejected>>,
) -> Result<T, Rejected> {
    tokio::select! {
        done = tokio::time::timeout_at(deadline, step) => done.unwrap_or(Err(Rejected::Slow)),
        () = place.evicted() => Err(Rejected::Crowded),
    }
}

async fn read_first(stream: &mut BoxStream) -> Result<Option<u8>, Rejected> {
    let mut first = [0];
    let count = stream.read(&mut first).await?;
    Ok((count > 0).then_some(first[0]))
}
