//! The leecher's side: many sessions over one control connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_platform::net::BoxStream;
use sealift_platform::random::{Random, RandomRng};
use sealift_platform::sync::lock;
use sealift_proto::codec::Bytes;
use sealift_proto::control::{Address, Refusal, ToRelay};
use sealift_proto::direct::End;
use sealift_proto::handshake::{Acknowledged, Answered, HandshakeError, Message, Offered, Peer};
use sealift_proto::identity::DeviceId;
use sealift_proto::limits;
use sealift_proto::link::{LinkSender, ToLeecher, ToSeeder};
use sealift_proto::wrap::{ShareSecret, Suite};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::ends::LeecherEnds;
use super::link::{self, LinkReader, LinkWriter};
use super::paced::{Way, paced};
use super::{Place, SessionError, Side, lan, link_place};
use crate::control::{Control, Event};
use crate::pace::Pace;

/// News that may wait for one handshake; a relay that repeats itself fills no memory.
const NEWS: usize = 8;
/// How long the seeder may take to answer, and READY to come.
const ANSWER: Duration = Duration::from_secs(limits::ANSWER_TIME);

/// Which suites to offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WrapChoice {
    /// The hybrid, or X25519 where the seeder prefers it.
    #[default]
    Auto,
    /// One suite only.
    Only(Suite),
}

enum News {
    Answer(Address, Box<Message>),
    Ticket([u8; 32], Option<Place>),
    Failed(SessionError),
}

struct Waiting {
    seeder: Address,
    offer: [u8; 32],
    news: mpsc::Sender<News>,
}

/// The handshakes under way on one control connection. Whoever reads its events hands each to [`Sessions::handle`].
#[derive(Default)]
pub struct Sessions {
    waiting: Mutex<HashMap<[u8; 16], Waiting>>,
    pace: Paces,
}

/// How fast links are, and in which direction that counts.
#[derive(Clone)]
struct Paces {
    pace: Option<Pace>,
    way: Way,
}

impl Default for Paces {
    fn default() -> Self {
        Self { pace: None, way: Way::Reading }
    }
}

/// A session. The seeder is verified; that it has the same keys shows when [`LeecherReader::confirm`] succeeds.
pub struct LeecherSession {
    /// The seeder.
    pub peer: Peer,
    /// How the key was wrapped.
    pub suite: Suite,
    /// Requests go here, at once.
    pub writer: LinkWriter<ToSeeder>,
    /// Answers come from here.
    pub reader: LeecherReader,
}

/// The receiving half before READY has come.
pub struct LeecherReader {
    stream: ReadHalf<BoxStream>,
    acknowledged: Acknowledged,
    random: Arc<dyn Random>,
    pace: Paces,
}

impl LeecherReader {
    /// Waits for READY: from then on what comes can be opened, and further links may be made.
    ///
    /// # Errors
    /// When it does not come in time or does not verify.
    pub async fn confirm(mut self) -> Result<(LinkReader<ToLeecher>, LeecherEnds), SessionError> {
        let mut ready = [0; 32];
        timeout(ANSWER, self.stream.read_exact(&mut ready))
            .await
            .map_err(|_| SessionError::Timeout)??;
        let keys = self.acknowledged.confirm(&ready)?;
        let ends = LeecherEnds {
            id: keys.id,
            end: End::Leecher,
            sending: keys.to_seeder,
            receiving: keys.to_leecher,
            exporter: keys.exporter,
            random: self.random,
            pace: self.pace.pace,
            way: self.pace.way,
        };
        Ok((ends.reader(self.stream, 0), ends))
    }
}

impl Sessions {
    /// As the default, but what links bring is read no faster than `pace` allows.
    #[must_use]
    pub fn paced(pace: Option<Pace>) -> Self {
        Self { pace: Paces { pace, ..Paces::default() }, ..Self::default() }
    }

    /// As [`Sessions::paced`], for a device that gives on what it fetches: links are also written to no faster.
    #[must_use]
    pub fn paced_both_ways(pace: Option<Pace>) -> Self {
        Self { pace: Paces { pace, way: Way::Both }, ..Self::default() }
    }

    /// Takes an event if it belongs to a handshake under way.
    pub fn handle(&self, side: &Side<'_>, event: &Event) {
        match event {
            Event::Deliver { from, body } => self.answer(side, *from, body),
            Event::LinkTicket { ticket, tag, peer, address } => {
                let waiting = lock(&self.waiting);
                if let Some(waiting) = waiting.get(tag).filter(|waiting| waiting.seeder == *peer) {
                    let _ = waiting.news.try_send(News::Ticket(*ticket, address.clone()));
                }
            }
            Event::Undeliverable { to, why } => {
                let why = *why;
                self.fail(
                    |waiting| waiting.seeder == *to,
                    || match why {
                        Refusal::Offline => SessionError::Offline,
                        why => SessionError::Relay(why),
                    },
                );
            }
            Event::PeerGone(device) => {
                self.fail(|waiting| waiting.seeder.device == *device, || SessionError::Offline);
            }
            Event::Closed { .. } => self.fail(|_| true, || SessionError::Closed),
            _ => {}
        }
    }

    fn answer(&self, side: &Side<'_>, from: Address, body: &[u8]) {
        let opened = side.with(|terms, _| Message::open(terms, &from.device, body));
        let message = match opened {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, "a forwarded message was ignored");
                return;
            }
        };
        if matches!(message, Message::Offer(_)) {
            // Perhaps this device's own, sent back.
            return;
        }
        let waiting = lock(&self.waiting);
        let hash = message.offer_hash();
        // Nobody else than the seeder can end its handshake.
        let asked = |waiting: &&Waiting| waiting.offer == hash && waiting.seeder == from;
        if let Some(waiting) = waiting.values().find(asked) {
            let _ = waiting.news.try_send(News::Answer(from, Box::new(message)));
        }
    }

    fn fail(&self, which: impl Fn(&Waiting) -> bool, error: impl Fn() -> SessionError) {
        let waiting = lock(&self.waiting);
        for waiting in waiting.values().filter(|waiting| which(waiting)) {
            let _ = waiting.news.try_send(News::Failed(error()));
        }
    }

    /// Opens a session with `seeder`: OFFER and OpenLink in one flight, then the link, with the ACK first on it.
    ///
    /// # Errors
    /// [`SessionError`] within about half a minute.
    pub async fn open(
        &self,
        side: &Side<'_>,
        control: &Control,
        seeder: Address,
        choice: WrapChoice,
    ) -> Result<LeecherSession, SessionError> {
        let tag: [u8; 16] = side.platform.random.bytes();
        let (offered, body) = offer(side, seeder, tag, choice).await?;
        let body = Bytes::new(body).map_err(|_| HandshakeError::Malformed)?;
        let (news, mut received) = mpsc::channel(NEWS);
        let _registered = self.register(tag, Waiting { seeder, offer: *offered.hash(), news });
        let closed = |_| SessionError::Closed;
        control.send(ToRelay::Forward { to: seeder, body }).await.map_err(closed)?;
        control.send(ToRelay::OpenLink { to: seeder, tag }).await.map_err(closed)?;
        let (from, message, ticket, address) =
            timeout(ANSWER, collect(&mut received)).await.unwrap_or(Err(SessionError::Timeout))?;
        let answered = answered(side, offered, from, &message)?;
        let (host, port) =
            link_place(side.space, control.relay(), address).ok_or(SessionError::Elsewhere)?;
        finish(side, answered, &self.pace, async |opening| {
            link::connect(side.platform, (&host, port), ticket, opening).await
        })
        .await
    }

    /// Opens a session with the seeder at the other end of `stream`, a local network's, where nobody stands between.
    ///
    /// # Errors
    /// [`SessionError`] within about half a minute.
    pub async fn open_lan(
        &self,
        side: &Side<'_>,
        mut stream: BoxStream,
        seeder: DeviceId,
        choice: WrapChoice,
    ) -> Result<LeecherSession, SessionError> {
        let side = &lan::side(side);
        let seeder = lan::address(seeder);
        let (offered, body) = offer(side, seeder, side.platform.random.bytes(), choice).await?;
        let device = side.key.id();
        let asked = timeout(ANSWER, lan::ask(&mut stream, &device, &body)).await;
        let answer = asked.unwrap_or(Err(SessionError::Timeout))?;
        let message = side.with(|terms, _| Message::open(terms, &seeder.device, &answer))?;
        let answered = answered(side, offered, seeder, &message)?;
        finish(side, answered, &self.pace, async |opening| {
            stream.write_all(opening).await?;
            stream.flush().await?;
            Ok(stream)
        })
        .await
    }

    fn register(&self, tag: [u8; 16], waiting: Waiting) -> Registered<'_> {
        lock(&self.waiting).insert(tag, waiting);
        Registered { sessions: self, tag }
    }
}

/// Forgets the handshake however it ends.
struct Registered<'a> {
    sessions: &'a Sessions,
    tag: [u8; 16],
}

impl Drop for Registered<'_> {
    fn drop(&mut self) {
        lock(&self.sessions.waiting).remove(&self.tag);
    }
}

/// The seeder's answer and the link ticket come in any order.
async fn collect(
    received: &mut mpsc::Receiver<News>,
) -> Result<(Address, Box<Message>, [u8; 32], Option<Place>), SessionError> {
    let (mut answer, mut ticket) = (None, None);
    loop {
        match received.recv().await {
            // A refusal brings no link.
            Some(News::Answer(from, message)) if matches!(*message, Message::Refuse(_)) => {
                return Ok((from, message, [0; 32], None));
            }
            Some(News::Answer(from, message)) => answer = Some((from, message)),
            Some(News::Ticket(value, place)) => ticket = Some((value, place)),
            Some(News::Failed(error)) => return Err(error),
            None => return Err(SessionError::Closed),
        }
        if let (Some(_), Some(_)) = (&answer, &ticket)
            && let (Some((from, message)), Some((ticket, place))) = (answer.take(), ticket.take())
        {
            return Ok((from, message, ticket, place));
        }
    }
}

/// An offer to `seeder`, and the same sealed.
async fn offer(
    side: &Side<'_>,
    seeder: Address,
    tag: [u8; 16],
    choice: WrapChoice,
) -> Result<(Offered, Vec<u8>), SessionError> {
    let secrets = make_shares(side, choice).await?;
    let random = &*side.platform.random;
    let made = side.with(|terms, party| {
        let offered = Offered::new(terms, party, seeder, tag, secrets, &mut RandomRng(random))?;
        let body = offered.message().seal(terms, &party.key.id(), random.bytes());
        Ok::<_, HandshakeError>((offered, body))
    })?;
    Ok(made)
}

fn answered(
    side: &Side<'_>,
    offered: Offered,
    from: Address,
    message: &Message,
) -> Result<Answered, HandshakeError> {
    let random = &*side.platform.random;
    side.with(|terms, _| offered.answer(terms, from, message, &mut RandomRng(random)))
}

/// The session of an offer that was answered; `send` gives the stream on which the opening has been sent.
async fn finish(
    side: &Side<'_>,
    answered: Answered,
    pace: &Paces,
    send: impl AsyncFnOnce(&[u8]) -> std::io::Result<BoxStream>,
) -> Result<LeecherSession, SessionError> {
    let (peer, suite) = (*answered.peer(), answered.suite());
    let (acknowledged, opening) = answered.acknowledge();
    let stream = send(&opening.to_bytes()).await?;
    let stream = paced(stream, pace.way, pace.pace.as_ref());
    let (reader, writer) = tokio::io::split(stream);
    let sender = LinkSender::new(acknowledged.to_seeder().clone(), acknowledged.session(), 0);
    let random = side.platform.random.clone();
    Ok(LeecherSession {
        peer,
        suite,
        writer: LinkWriter::new(writer, sender, random.clone()),
        reader: LeecherReader { stream: reader, acknowledged, random, pace: pace.clone() },
    })
}

/// Makes the single-use keys. An RSA key takes long, so it is made off the runtime's threads.
async fn make_shares(
    side: &Side<'_>,
    choice: WrapChoice,
) -> Result<Vec<ShareSecret>, SessionError> {
    let suites = match choice {
        WrapChoice::Auto => vec![Suite::Hybrid, Suite::X25519],
        WrapChoice::Only(suite) => vec![suite],
    };
    let random = side.platform.random.clone();
    let make = move || -> Result<Vec<_>, _> {
        let mut rng = RandomRng(&*random);
        suites.into_iter().map(|suite| ShareSecret::generate(suite, &mut rng)).collect()
    };
    let made = if choice == WrapChoice::Only(Suite::Rsa) {
        tokio::task::spawn_blocking(make).await.map_err(|_| SessionError::Closed)?
    } else {
        make()
    };
    made.map_err(|error| HandshakeError::Wrap(error).into())
}
