//! Who is asked for what: pure bookkeeping over all files of a download and all sources that serve it, without input or
//! output; the time is given.
//!
//! Every source asks for its next work when it has room ([`Schedule::next`]). Runs are sized to its measured rate, and
//! shortened towards the end such that all sources end together. One that finds nothing left takes over from the end of
//! what the slowest other has not delivered, if it would be quicker; whichever comes first counts.

mod answers;
mod choose;
mod file;
mod files;
mod given;
mod pace;
mod partial;
mod source;
mod standby;
mod view;
mod ways;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use blake3::hazmat::ChainingValue;
use sealift_proto::catalogue::Root;
use sealift_proto::identity::DeviceId;
use sealift_proto::manifest::Layout;
use sealift_proto::message::{Finished, Item, Missing};
use sealift_transport::path::Way;
use sealift_transport::session::SessionError;
use tokio::time::Instant;

use super::error::FetchError;
use crate::entry::EntryPlace;
use file::File;
use given::Given;
use partial::Said;
use source::{Asked, Flight, Source};
use standby::Standby;

pub use given::Fresh;
pub use source::Page;

/// Names a source; never used again.
pub type SourceId = u64;

/// What a device states of a file.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Who has it.
    pub device: DeviceId,
    /// The content, if it is stated.
    pub root: Option<Root>,
    /// Length as stated, bytes.
    pub size: u64,
    /// Where it is stated.
    pub entry: EntryPlace,
}

/// Why a device does not serve a file.
#[derive(Debug, Clone)]
pub enum Reason {
    /// It does not give it.
    Missing(Missing),
    /// It sent something that is not what it should be.
    Wrong,
    /// There is no session with it.
    Refused(Arc<SessionError>),
}

/// How a file ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// On disk under its final name.
    Done,
    /// Not, and why.
    Failed(FetchError),
    /// Not, since those who stated it say that it is another or gone.
    Stale(FetchError),
}

/// What a source is to do next.
#[derive(Debug)]
pub enum Work {
    /// Ask what the content of an entry is.
    Want {
        /// Number of the request.
        request: u32,
        /// Which entry.
        offer: Offer,
    },
    /// Begin these files, and say so with [`Schedule::begun`].
    Begin(Vec<(usize, Root, u64)>),
    /// Ask for pages and chunks, in this order.
    Run {
        /// Pages with the numbers of their requests.
        pages: Vec<(u32, Root, Option<u64>)>,
        /// The Get; none when only pages are wanted.
        get: Option<(u32, Vec<Item>)>,
    },
}

/// What to do with a chunk that has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Verify it against this and write it.
    Take {
        /// Size and content of its file.
        layout: Layout,
        /// See `layout`.
        root: Root,
        /// Its value in the manifest; `None` for a file of one chunk.
        value: Option<ChainingValue>,
    },
    /// Nobody waits for it any more.
    Drop,
}

/// An item of a run that is coming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coming {
    /// Of which file.
    pub job: usize,
    /// Which chunks of it.
    pub chunks: Range<u64>,
    /// The start of the first one, which is there already.
    pub start: Option<Arc<[u8]>>,
}

/// The source does not keep to the protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfTurn;

/// What is shown of a source: one link to a device.
#[derive(Debug, Clone, Copy)]
pub struct SourceView {
    /// Who.
    pub device: DeviceId,
    /// The way its bytes take.
    pub way: Way,
    /// Nothing is asked of it, since other links to the device do as well.
    pub stands_by: bool,
    /// Verified bytes taken from the device on this way.
    pub delivered: u64,
    /// Bytes per second now, if known.
    pub speed: Option<u64>,
    /// A file that it has to read before it can send it: bytes read, and of how many.
    pub reading: Option<(u64, u64)>,
}

enum State {
    /// Nobody has been asked what its content is.
    Unstated,
    /// Somebody has.
    Asked,
    /// To be begun.
    Known(Root, u64),
    /// Being begun.
    Beginning(Root, u64),
    /// Under way.
    Open(Box<File>),
    /// All its chunks are there; it gets its final name.
    Landing(Finished),
    Ended(Outcome),
}

struct Job {
    offers: Vec<Offer>,
    excluded: BTreeMap<DeviceId, Reason>,
    state: State,
    /// Bytes that nobody has been asked for.
    unassigned: u64,
    served_by: BTreeSet<DeviceId>,
}

/// All files of a download and all its sources.
pub struct Schedule {
    jobs: Vec<Job>,
    /// Which file has a content, once that is stated.
    roots: HashMap<Root, usize>,
    sources: BTreeMap<SourceId, Source>,
    next_source: SourceId,
    /// What the devices have said that they have, as long as there is a link to them.
    said: BTreeMap<DeviceId, Said>,
    /// Devices that fetch the same and are no seeders: only direct links to them carry content.
    partners: BTreeSet<DeviceId>,
    /// From which part of a file on it is asked for next among partners: of 2^64.
    turn: u64,
    window: Option<u64>,
    unstated: BTreeSet<usize>,
    known: BTreeSet<usize>,
    /// Files under way of which chunks are missing.
    ready: BTreeSet<usize>,
    /// Files under way of which chunks are to be read again.
    earlier: BTreeSet<usize>,
    /// Files of which a chunk came in part.
    started: BTreeSet<usize>,
    complete: Vec<usize>,
    unassigned: u64,
    open: usize,
    done: usize,
    /// Verified bytes taken from each device, by the way they took.
    delivered: BTreeMap<(DeviceId, Way), u64>,
    /// The file of which a chunk came last.
    latest: Option<usize>,
    /// Bytes that an earlier process left of files begun so far.
    found: u64,
    /// Whether the relay's links carry content at all.
    relay_carries: bool,
    standby: BTreeMap<DeviceId, Standby>,
    /// Devices that sent something wrong, to be told once.
    wrong: Vec<DeviceId>,
    said_wrong: BTreeSet<DeviceId>,
    /// Devices that sent something wrong of a file and then said that it has changed, to be told once.
    excused: Vec<(DeviceId, usize)>,
    /// What others can be given, where anything is given on.
    given: Option<Given>,
    /// How often a chunk that came in two parts was wrong.
    joined_wrong: BTreeMap<DeviceId, u32>,
    /// Since when nothing has been under way.
    still_since: Option<Instant>,
}

impl Schedule {
    /// A schedule for files that these offers are of: those of one file state the same content, or there is one. Chunks
    /// further than `window` behind the first one that is not there are not asked for.
    #[must_use]
    pub fn new(files: Vec<Vec<Offer>>, window: Option<u64>) -> Self {
        let mut schedule = Self {
            jobs: Vec::with_capacity(files.len()),
            roots: HashMap::new(),
            sources: BTreeMap::new(),
            next_source: 0,
            said: BTreeMap::new(),
            partners: BTreeSet::new(),
            turn: 0,
            window,
            unstated: BTreeSet::new(),
            known: BTreeSet::new(),
            ready: BTreeSet::new(),
            earlier: BTreeSet::new(),
            started: BTreeSet::new(),
            complete: Vec::new(),
            unassigned: 0,
            open: files.len(),
            done: 0,
            delivered: BTreeMap::new(),
            latest: None,
            found: 0,
            relay_carries: true,
            standby: BTreeMap::new(),
            wrong: Vec::new(),
            said_wrong: BTreeSet::new(),
            excused: Vec::new(),
            given: None,
            joined_wrong: BTreeMap::new(),
            still_since: None,
        };
        for (number, offers) in files.into_iter().enumerate() {
            let first = offers.first();
            let stated = first.and_then(|offer| Some((offer.root?, offer.size)));
            let size = first.map_or(0, |offer| offer.size);
            let state = match stated {
                Some((root, size)) => {
                    schedule.known.insert(number);
                    schedule.roots.entry(root).or_insert(number);
                    State::Known(root, size)
                }
                None => {
                    schedule.unstated.insert(number);
                    State::Unstated
                }
            };
            schedule.jobs.push(Job {
                offers,
                excluded: BTreeMap::new(),
                state,
                unassigned: 0,
                served_by: BTreeSet::new(),
            });
            schedule.set_unassigned(number, size);
        }
        schedule
    }

    /// Of files that partners fetch too this one asks at other places than they do, if `turn` is random.
    pub const fn set_turn(&mut self, turn: u64) {
        self.turn = turn;
    }

    /// Another place, as far as anybody else can tell. Two who went on from where they are side by side would stay so.
    const fn next_turn(&mut self) {
        // Knuth's linear congruential generator (MMIX): its upper bits are what counts here.
        self.turn = self
            .turn
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
    }

    /// Adds somebody who has the very content of `job`; whoever is known already is not added twice, and who has lied not
    /// at all.
    pub fn add_offer(&mut self, job: usize, offer: Offer) {
        if self.said_wrong.contains(&offer.device) {
            return;
        }
        let Some(of) = self.jobs.get_mut(job) else { return };
        let first = of.offers.first().map(|first| (first.root, first.size));
        let same = offer.root.is_some() && first == Some((offer.root, offer.size));
        if same && of.offers.iter().all(|known| known.device != offer.device) {
            of.offers.push(offer);
        }
    }

    /// Ends the file of `job`, unless it has ended.
    pub fn end(&mut self, job: usize, outcome: Outcome) {
        let Some(of) = self.jobs.get_mut(job) else { return };
        if !matches!(of.state, State::Ended(_)) {
            self.open -= 1;
            self.done += usize::from(matches!(outcome, Outcome::Done));
            of.state = State::Ended(outcome);
        }
        for set in [&mut self.unstated, &mut self.known, &mut self.ready, &mut self.earlier] {
            set.remove(&job);
        }
        self.started.remove(&job);
        self.forget_named(job);
        self.set_unassigned(job, 0);
    }

    /// Devices of which it has just become clear that they sent something wrong.
    pub fn take_wrong(&mut self) -> Vec<DeviceId> {
        std::mem::take(&mut self.wrong)
    }

    /// Devices of which it has just become clear that they sent something wrong of a file, and which say that it has changed.
    pub fn take_excused(&mut self) -> Vec<(DeviceId, usize)> {
        std::mem::take(&mut self.excused)
    }

    /// Adds a source: a link to `device`.
    pub fn add(&mut self, device: DeviceId, way: Way, now: Instant) -> SourceId {
        let id = self.next_source;
        self.next_source += 1;
        self.sources.insert(id, Source::new(device, way, now));
        id
    }

    /// Takes a source away: what it was asked for is asked of others.
    pub fn remove(&mut self, id: SourceId) {
        let Some(source) = self.sources.remove(&id) else { return };
        if self.link_to(source.device).is_none() {
            self.said.remove(&source.device);
        }
        for asked in source.asked.into_values() {
            if let Asked::Want(job) = asked {
                self.unasked(job);
            }
        }
        self.release(source.flights.into_iter().flat_map(|flight| flight.items).collect());
    }

    /// Nobody has been asked any more what `job` is.
    fn unasked(&mut self, job: usize) {
        if let Some(of) = self.jobs.get_mut(job).filter(|of| matches!(of.state, State::Asked)) {
            of.state = State::Unstated;
            self.unstated.insert(job);
        }
    }

    /// `device` does not serve `job` any more.
    pub fn exclude(&mut self, job: usize, device: DeviceId, reason: Reason) {
        let Some(of) = self.jobs.get_mut(job) else { return };
        // What shows that it lied is not forgotten for something lesser.
        if !matches!(of.excluded.get(&device), Some(Reason::Wrong)) {
            of.excluded.insert(device, reason);
        }
    }

    /// `device` serves nothing any more.
    pub fn exclude_all(&mut self, device: DeviceId, reason: &Reason) {
        for job in self.open().collect::<Vec<_>>() {
            if self.offering(job).any(|offering| offering == device) {
                self.exclude(job, device, reason.clone());
            }
        }
    }

    fn lied(&mut self, device: DeviceId) {
        if self.said_wrong.insert(device) {
            self.wrong.push(device);
        }
        self.exclude_all(device, &Reason::Wrong);
    }

    fn file(&mut self, job: usize) -> Option<&mut File> {
        match &mut self.jobs.get_mut(job)?.state {
            State::Open(file) => Some(file),
            _ => None,
        }
    }

    fn root_of(&self, job: usize) -> Option<Root> {
        match &self.jobs.get(job)?.state {
            State::Open(file) => Some(file.root),
            _ => None,
        }
    }

    fn source(&mut self, id: SourceId) -> Result<&mut Source, OutOfTurn> {
        self.sources.get_mut(&id).ok_or(OutOfTurn)
    }
}

#[cfg(test)]
mod tests;
