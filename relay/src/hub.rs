//! What all connections share: switchboard, store, links and the ways between them.

mod leaving;
mod traffic;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

use sealift_platform::Platform;
use sealift_platform::net::BoxStream;
use sealift_platform::sync::{Ordered, OrderedGuard, lock};
use sealift_proto::codec::List;
use sealift_proto::control::{Address, FromRelay, LogHead, Refusal};
use sealift_proto::identity::DeviceId;
use sealift_proto::limits::PLACES_MAX;
use sealift_proto::space::{HostName, Membership, Serial, SpaceId};
use sealift_server::admission::{Admission, Allowed, Known, Verdict};
use sealift_server::budget::{Budget, Traffic};
use sealift_server::entrance::Entrance;
use sealift_server::gate::Gate;
use sealift_server::pace::Pace;
use sealift_server::partial::Partials;
use sealift_server::room::Room;

use crate::limits::InForce;
use crate::links::{FirstHalf, Links};
use crate::metrics::Metrics;
use crate::outbox::{self, Outbox, encode};
use crate::probes::Probes;
use crate::splice::{End, Pipes};
use crate::store::{Present, Store};
use crate::switchboard::{Effect, Key, Side, Switchboard};

/// Addresses of relays with the same key.
pub(crate) type Places = List<(HostName, u16), PLACES_MAX>;

/// Places of the locks that are taken together, in the order in which they may be: whoever holds one takes only later ones.
///
/// - Admission decides which spaces are carried; the switchboard is asked, or told, while that cannot change.
/// - The switchboard's effects cut links, so that a link that is cut is never one that has just begun unseen.
/// - Traffic counts what links have carried: within its lock, since a total that is older than the last would count twice.
///
/// All other locks (outboxes, probes, gate, partial messages, store) are taken alone or last, for a few steps, and none of these is
/// waited for while one of them is held. None is held across an `await`.
mod place {
    pub(super) const ADMISSION: u8 = 1;
    pub(super) const SWITCHBOARD: u8 = 2;
    pub(super) const TRAFFIC: u8 = 3;
    pub(super) const LINKS: u8 = 4;
}

/// Shared by every task of one relay.
pub(crate) struct Hub {
    pub(crate) platform: Platform,
    pub(crate) limits: InForce,
    pub(crate) store: Store,
    /// What stands before strangers.
    pub(crate) entrance: Entrance,
    pub(crate) probes: Probes,
    pub(crate) links: Arc<Links>,
    pub(crate) metrics: Metrics,
    /// What waits in all outboxes.
    pub(crate) waiting: Arc<outbox::QueuedBytes>,
    /// What clients know the relay by.
    pub(crate) pin: String,
    whereabouts: Mutex<Whereabouts>,
    admission: Ordered<Admission>,
    state: Ordered<State>,
    traffic: Ordered<Traffic>,
    draining: AtomicBool,
}

/// Where the relay is, and where it goes.
#[derive(Default)]
struct Whereabouts {
    listening: Vec<String>,
    /// Where a relay with the same key takes over.
    moved_to: Places,
}

/// Who is connected: the switchboard, and what its effects are done to.
struct State {
    board: Switchboard,
    outboxes: HashMap<Key, Arc<Outbox>>,
    links: Arc<Links>,
}

/// A member's connection that was let in.
pub(crate) struct Entered {
    pub(crate) key: Key,
    pub(crate) address: Address,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) pace: Pace,
    /// Keeps the store from dropping the space.
    pub(crate) present: Present,
}

/// What a half that showed a good ticket is to do.
enum Next {
    /// Wait for the other half, then move the bytes.
    Wait { half: FirstHalf, deadline: Duration },
    /// Go to the one that waits.
    Join(oneshot::Sender<BoxStream>),
}

impl Hub {
    pub(crate) fn new(
        platform: Platform,
        limits: InForce,
        store: Store,
        allowed: Allowed,
        pin: String,
        budget: Budget,
    ) -> Self {
        let first_number = u32::from_be_bytes(platform.random.bytes());
        let now = limits.get();
        let room = Room::measure(now.memory);
        let pipes = Pipes::within_budget(&now, room.pipes());
        let links = Arc::new(Links::new(place::LINKS, pipes));
        let state = State {
            board: Switchboard::new(limits.clone(), first_number),
            outboxes: HashMap::new(),
            links: Arc::clone(&links),
        };
        Self {
            state: Ordered::new(place::SWITCHBOARD, state),
            links,
            probes: Probes::new(limits.clone()),
            metrics: Metrics::default(),
            pin,
            whereabouts: Mutex::default(),
            entrance: Entrance::new(Gate::new(limits.view()), Partials::new(limits.view()), room),
            draining: AtomicBool::new(false),
            waiting: Arc::default(),
            traffic: Ordered::new(place::TRAFFIC, Traffic::new(budget)),
            admission: Ordered::new(place::ADMISSION, Admission::new(limits.view(), allowed)),
            platform,
            limits,
            store,
        }
    }

    fn state(&self) -> OrderedGuard<'_, State> {
        self.state.lock()
    }

    /// Does `work` while nobody else can do anything.
    #[cfg(test)]
    pub(crate) fn stuck_for(&self, work: impl FnOnce()) {
        let _state = self.state();
        work();
    }

    /// Time since the relay started.
    pub(crate) fn now(&self) -> Duration {
        self.entrance.now()
    }

    /// Where the relay listens.
    pub(crate) fn listening(&self) -> Vec<String> {
        lock(&self.whereabouts).listening.clone()
    }

    pub(crate) fn set_listening(&self, places: Vec<String>) {
        lock(&self.whereabouts).listening = places;
    }

    fn admission(&self) -> OrderedGuard<'_, Admission> {
        self.admission.lock()
    }

    /// Carries only what is allowed from now on. Members of other spaces are told so.
    pub(crate) fn set_allowed(&self, allowed: Allowed) {
        let mut admission = self.admission();
        admission.set_allowed(allowed);
        let mut state = self.state();
        let effects = state.board.close_spaces(|space| !admission.carries(space));
        state.apply(effects);
    }

    /// Lets a space in from there, or says why not; `shown` is the token that its member showed.
    pub(crate) async fn admit(
        &self,
        space: SpaceId,
        known: Known,
        shown: Option<&[u8]>,
        from: IpAddr,
    ) -> Result<(), Refusal> {
        let verdict = self.admission().check(&space, known, shown, from, self.now())?;
        if let Verdict::Remember(token) = verdict {
            let date = self.platform.clock.unix_seconds();
            self.store.admit(space, token, date).await?;
        }
        Ok(())
    }

    /// Whether the machine has room for one more.
    fn room_for(&self, has_room: fn(&Room, u64) -> bool) -> Result<(), Refusal> {
        let room = has_room(&self.entrance.room, self.links.pipes());
        if room { Ok(()) } else { Err(Refusal::Busy) }
    }

    /// A place for a connection that takes an invite.
    pub(crate) fn join_place(&self) -> Result<JoinPlace<'_>, Refusal> {
        self.state().board.begin_join()?;
        Ok(JoinPlace(self))
    }

    /// Takes in a member's connection.
    pub(crate) fn enter(&self, member: Membership, serving: bool) -> Result<Entered, Refusal> {
        if self.is_draining() {
            return Err(Refusal::Shutdown);
        }
        let now = self.now();
        let present = self.store.presence().enter(member.space)?;
        let mut state = self.state();
        self.room_for(Room::has_for_member)?;
        let (key, address, effects) = state.board.connect(member, serving)?;
        let pace = state.board.pace(&member, now);
        let outbox = Arc::new(Outbox::new(&self.limits.get(), &self.waiting));
        state.outboxes.insert(key, Arc::clone(&outbox));
        state.apply(effects);
        Ok(Entered { key, address, outbox, pace, present })
    }

    /// A member's connection has ended.
    pub(crate) fn leave(&self, key: Key) {
        self.probes.release(key);
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
        if self.is_draining() {
            return Err(Refusal::Shutdown);
        }
        if self.is_spent() {
            return Err(Refusal::Traffic);
        }
        let tickets = [self.platform.random.bytes(), self.platform.random.bytes()];
        let now = self.now();
        let mut state = self.state();
        self.room_for(Room::has_for_link)?;
        let effects = state.board.open_link(from, to, tag, tickets, now)?;
        self.metrics.tickets.add(1);
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
        state.board.forget_paces(now);
        if self.count_traffic(date) {
            effects.extend(state.board.cut_all_links());
        }
        state.apply(effects);
        drop(state);
        self.entrance.tick();
        let mut admission = self.admission();
        let state = self.state();
        admission.forget(now, |space| state.board.has(space));
    }

    /// Keeps on disk what would be missed after a power cut: which spaces have a device.
    pub(crate) async fn remember(&self) {
        let now = self.platform.clock.unix_seconds();
        if let Err(why) = self.store.remember_presence(now).await {
            tracing::error!(%why, "it is not remembered which spaces have a device");
        }
    }

    /// What is connected now.
    pub(crate) fn count(&self) -> Count {
        let unauthenticated = self.entrance.gate.len();
        let state = self.state();
        Count {
            unauthenticated,
            joining: state.board.joining(),
            members: state.board.len(),
            serving: state.board.serving(),
            spaces: state.board.spaces(),
            links: self.links.at_work(),
            tickets: state.board.link_count(),
            bytes: self.links.moved(),
        }
    }

    /// A link's half: waits for the other or goes to it. False if its ticket is not good.
    pub(crate) async fn link(&self, ticket: &[u8; 32], stream: BoxStream) -> bool {
        match self.redeem(ticket) {
            None => false,
            Some(Next::Join(waiting)) => {
                // The one that waited may just have been given up; then both end.
                let _ = waiting.send(stream);
                true
            }
            Some(Next::Wait { half, deadline }) => {
                // Ends as well when the wait is over or the task is given up.
                let mut carried = Carried { hub: self, half };
                let left = deadline.saturating_sub(self.now());
                let FirstHalf { second, cut, .. } = &mut carried.half;
                let other = tokio::select! {
                    other = tokio::time::timeout(left, second) => other,
                    () = cut.notified() => return true,
                };
                if let Ok(Ok(other)) = other {
                    self.run_link(&carried.half, stream, other).await;
                }
                true
            }
        }
    }

    fn redeem(&self, ticket: &[u8; 32]) -> Option<Next> {
        let now = self.now();
        let mut state = self.state();
        let half = state.board.redeem(ticket, now)?;
        match half.side {
            Side::First { deadline } => {
                let half = self.links.first(half.pair, half.space, &self.limits.get());
                Some(Next::Wait { half, deadline })
            }
            Side::Second => self.links.second(half.pair).map(Next::Join),
        }
    }

    async fn run_link(&self, half: &FirstHalf, one: BoxStream, other: BoxStream) {
        self.metrics.links.add(1);
        tracing::debug!(link = half.pair, "link open");
        let end = self.links.run(half, &self.limits.get(), one, other).await;
        self.metrics.links_ended.add(match end {
            Some(End::Finished) => "finished",
            Some(End::Failed) => "failed",
            Some(End::Idle) => "idle",
            None => "cut",
        });
        tracing::debug!(link = half.pair, bytes = half.moved(), ?end, "link closed");
    }
}

/// A place for a connection that takes an invite; given back when dropped.
pub(crate) struct JoinPlace<'a>(&'a Hub);

impl Drop for JoinPlace<'_> {
    fn drop(&mut self) {
        self.0.state().board.end_join();
    }
}

/// What is connected at one moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count {
    /// Connections that have not shown who they are.
    pub(crate) unauthenticated: usize,
    /// Connections that take an invite.
    pub(crate) joining: usize,
    /// Members' connections.
    pub(crate) members: usize,
    /// Of those, the ones that serve.
    pub(crate) serving: usize,
    /// Spaces with a member connected.
    pub(crate) spaces: usize,
    /// Links at work.
    pub(crate) links: usize,
    /// Those and what tickets have been given out for.
    pub(crate) tickets: usize,
    /// Bytes moved on links since the start.
    pub(crate) bytes: u64,
}

/// Takes a link off both books, however its task ends.
struct Carried<'a> {
    hub: &'a Hub,
    half: FirstHalf,
}

impl Drop for Carried<'_> {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        state.board.link_ended(self.half.pair);
        self.hub.links.ended(&self.half);
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
                Effect::Cut(pair) => self.links.cut(pair),
            }
        }
    }
}
