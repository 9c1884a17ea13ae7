//! One connection, from its first byte until it has shown who it is (PROTOCOL.md section 5.1).

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use sealift_platform::net::BoxStream;
use sealift_proto::frame::{ALPN, EXPORTER_LABEL};

use crate::carrier::Carrier;
use crate::frames::FrameReader;
use crate::gate::{Gate, Slot};
use crate::metrics::Strangers;
use crate::partial::Partials;
use crate::rejected::Rejected;
use crate::room::Room;

/// First byte of a TLS handshake record (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;
/// How long one that is turned away may take to hear of it.
const TURN_AWAY: Duration = Duration::from_millis(500);

/// A connection in TLS.
pub type Tls = TlsStream<Carrier<BoxStream>>;

/// What all connections of one server share until they have shown who they are.
pub struct Entrance {
    /// How many there may be.
    pub gate: Gate,
    /// What they have sent of messages that are not whole, also those who have shown who they are.
    pub partials: Partials,
    /// What the machine has for them.
    pub room: Room,
    /// What is counted of them.
    pub counts: Strangers,
    started: Instant,
}

impl Entrance {
    /// Nobody has come yet.
    #[must_use]
    pub fn new(gate: Gate, partials: Partials, room: Room) -> Self {
        Self { gate, partials, room, counts: Strangers::default(), started: Instant::now() }
    }

    /// Time since the server started.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// What time does; to be called every second or so.
    pub fn tick(&self) {
        self.gate.forget_sources(self.now());
        self.partials.end_late();
        self.room.look();
    }
}

/// What a program does with those who come in.
pub trait Service: Send + Sync + 'static {
    /// What the program is called where strangers are told of it.
    const NAME: &'static str;

    /// What stands before it.
    fn entrance(&self) -> &Entrance;

    /// TLS with its key.
    fn tls(&self) -> &TlsAcceptor;

    /// Serves one that speaks TLS and has not shown yet who it is.
    fn guest(&self, guest: Guest) -> impl Future<Output = Result<(), Rejected>> + Send;

    /// Serves one that does not speak TLS; `first` is its first byte, which has been read.
    fn other(
        &self,
        first: u8,
        stream: BoxStream,
        probation: Probation,
    ) -> impl Future<Output = Result<(), Rejected>> + Send {
        let _ = (first, stream, probation);
        async { Err(Rejected::Foreign(Self::NAME)) }
    }
}

/// Time and place of a connection that has not shown who it is. Both are over when this is dropped.
pub struct Probation {
    deadline: Instant,
    place: Slot,
}

impl Probation {
    /// Runs a step of what must be done before the connection has shown who it is.
    ///
    /// # Errors
    /// Those of the step; [`Rejected::Slow`] and [`Rejected::Crowded`].
    pub async fn run<T>(
        &mut self,
        step: impl Future<Output = Result<T, Rejected>>,
    ) -> Result<T, Rejected> {
        tokio::select! {
            done = tokio::time::timeout_at(self.deadline, step) => done.unwrap_or(Err(Rejected::Slow)),
            () = self.place.evicted() => Err(Rejected::Crowded),
        }
    }
}

/// One that speaks TLS and has not shown yet who it is.
pub struct Guest {
    /// What it says.
    pub reader: FrameReader<ReadHalf<Tls>>,
    /// Where it is answered.
    pub writer: WriteHalf<Tls>,
    /// Binds what it says to this very connection.
    pub exporter: [u8; 32],
    /// Where it comes from.
    pub from: SocketAddr,
    /// What it has until it has shown who it is.
    pub probation: Probation,
}

/// Serves one connection to its end, and tells why if it did not get in.
pub async fn welcome<S: Service>(service: Arc<S>, stream: BoxStream, from: SocketAddr) {
    let entrance = service.entrance();
    let _counted = entrance.room.connection();
    if let Err(why) = open(&*service, stream, from).await {
        let reason = why.reason();
        entrance.counts.rejected.add(reason);
        tracing::info!(reason, %from, %why, "connection rejected");
    }
}

async fn open<S: Service>(
    service: &S,
    mut stream: BoxStream,
    from: SocketAddr,
) -> Result<(), Rejected> {
    let gate = &service.entrance().gate;
    let deadline = Instant::now() + gate.patience();
    let mut probation = Probation { deadline, place: gate.enter(from.ip()) };
    match probation.run(read_first(&mut stream)).await? {
        // A scan that connects and goes is nothing to talk about.
        None => Ok(()),
        Some(TLS_HANDSHAKE) => secure(service, stream, from, probation).await,
        Some(first) => service.other(first, stream, probation).await,
    }
}

async fn secure<S: Service>(
    service: &S,
    stream: BoxStream,
    from: SocketAddr,
    mut probation: Probation,
) -> Result<(), Rejected> {
    let entrance = service.entrance();
    let (partial, ended) = entrance.partials.connection();
    let sent = Arc::clone(&entrance.counts.sent);
    let mut stream = Carrier::new(TLS_HANDSHAKE, stream, partial.clone(), sent);
    if let Err(why) = turn(entrance, from.ip(), &mut probation).await {
        turn_away(&mut stream).await;
        return Err(why);
    }
    let tls = probation.run(async { Ok(service.tls().accept(stream).await?) }).await?;
    let session = tls.get_ref().1;
    if session.alpn_protocol() != Some(ALPN) {
        return Err(Rejected::Foreign(S::NAME));
    }
    let exporter = session
        .export_keying_material([0; 32], EXPORTER_LABEL, None)
        .map_err(|error| Rejected::Io(io::Error::other(error)))?;
    let (reader, writer) = tokio::io::split(tls);
    let reader = FrameReader::new(reader, partial, ended);
    service.guest(Guest { reader, writer, exporter, from, probation }).await
}

/// Waits until a handshake from there may begin.
async fn turn(
    entrance: &Entrance,
    from: IpAddr,
    probation: &mut Probation,
) -> Result<(), Rejected> {
    let wait = entrance.gate.handshake(from, entrance.now()).ok_or(Rejected::Crowded)?;
    if wait.is_zero() {
        return Ok(());
    }
    let waiting = async {
        tokio::time::sleep(wait).await;
        Ok(())
    };
    probation.run(waiting).await
}

/// Says that there is no room for a handshake, in the one way that TLS has before it: the client takes it for
/// `Refusal::Busy` (PROTOCOL.md section 5.6).
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

async fn read_first(stream: &mut BoxStream) -> Result<Option<u8>, Rejected> {
    let mut first = [0];
    let count = stream.read(&mut first).await?;
    Ok((count > 0).then_some(first[0]))
}
