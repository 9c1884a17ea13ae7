//! One session with a seeder, as the end that asks drives it: when direct links are worth it, and when to give up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sealift_proto::direct::Candidates;
use sealift_proto::handshake::HandshakeError;
use sealift_proto::identity::DeviceId;
use sealift_proto::link::Direction;
use sealift_proto::message::SessionMessage;
use sealift_transport::control::Control;
use sealift_transport::direct::Direct;
use sealift_transport::path::Way;
use sealift_transport::session::{
    DirectSearch, LeecherSession, LinkReader, LinkWriter, SeederSession, SessionError,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval};

use super::event::{Event, Listener};
use super::shared::Shared;
use super::source::{Line, carry};
use crate::link::{Addresses, Job, courtesy};
use crate::session::{Ended, Links, Side};

/// Direct links are looked for while more than so many bytes are to come.
const WORTH: u64 = 4 * 1024 * 1024;
/// How long they are waited for where nothing else may carry content.
const SEARCH: Duration = Duration::from_secs(15);
/// The same where the other side names no address at all; one may still turn up.
const NAMELESS: Duration = Duration::from_secs(3);
/// How often it is looked at how the links do.
const TICK: Duration = Duration::from_millis(100);

/// What a session may use beside its link through the relay.
#[derive(Clone)]
pub(super) struct Ways {
    /// `None` where this device is to be reached by nobody.
    pub(super) direct: Option<Direct>,
    /// The connection to the relay, if there is one.
    pub(super) control: Option<Control>,
    /// Who is told.
    pub(super) listener: Arc<dyn Listener>,
}

/// Serves the schedule from `device` over `session`, until everything has come to an end.
///
/// # Errors
/// Why it ended before: all links are lost, or what came on one cannot be true.
pub(super) async fn fetch(
    shared: &Arc<Shared>,
    device: DeviceId,
    (session, way): (LeecherSession, Way),
    ways: Ways,
) -> Result<(), SessionError> {
    let Ways { direct, control, listener } = ways;
    let mut links = Links::new(direct, control);
    let mut asker = Asker::new(shared, device, listener, way);
    // What the other side is worth is known once READY has come.
    let LeecherSession { writer, reader, .. } = session;
    let (confirming, shared) = (links.confirming(), shared.clone());
    let line = Line { device, way, writer, aside: links.aside() };
    links.first(way, async move {
        let reader = async {
            let (reader, ends) = reader.confirm().await?;
            // The session reads it as long as it lives, and there is but one.
            let _ = confirming.try_send(Box::new(ends));
            Ok(reader)
        };
        carry(&shared, line, reader).await
    });
    links.run(&mut asker).await
}

/// Goes on with a session for as long as its other end is a member.
///
/// # Errors
/// As the session; that it is not allowed any more, once the other end is `removed`.
pub(super) async fn while_member(
    session: impl Future<Output = Result<(), SessionError>>,
    removed: impl Future<Output = ()>,
) -> Result<(), SessionError> {
    tokio::select! {
        ended = session => ended,
        () = removed => Err(HandshakeError::NotAllowed.into()),
    }
}

/// As [`fetch`], in a session that a device which fetches the same has opened.
///
/// # Errors
/// As [`fetch`].
pub(super) async fn answer(
    shared: &Arc<Shared>,
    session: SeederSession,
    ways: Ways,
) -> Result<(), SessionError> {
    let Ways { direct, control, listener } = ways;
    let SeederSession { peer, writer, reader, ends, .. } = session;
    let (device, way) = (peer.address.device, Way::Relay);
    let mut links = Links::new(direct, control);
    links.ends = Some(Box::new(ends));
    let mut asker = Asker { opened: false, ..Asker::new(shared, device, listener, way) };
    let line = Line { device, way, writer, aside: links.aside() };
    let shared = shared.clone();
    let carried = async move { carry(&shared, line, std::future::ready(Ok(reader))).await };
    links.first(way, carried);
    links.run(&mut asker).await
}

/// The end of a session that asks.
struct Asker {
    shared: Arc<Shared>,
    device: DeviceId,
    listener: Arc<dyn Listener>,
    /// The way of the first link.
    first: Way,
    /// How many of the links that run are direct, and since when none has been.
    direct: usize,
    without: Instant,
    /// The relay's link stands by, as far as it was told.
    rests: bool,
    ticks: Interval,
    /// This end has opened the session: it speaks first of addresses. The other answers, to where it was spoken to last.
    opened: bool,
    answer: Option<mpsc::WeakSender<Job>>,
}

impl<S: Direction, R: Direction> Side<S, R> for Asker {
    fn carry(
        &self,
        way: Way,
        (writer, reader): (LinkWriter<S>, LinkReader<R>),
        aside: mpsc::Sender<Addresses>,
    ) -> impl Future<Output = Result<(), SessionError>> + Send + 'static {
        let (shared, line) =
            (self.shared.clone(), Line { device: self.device, way, writer, aside });
        async move { carry(&shared, line, std::future::ready(Ok(reader))).await }
    }

    fn confirmed(&mut self) {
        self.tell_up(self.first, None);
    }

    fn up(&mut self, way: Way, place: SocketAddr) {
        self.tell_up(way, Some(place));
        self.direct += 1;
    }

    /// The others go on, unless what came through the relay cannot be true: then nothing more is taken from this seeder.
    fn ended(&mut self, links: &mut Links<S, R>, ended: Ended) -> Result<(), SessionError> {
        let Ended { way, place, result } = ended;
        let Err(error) = result else {
            // Everything has come to an end, and the other links notice it too.
            links.end = Ok(());
            links.end_search();
            return Ok(());
        };
        if links.end.is_ok() {
            return Ok(());
        }
        let (device, why) = (self.device, error.to_string());
        self.listener.hear(Event::PathDown { device, way, place, why });
        if way.is_direct() {
            self.direct -= 1;
            self.without = Instant::now();
        }
        if place.is_some() {
            if !error.is_passing() {
                // Whoever alters what passes there is on the way, not at its end.
                links.end_search();
            } else if let Some(search) = &links.search {
                // The other side tries again where this one may be by now.
                self.send(search.own());
            }
        } else if error.is_passing() {
            links.end = Err(error);
        } else {
            return Err(error);
        }
        Ok(())
    }

    fn send_own(&mut self, candidates: Candidates) {
        self.send(candidates);
    }

    async fn heard(&mut self, links: &mut Links<S, R>, addresses: Addresses) {
        if !self.opened {
            self.answer = Some(addresses.answer);
            if links.search.is_none() {
                links.begin_search().await;
            }
            let own = links.search.as_ref().map(DirectSearch::own);
            self.send(own.unwrap_or_default());
        }
        if let Some(search) = &mut links.search {
            search.set_peer(&addresses.candidates);
        }
    }

    async fn tick(&mut self) {
        self.ticks.tick().await;
    }

    async fn look(&mut self, links: &mut Links<S, R>) -> Result<(), SessionError> {
        // Nothing is better than the local network.
        if self.opened && links.search.is_none() && !self.first.is_direct() && self.is_worth_it() {
            links.begin_search().await;
        }
        let (rests, needs) = {
            let schedule = self.shared.schedule();
            (schedule.is_resting(self.device), schedule.needs_direct(self.device))
        };
        if let Some(rests) = rests.filter(|rests| *rests != self.rests && !needs) {
            self.rests = rests;
            if rests {
                self.listener.hear(Event::StandsBy { device: self.device });
            } else {
                self.tell_up(Way::Relay, None);
            }
        }
        if needs && self.direct == 0 { self.give_up_in_time(links) } else { Ok(()) }
    }
}

impl Asker {
    /// Of a session with `device` whose first link takes this way, which this end has opened.
    fn new(
        shared: &Arc<Shared>,
        device: DeviceId,
        listener: Arc<dyn Listener>,
        first: Way,
    ) -> Self {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            shared: shared.clone(),
            device,
            listener,
            first,
            direct: usize::from(first.is_direct()),
            without: Instant::now(),
            rests: false,
            ticks,
            opened: true,
            answer: None,
        }
    }

    fn tell_up(&self, way: Way, place: Option<SocketAddr>) {
        self.listener.hear(Event::PathUp { device: self.device, way, place });
    }

    fn send(&self, candidates: Candidates) {
        if !self.opened {
            if let Some(link) = self.answer.as_ref().and_then(mpsc::WeakSender::upgrade) {
                let _ = courtesy(&link, SessionMessage::Paths { candidates });
            }
            return;
        }
        let link = self.shared.schedule().link_to(self.device);
        if let Some(id) = link {
            self.shared.send(id, SessionMessage::Paths { candidates });
        }
    }

    fn is_worth_it(&self) -> bool {
        let schedule = self.shared.schedule();
        schedule.bytes_left() > WORTH || schedule.needs_direct(self.device)
    }

    /// Only direct links may carry content, and there is none now.
    ///
    /// # Errors
    /// [`SessionError::NoPath`] when that has lasted too long.
    fn give_up_in_time<S: Direction, R: Direction>(
        &self,
        links: &Links<S, R>,
    ) -> Result<(), SessionError> {
        let Some(search) = links.search.as_ref().filter(|_| self.opened) else {
            if !self.opened && self.without.elapsed() < SEARCH + NAMELESS {
                // The other end speaks first, and gives up first.
                return Ok(());
            }
            // Nothing can be found before the other side has proved itself.
            let why = "this side allows the relay alone".to_owned();
            return if links.ends.is_some() { Err(SessionError::NoPath(why)) } else { Ok(()) };
        };
        let time = if search.is_unanswerable() { NAMELESS } else { SEARCH };
        if self.without.elapsed() < time {
            return Ok(());
        }
        Err(SessionError::NoPath(search.words()))
    }
}
