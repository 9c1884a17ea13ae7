//! Sessions with others who fetch the same: opened with those whom a seeder names, and taken from those who open them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sealift_platform::random::Random;
use sealift_proto::control::Address;
use sealift_proto::identity::DeviceId;
use sealift_transport::connect::jittered;
use sealift_transport::direct::Direct;
use sealift_transport::path::Way;
use sealift_transport::session::SeederSession;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::event::Listener;
use super::session::{self, Ways};
use super::shared::Shared;
use super::space::Reached;

/// Sessions with others who fetch, at a time.
const PARTNERS: usize = 16;
/// How often it is looked at whom there is to open one with.
const TICK: Duration = Duration::from_millis(500);
/// Pause before an address is tried again; doubled with each time.
const PAUSE: Duration = Duration::from_secs(2);
/// The longest of these pauses.
const LONGEST: Duration = Duration::from_secs(300);
/// How long one whom no seeder has named waits for that: its seeder may have told it first.
const UNNAMED: Duration = Duration::from_secs(5);
/// Addresses remembered after a try that came to nothing. Whoever names more of them is not believed any further.
const TRIED: usize = 256;

/// A try that came to nothing: until when to wait, and how long that was.
struct Tried {
    until: Instant,
    pause: Duration,
}

/// The sessions with others who fetch the same.
pub(super) struct Partners<R> {
    pub(super) shared: Arc<Shared>,
    /// The space as it is reached now.
    pub(super) reached: watch::Receiver<Option<Arc<R>>>,
    /// Sessions that others open.
    pub(super) accepted: mpsc::Receiver<SeederSession>,
    pub(super) direct: Direct,
    pub(super) listener: Arc<dyn Listener>,
    pub(super) random: Arc<dyn Random>,
}

/// A session that has ended, however it did: with whom, and where it was opened, if this end did.
type Ended = (DeviceId, Option<Address>);

/// How the sessions stand.
#[derive(Default)]
struct Running {
    devices: BTreeSet<DeviceId>,
    sessions: JoinSet<Ended>,
    /// Sessions of those whom no seeder has named yet, which are told nothing, and until when they may be.
    unnamed: Vec<(Instant, SeederSession)>,
    tried: BTreeMap<Address, Tried>,
}

impl<R: Reached> Partners<R> {
    /// Goes on until it is dropped, and then ends all sessions.
    pub(super) async fn run(mut self) {
        let mut running = Running::default();
        loop {
            tokio::select! {
                Some(session) = self.accepted.recv() => self.take(&mut running, session),
                Some(ended) = running.sessions.join_next() => {
                    if let Ok(ended) = ended {
                        self.ended(&mut running, ended);
                    }
                }
                () = sleep(TICK) => {
                    self.take_named(&mut running);
                    self.open(&mut running);
                }
            }
        }
    }

    /// Whether there is to be a session with `device`.
    fn is_welcome(&self, running: &Running, device: DeviceId) -> bool {
        running.devices.len() < PARTNERS
            && !running.devices.contains(&device)
            && !self.shared.is_done()
            && self.shared.schedule().may_be_partner(device)
    }

    /// Takes a session that another one has opened. One that is not welcome ends with it. Only with those whom a seeder names is
    /// it said what is here: any member may open a session.
    fn take(&self, running: &mut Running, session: SeederSession) {
        if running.unnamed.len() < PARTNERS {
            running.unnamed.push((Instant::now() + UNNAMED, session));
            self.take_named(running);
        }
    }

    /// Takes those of the waiting sessions whose device has been named; those that waited for too long end.
    fn take_named(&self, running: &mut Running) {
        let Some(swarm) = &self.shared.swarm else { return };
        let now = Instant::now();
        for (until, session) in std::mem::take(&mut running.unnamed) {
            if swarm.names(&session.peer.address.device) {
                self.answer(running, session);
            } else if until > now {
                running.unnamed.push((until, session));
            }
        }
    }

    fn answer(&self, running: &mut Running, session: SeederSession) {
        let (device, member) = (session.peer.address.device, session.peer.membership);
        let reached = self.reached.borrow().clone();
        if !self.is_welcome(running, device) {
            return;
        }
        self.begin(running, device);
        let (shared, ways) = (self.shared.clone(), self.ways());
        running.sessions.spawn(async move {
            // Whoever opened it may open another.
            let answering = session::answer(&shared, session, ways);
            let removed = async {
                match reached {
                    Some(reached) => reached.removed(member).await,
                    None => std::future::pending().await,
                }
            };
            let _ = session::while_member(answering, removed).await;
            (device, None)
        });
    }

    /// Opens a session with those who were named and whose addresses are above this device's own: the others open theirs.
    fn open(&self, running: &mut Running) {
        let (Some(swarm), Some(reached)) = (&self.shared.swarm, self.reached.borrow().clone())
        else {
            return;
        };
        let Some(own) = reached.address() else { return };
        let now = Instant::now();
        let named = swarm.named();
        // Long enough that whoever names ever new ones has few of them tried.
        let kept = |address: &Address, tried: &mut Tried| {
            named.contains(address) || tried.until + LONGEST > now
        };
        running.tried.retain(kept);
        let above = |address: &&Address| address.device != own.device && **address > own;
        for address in named.iter().filter(above).copied() {
            let waits = match running.tried.get(&address) {
                Some(tried) => tried.until > now,
                None => running.tried.len() >= TRIED,
            };
            if !waits && self.is_welcome(running, address.device) {
                self.begin(running, address.device);
                let (shared, ways) = (self.shared.clone(), self.ways());
                running.sessions.spawn(opened(reached.clone(), address, shared, ways));
            }
        }
    }

    fn begin(&self, running: &mut Running, device: DeviceId) {
        running.devices.insert(device);
        self.shared.schedule().set_partner(device, true);
    }

    fn ended(&self, running: &mut Running, (device, address): Ended) {
        running.devices.remove(&device);
        self.shared.schedule().set_partner(device, false);
        let Some(address) = address else { return };
        let before = running.tried.get(&address).map(|tried| tried.pause * 2);
        let pause = before.unwrap_or(PAUSE).min(LONGEST);
        let until = Instant::now() + jittered(pause, &*self.random);
        running.tried.insert(address, Tried { until, pause });
    }

    fn ways(&self) -> Ways {
        Ways {
            direct: Some(self.direct.clone()),
            control: self.reached.borrow().as_ref().and_then(|reached| reached.relay()),
            listener: self.listener.clone(),
        }
    }
}

/// A session with the one at `address`, from its beginning to its end.
async fn opened<R: Reached>(
    reached: Arc<R>,
    address: Address,
    shared: Arc<Shared>,
    ways: Ways,
) -> Ended {
    let device = address.device;
    if let Ok(session) = reached.partner(address).await {
        let member = session.peer.membership;
        let fetching = session::fetch(&shared, device, (session, Way::Relay), ways);
        let _ = session::while_member(fetching, reached.removed(member)).await;
    }
    (device, Some(address))
}

#[cfg(test)]
mod tests;
