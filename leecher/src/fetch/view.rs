//! What can be seen of a download from outside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sealift_peer::path::Way;
use sealift_platform::sync::lock;
use sealift_proto::identity::DeviceId;
use tokio::time::Instant;

use super::schedule::SourceView;
use super::shared::Shared;
use crate::progress::Waiting;

/// What others may look at while a download runs.
#[derive(Clone)]
pub struct View {
    shared: Arc<Shared>,
    names: Names,
    labels: Arc<[String]>,
}

/// Names of devices, escaped.
pub(super) type Names = Arc<Mutex<BTreeMap<DeviceId, String>>>;

impl View {
    pub(super) const fn new(shared: Arc<Shared>, names: Names, labels: Arc<[String]>) -> Self {
        Self { shared, names, labels }
    }

    /// The file of which something came last, escaped.
    #[must_use]
    pub fn current(&self) -> Option<String> {
        let latest = self.shared.schedule().latest()?;
        self.labels.get(latest).cloned()
    }

    /// Bytes that an earlier process left of the files begun so far.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.shared.schedule().found()
    }

    /// What is waited for while nobody is at work.
    #[must_use]
    pub fn waiting(&self) -> Option<Waiting> {
        self.shared.waiting()
    }

    /// The seeders at work, by name (escaped).
    #[must_use]
    pub fn sources(&self) -> Vec<(String, SourceView)> {
        let names = lock(&self.names);
        let name = |view: &SourceView| names.get(&view.device).cloned().unwrap_or_default();
        let views = self.shared.schedule().sources(Instant::now());
        views.into_iter().map(|view| (name(&view), view)).collect()
    }

    /// Verified bytes by the name of the seeder (escaped) that sent them.
    #[must_use]
    pub fn shares(&self) -> Vec<(String, u64)> {
        let names = lock(&self.names);
        let delivered = self.shared.schedule().delivered().clone();
        let name = |device| names.get(&device).cloned().unwrap_or_default();
        let mut shares = BTreeMap::<_, u64>::new();
        for ((device, _), bytes) in delivered {
            *shares.entry(device).or_default() += bytes;
        }
        shares.into_iter().map(|(device, bytes)| (name(device), bytes)).collect()
    }

    /// Verified bytes by the way they took.
    #[must_use]
    pub fn ways(&self) -> Vec<(Way, u64)> {
        let mut ways = BTreeMap::<_, u64>::new();
        for ((_, way), bytes) in self.shared.schedule().delivered() {
            *ways.entry(*way).or_default() += bytes;
        }
        ways.into_iter().collect()
    }

    /// Bytes of chunks that have come in part only, and how many of them on links that are at work.
    #[must_use]
    pub fn parts(&self) -> (u64, u64) {
        let (started, coming) = self.shared.schedule().parts();
        (started + coming, coming)
    }

    /// How many files are on disk under their final names.
    #[must_use]
    pub fn files_done(&self) -> usize {
        self.shared.schedule().files_done()
    }
}
