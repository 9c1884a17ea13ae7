//! One session with a seeder: its first link, mostly through the relay, and the direct ones that come and go beside it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sealift_proto::direct::Candidates;
use sealift_proto::identity::DeviceId;
use sealift_proto::message::SessionMessage;
use sealift_transport::control::Control;
use sealift_transport::direct::{Direct, DirectLink};
use sealift_transport::path::Way;
use sealift_transport::session::{DirectSearch, Found, LeecherEnds, LeecherSession, SessionError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::event::{Event, Listener};
use super::shared::Shared;
use super::source::{Aside, Line, carry};

/// Messages aside from content that may wait.
const ASIDE: usize = 8;
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

/// Serves the schedule from the seeder `device` over `session`, until everything has come to an end.
///
/// # Errors
/// Why it ended before: all links are lost, or what came on one cannot be true.
pub(super) async fn fetch(
    shared: &Arc<Shared>,
    device: DeviceId,
    (session, way): (LeecherSession, Way),
    ways: Ways,
) -> Result<(), SessionError> {
    let (aside, mut heard) = mpsc::channel(ASIDE);
    let mut links = Links::new(shared.clone(), device, ways, aside);
    links.first(session, way);
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(ended) = links.running.join_next() => {
                if let Ok(ended) = ended {
                    links.ended(ended)?;
                }
                if links.running.is_empty() {
                    return links.end;
                }
            }
            Some(aside) = heard.recv() => links.heard(aside),
            found = DirectSearch::found(&mut links.search) => links.found(found),
            _ = ticks.tick() => {
                links.begin_search().await;
                links.look()?;
            }
        }
    }
}

/// A link that has ended, and how.
struct Ended {
    way: Way,
    place: Option<SocketAddr>,
    result: Result<(), SessionError>,
}

/// The links of one session.
struct Links {
    shared: Arc<Shared>,
    device: DeviceId,
    ways: Ways,
    aside: mpsc::Sender<Aside>,
    running: JoinSet<Ended>,
    /// How the session ends unless something graver happens.
    end: Result<(), SessionError>,
    ends: Option<Box<LeecherEnds>>,
    /// The way of the first link.
    first: Way,
    search: Option<DirectSearch>,
    /// This side's addresses have been named once.
    named: bool,
    /// How many of the links that run are direct, and since when none has been.
    direct: usize,
    without: Instant,
    /// The relay's link stands by, as far as it was told.
    rests: bool,
}

impl Links {
    fn new(shared: Arc<Shared>, device: DeviceId, ways: Ways, aside: mpsc::Sender<Aside>) -> Self {
        Self {
            shared,
            device,
            ways,
            aside,
            running: JoinSet::new(),
            end: Err(SessionError::Closed),
            ends: None,
            first: Way::Relay,
            search: None,
            named: false,
            direct: 0,
            without: Instant::now(),
            rests: false,
        }
    }

    /// Starts the first link, which takes this way; what the other side is worth is known once READY has come.
    fn first(&mut self, session: LeecherSession, way: Way) {
        self.first = way;
        self.direct += usize::from(way.is_direct());
        let LeecherSession { writer, reader, .. } = session;
        let (shared, aside) = (self.shared.clone(), self.aside.clone());
        let line = Line { device: self.device, way, writer, aside: aside.clone() };
        self.running.spawn(async move {
            let reader = async {
                let (reader, ends) = reader.confirm().await?;
                // The session reads it as long as it lives, and it is the first that comes.
                let _ = aside.try_send(Aside::Confirmed(Box::new(ends)));
                Ok(reader)
            };
            let result = carry(&shared, line, reader).await;
            Ended { way, place: None, result }
        });
    }

    fn up(&self, way: Way, place: Option<SocketAddr>) {
        self.ways.listener.hear(Event::PathUp { device: self.device, way, place });
    }

    fn heard(&mut self, aside: Aside) {
        match aside {
            Aside::Confirmed(ends) => {
                self.up(self.first, None);
                self.ends = Some(ends);
            }
            Aside::Candidates(candidates) => {
                if let Some(search) = &mut self.search {
                    search.set_peer(&candidates);
                }
            }
        }
    }

    /// Begins to look for direct links, if they are wanted.
    async fn begin_search(&mut self) {
        let Ways { direct: Some(direct), control: Some(control), .. } = &self.ways else { return };
        let Some(ends) = &self.ends else { return };
        // Nothing is better than the local network.
        if self.search.is_some() || self.first.is_direct() || !self.is_worth_it() {
            return;
        }
        self.search = Some(DirectSearch::begin(direct, ends.proofs(), control).await);
    }

    fn is_worth_it(&self) -> bool {
        let schedule = self.shared.schedule();
        schedule.bytes_left() > WORTH || schedule.needs_direct(self.device)
    }

    fn found(&mut self, found: Found) {
        match found {
            Found::Own(candidates) => {
                self.send_own(candidates);
                self.addresses_changed();
            }
            Found::Link(link) => self.further(link),
        }
    }

    /// This device may be elsewhere now: does the relay still reach it?
    fn addresses_changed(&mut self) {
        let known = std::mem::replace(&mut self.named, true);
        if let Some(control) = self.ways.control.as_ref().filter(|_| known) {
            control.check();
        }
    }

    fn send_own(&self, candidates: Candidates) {
        let link = self.shared.schedule().link_to(self.device);
        if let Some(id) = link {
            self.shared.send(id, SessionMessage::Paths { candidates });
        }
    }

    /// Starts a direct link.
    fn further(&mut self, link: DirectLink) {
        let Some(ends) = &self.ends else { return };
        let (way, place) = (Way::from(link.transport), Some(link.remote));
        let (writer, reader) = ends.link(link.stream, link.number);
        let line = Line { device: self.device, way, writer, aside: self.aside.clone() };
        let shared = self.shared.clone();
        self.up(way, place);
        self.direct += 1;
        self.running.spawn(async move {
            let result = carry(&shared, line, std::future::ready(Ok(reader))).await;
            Ended { way, place, result }
        });
    }

    /// Books the end of one link. The others go on.
    ///
    /// # Errors
    /// What came through the relay cannot be true: nothing more is taken from this seeder.
    fn ended(&mut self, ended: Ended) -> Result<(), SessionError> {
        let Ended { way, place, result } = ended;
        let Err(error) = result else {
            // Everything has come to an end, and the other links notice it too.
            self.end = Ok(());
            (self.search, self.ways.direct) = (None, None);
            return Ok(());
        };
        if self.end.is_ok() {
            return Ok(());
        }
        let (device, why) = (self.device, error.to_string());
        self.ways.listener.hear(Event::PathDown { device, way, place, why });
        if way.is_direct() {
            self.direct -= 1;
            self.without = Instant::now();
        }
        if place.is_some() {
            if !error.is_passing() {
                // Whoever alters what passes there is on the way, not at its end.
                self.search = None;
                self.ways.direct = None;
            } else if let Some(search) = &self.search {
                // The other side tries again where this one may be by now.
                self.send_own(search.own());
            }
        } else if error.is_passing() {
            self.end = Err(error);
        } else {
            return Err(error);
        }
        Ok(())
    }

    /// Looks at how the links do.
    ///
    /// # Errors
    /// [`SessionError::NoPath`] when only direct links may carry content and there are none.
    fn look(&mut self) -> Result<(), SessionError> {
        let (rests, needs) = {
            let schedule = self.shared.schedule();
            (schedule.is_resting(self.device), schedule.needs_direct(self.device))
        };
        if let Some(rests) = rests.filter(|rests| *rests != self.rests && !needs) {
            self.rests = rests;
            if rests {
                self.ways.listener.hear(Event::StandsBy { device: self.device });
            } else {
                self.up(Way::Relay, None);
            }
        }
        if needs && self.direct == 0 {
            return self.give_up_in_time();
        }
        Ok(())
    }

    /// Only direct links may carry content, and there is none now.
    fn give_up_in_time(&self) -> Result<(), SessionError> {
        let Some(search) = &self.search else {
            // Nothing can be found before the other side has proved itself.
            let why = "this side allows the relay alone".to_owned();
            return if self.ends.is_some() { Err(SessionError::NoPath(why)) } else { Ok(()) };
        };
        let time = if search.is_unanswerable() { NAMELESS } else { SEARCH };
        if self.without.elapsed() < time {
            return Ok(());
        }
        Err(SessionError::NoPath(search.words()))
    }
}
