//! What a download gives on to others who fetch the same, and whom it was named to open sessions with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;
use sealift_proto::codec::List;
use sealift_proto::control::Address;
use sealift_proto::identity::DeviceId;
use sealift_proto::message::{ChunkRun, HAVE_MAX, SessionMessage};
use sealift_transport::path::Way;
use tokio::sync::mpsc;

use super::given::Given;
use super::ranges::Ranges;
use super::schedule::Fresh;
use super::shared::Shared;
use crate::link::{Job, courtesy};
use crate::serve::Service;
use crate::serve::event::{Event, Listener};
use crate::serve::link::Server;

/// So many contents for which others are named are remembered: all of them are looked at twice a second.
const NAMED: usize = 1024;

/// What a download has to do with others who fetch the same.
#[derive(Default)]
pub(super) struct Swarm {
    /// Whom each seeder has named for each content.
    named: Mutex<BTreeMap<(DeviceId, Root), Vec<Address>>>,
    /// Bytes given on.
    given: AtomicU64,
    /// To whom.
    takers: Mutex<BTreeSet<DeviceId>>,
}

impl Swarm {
    /// `by` names these for `root`, in place of those before. Beyond [`NAMED`] contents nothing more is remembered.
    pub(super) fn name(&self, by: DeviceId, root: Root, addresses: Vec<Address>) {
        let mut named = lock(&self.named);
        if addresses.is_empty() {
            named.remove(&(by, root));
        } else if named.len() < NAMED || named.contains_key(&(by, root)) {
            named.insert((by, root), addresses);
        }
    }

    /// Everybody who is named now.
    pub(super) fn named(&self) -> BTreeSet<Address> {
        lock(&self.named).values().flatten().copied().collect()
    }

    /// Whether anybody names `device` now, at whatever address.
    pub(super) fn names(&self, device: &DeviceId) -> bool {
        lock(&self.named).values().flatten().any(|address| address.device == *device)
    }

    /// Bytes given on, and to how many devices.
    pub(super) fn given(&self) -> (u64, usize) {
        (self.given.load(Ordering::Relaxed), lock(&self.takers).len())
    }

    fn gave(&self, to: DeviceId, bytes: u64) {
        self.given.fetch_add(bytes, Ordering::Relaxed);
        lock(&self.takers).insert(to);
    }
}

/// Counts what is given on to one device.
struct Counted {
    shared: Arc<Shared>,
    to: DeviceId,
}

impl Listener for Counted {
    fn hear(&self, event: Event) {
        if let (Event::Sent { bytes, .. }, Some(swarm)) = (event, &self.shared.swarm) {
            swarm.gave(self.to, bytes);
        }
    }
}

/// The half of a link over which a download gives on what it has verified; `None` where it gives nothing on. Content goes over
/// direct links alone: through the relay it would cost somebody as much again for each who fetches.
pub(super) fn server(
    shared: &Arc<Shared>,
    to: DeviceId,
    way: Way,
    jobs: mpsc::Sender<Job>,
) -> Option<Server> {
    shared.swarm.as_ref()?;
    let holdings = Arc::new(Given(shared.clone()));
    let listener = Arc::new(Counted { shared: shared.clone(), to });
    Some(Server::new(Service { holdings, to, listener }, (way, way.is_direct()), jobs))
}

/// Says over one link what can be given, as it comes to be.
pub(super) struct Sayer {
    jobs: mpsc::WeakSender<Job>,
    /// How far that has been said.
    position: usize,
    /// Messages that found no room yet.
    waiting: Vec<SessionMessage>,
}

impl Sayer {
    pub(super) const fn new(jobs: mpsc::WeakSender<Job>) -> Self {
        Self { jobs, position: 0, waiting: Vec::new() }
    }

    /// Says what is new: to a partner which chunks, to a seeder, which has them, only of which contents.
    pub(super) fn say(&mut self, shared: &Shared, to: DeviceId) {
        let Some(jobs) = self.jobs.upgrade() else { return };
        if self.waiting.is_empty() {
            let schedule = shared.schedule();
            let (fresh, position) = schedule.fresh(self.position);
            let partner = schedule.is_partner(to);
            let fresh = fresh.into_iter().filter(|fresh| partner || fresh.begun);
            self.waiting = fresh.flat_map(|fresh| messages(&fresh, partner)).collect();
            self.position = position;
            // The first is said first.
            self.waiting.reverse();
        }
        // Whoever does not read is told the rest when there is room.
        while let Some(message) = self.waiting.pop() {
            if let Some(message) = courtesy(&jobs, message) {
                return self.waiting.push(message);
            }
        }
    }
}

fn messages(fresh: &Fresh, chunks: bool) -> Vec<SessionMessage> {
    let none = Ranges::default();
    let chunks = if chunks { &fresh.chunks } else { &none };
    let run = |range: std::ops::Range<u64>| ChunkRun {
        first: range.start,
        count: range.end - range.start,
    };
    let runs: Vec<_> = chunks.iter().map(run).collect();
    let have = |runs: &[ChunkRun]| {
        let chunks = List::new(runs.to_vec()).unwrap_or_default();
        SessionMessage::Have { root: fresh.root, chunks }
    };
    if runs.is_empty() {
        return vec![have(&[])];
    }
    runs.chunks(HAVE_MAX).map(have).collect()
}

#[cfg(test)]
mod tests {
    use sealift_proto::identity::SecretKey;

    use super::*;

    #[test]
    fn what_is_named_for_very_many_contents_is_not_remembered() {
        let swarm = Swarm::default();
        let device = |number| SecretKey::from_seed([number; 32]).id();
        let root = |number: usize| Root(*blake3::hash(&number.to_be_bytes()).as_bytes());
        let at = |number: usize| Address { device: device(1), connection: number as u32 };
        for number in 0..2 * NAMED {
            swarm.name(device(2), root(number), vec![at(number)]);
        }
        assert_eq!(swarm.named().len(), NAMED);
        swarm.name(device(2), root(7), vec![at(0), at(3 * NAMED)]);
        assert!(swarm.named().contains(&at(3 * NAMED)), "one that is known is named anew");
        swarm.name(device(2), root(0), Vec::new());
        swarm.name(device(2), root(2 * NAMED), vec![at(5 * NAMED)]);
        assert!(swarm.named().contains(&at(5 * NAMED)), "there is room again");
    }
}
