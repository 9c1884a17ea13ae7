//! Sessions that wait for direct links, found by their id.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use sealift_platform::net::BoxStream;
use sealift_proto::direct::{Ends, Transport};
use sealift_proto::handshake::SessionId;
use tokio::sync::{Notify, mpsc};

use super::DirectLink;
use super::links::{Closer, Held, Links, Place, canonical};
use super::opening::Stands;
use super::report::Report;

/// Links that may wait for the session to take them.
const READY: usize = 8;

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

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Weak<Session>>> {
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
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
        };
        (Arc::new(session), links)
    }

    pub(super) fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn report(&self) -> MutexGuard<'_, Report> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
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
