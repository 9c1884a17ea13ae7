//! Tries over UDP: knocks until a way stands, then QUIC over it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::{Runtime, TokioRuntime};
use sealift_platform::Platform;
use sealift_proto::direct::{End, Knock, Transport};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::opening::OpenError;
use super::own::Own;
use super::quic::{self, Quic};
use super::report::Outcome;
use super::session::{Session, Sessions};
use super::socket::{Datagram, Socket};
use super::tcp;

/// Knocks go out this often at first, and so often later on.
const PACE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(1));
/// When "later on" begins.
const SOON: Duration = Duration::from_secs(5);
/// How long knocks go on where nothing answers.
const GIVE_UP: Duration = Duration::from_secs(10);
/// How long they go on where another link stands already.
const BESIDE: Duration = Duration::from_secs(1);
/// Head start that TCP has before QUIC.
const HEAD_START: Duration = Duration::from_millis(150);
/// How often ways are looked at, beside each time that one stands.
const LOOK: Duration = Duration::from_millis(25);
/// How long to wait for the other end to ask, so that it lets QUIC in; then QUIC repeats itself in any case.
const ASKED_TOO: Duration = Duration::from_millis(300);
/// After it has asked, the other end gets the answer, and needs a moment to let QUIC in.
const SETTLE: Duration = Duration::from_millis(20);

/// The UDP socket of the process, with QUIC on it.
pub(super) struct Udp {
    socket: Arc<Socket>,
    quic: Quic,
    port: u16,
    platform: Platform,
}

impl Udp {
    /// Opens the socket, for both families if the system has both.
    pub(super) fn open(
        platform: &Platform,
        sessions: &Arc<Sessions>,
        own: &Arc<Own>,
        tasks: &mut JoinSet<()>,
    ) -> std::io::Result<Arc<Self>> {
        let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
        let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let bound = platform.net.udp(v6, true).or_else(|_| platform.net.udp(v4, false))?;
        let port = bound.local_addr()?.port();
        let (socket, ours) = Socket::new(TokioRuntime.wrap_udp_socket(bound)?)?;
        let quic = Quic::new(Arc::clone(&socket))?;
        let random = Arc::clone(&platform.random);
        tasks.spawn(quic::accept(quic.endpoint(), Arc::clone(sessions), random));
        let udp = Arc::new(Self { socket, quic, port, platform: platform.clone() });
        tasks.spawn(hear(Arc::clone(&udp), ours, Arc::clone(sessions), Arc::clone(own)));
        Ok(udp)
    }

    /// The port for addresses of a family, if it has that family.
    pub(super) fn port(&self, address: &IpAddr) -> Option<u16> {
        (address.is_ipv4() || self.socket.has_ipv6()).then_some(self.port)
    }

    /// Sends a datagram.
    pub(super) fn send(&self, to: SocketAddr, bytes: &[u8]) {
        self.socket.send(to, None, bytes);
    }

    fn ask(&self, session: &Session, to: SocketAddr, by: Option<IpAddr>) {
        let nonce = self.platform.random.bytes();
        let knock = session.ways().ask(to, nonce, Instant::now());
        self.socket.send(to, by, &knock.to_bytes(&session.ends));
    }

    /// A datagram that may be a knock. Only one that the other end of a session made has anything sent, and only to where it
    /// came from.
    fn heard(&self, sessions: &Sessions, datagram: &Datagram) {
        let Some(id) = Knock::session(&datagram.bytes) else { return };
        let Some(session) = sessions.find(&id) else { return };
        let Some(knock) = Knock::from_bytes(&datagram.bytes, &session.ends) else { return };
        let Datagram { from, to, .. } = *datagram;
        let (todo, round_trip) = {
            let mut ways = session.ways();
            let todo = ways.hear(from, knock, Instant::now());
            (todo, ways.round_trip(&from))
        };
        if let Some(answer) = todo.answer {
            self.socket.send(from, to, &answer.to_bytes(&session.ends));
        }
        if todo.ask {
            self.ask(&session, from, to);
        }
        if let Some(round_trip) = round_trip.filter(|_| todo.stands) {
            session.stands(from, round_trip, self.socket.allow(from));
        }
    }
}

/// Looks at what comes beside QUIC.
async fn hear(
    udp: Arc<Udp>,
    mut ours: mpsc::Receiver<Datagram>,
    sessions: Arc<Sessions>,
    own: Arc<Own>,
) {
    while let Some(datagram) = ours.recv().await {
        own.answered(&datagram.bytes);
        udp.heard(&sessions, &datagram);
    }
}

/// One round of knocks at everything that the other end named, and QUIC over what answers.
pub(super) async fn attempt(udp: &Arc<Udp>, session: &Arc<Session>) {
    if session.ways().places().is_empty() {
        // Should the other end knock, it is asked then.
        return;
    }
    let start = Instant::now();
    let mut next_knock = start;
    loop {
        let now = Instant::now();
        let passed = now - start;
        if passed >= GIVE_UP || (passed >= BESIDE && session.links().count() > 0) {
            break;
        }
        if now >= next_knock {
            // Not in the head of the loop, which would keep the lock.
            let places = session.ways().places();
            for place in places {
                udp.ask(session, place, None);
            }
            next_knock = now + if passed < SOON { PACE.0 } else { PACE.1 };
        }
        if session.ends.end == End::Leecher && passed >= HEAD_START {
            connect_ready(udp, session);
        }
        tokio::select! {
            () = sleep_until(next_knock.min(now + LOOK)) => {}
            () = session.way() => {}
        }
    }
    let places = session.ways().places();
    for place in places {
        session.report().give_up(Transport::Udp, place, "no answer within 10 s");
    }
}

/// Begins QUIC over each way that stands and is wanted.
fn connect_ready(udp: &Arc<Udp>, session: &Arc<Session>) {
    let now = Instant::now();
    let ready: Vec<_> = session
        .ways()
        .standing()
        .filter(|(_, way)| {
            let knows = way.asked_too.is_some_and(|asked| now - asked >= SETTLE);
            knows || now - way.since >= ASKED_TOO
        })
        .collect();
    for (at, _) in ready {
        if !session.links().wants(at.ip(), Transport::Udp) {
            continue;
        }
        let (with, of) = (Arc::clone(udp), Arc::clone(session));
        session.attempt(Transport::Udp, at, async move {
            let random = Arc::clone(&with.platform.random);
            if let Err(why) = with.quic.connect(&of, at, &*random).await {
                failed(&of, at, &why);
            }
        });
    }
}

fn failed(session: &Session, at: SocketAddr, why: &OpenError) {
    if matches!(why, OpenError::NotWanted(_)) {
        return;
    }
    let words = format!("it answers, but no link comes of it: {}", tcp::words(why));
    session.report().tell(Transport::Udp, at, Outcome::Failed(words));
    session.ways().forget(at);
}
