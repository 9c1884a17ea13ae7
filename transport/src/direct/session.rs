//! Sessions that wait for direct links, found by their id.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use sealift_platform::net::BoxStream;
use sealift_platform::sync::lock;
use sealift_proto::direct::{Candidate, Ends, Transport};
use sealift_proto::handshake::SessionId;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;

use super::DirectLink;
use super::links::{Closer, Held, Links, Place, canonical};
use super::opening::Stands;
use super::report::{Outcome, Report};
use super::socket::Allowed;
use super::ways::Ways;

/// Links that may wait for the session to take them.
const READY: usize = 8;
/// Addresses from which QUIC of one session is let in.
const ALLOWED: usize = 64;

/// All of a process.
#[derive(Default)]
pub(super) struct Sessions {
    by_id: Mutex<HashMap<SessionId, Weak<Session>>>,
}

impl Sessions {
    pub(super) fn insert(&self, session: &Arc<Session>) {
        self.lock().insert(session.ends.session, Arc::downgrade(session));
    }

    pub(super) fn find(&self, id: &SessionId) -> Option<Arc<Session>> {
        self.lock().get(id)?.upgrade()
    }

    pub(super) fn remove(&self, id: &SessionId) {
        self.lock().remove(id);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Weak<Session>>> {
        lock(&self.by_id)
    }
}

/// One session, as the tasks that make links for it see it.
pub(super) struct Session {
    pub(super) ends: Ends,
    /// Whether the other end may be on this machine.
    pub(super) loopback: bool,
    links: Mutex<Links>,
    report: Mutex<Report>,
    ready: mpsc::Sender<DirectLink>,
    changed: Notify,
    ways: Mutex<Ways>,
    way_stands: Notify,
    /// From where QUIC of this session is let in.
    allowed: Mutex<BTreeMap<SocketAddr, Allowed>>,
    /// What is being tried, and by whom.
    under_way: Mutex<BTreeSet<(Transport, SocketAddr)>>,
    tries: Mutex<JoinSet<()>>,
}

impl Session {
    pub(super) fn new(ends: Ends, loopback: bool) -> (Arc<Self>, mpsc::Receiver<DirectLink>) {
        let (ready, links) = mpsc::channel(READY);
        let session = Self {
            ends,
            loopback,
            links: Mutex::new(Links::new()),
            report: Mutex::default(),
            ready,
            changed: Notify::new(),
            ways: Mutex::default(),
            way_stands: Notify::new(),
            allowed: Mutex::default(),
            under_way: Mutex::default(),
            tries: Mutex::default(),
        };
        (Arc::new(session), links)
    }

    pub(super) fn links(&self) -> MutexGuard<'_, Links> {
        lock(&self.links)
    }

    pub(super) fn report(&self) -> MutexGuard<'_, Report> {
        lock(&self.report)
    }

    pub(super) fn ways(&self) -> MutexGuard<'_, Ways> {
        lock(&self.ways)
    }

    /// Takes the addresses that the other end names now.
    pub(super) fn name(&self, candidates: &[Candidate]) {
        self.report().name(candidates, self.loopback);
        let places = self.places(candidates, Transport::Udp);
        self.ways().name(places);
    }

    /// Those of `candidates` that may be tried over `transport`, each once.
    pub(super) fn places(&self, candidates: &[Candidate], transport: Transport) -> Vec<SocketAddr> {
        let fit = candidates.iter().filter(|candidate| candidate.transport == transport);
        let places: BTreeSet<_> =
            fit.filter_map(|candidate| candidate.place(self.loopback).ok()).collect();
        places.into_iter().collect()
    }

    /// A way stands: QUIC is let in from there.
    pub(super) fn stands(&self, at: SocketAddr, round_trip: Duration, leave: Allowed) {
        self.report().tell(Transport::Udp, at, Outcome::Up(round_trip));
        let mut allowed = lock(&self.allowed);
        if allowed.len() >= ALLOWED {
            let live = self.links().addresses();
            allowed.retain(|at, _| live.contains(&at.ip()));
        }
        allowed.insert(at, leave);
        self.way_stands.notify_one();
    }

    /// Waits until another way stands.
    pub(super) async fn way(&self) {
        self.way_stands.notified().await;
    }

    /// Lets `work` try an address, unless that is under way. It goes on whatever else changes, until [`Session::stop`].
    pub(super) fn attempt<F>(self: &Arc<Self>, transport: Transport, at: SocketAddr, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let key = (transport, at);
        if !lock(&self.under_way).insert(key) {
            return;
        }
        let under_way = UnderWay { session: Arc::clone(self), key };
        let mut tries = lock(&self.tries);
        while tries.try_join_next().is_some() {}
        tries.spawn(async move {
            work.await;
            drop(under_way);
        });
    }

    /// Ends what is under way.
    pub(super) fn stop(&self) {
        lock(&self.tries).abort_all();
    }

    /// Wakes whoever tries: links came or went, or there are new addresses.
    pub(super) fn changed(&self) {
        self.changed.notify_one();
    }

    /// Waits for [`Session::changed`].
    pub(super) async fn change(&self) {
        self.changed.notified().await;
    }

    /// The leecher takes a link, if it is wanted.
    pub(super) fn take(self: &Arc<Self>, remote: SocketAddr, over: Transport) -> Option<Place> {
        let number = self.links().take(canonical(remote).ip(), over)?;
        Some(Place::new(self, number))
    }

    /// The leecher has taken a link of that number.
    pub(super) fn took(
        self: &Arc<Self>,
        number: u32,
        remote: SocketAddr,
        over: Transport,
    ) -> Option<Place> {
        let good = self.links().took(number, canonical(remote).ip(), over);
        good.then(|| Place::new(self, number))
    }

    /// Hands a link that stands to the session. Should it take none any more, the link ends.
    pub(super) async fn hand_over(
        &self,
        stream: BoxStream,
        stands: Stands,
        (transport, remote): (Transport, SocketAddr),
        closer: Option<Closer>,
    ) {
        let Stands { place, round_trip } = stands;
        let (number, remote) = (place.number(), canonical(remote));
        if let Some(closer) = closer {
            self.links().set_closer(number, closer);
        }
        tracing::debug!(%remote, ?transport, number, "a direct link stands");
        let stream = Held::boxed(stream, place);
        let link = DirectLink { stream, transport, remote, number, round_trip };
        let _ = self.ready.send(link).await;
        self.changed();
    }
}

/// An address is being tried, until this is dropped.
struct UnderWay {
    session: Arc<Session>,
    key: (Transport, SocketAddr),
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.session.under_way).remove(&self.key);
    }
}
