//! One source as the schedule sees it: how fast it is and what it has been asked.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use sealift_proto::catalogue::Root;
use sealift_proto::identity::DeviceId;
use sealift_transport::path::Way;
use tokio::time::Instant;

use super::pace::Pace;

/// A page of a manifest: of which job, and which; `None` is the page of the pages' own values.
pub type Page = (usize, Option<u64>);

/// What a request that is no Get asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// What the content of a job is.
    Want(usize),
    /// A page.
    Page(Page),
    /// A page, to learn whether the file of a job has changed.
    Probe(usize),
}

/// A Get under way.
#[derive(Debug, Clone)]
pub(super) struct Flight {
    pub(super) request: u32,
    /// Of which job which chunks are still to come, in order.
    pub(super) items: VecDeque<(usize, Range<u64>)>,
    /// Starts of some of these chunks, which need not come.
    pub(super) starts: BTreeMap<(usize, u64), Arc<[u8]>>,
    /// Bytes still to come.
    pub(super) left: u64,
    pub(super) asked: Instant,
}

/// A source.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) device: DeviceId,
    pub(super) way: Way,
    /// Nothing new is asked of it.
    pub(super) stands_by: bool,
    /// It carries no content, as the device says.
    pub(super) carries_not: bool,
    pub(super) pace: Pace,
    pub(super) flights: VecDeque<Flight>,
    pub(super) asked: BTreeMap<u32, Asked>,
    /// How much it has read of a file whose content it was asked for, and of how much.
    pub(super) reading: Option<(u64, u64)>,
    /// Pages asked for, so that none is asked for twice.
    pub(super) pages: BTreeSet<Page>,
    /// Jobs of which something did not verify: to be asked about.
    pub(super) to_probe: VecDeque<usize>,
    /// Bytes of a chunk that is coming slowly.
    pub(super) coming: u64,
    /// Jobs that have been asked about, or are to be.
    pub(super) suspect: BTreeSet<usize>,
    /// Contents that the source has said are no longer what they were.
    pub(super) changed: BTreeSet<Root>,
    next_request: u32,
}

impl Source {
    pub(super) fn new(device: DeviceId, way: Way, now: Instant) -> Self {
        Self {
            device,
            way,
            stands_by: false,
            carries_not: false,
            pace: Pace::new(now),
            flights: VecDeque::new(),
            asked: BTreeMap::new(),
            reading: None,
            pages: BTreeSet::new(),
            to_probe: VecDeque::new(),
            coming: 0,
            suspect: BTreeSet::new(),
            changed: BTreeSet::new(),
            next_request: 1,
        }
    }

    pub(super) fn request(&mut self) -> u32 {
        let request = self.next_request;
        self.next_request = self.next_request.wrapping_add(1);
        request
    }

    /// Notes a request that is no Get.
    pub(super) fn ask(&mut self, what: Asked, now: Instant) -> u32 {
        self.wake(now);
        let request = self.request();
        self.asked.insert(request, what);
        request
    }

    /// Nothing was to come: silence until now does not count.
    pub(super) fn wake(&mut self, now: Instant) {
        if !self.is_awaited() {
            self.pace.wake(now);
        }
    }

    /// Whether something that it was asked for has not come.
    pub(super) fn is_awaited(&self) -> bool {
        !self.flights.is_empty() || !self.asked.is_empty()
    }

    /// Bytes asked for that have not come.
    pub(super) fn in_flight(&self) -> u64 {
        self.flights.iter().map(|flight| flight.left).sum()
    }

    /// Seconds until all that it was asked for will have come at its speed now; one that has shown none yet gets the time to.
    pub(super) fn takes(&self, now: Instant) -> f64 {
        self.pace.speed(now).map_or(0.0, |speed| self.in_flight() as f64 / speed.max(1.0))
    }

    pub(super) fn wants(&self) -> usize {
        self.asked.values().filter(|asked| matches!(asked, Asked::Want(_))).count()
    }

    /// All chunks it has been asked for that have not come.
    pub(super) fn carried(&self) -> impl Iterator<Item = (usize, u64)> {
        let items = self.flights.iter().flat_map(|flight| &flight.items);
        items.flat_map(|(job, chunks)| chunks.clone().map(|index| (*job, index)))
    }
}
