//! Who is asked for what: pure bookkeeping over all files of a download and all sources that serve it, without input or
//! output; the time is given.
//!
//! Every source asks for its next work when it has room ([`Schedule::next`]). Runs are sized to its measured rate, and
//! shortened towards the end such that all sources end together. One that finds nothing left takes over from the end of
//! what the slowest other has not delivered, if it would be quicker; whichever comes first counts.

mod choose;
mod file;
mod pace;
mod source;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;

use blake3::hazmat::ChainingValue;
use sealift_peer::exit::Failure;
use sealift_proto::catalogue::Root;
use sealift_proto::identity::DeviceId;
use sealift_proto::manifest::{Layout, PAGE_CHUNKS};
use sealift_proto::message::{Finished, Item, Missing};
use tokio::time::Instant;

use crate::fetch::sink::Begun;
use crate::replica::Place;
use file::File;
use source::{Asked, Flight, Source};

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
    /// Which log states it, and where.
    pub log_id: [u8; 16],
    /// See `log_id`.
    pub place: Place,
}

/// Why a device does not serve a file.
#[derive(Debug, Clone)]
pub enum Reason {
    /// It does not give it.
    Missing(Missing),
    /// It sent something that is not what it should be.
    Wrong,
    /// There is no session with it.
    Refused(Failure),
}

/// How a file ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// On disk under its final name.
    Done,
    /// Not, and why.
    Failed(Failure),
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

/// The source does not keep to the protocol.
#[derive(Debug, PartialEq, Eq)]
pub struct OutOfTurn;

/// What is shown of a source.
#[derive(Debug, Clone, Copy)]
pub struct SourceView {
    /// Who.
    pub device: DeviceId,
    /// Verified bytes taken from it.
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
    served_by: BTreeSet<SourceId>,
}

/// All files of a download and all its sources.
pub struct Schedule {
    jobs: Vec<Job>,
    sources: BTreeMap<SourceId, Source>,
    next_source: SourceId,
    window: Option<u64>,
    unstated: BTreeSet<usize>,
    known: BTreeSet<usize>,
    /// Files under way of which chunks are missing.
    ready: BTreeSet<usize>,
    /// Files under way of which chunks are to be read again.
    earlier: BTreeSet<usize>,
    complete: Vec<usize>,
    unassigned: u64,
    open: usize,
    done: usize,
    /// Verified bytes taken from each device.
    delivered: BTreeMap<DeviceId, u64>,
    /// Devices that sent something wrong, to be told once.
    wrong: Vec<DeviceId>,
    said_wrong: BTreeSet<DeviceId>,
}

impl Schedule {
    /// A schedule for files that these offers are of: those of one file state the same content, or there is one. Chunks
    /// further than `window` behind the first one that is not there are not asked for.
    #[must_use]
    pub fn new(files: Vec<Vec<Offer>>, window: Option<u64>) -> Self {
        let mut schedule = Self {
            jobs: Vec::with_capacity(files.len()),
            sources: BTreeMap::new(),
            next_source: 0,
            window,
            unstated: BTreeSet::new(),
            known: BTreeSet::new(),
            ready: BTreeSet::new(),
            earlier: BTreeSet::new(),
            complete: Vec::new(),
            unassigned: 0,
            open: files.len(),
            done: 0,
            delivered: BTreeMap::new(),
            wrong: Vec::new(),
            said_wrong: BTreeSet::new(),
        };
        for (number, offers) in files.into_iter().enumerate() {
            let first = offers.first();
            let stated = first.and_then(|offer| Some((offer.root?, offer.size)));
            let size = first.map_or(0, |offer| offer.size);
            let state = match stated {
                Some((root, size)) => {
                    schedule.known.insert(number);
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

    /// Adds somebody who has the very content of `job`; whoever is known already is not added twice.
    pub fn add_offer(&mut self, job: usize, offer: Offer) {
        let Some(of) = self.jobs.get_mut(job) else { return };
        let first = of.offers.first().map(|first| (first.root, first.size));
        let same = offer.root.is_some() && first == Some((offer.root, offer.size));
        if same && of.offers.iter().all(|known| known.device != offer.device) {
            of.offers.push(offer);
        }
    }

    /// Whether every file has come to an end.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.open == 0
    }

    /// Files that have not come to an end.
    pub fn open(&self) -> impl Iterator<Item = usize> {
        let open = |job: &Job| !matches!(job.state, State::Ended(_));
        self.jobs.iter().enumerate().filter(move |(_, job)| open(job)).map(|(number, _)| number)
    }

    /// How each file ended; `None` for one that did not.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Option<Outcome>> {
        let outcome = |job: &Job| match &job.state {
            State::Ended(outcome) => Some(outcome.clone()),
            _ => None,
        };
        self.jobs.iter().map(outcome).collect()
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
        self.set_unassigned(job, 0);
    }

    /// Who may still serve `job`.
    pub fn holders(&self, job: usize) -> impl Iterator<Item = DeviceId> {
        let job = self.jobs.get(job);
        let offers =
            job.into_iter().flat_map(|job| job.offers.iter().map(move |o| (job, o.device)));
        offers.filter(|(job, device)| !job.excluded.contains_key(device)).map(|(_, device)| device)
    }

    /// Everybody who offers `job`.
    pub fn offering(&self, job: usize) -> impl Iterator<Item = DeviceId> {
        self.jobs.get(job).into_iter().flat_map(|job| &job.offers).map(|offer| offer.device)
    }

    /// Open files that nobody serves any more and that do not need anybody.
    #[must_use]
    pub fn hopeless(&self) -> Vec<usize> {
        let hopeless = |job: &usize| {
            let state = self.jobs.get(*job).map(|of| &of.state);
            let done = match state {
                Some(State::Landing(_) | State::Beginning(..)) => true,
                // What has come may be all that was missing.
                Some(State::Open(file)) => !file.verifying.is_empty(),
                _ => false,
            };
            !done && self.holders(*job).next().is_none()
        };
        self.open().filter(hopeless).collect()
    }

    /// Whether anything is on its way to the disk.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.jobs.iter().any(|of| match &of.state {
            State::Landing(_) | State::Beginning(..) => true,
            State::Open(file) => !file.verifying.is_empty(),
            _ => false,
        })
    }

    /// Why those who do not serve `job` any more do not, the gravest first.
    #[must_use]
    pub fn reason(&self, job: usize) -> Option<(DeviceId, &Reason)> {
        let job = self.jobs.get(job)?;
        let wrong = job.excluded.iter().find(|(_, reason)| matches!(reason, Reason::Wrong));
        let last = || job.excluded.iter().next_back();
        wrong.or_else(last).map(|(device, reason)| (*device, reason))
    }

    /// Devices of which it has just become clear that they sent something wrong.
    pub fn take_wrong(&mut self) -> Vec<DeviceId> {
        std::mem::take(&mut self.wrong)
    }

    /// Bytes that have not come, as far as sizes are known.
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        self.unassigned + self.sources.values().map(|source| source.in_flight()).sum::<u64>()
    }

    /// The sources as they are now.
    #[must_use]
    pub fn sources(&self, now: Instant) -> Vec<SourceView> {
        let view = |source: &Source| SourceView {
            device: source.device,
            delivered: self.delivered.get(&source.device).copied().unwrap_or(0),
            speed: source.pace.speed(now).map(|speed| speed as u64),
            reading: source.reading,
        };
        self.sources.values().map(view).collect()
    }

    /// Verified bytes taken from each device.
    #[must_use]
    pub const fn delivered(&self) -> &BTreeMap<DeviceId, u64> {
        &self.delivered
    }

    /// How many files are on disk under their final names.
    #[must_use]
    pub fn files_done(&self) -> usize {
        self.done
    }

    /// Adds a source.
    pub fn add(&mut self, device: DeviceId, now: Instant) -> SourceId {
        let id = self.next_source;
        self.next_source += 1;
        self.sources.insert(id, Source::new(device, now));
        id
    }

    /// Whether an unfinished file could be served by `device`, and, if `running` are at work already, by none of them.
    #[must_use]
    pub fn needs(&self, device: DeviceId, running: Option<&BTreeSet<DeviceId>>) -> bool {
        self.open().any(|job| {
            let landing = matches!(self.jobs.get(job).map(|of| &of.state), Some(State::Landing(_)));
            let holds = |device: &DeviceId| self.holders(job).any(|holder| holder == *device);
            let served = running.is_some_and(|running| running.iter().any(holds));
            !landing && holds(&device) && !served
        })
    }

    /// Takes a source away: what it was asked for is asked of others.
    pub fn remove(&mut self, id: SourceId) {
        let Some(source) = self.sources.remove(&id) else { return };
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

    /// A file was begun: what is there of it, or why not.
    pub fn begun(&mut self, job: usize, result: Result<Begun, Failure>) {
        let Some(of) = self.jobs.get_mut(job) else { return };
        let State::Beginning(root, size) = of.state else { return };
        let layout = match (result, Layout::new(size)) {
            (Ok(begun), Ok(layout)) => (begun, layout),
            (Err(failure), _) => return self.end(job, Outcome::Failed(failure)),
            (_, Err(_)) => return self.wrong_size(job),
        };
        let (begun, layout) = layout;
        of.state = State::Open(Box::new(File::new(root, layout, begun)));
        self.settle(job);
    }

    /// Somebody states a size that no file has.
    fn wrong_size(&mut self, job: usize) {
        for device in self.offering(job).collect::<Vec<_>>() {
            self.lied(device);
        }
        if let Some(of) = self.jobs.get_mut(job) {
            of.state = State::Unstated;
        }
    }

    fn lied(&mut self, device: DeviceId) {
        if self.said_wrong.insert(device) {
            self.wrong.push(device);
        }
        self.exclude_all(device, &Reason::Wrong);
    }

    /// Brings what is noted of an open file in step with it.
    fn settle(&mut self, job: usize) {
        let Some(of) = self.jobs.get_mut(job) else { return };
        let State::Open(file) = &mut of.state else { return };
        let note = |set: &mut BTreeSet<usize>, is_in: bool| {
            if is_in {
                set.insert(job)
            } else {
                set.remove(&job)
            };
        };
        note(&mut self.ready, !file.missing.is_empty());
        note(&mut self.earlier, !file.earlier.is_empty());
        let unassigned = file.bytes_of(&file.missing);
        if file.is_complete() {
            of.state = State::Landing(Finished { root: file.root, size: file.layout.size() });
            self.complete.push(job);
        }
        self.set_unassigned(job, unassigned);
    }

    fn set_unassigned(&mut self, job: usize, bytes: u64) {
        if let Some(of) = self.jobs.get_mut(job) {
            self.unassigned = self.unassigned.saturating_sub(of.unassigned).saturating_add(bytes);
            of.unassigned = bytes;
        }
    }

    /// Chunks that were asked for and will not come: they are missing again, unless somebody else was asked for them too.
    fn release(&mut self, items: Vec<(usize, Range<u64>)>) {
        let carried: HashSet<_> = self.sources.values().flat_map(Source::carried).collect();
        for (job, chunks) in items {
            let Some(file) = self.file(job) else { continue };
            for index in chunks {
                if file.wants(index) && !carried.contains(&(job, index)) {
                    file.missing.insert(index..index + 1);
                }
            }
            self.settle(job);
        }
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

    /// Bytes have come from source `id`, whatever they are.
    pub fn heard(&mut self, id: SourceId, bytes: u64, now: Instant) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.pace.arrived(bytes, now);
        }
    }

    /// How long source `id` has sent nothing although something was to come; and whether that is only a file's content,
    /// which it may have to read first.
    #[must_use]
    pub fn silence(&self, id: SourceId, now: Instant) -> Option<(std::time::Duration, bool)> {
        let source = self.sources.get(&id)?;
        let asked = source.asked.len();
        let reads = source.flights.is_empty() && asked == source.wants();
        let awaited = asked > 0 || !source.flights.is_empty();
        awaited.then(|| (source.pace.silence(now), reads))
    }

    /// The answer to a Want.
    ///
    /// # Errors
    /// [`OutOfTurn`] if it answers nothing.
    pub fn stated(
        &mut self,
        id: SourceId,
        request: u32,
        root: Root,
        size: u64,
    ) -> Result<(), OutOfTurn> {
        self.source(id)?.reading = None;
        let Some(Asked::Want(job)) = self.source(id)?.asked.remove(&request) else {
            return Err(OutOfTurn);
        };
        let of = self.jobs.get_mut(job).ok_or(OutOfTurn)?;
        if matches!(of.state, State::Asked) {
            of.state = State::Known(root, size);
            self.known.insert(job);
            self.set_unassigned(job, size);
        }
        Ok(())
    }

    /// The answer to a Want takes a while: so much has been read of so much.
    pub fn reading(&mut self, id: SourceId, request: u32, done: u64, size: u64) {
        if let Ok(source) = self.source(id)
            && matches!(source.asked.get(&request), Some(Asked::Want(_)))
        {
            source.reading = Some((done.min(size), size));
        }
    }

    /// A page has come.
    ///
    /// # Errors
    /// [`OutOfTurn`] if it answers nothing.
    pub fn page(
        &mut self,
        id: SourceId,
        request: u32,
        values: Vec<ChainingValue>,
    ) -> Result<(), OutOfTurn> {
        match self.source(id)?.asked.remove(&request) {
            Some(Asked::Page((job, page))) => {
                let Some(file) = self.file(job) else { return Ok(()) };
                let needed = page.is_none_or(|page| !file.has_page(page));
                if needed && file.pages.take(page, values).is_err() {
                    self.suspect(id, job);
                }
                Ok(())
            }
            Some(Asked::Probe(job)) => {
                self.probed(id, job, None);
                Ok(())
            }
            Some(Asked::Want(_)) | None => Err(OutOfTurn),
        }
    }

    /// The source says that a file is no longer what was hashed.
    pub fn changed(&mut self, id: SourceId, root: Root) {
        if let Ok(source) = self.source(id)
            && source.changed.len() < source.flights.len() + source.asked.len() + 4096
        {
            source.changed.insert(root);
        }
    }

    /// A request cannot be met.
    ///
    /// # Errors
    /// [`OutOfTurn`] if there is no such request.
    pub fn failed(&mut self, id: SourceId, request: u32, why: Missing) -> Result<(), OutOfTurn> {
        let source = self.source(id)?;
        let device = source.device;
        match source.asked.remove(&request) {
            Some(Asked::Want(job)) => {
                self.exclude(job, device, Reason::Missing(why));
                self.unasked(job);
            }
            Some(Asked::Page((job, _))) => self.gives_not(id, job, why),
            Some(Asked::Probe(job)) => self.probed(id, job, Some(why)),
            None => {
                let flight = source.flights.pop_front();
                let flight = flight.filter(|flight| flight.request == request).ok_or(OutOfTurn)?;
                let jobs: BTreeSet<_> = flight.items.iter().map(|(job, _)| *job).collect();
                self.release(flight.items.into_iter().collect());
                jobs.into_iter().for_each(|job| self.gives_not(id, job, why));
            }
        }
        Ok(())
    }

    /// The source does not give the file of `job`.
    fn gives_not(&mut self, id: SourceId, job: usize, why: Missing) {
        if let Ok(source) = self.source(id) {
            let device = source.device;
            self.exclude(job, device, Reason::Missing(why));
        }
    }

    /// Something of `job` did not verify. The file may have changed while it was read, which the seeder says right behind
    /// the run: so it is asked about the file once more, and what it says before the answer counts.
    fn suspect(&mut self, id: SourceId, job: usize) {
        if let Ok(source) = self.source(id)
            && source.suspect.insert(job)
        {
            source.to_probe.push_back(job);
        }
    }

    /// The source has answered about a file of which something did not verify.
    fn probed(&mut self, id: SourceId, job: usize, why: Option<Missing>) {
        let root = self.root_of(job);
        let Ok(source) = self.source(id) else { return };
        let device = source.device;
        let gone = matches!(why, Some(Missing::Changed | Missing::Gone | Missing::Unreadable));
        if gone || root.is_some_and(|root| source.changed.contains(&root)) {
            self.exclude(job, device, Reason::Missing(Missing::Changed));
        } else {
            self.lied(device);
        }
    }

    /// Whether source `id` is known to have lied: nothing more is taken from it.
    #[must_use]
    pub fn has_lied(&self, id: SourceId) -> bool {
        self.sources.get(&id).is_some_and(|source| self.said_wrong.contains(&source.device))
    }

    /// A run has begun to come: which chunks of which jobs it must bring, item by item.
    ///
    /// # Errors
    /// [`OutOfTurn`] if it is not the one to come, or has not as many items.
    pub fn run_came(
        &mut self,
        id: SourceId,
        request: u32,
        items: usize,
        now: Instant,
    ) -> Result<Vec<(usize, Range<u64>)>, OutOfTurn> {
        let source = self.source(id)?;
        let flight = source.flights.front().ok_or(OutOfTurn)?;
        if flight.request != request || flight.items.len() != items {
            return Err(OutOfTurn);
        }
        source.pace.answered(now.duration_since(flight.asked));
        Ok(flight.items.iter().cloned().collect())
    }

    /// The run has come to its end.
    pub fn run_ended(&mut self, id: SourceId, now: Instant) {
        if let Ok(source) = self.source(id) {
            source.flights.pop_front();
            source.pace.finished_run(now);
        }
    }

    /// How long chunk `index` of `job` is; `None` when the file is not under way any more.
    #[must_use]
    pub fn layout(&self, job: usize) -> Option<Layout> {
        match &self.jobs.get(job)?.state {
            State::Open(file) => Some(file.layout),
            _ => None,
        }
    }

    /// The next item of the run that is coming will not be taken: because the source does not give it, or because its file
    /// has come to an end.
    pub fn item_passed(&mut self, id: SourceId, why: Option<Missing>) {
        let flight = self.source(id).ok().and_then(|source| source.flights.front_mut());
        let Some((job, chunks)) = flight.and_then(|flight| flight.items.pop_front()) else {
            return;
        };
        let bytes = self.file(job).map_or(0, |file| file.bytes(chunks.clone()));
        self.came(id, bytes);
        self.release(vec![(job, chunks)]);
        if let Some(why) = why {
            self.gives_not(id, job, why);
        }
    }

    /// So many bytes of the run that is coming have come.
    fn came(&mut self, id: SourceId, bytes: u64) {
        let flight = self.source(id).ok().and_then(|source| source.flights.front_mut());
        if let Some(flight) = flight {
            flight.left = flight.left.saturating_sub(bytes);
        }
    }

    /// Chunk `index` of `job`, the next of the run that is coming, has come from source `id`.
    pub fn chunk_came(&mut self, id: SourceId, job: usize, index: u64) -> Arrival {
        let len = self.layout(job).map_or(0, |layout| layout.chunk_len(index));
        self.came(id, len);
        let flight = self.source(id).ok().and_then(|source| source.flights.front_mut());
        if let Some(flight) = flight {
            if let Some((_, chunks)) = flight.items.front_mut() {
                chunks.start = (index + 1).min(chunks.end);
            }
            if flight.items.front().is_some_and(|(_, chunks)| chunks.is_empty()) {
                flight.items.pop_front();
            }
        }
        let Some(file) = self.file(job).filter(|file| file.wants(index)) else {
            return Arrival::Drop;
        };
        let (layout, root) = (file.layout, file.root);
        match file.pages.value(index) {
            Some(value) => {
                file.missing.remove(index..index + 1);
                file.verifying.insert(index..index + 1);
                self.settle(job);
                Arrival::Take { layout, root, value }
            }
            // Its page was asked for before it and has not come, or did not verify.
            None => {
                self.suspect(id, job);
                self.release(vec![(job, index..index + 1)]);
                Arrival::Drop
            }
        }
    }

    /// A chunk of source `id` is verified and written.
    pub fn taken(&mut self, id: SourceId, job: usize, index: u64) {
        let Some(file) = self.file(job) else { return };
        let len = file.layout.chunk_len(index);
        file.finished(index);
        if let Ok(source) = self.source(id) {
            let device = source.device;
            *self.delivered.entry(device).or_default() += len;
        }
        if let Some(of) = self.jobs.get_mut(job) {
            of.served_by.insert(id);
        }
        self.settle(job);
    }

    /// A chunk of source `id` is not what it should be.
    pub fn refused(&mut self, id: SourceId, job: usize, index: u64) {
        if let Some(file) = self.file(job) {
            file.verifying.remove(index..index + 1);
        }
        self.release(vec![(job, index..index + 1)]);
        self.suspect(id, job);
    }

    /// Whether there is a chunk that can be read again now.
    #[must_use]
    pub fn has_checks(&self) -> bool {
        self.earlier.iter().any(|job| match self.jobs.get(*job).map(|of| &of.state) {
            Some(State::Open(file)) => file.can_check(),
            _ => false,
        })
    }

    /// The next chunk that an earlier process left and that can be read again now: of which job, which, and what it is
    /// verified against.
    pub fn next_check(&mut self) -> Option<(usize, u64, Layout, Root, Option<ChainingValue>)> {
        for job in self.earlier.iter().copied().collect::<Vec<_>>() {
            let Some(file) = self.file(job) else { continue };
            let (layout, root) = (file.layout, file.root);
            if let Some((index, value)) = file.next_check() {
                self.settle(job);
                return Some((job, index, layout, root, value));
            }
        }
        None
    }

    /// What became of a chunk that was read again.
    pub fn checked(&mut self, job: usize, index: u64, fits: bool) {
        if let Some(file) = self.file(job) {
            file.checked(index, fits);
            self.settle(job);
        }
    }

    /// Files all of whose chunks are there: to be given their final names.
    pub fn take_complete(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.complete)
    }

    /// How many files are complete, and whether anything else is under way or to be done.
    #[must_use]
    pub fn completeness(&self) -> (usize, bool) {
        (self.complete.len(), self.open > self.complete.len())
    }

    /// A file has its final name, or could not get it. Those who gave something of it may be told.
    pub fn landed(
        &mut self,
        job: usize,
        result: Result<(), Failure>,
    ) -> Option<(Finished, BTreeSet<SourceId>)> {
        let of = self.jobs.get(job)?;
        let State::Landing(finished) = of.state else { return None };
        let served_by = of.served_by.clone();
        match result {
            Ok(()) => {
                self.end(job, Outcome::Done);
                Some((finished, served_by))
            }
            Err(failure) => {
                self.end(job, Outcome::Failed(failure));
                None
            }
        }
    }
}

impl File {
    /// Whether a page is there, or not needed any more.
    fn has_page(&self, page: u64) -> bool {
        let all = page * PAGE_CHUNKS..((page + 1) * PAGE_CHUNKS).min(self.layout.chunks());
        let whole = self.done.iter().any(|range| range.start <= all.start && all.end <= range.end);
        whole || self.pages.has(page)
    }
}

#[cfg(test)]
mod tests;
