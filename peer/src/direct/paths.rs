//! The direct links of one session, as whoever runs the session sees them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sealift_platform::Platform;
use sealift_proto::direct::{Candidate, Candidates, Ends, Transport};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::report::Tried;
use super::session::{Session, Sessions};
use super::{DirectLink, Inner, tcp};

/// Head start of one address before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(50);
/// Pauses between rounds of tries, the last one for ever; each counts from the end of the round before.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(30)];

/// Looks for direct links of one session until it is dropped.
pub struct Paths {
    session: Arc<Session>,
    sessions: Arc<Sessions>,
    own: watch::Receiver<Candidates>,
    peer: watch::Sender<Vec<Candidate>>,
    links: tokio::sync::Mutex<mpsc::Receiver<DirectLink>>,
    _tasks: JoinSet<()>,
}

impl Paths {
    pub(super) fn new(inner: &Inner, ends: Ends, loopback: bool) -> Self {
        let (session, links) = Session::new(ends, loopback);
        inner.sessions.insert(&session);
        let (peer, named) = watch::channel(Vec::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(look(inner.platform.clone(), Arc::clone(&session), named));
        Self {
            session,
            sessions: Arc::clone(&inner.sessions),
            own: inner.own.watch(),
            peer,
            links: tokio::sync::Mutex::new(links),
            _tasks: tasks,
        }
    }

    /// The addresses of this side, to be sent to the other end by Paths: now, and again at each change.
    #[must_use]
    pub fn candidates(&self) -> watch::Receiver<Candidates> {
        self.own.clone()
    }

    /// What the other end has sent by Paths; tries begin at once, and anew if it differs from before.
    pub fn set_peer(&self, candidates: &Candidates) {
        self.session.report().name(candidates, self.session.loopback);
        let list = candidates.to_vec();
        self.peer.send_if_modified(|known| {
            let differs = *known != list;
            if differs {
                *known = list;
            }
            differs
        });
    }

    /// Waits for the next link; there may be any number of them one after the other. Nothing is lost when the future is
    /// dropped.
    pub async fn next_link(&self) -> DirectLink {
        match self.links.lock().await.recv().await {
            Some(link) => link,
            // The sender lives in `session`.
            None => std::future::pending().await,
        }
    }

    /// Every address of the other end, and what became of it.
    #[must_use]
    pub fn report(&self) -> Vec<Tried> {
        self.session.report().list()
    }
}

impl Drop for Paths {
    fn drop(&mut self) {
        self.sessions.remove(&self.session.ends.session);
    }
}

/// Tries again and again, as long as links are wanted.
async fn look(
    platform: Platform,
    session: Arc<Session>,
    mut named: watch::Receiver<Vec<Candidate>>,
) {
    let mut round = 0;
    loop {
        let candidates = named.borrow_and_update().clone();
        tokio::select! {
            () = try_tcp(&platform, &session, &candidates) => {}
            changed = named.changed() => {
                if changed.is_err() {
                    return;
                }
                round = 0;
                continue;
            }
        }
        let pause = PAUSES[round.min(PAUSES.len() - 1)];
        round += 1;
        let had = session.links().count();
        tokio::select! {
            () = rest(&session, pause, had) => {
                // One was lost: another try is worth it at once.
                if session.links().count() < had {
                    round = 0;
                }
            }
            changed = named.changed() => {
                if changed.is_err() {
                    return;
                }
                round = 0;
            }
        }
    }
}

/// Waits until another round is worth it: after `pause` while there is no link, and when there are fewer than `had`.
async fn rest(session: &Session, pause: Duration, had: usize) {
    let until = Instant::now() + pause;
    loop {
        let count = session.links().count();
        if count < had {
            return;
        }
        if count > 0 {
            session.change().await;
        } else if timeout(until - Instant::now(), session.change()).await.is_err() {
            return;
        }
    }
}

/// One try at each address, side by side. Those that go on when this is dropped are given up.
async fn try_tcp(platform: &Platform, session: &Arc<Session>, candidates: &[Candidate]) {
    let places: BTreeSet<SocketAddr> = candidates
        .iter()
        .filter(|candidate| candidate.transport == Transport::Tcp)
        .filter_map(|candidate| candidate.place(session.loopback).ok())
        .collect();
    let mut tries = JoinSet::new();
    for place in places {
        if session.links().wants(place.ip(), Transport::Tcp) {
            tries.spawn(tcp::attempt(platform.clone(), Arc::clone(session), place));
            sleep(HEAD_START).await;
        }
    }
    while tries.join_next().await.is_some() {}
}
