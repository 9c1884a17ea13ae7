//! The direct links of one session, as whoever runs the session sees them.

use std::sync::Arc;
use std::time::Duration;

use sealift_platform::Platform;
use sealift_proto::direct::{Candidate, Candidates, Ends, Transport};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::report::Tried;
use super::session::{Session, Sessions};
use super::udp::{self, Udp};
use super::{DirectLink, Inner, tcp};

/// Head start of one address before the next is tried beside it.
const HEAD_START: Duration = Duration::from_millis(50);
/// Pauses between rounds of tries, the last one for ever; each counts from the end of the round before.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(30)];

/// Pause before what was just made and lost is made again.
const AGAIN: Duration = Duration::from_millis(100);

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
    pub(super) fn new(inner: &Inner, udp: Option<Arc<Udp>>, ends: Ends, loopback: bool) -> Self {
        let (session, links) = Session::new(ends, loopback);
        inner.sessions.insert(&session);
        let (peer, named) = watch::channel(Vec::new());
        let mut tasks = JoinSet::new();
        let looking =
            Looking { platform: inner.platform.clone(), session: Arc::clone(&session), udp };
        tasks.spawn(looking.run(named));
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
        self.session.name(candidates);
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
        self.session.stop();
    }
}

/// Tries again and again, as long as links are wanted.
struct Looking {
    platform: Platform,
    session: Arc<Session>,
    udp: Option<Arc<Udp>>,
}

impl Looking {
    async fn run(self, mut named: watch::Receiver<Vec<Candidate>>) {
        let mut round = 0;
        loop {
            let candidates = named.borrow_and_update().clone();
            let had = tokio::select! {
                () = self.round(&candidates, round) => self.session.links().count(),
                () = self.lost() => {
                    sleep(AGAIN).await;
                    round = 1;
                    continue;
                }
                changed = named.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    round = 0;
                    continue;
                }
            };
            let pause = PAUSES[round.min(PAUSES.len() - 1)];
            round += 1;
            tokio::select! {
                () = self.rest(pause, had) => {
                    // One was lost: it is worth as much as at the beginning.
                    if self.session.links().count() < had {
                        round = 1;
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

    /// One try at each address, over TCP and UDP side by side. What is under way goes on when this is dropped.
    async fn round(&self, candidates: &[Candidate], round: usize) {
        if candidates.is_empty() {
            return;
        }
        if round > 0 {
            self.session.ways().begin();
        }
        let by_udp = async {
            if let Some(udp) = &self.udp {
                udp::attempt(udp, &self.session).await;
            }
        };
        tokio::join!(self.by_tcp(candidates), by_udp);
    }

    async fn by_tcp(&self, candidates: &[Candidate]) {
        for place in self.session.places(candidates, Transport::Tcp) {
            let work = tcp::attempt(self.platform.clone(), Arc::clone(&self.session), place);
            self.session.attempt(Transport::Tcp, place, work);
            sleep(HEAD_START).await;
        }
    }

    /// Waits until a link is lost.
    async fn lost(&self) {
        let mut had = self.session.links().count();
        loop {
            self.session.change().await;
            let count = self.session.links().count();
            if count < had {
                return;
            }
            had = count;
        }
    }

    /// Waits until another round is worth it: after `pause` while there is no link, and when there are fewer than `had`.
    async fn rest(&self, pause: Duration, had: usize) {
        let until = Instant::now() + pause;
        loop {
            let count = self.session.links().count();
            if count < had {
                return;
            }
            if count > 0 {
                self.session.change().await;
            } else if timeout(until - Instant::now(), self.session.change()).await.is_err() {
                return;
            }
        }
    }
}
