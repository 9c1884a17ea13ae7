//! Serves one device over all the links of a session.
//!
//! A request names content by its root or an entry by its place in the log; it never opens a name that came from outside.

pub mod event;
pub mod holdings;
pub(crate) mod link;
pub mod passing;
pub(crate) mod run;
pub mod swarm;

use std::net::SocketAddr;
use std::sync::Arc;

use sealift_proto::codec::{Bytes, List};
use sealift_proto::direct::Candidates;
use sealift_proto::identity::DeviceId;
use sealift_proto::link::Direction;
use sealift_proto::message::SessionMessage;
use sealift_transport::control::Control;
use sealift_transport::direct::Direct;
use sealift_transport::path::{Allowed, Way};
use sealift_transport::session::{LinkReader, LinkWriter, SeederSession, SessionError};
use tokio::sync::mpsc;

use crate::link::{Addresses, Job, courtesy};
use crate::session::{Ended, Links, Side};
use event::{Event, Listener};
use holdings::Holdings;
use link::Line;
use swarm::{Seat, Swarm};

/// What a session serves, to whom, and who is told.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) holdings: Arc<dyn Holdings>,
    /// The device at the other end.
    pub(crate) to: DeviceId,
    pub(crate) listener: Arc<dyn Listener>,
}

/// Which ways content may take from this device.
#[derive(Clone, Default)]
pub struct Ways {
    /// As it was asked for.
    pub allowed: Allowed,
    /// `None` where this device is to be reached by nobody.
    pub direct: Option<Direct>,
}

/// What a device has that states what it serves.
pub struct Origin {
    /// The signed head of its catalogue; empty if there is none.
    pub head: Vec<u8>,
    /// Those who fetch from it.
    pub swarm: Arc<Swarm>,
}

/// Serves `holdings` in `session` until the other end ends it; it came over `control`, or directly. The head is said first, and
/// those who fetch the same are named to each other.
///
/// # Errors
/// Why it ended otherwise.
pub async fn serve(
    holdings: Arc<dyn Holdings>,
    origin: Origin,
    session: SeederSession,
    (ways, control): (Ways, Option<Control>),
    listener: Arc<dyn Listener>,
) -> Result<(), SessionError> {
    let SeederSession { peer, writer, reader, ends, .. } = session;
    let service = Service { holdings, to: peer.address.device, listener };
    let Origin { head, swarm } = origin;
    let seat = swarm.seat(peer.address).map(Arc::new);
    let head = SessionMessage::Head { statement: Bytes::new(head).unwrap_or_default() };
    let way = if control.is_some() { Way::Relay } else { Way::Tcp };
    let carries = way.is_direct() || ways.allowed != Allowed::Direct;
    let mut links = Links::new(ways.direct, control);
    links.ends = Some(Box::new(ends));
    let server = Server { service: service.clone(), seat: seat.clone(), answer: None };
    let first = Line { service, way, carries, writer, reader, aside: links.aside(), seat };
    links.first(way, first.serve(Some(head)));
    links.run(&mut { server }).await
}

/// The end of a session that serves.
struct Server {
    service: Service,
    seat: Option<Arc<Seat>>,
    /// To where the other end spoke last of its addresses.
    answer: Option<mpsc::WeakSender<Job>>,
}

impl<S: Direction, R: Direction> Side<S, R> for Server {
    fn carry(
        &self,
        way: Way,
        (writer, reader): (LinkWriter<S>, LinkReader<R>),
        aside: mpsc::Sender<Addresses>,
    ) -> impl Future<Output = Result<(), SessionError>> + Send + 'static {
        let (service, seat) = (self.service.clone(), self.seat.clone());
        Line { service, way, carries: true, writer, reader, aside, seat }.serve(None)
    }

    fn up(&mut self, way: Way, place: SocketAddr) {
        self.service.listener.hear(Event::Link { way, place, ended: None });
    }

    /// The others go on, unless what came through the relay cannot be true.
    fn ended(&mut self, links: &mut Links<S, R>, ended: Ended) -> Result<(), SessionError> {
        let Ended { way, place, result } = ended;
        if let Some(place) = place {
            let why = result.as_ref().err().map_or("it has ended it".into(), ToString::to_string);
            self.service.listener.hear(Event::Link { way, place, ended: Some(why) });
            return Ok(());
        }
        match result {
            Err(error) if !error.is_passing() => return Err(error),
            result => links.end = result,
        }
        Ok(())
    }

    fn send_own(&mut self, candidates: Candidates) {
        if let Some(link) = self.answer.as_ref().and_then(mpsc::WeakSender::upgrade) {
            let _ = courtesy(&link, SessionMessage::Paths { candidates });
        }
    }

    /// The other end wants direct links. It is told this device's addresses in turn, or that there are none.
    async fn heard(&mut self, links: &mut Links<S, R>, addresses: Addresses) {
        self.answer = Some(addresses.answer);
        if let Some(search) = &mut links.search {
            search.set_peer(&addresses.candidates);
            let own = search.own();
            return Side::<S, R>::send_own(self, own);
        }
        links.begin_search().await;
        match &mut links.search {
            Some(search) => search.set_peer(&addresses.candidates),
            None => Side::<S, R>::send_own(self, List::default()),
        }
    }

    async fn tick(&mut self) {
        std::future::pending().await
    }

    async fn look(&mut self, _: &mut Links<S, R>) -> Result<(), SessionError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
