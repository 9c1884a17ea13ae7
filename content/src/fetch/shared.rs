//! What all sources of a download have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;
use sealift_proto::control::Address;
use sealift_proto::identity::DeviceId;
use sealift_proto::message::SessionMessage;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::deliver::Delivery;
use super::schedule::{Schedule, SourceId};
use super::swarm::Swarm;
use crate::landing::sink::Sink;

/// What a download waits for while nobody is at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whom {
    /// The relay.
    Relay,
    /// Any of those who have what is missing.
    Devices(BTreeSet<DeviceId>),
}

/// The schedule, where the bytes go, and a bell that rings when something has changed.
pub(super) struct Shared {
    pub(super) schedule: Mutex<Schedule>,
    pub(super) sink: Arc<dyn Sink>,
    pub(super) delivery: Delivery,
    /// `None` where nothing is given on.
    pub(super) swarm: Option<Swarm>,
    /// What has come is given on when all has come, too.
    stays: AtomicBool,
    /// A seeder has opened a session.
    pub(super) met: AtomicBool,
    /// When the connection to the relay was made anew.
    renewed: Mutex<Option<Instant>>,
    /// When seeders came to the relay anew.
    came: Mutex<BTreeMap<DeviceId, Instant>>,
    /// What is waited for while nobody is at work, and until when.
    waiting: Mutex<Option<(Whom, Instant)>>,
    news: watch::Sender<()>,
    requests: Mutex<BTreeMap<SourceId, mpsc::UnboundedSender<SessionMessage>>>,
}

impl Shared {
    pub(super) fn new(mut schedule: Schedule, sink: Arc<dyn Sink>, swarm: bool) -> Self {
        if swarm {
            schedule.give_on();
        }
        Self {
            schedule: Mutex::new(schedule),
            sink,
            delivery: Delivery::default(),
            swarm: swarm.then(Swarm::default),
            stays: AtomicBool::new(false),
            met: AtomicBool::new(false),
            renewed: Mutex::default(),
            came: Mutex::default(),
            waiting: Mutex::default(),
            news: watch::Sender::new(()),
            requests: Mutex::default(),
        }
    }

    /// The schedule; never held while anything is waited for.
    pub(super) fn schedule(&self) -> MutexGuard<'_, Schedule> {
        lock(&self.schedule)
    }

    /// Something has changed that others may wait for.
    pub(super) fn tell(&self) {
        self.news.send_replace(());
    }

    /// Waits until every file has come to an end.
    pub(super) async fn over(&self) {
        let mut news = self.news();
        // The sender lives as long as this.
        while !self.schedule().is_over() && news.changed().await.is_ok() {}
    }

    /// Sessions go on when all has come from now on, or do no more.
    pub(super) fn set_stays(&self, stays: bool) {
        self.stays.store(stays, Ordering::Relaxed);
        self.tell();
    }

    /// Whether sessions have nothing left to do.
    pub(super) fn is_done(&self) -> bool {
        !self.stays.load(Ordering::Relaxed) && self.schedule().is_over()
    }

    /// `by` names these as fetching `root` too. Only whoever states it may, so that there is room for all that is named.
    pub(super) fn named(&self, by: DeviceId, root: Root, addresses: Vec<Address>) {
        if let Some(swarm) = &self.swarm
            && self.schedule().states(by, &root)
        {
            swarm.name(by, root, addresses);
        }
    }

    /// The connection to the relay was lost and is there again: whatever took it may have taken links too.
    pub(super) fn renew(&self) {
        *lock(&self.renewed) = Some(Instant::now());
        self.tell();
    }

    /// Seeders have come to the relay at these times: their links may lead to where they were before.
    pub(super) fn set_came(&self, came: BTreeMap<DeviceId, Instant>) {
        *lock(&self.came) = came;
    }

    /// Nobody is at work: `whom` is waited for, until a time. `None` when somebody is again.
    pub(super) fn wait_for(&self, waiting: Option<(Whom, Instant)>) {
        *lock(&self.waiting) = waiting;
    }

    /// What is waited for now, and until when.
    pub(super) fn waiting(&self) -> Option<(Whom, Instant)> {
        lock(&self.waiting).clone()
    }

    /// Whether the connection of this device or of `seeder` to the relay has been made anew since `time`.
    pub(super) fn is_renewed_since(&self, time: Instant, seeder: &DeviceId) -> bool {
        let renewed = *lock(&self.renewed);
        let came = lock(&self.came).get(seeder).copied();
        [renewed, came].into_iter().flatten().any(|at| at > time)
    }

    /// News from now on.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Where requests to source `id` go.
    pub(super) fn connect(&self, id: SourceId, requests: mpsc::UnboundedSender<SessionMessage>) {
        self.senders().insert(id, requests);
    }

    /// Nothing more goes to source `id`.
    pub(super) fn disconnect(&self, id: SourceId) {
        self.senders().remove(&id);
    }

    /// Sends `message` to source `id`, if it is there. A link that broke is noticed by who reads from it.
    pub(super) fn send(&self, id: SourceId, message: SessionMessage) {
        if let Some(requests) = self.senders().get(&id) {
            let _ = requests.send(message);
        }
    }

    fn senders(&self) -> MutexGuard<'_, BTreeMap<SourceId, mpsc::UnboundedSender<SessionMessage>>> {
        lock(&self.requests)
    }
}
