//! What all connections share: switchboard, store, links and the ways between them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use sealift_platform::Platform;
use sealift_platform::net::BoxStream;
use sealift_proto::control::{Address, FromRelay, LogHead, Refusal};
use sealift_proto::identity::DeviceId;
use sealift_proto::space::{Membership, Serial, SpaceId};

use crate::limits::InForce;
use crate::outbox::{Outbox, encode};
use crate::rate::Rate;
use crate::splice::{self, Meter, Pipes};
use crate::store::Store;
use crate::switchboard::{Effect, Key, Pair, Side, Switchboard};

/// Shared by every task of one relay.
pub(crate) struct Hub {
    pub(crate) platform: Platform,
    pub(crate) limits: InForce,
    pub(crate) store: Store,
    /// Spaces carried; none named means all.
    pub(crate) allowed: Vec<String>,
    state: Mutex<State>,
    pipes: Pipes,
    started: Instant,
    complaints: Mutex<(Rate, u64)>,
    moved: AtomicU64,
}

struct State {
    board: Switchboard,
    outboxes: HashMap<Key, Arc<Outbox>>,
    links: HashMap<Pair, Waiting>,
}

/// A link, waiting for its second half or at work.
struct Waiting {
    second: Option<oneshot::Sender<BoxStream>>,
    cut: Arc<Notify>,
}

/// What a half that showed a good ticket is to do.
enum Role {
    /// Wait for the other half, then move the bytes.
    Wait { pair: Pair, second: oneshot::Receiver<BoxStream>, cut: Arc<Notify>, deadline: Duration },
    /// Go to the one that waits.
    Join(oneshot::Sender<BoxStream>),
}

impl Hub {
    pub(crate) fn new(
        platform: Platform,
        limits: InForce,
        store: Store,
        allowed: Vec<String>,
    ) -> Self {
        let first_number = u32::from_be_bytes(platform.random.bytes());
        let now = limits.get();
        let per_second = now.log_lines_per_second;
        let rate = Rate::new(per_second, per_second * 2, Duration::ZERO);
        Self {
            state: Mutex::new(State {
                board: Switchboard::new(limits.clone(), first_number),
                outboxes: HashMap::new(),
                links: HashMap::new(),
            }),
            pipes: Pipes::within_budget(now.pipe_bytes),
            started: Instant::now(),
            complaints: Mutex::new((rate, 0)),
            moved: AtomicU64::new(0),
            platform,
            limits,
            store,
            allowed,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since the relay started.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Whether the space is carried here.
    pub(crate) fn allows(&self, space: &SpaceId) -> bool {
        self.allowed.is_empty() || self.allowed.contains(&space.short())
    }

    /// A place for a connection that takes an invite.
    pub(crate) fn join_place(&self) -> Result<JoinPlace<'_>, Refusal> {
        self.state().board.begin_join()?;
        Ok(JoinPlace(self))
    }

    /// Takes in a member's connection.
    pub(crate) fn enter(
        &self,
        member: Membership,
        serving: bool,
    ) -> Result<(Key, Address, Arc<Outbox>), Refusal> {
        let mut state = self.state();
        let (key, address, effects) = state.board.connect(member, serving)?;
        let outbox = Arc::new(Outbox::new(&self.limits.get()));
        state.outboxes.insert(key, Arc::clone(&outbox));
        state.apply(effects);
        Ok((key, address, outbox))
    }

    /// A member's connection has ended.
    pub(crate) fn leave(&self, key: Key) {
        let mut state = self.state();
        let effects = state.board.disconnect(key);
        state.outboxes.remove(&key);
        state.apply(effects);
    }

    /// Carries a message to another connection.
    pub(crate) fn forward(
        &self,
        from: Key,
        to: Address,
        message: impl FnOnce(Address) -> FromRelay,
    ) -> Result<(), Refusal> {
        let (outbox, sender) = {
            let state = self.state();
            let (key, sender) = state.board.route(from, to)?;
            (state.outboxes.get(&key).cloned().ok_or(Refusal::Offline)?, sender)
        };
        if outbox.forward(&message(sender)) { Ok(()) } else { Err(Refusal::Busy) }
    }

    /// Gives both ends of a link to be their tickets.
    pub(crate) fn open_link(&self, from: Key, to: Address, tag: [u8; 16]) -> Result<(), Refusal> {
        let tickets = [self.platform.random.bytes(), self.platform.random.bytes()];
        let now = self.now();
        let mut state = self.state();
        let effects = state.board.open_link(from, to, tag, tickets, now)?;
        state.apply(effects);
        Ok(())
    }

    pub(crate) fn watch_heads(&self, key: Key) {
        self.state().board.watch_heads(key);
    }

    /// Tells who serves now, and from now on each change.
    pub(crate) fn watch_peers(&self, key: Key) {
        let mut state = self.state();
        let devices = state.board.watch_peers(key);
        let Some(outbox) = state.outboxes.get(&key) else { return };
        for device in devices {
            outbox.push(&FromRelay::PeerHere { device });
        }
        outbox.push(&FromRelay::PeersEnd);
    }

    /// A statement is on disk: tells who wants to know, and ends what it removes.
    pub(crate) fn published(&self, space: SpaceId, head: LogHead, removed: &[Serial]) {
        let log: (DeviceId, u16) = (head.device, head.log);
        let frame = encode(&FromRelay::Head(head));
        let mut state = self.state();
        for key in state.board.head_watchers(&space) {
            if let Some(outbox) = state.outboxes.get(&key) {
                outbox.push_head(log, Arc::clone(&frame));
            }
        }
        if !removed.is_empty() {
            let effects = state.board.remove_serials(&space, removed);
            state.apply(effects);
        }
    }

    /// What time does: tickets, waiting halves and certificates end.
    pub(crate) fn tick(&self) {
        let (now, date) = (self.now(), self.platform.clock.unix_seconds());
        let mut state = self.state();
        let mut effects = state.board.expire_tickets(now);
        effects.extend(state.board.expire_members(date));
        state.apply(effects);
    }

    /// Says farewell to every member.
    pub(crate) fn close_all(&self) {
        for outbox in self.state().outboxes.values() {
            outbox.close(Some(Refusal::Shutdown));
        }
    }

    /// How many connections and links there are, and how many bytes have passed.
    pub(crate) fn totals(&self) -> (usize, usize, u64) {
        let state = self.state();
        (state.board.len(), state.board.link_count(), self.moved.load(Ordering::Relaxed))
    }

    /// Whether a line about a refused connection may be logged now, and how many were not since the last.
    pub(crate) fn complain(&self) -> Option<u64> {
        let now = self.now();
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if complaints.0.try_take(now) {
            return Some(std::mem::take(&mut complaints.1));
        }
        complaints.1 += 1;
        None
    }

    /// A link's half: waits for the other or goes to it. False if its ticket is not good.
    pub(crate) async fn link(&self, ticket: &[u8; 32], stream: BoxStream) -> bool {
        match self.redeem(ticket) {
            None => false,
            Some(Role::Join(waiting)) => {
                // The one that waited may just have been given up; then both end.
                let _ = waiting.send(stream);
                true
            }
            Some(Role::Wait { pair, second, cut, deadline }) => {
                // Ends as well when the wait is over or the task is given up.
                let _ended = LinkEnd { hub: self, pair };
                let left = deadline.saturating_sub(self.now());
                let other = tokio::select! {
                    other = tokio::time::timeout(left, second) => other,
                    () = cut.notified() => return true,
                };
                if let Ok(Ok(other)) = other {
                    self.run_link(pair, stream, other, &cut).await;
                }
                true
            }
        }
    }

    fn redeem(&self, ticket: &[u8; 32]) -> Option<Role> {
        let now = self.now();
        let mut state = self.state();
        let half = state.board.redeem(ticket, now)?;
        match half.side {
            Side::First { deadline } => {
                let (sender, second) = oneshot::channel();
                let cut = Arc::new(Notify::new());
                let waiting = Waiting { second: Some(sender), cut: Arc::clone(&cut) };
                state.links.insert(half.pair, waiting);
                Some(Role::Wait { pair: half.pair, second, cut, deadline })
            }
            Side::Second => state.links.get_mut(&half.pair)?.second.take().map(Role::Join),
        }
    }

    async fn run_link(&self, pair: Pair, one: BoxStream, other: BoxStream, cut: &Notify) {
        let meter = Meter::default();
        let limits = self.limits.get();
        tracing::debug!(link = pair, "link open");
        let end = tokio::select! {
            end = splice::join(one, other, &limits, &self.pipes, &meter) => Some(end),
            () = cut.notified() => None,
        };
        let bytes = meter.total();
        self.moved.fetch_add(bytes, Ordering::Relaxed);
        tracing::debug!(link = pair, bytes, ?end, "link closed");
    }
}

/// A place for a connection that takes an invite; given back when dropped.
pub(crate) struct JoinPlace<'a>(&'a Hub);

impl Drop for JoinPlace<'_> {
    fn drop(&mut self) {
        self.0.state().board.end_join();
    }
}

/// Takes a link off the books.
struct LinkEnd<'a> {
    hub: &'a Hub,
    pair: Pair,
}

impl Drop for LinkEnd<'_> {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        state.links.remove(&self.pair);
        state.board.link_ended(self.pair);
    }
}

impl State {
    fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(key, message) => {
                    if let Some(outbox) = self.outboxes.get(&key) {
                        outbox.push(&message);
                    }
                }
                Effect::Close(key, why) => {
                    if let Some(outbox) = self.outboxes.remove(&key) {
                        outbox.close(Some(why));
                    }
                }
                Effect::Cut(pair) => {
                    if let Some(waiting) = self.links.remove(&pair) {
                        waiting.cut.notify_one();
                    }
                }
            }
        }
    }
}
