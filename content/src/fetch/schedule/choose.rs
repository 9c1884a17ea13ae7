//! What a source is asked for next.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::ops::Range;

use sealift_proto::identity::DeviceId;
use sealift_proto::manifest::CHUNK;
use sealift_proto::message::{ITEMS_MAX, Item, RUN_MAX};
use tokio::time::Instant;

use super::{Asked, Flight, Schedule, Source, SourceId, State, Work};

/// Bytes that an item costs beside its content, so that empty files do not fill a run without end.
const ITEM_COST: u64 = 256;
/// Bytes beyond which a run takes no further file: small ones are read whole by a seeder before it begins to send them.
const GATHERED: u64 = 4 * CHUNK;
/// Contents that one source is asked for at a time.
const WANTS: usize = 64;
/// Requests for pages of what an earlier process left that one source has not answered, at most.
const PAGES_ASKED: usize = 1024;
/// Files begun at a time.
const BEGIN: usize = 1024;
/// Pages of one file in use while its earlier chunks are read again.
const PAGES_AHEAD: usize = 3;
/// Another source is relieved of work only if this one has it in less than this part of the time.
const GAIN: f64 = 0.7;

/// Chunks of several files.
type Items = Vec<(usize, Range<u64>)>;

impl Schedule {
    /// What source `id` is to do next; `None` when it has enough to do, or there is nothing for it now.
    pub fn next(&mut self, id: SourceId, now: Instant) -> Option<Work> {
        if self.has_lied(id) {
            return None;
        }
        if let Some(probe) = self.probe(id, now) {
            return Some(probe);
        }
        if self.stands_by(id, now) {
            return None;
        }
        self.want(id, now)
            .or_else(|| self.begin(id))
            .or_else(|| self.page_of_part(id, now))
            .or_else(|| self.run(id, now))
            // On a slow way what an earlier process left must not keep new chunks from coming.
            .or_else(|| self.pages_to_check(id, now))
            .or_else(|| self.relieve(id, now))
    }

    /// Whether source `id` may be asked for the file of `job`.
    fn serves(&self, id: SourceId, job: usize) -> bool {
        let (Some(source), Some(of)) = (self.sources.get(&id), self.jobs.get(job)) else {
            return false;
        };
        let offers = match self.parts_of(id) {
            Some(parts) => parts.of(job).is_some(),
            None => of.offers.iter().any(|offer| offer.device == source.device),
        };
        offers && !of.excluded.contains_key(&source.device) && !source.suspect.contains(&job)
    }

    /// Asks about a file of which something did not verify.
    pub(super) fn probe(&mut self, id: SourceId, now: Instant) -> Option<Work> {
        let job = self.sources.get_mut(&id)?.to_probe.pop_front()?;
        let root = self.root_of(job)?;
        let request = self.sources.get_mut(&id)?.ask(Asked::Probe(job), now);
        Some(Work::Run { pages: vec![(request, root, Some(0))], get: None })
    }

    fn want(&mut self, id: SourceId, now: Instant) -> Option<Work> {
        if self.sources.get(&id)?.wants() >= WANTS {
            return None;
        }
        let job = self.unstated.iter().copied().find(|job| self.serves(id, *job))?;
        let device = self.sources.get(&id)?.device;
        let of = self.jobs.get_mut(job)?;
        let offer = of.offers.iter().find(|offer| offer.device == device)?.clone();
        of.state = State::Asked;
        self.unstated.remove(&job);
        let request = self.sources.get_mut(&id)?.ask(Asked::Want(job), now);
        Some(Work::Want { request, offer })
    }

    /// Pages for chunks that an earlier process left.
    fn pages_to_check(&mut self, id: SourceId, now: Instant) -> Option<Work> {
        if self.sources.get(&id)?.asked.len() >= PAGES_ASKED {
            return None;
        }
        let jobs: Vec<_> =
            self.earlier.iter().copied().filter(|job| self.serves(id, *job)).collect();
        for job in jobs {
            let Some(file) = self.file(job) else { continue };
            let Some(range) = file.earlier.first() else { continue };
            if file.pages_in_use() >= PAGES_AHEAD {
                continue;
            }
            let root = file.root;
            let pages = file.pages_for(&(range.start..range.start + 1));
            let pages = self.ask_pages(id, job, root, pages, now);
            if !pages.is_empty() {
                return Some(Work::Run { pages, get: None });
            }
        }
        None
    }

    /// Asks for those of `pages` that source `id` has not been asked for.
    pub(super) fn ask_pages(
        &mut self,
        id: SourceId,
        job: usize,
        root: sealift_proto::catalogue::Root,
        pages: Vec<Option<u64>>,
        now: Instant,
    ) -> Vec<(u32, sealift_proto::catalogue::Root, Option<u64>)> {
        let Some(source) = self.sources.get_mut(&id) else { return Vec::new() };
        let mut asked = Vec::new();
        for page in pages {
            if source.pages.insert((job, page)) {
                asked.push((source.ask(Asked::Page((job, page)), now), root, page));
            }
        }
        asked
    }

    /// Files to begin, when there are too few missing chunks for a run.
    fn begin(&mut self, id: SourceId) -> Option<Work> {
        let source = self.sources.get(&id)?;
        if source.in_flight() >= source.pace.under_way() {
            return None;
        }
        // One run ahead of the next.
        let enough = 2 * source.pace.run();
        let mut bytes = 0u64;
        for job in &self.ready {
            if bytes >= enough {
                return None;
            }
            if self.serves(id, *job) && self.may_bring(id, *job) {
                bytes += self.jobs.get(*job).map_or(0, |of| of.unassigned) + ITEM_COST;
            }
        }
        let mut jobs = Vec::new();
        for job in &self.known {
            if bytes >= enough || jobs.len() >= BEGIN {
                break;
            }
            if self.serves(id, *job) {
                bytes += self.jobs.get(*job).map_or(0, |of| of.unassigned) + ITEM_COST;
                jobs.push(*job);
            }
        }
        let begin = jobs.into_iter().filter_map(|job| {
            self.known.remove(&job);
            let of = self.jobs.get_mut(job)?;
            let State::Known(root, size) = of.state else { return None };
            of.state = State::Beginning(root, size);
            Some((job, root, size))
        });
        let begin: Vec<_> = begin.collect();
        (!begin.is_empty()).then_some(Work::Begin(begin))
    }

    /// The next missing chunks, as many as fit the pace of the source.
    fn run(&mut self, id: SourceId, now: Instant) -> Option<Work> {
        let source = self.sources.get(&id)?;
        if source.in_flight() >= source.pace.under_way() {
            return None;
        }
        let most = self.share(source).min(source.pace.run()).clamp(CHUNK, RUN_MAX);
        let mut items = Items::new();
        let mut cost = 0;
        let device = source.device;
        for job in self.ready_for(device) {
            if !self.serves(id, job) {
                continue;
            }
            while cost < most && items.len() < ITEMS_MAX {
                let window = self.window;
                let Some(file) = self.file(job) else { break };
                let end = window.map_or(u64::MAX, |window| file.front().saturating_add(window));
                let Some(chunks) = self.next_chunks(id, job, most - cost, end) else { break };
                let Some(file) = self.file(job) else { break };
                let bytes = file.bytes(chunks.clone());
                if bytes > most - cost && !items.is_empty() {
                    return self.ask(id, items, now);
                }
                file.missing.remove(chunks.clone());
                cost += bytes + ITEM_COST;
                items.push((job, chunks));
                self.settle(job);
            }
            if cost >= most.min(GATHERED) || items.len() >= ITEMS_MAX {
                break;
            }
        }
        self.ask(id, items, now)
    }

    /// The chunks of `job` that source `id` is best asked for: `most` bytes at most but one chunk at least, none at or behind `end`.
    fn next_chunks(&mut self, id: SourceId, job: usize, most: u64, end: u64) -> Option<Range<u64>> {
        if self.is_partial(id) {
            return self.rarest(id, job, most, end);
        }
        let device = self.sources.get(&id)?.device;
        let begun = self.file(job)?.begun_by(device, end);
        begun
            .or_else(|| self.nobodys(id, job, most, end).inspect(|_| self.next_turn()))
            .or_else(|| self.file(job)?.first_missing(most, end))
    }

    /// Files of which chunks are missing: first those of which `device` has sent a part of one.
    fn ready_for(&self, device: DeviceId) -> Vec<usize> {
        let begun = |job: &usize| match self.jobs.get(*job).map(|of| &of.state) {
            Some(State::Open(file)) => file.begun_by(device, u64::MAX).is_some(),
            _ => false,
        };
        let first: Vec<_> = self.started.iter().copied().filter(begun).collect();
        let others = self.ready.iter().copied().filter(|job| !first.contains(job));
        first.iter().copied().chain(others).take(ITEMS_MAX).collect()
    }

    /// What one run may be, so that towards the end no source has more left than it can deliver as soon as the others.
    fn share(&self, source: &Source) -> u64 {
        if self.sources.len() < 2 {
            return RUN_MAX;
        }
        let at_work = self.sources.values().filter(|source| !source.stands_by);
        let all: f64 = at_work.filter_map(|source| source.pace.rate()).sum();
        match source.pace.rate() {
            Some(rate) if all > 0.0 => (self.unassigned as f64 * rate / all / 2.0) as u64,
            _ => 2 * CHUNK,
        }
    }

    /// Notes `items` as asked of source `id`, with the pages they need.
    fn ask(&mut self, id: SourceId, items: Items, now: Instant) -> Option<Work> {
        if items.is_empty() {
            return None;
        }
        let device = self.sources.get(&id)?.device;
        let (mut pages, mut get, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut starts = BTreeMap::new();
        for (job, chunks) in &items {
            let Some(file) = self.file(*job) else { continue };
            let root = file.root;
            bytes += file.bytes(chunks.clone());
            let start = file.starts.get(&(chunks.start, device)).cloned();
            // Less than a chunk.
            let skip = start.as_ref().map_or(0, |bytes| u32::try_from(bytes.len()).unwrap_or(0));
            bytes -= u64::from(skip);
            starts.extend(start.map(|start| ((*job, chunks.start), start)));
            let needed = file.pages_for(chunks);
            pages.extend(self.ask_pages(id, *job, root, needed, now));
            // At most 16 chunks.
            let count = u32::try_from(chunks.end - chunks.start).unwrap_or(u32::MAX);
            get.push(Item { root, first: chunks.start, count, skip });
        }
        let source = self.sources.get_mut(&id)?;
        source.wake(now);
        let request = source.request();
        let items = VecDeque::from(items);
        source.flights.push_back(Flight { request, items, starts, left: bytes, asked: now });
        Some(Work::Run { pages, get: Some((request, get)) })
    }

    /// Takes over from the end of what the slowest other source has been asked for, if this one is quicker.
    fn relieve(&mut self, id: SourceId, now: Instant) -> Option<Work> {
        let source = self.sources.get(&id)?;
        if source.flights.len() > 1 || self.sources.len() < 2 {
            return None;
        }
        // One that nothing is asked of is silent without being slow.
        let expected = source.pace.expected().filter(|_| !source.is_awaited());
        let mine = expected.or_else(|| source.pace.speed(now))?;
        let own = (source.in_flight() + CHUNK) as f64 / mine.max(1.0);
        let others = self.sources.keys().copied().filter(|other| *other != id);
        let loads = others.filter_map(|other| self.load(other, (id, own), now));
        let slowest = loads.max_by(|a, b| a.time().total_cmp(&b.time()))?;
        if own > slowest.time() * GAIN {
            return None;
        }
        // As much as lets both end at the same time.
        let most = (slowest.bytes as f64 * mine / (mine + slowest.speed)) as u64;
        let items = slowest.tail(most.clamp(CHUNK, source.pace.run()));
        self.ask(id, items, now)
    }

    /// What nobody but `victim` brings soon, is still wanted, and source `id` could serve, which would take `own` seconds.
    fn load(&self, victim: SourceId, (id, own): (SourceId, f64), now: Instant) -> Option<Load> {
        let source = self.sources.get(&victim)?;
        // One that has not shown a rate yet gets the time to.
        let speed = source.pace.speed(now)?;
        // Others that are as slow, or are the same device, are no reason to leave it at that: they could wait for each other.
        let helps = |(other, helper): &(&SourceId, &Source)| {
            let apart = helper.device != source.device && helper.takes(now) * GAIN <= own;
            **other == id || **other != victim && apart
        };
        let helpers = self.sources.iter().filter(helps);
        let doubled: HashSet<_> = helpers.flat_map(|(_, source)| source.carried()).collect();
        let mut load = Load { speed, bytes: 0, chunks: Vec::new() };
        for (job, index) in source.carried() {
            let Some(State::Open(file)) = self.jobs.get(job).map(|of| &of.state) else { continue };
            if file.wants(index)
                && !doubled.contains(&(job, index))
                && self.serves(id, job)
                && self.may_give(id, job, index)
            {
                let len = file.layout.chunk_len(index);
                load.bytes += len;
                load.chunks.push((job, index, len));
            }
        }
        (!load.chunks.is_empty()).then_some(load)
    }
}

/// Work under way at a source that another could do.
struct Load {
    speed: f64,
    bytes: u64,
    chunks: Vec<(usize, u64, u64)>,
}

impl Load {
    /// Seconds until the source will have done it.
    fn time(&self) -> f64 {
        self.bytes as f64 / self.speed.max(1.0)
    }

    /// About `most` bytes from its end.
    fn tail(&self, most: u64) -> Items {
        let mut items = Items::new();
        let mut bytes = 0;
        for (job, index, len) in self.chunks.iter().rev().copied() {
            if bytes >= most || items.len() >= ITEMS_MAX {
                break;
            }
            bytes += len + ITEM_COST;
            match items.last_mut() {
                Some((last, range)) if *last == job && range.start == index + 1 => {
                    range.start = index
                }
                _ => items.push((job, index..index + 1)),
            }
        }
        items
    }
}
