//! Serves one device over all the links of a session.
//!
//! A request names content by its root or an entry by its place in the log; it never opens a name that came from outside.

pub mod event;
pub mod holdings;
mod link;
pub mod passing;
mod run;

use std::net::SocketAddr;
use std::sync::Arc;

use sealift_proto::codec::{Bytes, List};
use sealift_proto::direct::Candidates;
use sealift_proto::identity::DeviceId;
use sealift_proto::message::SessionMessage;
use sealift_transport::control::Control;
use sealift_transport::direct::{Direct, DirectLink};
use sealift_transport::path::{Allowed, Way};
use sealift_transport::session::{DirectSearch, Found, SeederEnds, SeederSession, SessionError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use event::{Event, Listener};
use holdings::Holdings;
use link::{Job, Line, Said};

/// Messages aside from content that may wait.
const ASIDE: usize = 8;

/// What a session serves, to whom, and who is told.
#[derive(Clone)]
pub(crate) struct Service {
    holdings: Arc<dyn Holdings>,
    /// The device at the other end.
    to: DeviceId,
    listener: Arc<dyn Listener>,
}

/// Which ways content may take from this device.
#[derive(Clone, Default)]
pub struct Ways {
    /// As it was asked for.
    pub allowed: Allowed,
    /// `None` where this device is to be reached by nobody.
    pub direct: Option<Direct>,
}

/// Serves `holdings` in `session` until the other end ends it; it came over `control`, or directly. The signed `head` of this
/// device's catalogue, empty if there is none, is said first.
///
/// # Errors
/// Why it ended otherwise.
pub async fn serve(
    holdings: Arc<dyn Holdings>,
    head: Vec<u8>,
    session: SeederSession,
    (ways, control): (Ways, Option<Control>),
    listener: Arc<dyn Listener>,
) -> Result<(), SessionError> {
    let (aside, mut heard) = mpsc::channel(ASIDE);
    let SeederSession { peer, writer, reader, ends, .. } = session;
    let service = Service { holdings, to: peer.address.device, listener };
    let head = SessionMessage::Head { statement: Bytes::new(head).unwrap_or_default() };
    let way = if control.is_some() { Way::Relay } else { Way::Tcp };
    let carries = way.is_direct() || ways.allowed != Allowed::Direct;
    let first =
        Line { service: service.clone(), way, carries, writer, reader, aside: aside.clone() };
    let mut links = Links {
        service,
        ends,
        ways,
        aside,
        running: JoinSet::new(),
        end: Err(SessionError::Closed),
        control,
        search: None,
        named: false,
        answer: None,
    };
    links
        .running
        .spawn(async move { Ended { way, place: None, result: first.serve(Some(head)).await } });
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
            Some(said) = heard.recv() => links.heard(said).await,
            found = DirectSearch::found(&mut links.search) => links.found(found),
        }
    }
}

/// A link that has ended, and how.
struct Ended {
    way: Way,
    place: Option<SocketAddr>,
    result: Result<(), SessionError>,
}

/// The links of one session; dropping this ends them all.
struct Links {
    service: Service,
    ends: SeederEnds,
    ways: Ways,
    aside: mpsc::Sender<Said>,
    running: JoinSet<Ended>,
    /// How the session ends unless something graver happens.
    end: Result<(), SessionError>,
    control: Option<Control>,
    search: Option<DirectSearch>,
    /// This side's addresses have been named once.
    named: bool,
    /// To where the leecher spoke last of its addresses.
    answer: Option<mpsc::WeakSender<Job>>,
}

impl Links {
    /// The leecher wants direct links. It is told this device's addresses in turn, or that there are none.
    async fn heard(&mut self, said: Said) {
        self.answer = Some(said.answer);
        let (Some(direct), Some(control)) = (&self.ways.direct, &self.control) else {
            return self.send_own(List::default());
        };
        if let Some(search) = &mut self.search {
            search.set_peer(&said.candidates);
            let own = search.own();
            return self.send_own(own);
        }
        let mut search = DirectSearch::begin(direct, self.ends.proofs(), control).await;
        search.set_peer(&said.candidates);
        self.search = Some(search);
    }

    fn found(&mut self, found: Found) {
        match found {
            Found::Own(candidates) => {
                self.send_own(candidates);
                // This device may be elsewhere now: does the relay still reach it?
                let known = std::mem::replace(&mut self.named, true);
                if let Some(control) = self.control.as_ref().filter(|_| known) {
                    control.check();
                }
            }
            Found::Link(link) => self.further(link),
        }
    }

    fn send_own(&self, candidates: Candidates) {
        if let Some(jobs) = self.answer.as_ref().and_then(mpsc::WeakSender::upgrade) {
            // A leecher that does not read its answers need not know.
            let _ = jobs.try_send(Job::Message(SessionMessage::Paths { candidates }));
        }
    }

    /// Serves over a direct link too.
    fn further(&mut self, link: DirectLink) {
        let (way, place) = (Way::from(link.transport), link.remote);
        let (writer, reader) = self.ends.link(link.stream, link.number);
        let (service, aside) = (self.service.clone(), self.aside.clone());
        service.listener.hear(Event::Link { way, place, ended: None });
        let line = Line { service, way, carries: true, writer, reader, aside };
        self.running.spawn(async move {
            Ended { way, place: Some(place), result: line.serve(None).await }
        });
    }

    /// Books the end of one link. The others go on.
    ///
    /// # Errors
    /// What came through the relay cannot be true: the session ends.
    fn ended(&mut self, ended: Ended) -> Result<(), SessionError> {
        let Ended { way, place, result } = ended;
        if let Some(place) = place {
            let why = result.as_ref().err().map_or("it has ended it".into(), ToString::to_string);
            self.service.listener.hear(Event::Link { way, place, ended: Some(why) });
            return Ok(());
        }
        match result {
            Err(error) if !error.is_passing() => return Err(error),
            result => self.end = result,
        }
        Ok(())
    }
}
