//! What can be seen of a download from outside.

use std::collections::BTreeMap;
use std::sync::Arc;

use sealift_proto::identity::DeviceId;
use sealift_transport::path::Way;
use tokio::time::Instant;

use super::schedule::SourceView;
use super::shared::Shared;
use super::swarm::Swarm;

pub use super::shared::Whom;

/// What others may look at while a download runs.
#[derive(Clone)]
pub struct View {
    shared: Arc<Shared>,
}

impl View {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The file of which something came last, by its place in the list.
    #[must_use]
    pub fn current(&self) -> Option<usize> {
        self.shared.schedule().latest()
    }

    /// Bytes that an earlier process left of the files begun so far.
    #[must_use]
    pub fn found(&self) -> u64 {
        self.shared.schedule().found()
    }

    /// What is waited for while nobody is at work, and until when.
    #[must_use]
    pub fn waiting(&self) -> Option<(Whom, Instant)> {
        self.shared.waiting()
    }

    /// The seeders at work.
    #[must_use]
    pub fn sources(&self) -> Vec<SourceView> {
        self.shared.schedule().sources(Instant::now())
    }

    /// Verified bytes by the seeder that sent them.
    #[must_use]
    pub fn shares(&self) -> BTreeMap<DeviceId, u64> {
        let mut shares = BTreeMap::<_, u64>::new();
        for ((device, _), bytes) in self.shared.schedule().delivered() {
            *shares.entry(*device).or_default() += bytes;
        }
        shares
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

    /// Bytes given on to others who fetch the same, and to how many.
    #[must_use]
    pub fn given(&self) -> (u64, usize) {
        self.shared.swarm.as_ref().map_or((0, 0), Swarm::given)
    }

    /// How many files are on disk under their final names.
    #[must_use]
    pub fn files_done(&self) -> usize {
        self.shared.schedule().files_done()
    }
}
