//! The connection itself: dialling, one task that reads, one that writes, and requests with their answers.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sealift_platform::Platform;
use sealift_platform::net::BoxStream;
use sealift_platform::sync::lock;
use sealift_proto::codec::{self, Bytes, CodecError, Extensions, List};
use sealift_proto::control::{
    Address, FromRelay, Hello, HelloBody, Purpose as WirePurpose, Refusal, TOKEN, ToRelay, Welcome,
};
use sealift_proto::features::Features;
use sealift_proto::frame::{self, LinkKind, Preamble, VERSION};
use sealift_proto::identity::{DeviceId, SecretKey};
use sealift_proto::probe::{ProbeKey, ProbeToken};
use sealift_proto::space::Chain;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::alive::{Doubt, next_message};
use super::error::{CallError, DialError};
use super::events::{self, Event, EventSender, Events};
use super::tls::{self, Pin};
use sealift_proto::place::RelayPlace;
use sealift_space::profile::tokens::RelayToken;

/// How long dialling may take in all.
const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a TLS handshake may take, and the answer to something small where it took longer.
const STALLED: Duration = Duration::from_secs(5);
const SMALL: Duration = Duration::from_secs(2);
/// How long the answer to a request may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Frames waiting to be written.
const OUTGOING: usize = 64;

/// What the connection is for.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// Acting as the member that the chain names; others can reach a serving connection.
    Member {
        /// How the device belongs to the space.
        chain: Chain,
        /// Whether others may reach it.
        serving: bool,
        /// Shown to a private relay, if the key of the relay is known.
        token: Option<RelayToken>,
    },
    /// Taking an invite package.
    Join,
}

enum Answer {
    Done,
    Failed(Refusal),
    Invite(Vec<u8>),
    Probe(Probe),
}

/// What the relay's UDP service wants to see of this connection (PROTOCOL.md section 5.7).
#[derive(Debug, Clone)]
pub struct Probe {
    /// Port of the service.
    pub port: u16,
    /// Names this connection to it.
    pub token: ProbeToken,
    /// Seals what is asked and answered.
    pub key: ProbeKey,
}

/// Segments with their positions, in the order in which they came.
type Segments = Vec<(u64, Vec<u8>)>;

struct Pending {
    segments: Segments,
    answer: oneshot::Sender<(Answer, Segments)>,
}

#[derive(Default)]
struct Calls {
    open: HashMap<u32, Pending>,
    ended: bool,
}

/// A handle on the control connection. Clones share it; it ends when the last one is dropped.
#[derive(Clone)]
pub struct Control {
    shared: Arc<Shared>,
}

struct Shared {
    outgoing: mpsc::Sender<ToRelay>,
    calls: Arc<Mutex<Calls>>,
    next: AtomicU32,
    device: DeviceId,
    welcome: Welcome,
    pin: Pin,
    relay: RelayPlace,
    remote: SocketAddr,
    /// Rings when the relay is to show that it is still there.
    doubt: Arc<Doubt>,
    // Dropped with the last handle, which ends both tasks.
    _tasks: JoinSet<()>,
}

/// Connects to `relay` and says Hello; `first` goes out in the same flight.
///
/// # Errors
/// [`DialError`] within ten seconds.
pub async fn dial(
    platform: &Platform,
    relay: &RelayPlace,
    key: &SecretKey,
    purpose: Purpose,
    first: Vec<ToRelay>,
) -> Result<(Control, Events), DialError> {
    match timeout(DIAL_TIMEOUT, dial_now(platform, relay, key, purpose, first)).await {
        Ok(result) => result,
        Err(_) => Err(DialError::Unreachable(io::Error::new(
            io::ErrorKind::TimedOut,
            "no answer within 10 s",
        ))),
    }
}

async fn dial_now(
    platform: &Platform,
    relay: &RelayPlace,
    key: &SecretKey,
    purpose: Purpose,
    first: Vec<ToRelay>,
) -> Result<(Control, Events), DialError> {
    let (mut stream, pin) = connect_tls(platform, relay).await?;
    let purpose = match purpose {
        // Never to a key that was met only now.
        Purpose::Member { chain, serving, .. } if relay.pin.is_none() => {
            Purpose::Member { chain, serving, token: None }
        }
        purpose => purpose,
    };
    let exporter =
        tls::exporter(stream.get_ref().1).map_err(|error| DialError::Foreign(error.to_string()))?;
    let hello = hello(key, purpose, &exporter)?;
    let mut flight = encode(&ToRelay::Hello(hello));
    for message in &first {
        flight.extend(encode(message));
    }
    stream.write_all(&flight).await.map_err(DialError::Unreachable)?;
    stream.flush().await.map_err(DialError::Unreachable)?;
    let welcome = match read_message(&mut stream).await.map_err(unreadable)? {
        FromRelay::Welcome(welcome) if welcome.version == VERSION => welcome,
        FromRelay::Welcome(_) => return Err(DialError::Refused(Refusal::Version)),
        FromRelay::Refused(why) => return Err(DialError::Refused(why)),
        _ => return Err(DialError::Foreign("it did not say welcome".into())),
    };
    let relay = RelayPlace { pin: Some(pin), ..relay.clone() };
    let remote = stream.get_ref().0.peer_addr().map_err(DialError::Unreachable)?;
    let own = stream.get_ref().0.local_addr().ok();
    let doubt = Arc::new(Doubt::new(Arc::clone(&platform.net), own));
    Ok(start(stream, key.id(), welcome, pin, relay, remote, doubt))
}

async fn connect_tls(
    platform: &Platform,
    relay: &RelayPlace,
) -> Result<(TlsStream<BoxStream>, Pin), DialError> {
    let foreign = |error: rustls::Error| DialError::Foreign(error.to_string());
    let (config, verifier) = tls::config(relay.pin).map_err(foreign)?;
    let host = relay.host.as_str();
    let stream = platform.net.connect(host, relay.port).await.map_err(DialError::Unreachable)?;
    let name = rustls::pki_types::ServerName::try_from(host.to_owned())
        .or_else(|_| "relay.invalid".try_into())
        .map_err(|_| DialError::Foreign("its name cannot be used".into()))?;
    let connecting = TlsConnector::from(config).connect(name, stream);
    let Ok(result) = timeout(STALLED, connecting).await else {
        return Err(DialError::Stalled { small: small_passes(platform, relay).await });
    };
    match (result, verifier.seen()) {
        (Ok(stream), Some(pin)) => Ok((stream, pin)),
        (Err(_), Some(seen)) if relay.pin.is_some_and(|expected| expected != seen) => {
            Err(DialError::OtherKey { seen })
        }
        (Err(error), _) if is_turned_away(&error) => Err(DialError::Refused(Refusal::Busy)),
        (Err(error), _) if error.kind() == io::ErrorKind::InvalidData => {
            Err(DialError::Foreign(error.to_string()))
        }
        (Err(error), _) => Err(DialError::Unreachable(error)),
        (Ok(_), None) => Err(DialError::Foreign("it showed no key".into())),
    }
}

/// Whether the relay answers what fits the smallest packet: it closes a link that nobody asked for (PROTOCOL.md section 5.1).
/// The first message of TLS, with its post-quantum key, needs two packets of full size.
async fn small_passes(platform: &Platform, relay: &RelayPlace) -> bool {
    let small = async {
        let mut stream = platform.net.connect(relay.host.as_str(), relay.port).await?;
        let value = platform.random.bytes();
        stream.write_all(&Preamble { kind: LinkKind::Relay, value }.to_bytes()).await?;
        stream.flush().await?;
        // It may end by a reset too: what counts is that somebody has read it.
        io::Result::Ok(stream.read(&mut [0; 1]).await.map_or(true, |count| count == 0))
    };
    timeout(SMALL, small).await.is_ok_and(|passes| passes.unwrap_or(false))
}

/// Whether the relay said, instead of a handshake, that it has no room for one (PROTOCOL.md section 5.6).
fn is_turned_away(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::AlertReceived(rustls::AlertDescription::InternalError)))
}

/// Bytes that are no message come from something else than a relay; waiting does not mend that.
fn unreadable(error: io::Error) -> DialError {
    if error.kind() == io::ErrorKind::InvalidData {
        return DialError::Foreign(error.to_string());
    }
    DialError::Unreachable(error)
}

fn hello(key: &SecretKey, purpose: Purpose, exporter: &[u8; 32]) -> Result<Hello, DialError> {
    let (purpose, token) = match purpose {
        Purpose::Member { chain, serving, token } => {
            (WirePurpose::Member { chain, serving }, token)
        }
        Purpose::Join => (WirePurpose::Join, None),
    };
    let versions = List::new(vec![VERSION]);
    let body = versions.and_then(|versions| {
        let extensions = extensions(token.as_ref())?;
        Ok(HelloBody { versions, device: key.id(), purpose, features: Features::OWN, extensions })
    });
    body.and_then(|body| Hello::sign(&body, exporter, key))
        .map_err(|_| DialError::Refused(Refusal::Malformed))
}

fn extensions(token: Option<&RelayToken>) -> Result<Extensions, CodecError> {
    let token = token.map(|token| Ok((TOKEN, Bytes::new(token.as_bytes().to_vec())?)));
    Extensions::new(List::new(token.into_iter().collect::<Result<_, CodecError>>()?)?)
}

/// Messages to the relay are built from bounded parts and fit a frame.
fn encode(message: &ToRelay) -> Vec<u8> {
    frame::frame(&codec::encode(message)).expect("every message to the relay fits a frame")
}

pub(super) async fn read_message(
    stream: &mut (impl AsyncReadExt + Unpin),
) -> io::Result<FromRelay> {
    let mut header = [0; frame::FRAME_HEADER];
    stream.read_exact(&mut header).await?;
    let invalid = |error: String| io::Error::new(io::ErrorKind::InvalidData, error);
    let len = frame::body_len(header).map_err(|error| invalid(error.to_string()))?;
    let mut body = vec![0; len];
    stream.read_exact(&mut body).await?;
    codec::decode(&body).map_err(|error| invalid(error.to_string()))
}

fn start(
    stream: TlsStream<BoxStream>,
    device: DeviceId,
    welcome: Welcome,
    pin: Pin,
    relay: RelayPlace,
    remote: SocketAddr,
    doubt: Arc<Doubt>,
) -> (Control, Events) {
    let (reader, writer) = tokio::io::split(stream);
    let (outgoing, queue) = mpsc::channel(OUTGOING);
    let (events, received) = events::channel();
    let calls = Arc::new(Mutex::new(Calls::default()));
    let mut tasks = JoinSet::new();
    tasks.spawn(read_loop(reader, calls.clone(), events, outgoing.downgrade(), doubt.clone()));
    tasks.spawn(write_loop(writer, queue));
    let shared = Shared {
        outgoing,
        calls,
        next: AtomicU32::new(1),
        device,
        welcome,
        pin,
        relay,
        remote,
        doubt,
        _tasks: tasks,
    };
    (Control { shared: Arc::new(shared) }, received)
}

async fn write_loop(
    mut writer: WriteHalf<TlsStream<BoxStream>>,
    mut queue: mpsc::Receiver<ToRelay>,
) {
    while let Some(message) = queue.recv().await {
        let mut bytes = encode(&message);
        // What waits already goes out in the same packets.
        while let Ok(next) = queue.try_recv() {
            bytes.extend(encode(&next));
            if bytes.len() >= frame::FRAME_MAX {
                break;
            }
        }
        // The reader notices the end and reports it.
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}

async fn read_loop(
    mut reader: ReadHalf<TlsStream<BoxStream>>,
    calls: Arc<Mutex<Calls>>,
    events: EventSender,
    outgoing: mpsc::WeakSender<ToRelay>,
    doubt: Arc<Doubt>,
) {
    let why = loop {
        let message = match next_message(&mut reader, &outgoing, &doubt).await {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, "the control connection ended");
                break None;
            }
        };
        match sort(message, &calls) {
            Sorted::Answered => {}
            Sorted::Event(event) => {
                // Where nobody listens for events, answers still matter.
                events.send(event).await;
            }
            Sorted::Reply(reply) => {
                if let Some(outgoing) = outgoing.upgrade() {
                    let _ = outgoing.send(reply).await;
                }
            }
            Sorted::End(why) => break why,
        }
    };
    end_calls(&calls);
    events.send(Event::Closed { why }).await;
}

fn end_calls(calls: &Mutex<Calls>) {
    let mut calls = lock(calls);
    calls.ended = true;
    calls.open.clear();
}

enum Sorted {
    Answered,
    Event(Event),
    Reply(ToRelay),
    End(Option<Refusal>),
}

fn sort(message: FromRelay, calls: &Mutex<Calls>) -> Sorted {
    let mut calls = lock(calls);
    let mut finish = |request, answer| {
        if let Some(pending) = calls.open.remove(&request) {
            // A caller that gave up does not want the answer.
            let _ = pending.answer.send((answer, pending.segments));
        }
        Sorted::Answered
    };
    match message {
        FromRelay::Done { request } => finish(request, Answer::Done),
        FromRelay::Failed { request, why } => finish(request, Answer::Failed(why)),
        FromRelay::Invite { request, package } => {
            finish(request, Answer::Invite(package.into_vec()))
        }
        FromRelay::Probe { request, port, token, key } => {
            finish(request, Answer::Probe(Probe { port, token, key }))
        }
        FromRelay::Segment { request, position, segment } => {
            if let Some(pending) = calls.open.get_mut(&request) {
                // No more than were asked for is ever kept; the caller checks which they are.
                if pending.segments.len()
                    < usize::try_from(sealift_proto::control::FETCH_MAX).unwrap_or(0)
                {
                    pending.segments.push((position, segment.into_vec()));
                }
            }
            Sorted::Answered
        }
        FromRelay::Deliver { from, body } => {
            Sorted::Event(Event::Deliver { from, body: body.into_vec() })
        }
        FromRelay::Undeliverable { to, why } => Sorted::Event(Event::Undeliverable { to, why }),
        FromRelay::Head(head) => Sorted::Event(Event::Head(head)),
        FromRelay::HeadsEnd => Sorted::Event(Event::HeadsEnd),
        FromRelay::LinkTicket { ticket, tag, peer, address, extensions: _ } => {
            Sorted::Event(Event::LinkTicket { ticket, tag, peer, address })
        }
        FromRelay::PeerHere { device } => Sorted::Event(Event::PeerHere(device)),
        FromRelay::PeerGone { device } => Sorted::Event(Event::PeerGone(device)),
        FromRelay::PeersEnd => Sorted::Event(Event::PeersEnd),
        FromRelay::Ping { nonce } => Sorted::Reply(ToRelay::Pong { nonce }),
        FromRelay::Pong { .. } => Sorted::Answered,
        FromRelay::Leaving { spread, places, extensions: _ } => {
            let spread = Duration::from_secs(spread.into());
            Sorted::Event(Event::Leaving { spread, places: places.into_vec() })
        }
        FromRelay::Refused(why) => Sorted::End(Some(why)),
        FromRelay::Welcome(_) => Sorted::End(None),
    }
}

impl Control {
    /// This device.
    #[must_use]
    pub fn device(&self) -> DeviceId {
        self.shared.device
    }

    /// This connection as others address it.
    #[must_use]
    pub fn address(&self) -> Address {
        Address { device: self.shared.device, connection: self.shared.welcome.connection }
    }

    /// What the relay said first.
    #[must_use]
    pub fn welcome(&self) -> &Welcome {
        &self.shared.welcome
    }

    /// Pin of the relay's key.
    #[must_use]
    pub fn pin(&self) -> Pin {
        self.shared.pin
    }

    /// The relay, with its pin.
    #[must_use]
    pub fn relay(&self) -> &RelayPlace {
        &self.shared.relay
    }

    /// `HOST:PORT` of the relay, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        sealift_proto::invite::host_port(&self.shared.relay.host, self.shared.relay.port)
    }

    /// Something says that the relay may no longer be reached the way it was, such as a change of this device's addresses:
    /// it is asked for a sign of life at once, and taken for gone soon if there is none.
    pub fn check(&self) {
        self.shared.doubt.ring();
    }

    /// Sends a message that has no numbered answer.
    ///
    /// # Errors
    /// [`CallError::Closed`] when the connection has ended, or the relay takes nothing for half a minute.
    pub async fn send(&self, message: ToRelay) -> Result<(), CallError> {
        // The queue outlives the connection: the writer notices its end only when it writes.
        if self.calls().ended {
            return Err(CallError::Closed);
        }
        match timeout(CALL_TIMEOUT, self.shared.outgoing.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(CallError::Closed),
        }
    }

    fn calls(&self) -> MutexGuard<'_, Calls> {
        lock(&self.shared.calls)
    }

    /// Sends a request and waits until the relay has done it.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn call(&self, message: impl FnOnce(u32) -> ToRelay) -> Result<(), CallError> {
        match self.exchange(message).await? {
            (Answer::Done, _) => Ok(()),
            _ => Err(CallError::Protocol),
        }
    }

    /// Fetches the segments `from..to` of a catalogue, at most [`sealift_proto::control::FETCH_MAX`]. What they say is
    /// not verified yet.
    ///
    /// # Errors
    /// [`CallError`], also when the relay sends others than were asked for.
    pub async fn fetch(
        &self,
        device: DeviceId,
        log: u16,
        log_id: [u8; 16],
        from: u64,
        to: u64,
    ) -> Result<Vec<Vec<u8>>, CallError> {
        let message = |request| ToRelay::Fetch { request, device, log, log_id, from, to };
        let (Answer::Done, segments) = self.exchange(message).await? else {
            return Err(CallError::Protocol);
        };
        if !segments.iter().map(|(position, _)| *position).eq(from..to) {
            return Err(CallError::Protocol);
        }
        Ok(segments.into_iter().map(|(_, segment)| segment).collect())
    }

    /// Takes an invite package.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn take_invite(&self, id: [u8; 16]) -> Result<Vec<u8>, CallError> {
        match self.exchange(|request| ToRelay::TakeInvite { request, id }).await? {
            (Answer::Invite(package), _) => Ok(package),
            _ => Err(CallError::Protocol),
        }
    }

    /// Asks for what the relay's UDP service wants to see.
    ///
    /// # Errors
    /// [`CallError`]; a relay without that service refuses with NotFound.
    pub async fn probe(&self) -> Result<Probe, CallError> {
        match self.exchange(|request| ToRelay::GetProbe { request }).await? {
            (Answer::Probe(probe), _) => Ok(probe),
            _ => Err(CallError::Protocol),
        }
    }

    /// The address that the relay was reached at.
    #[must_use]
    pub fn remote(&self) -> SocketAddr {
        self.shared.remote
    }

    async fn exchange(
        &self,
        message: impl FnOnce(u32) -> ToRelay,
    ) -> Result<(Answer, Segments), CallError> {
        let request = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = oneshot::channel();
        {
            let mut calls = self.calls();
            if calls.ended {
                return Err(CallError::Closed);
            }
            calls.open.insert(request, Pending { segments: Vec::new(), answer: sender });
        }
        let _open = OpenCall { control: self, request };
        self.send(message(request)).await?;
        match timeout(CALL_TIMEOUT, receiver).await {
            Ok(Ok((Answer::Failed(why), _))) => Err(CallError::Refused(why)),
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(CallError::Closed),
        }
    }
}

/// Forgets a request however it ends, also when its caller goes away.
struct OpenCall<'a> {
    control: &'a Control,
    request: u32,
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        self.control.calls().open.remove(&self.request);
    }
}
