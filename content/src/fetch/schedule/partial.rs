//! Sources that have a part of a content: they are asked for what they have named, and of that first for what fewest have.

use std::collections::BTreeMap;
use std::ops::Range;

use sealift_proto::catalogue::Root;
use sealift_proto::manifest::Layout;
use sealift_proto::message::ChunkRun;
use tokio::time::Instant;

use super::file::File;
use super::{Asked, Schedule, SourceId, State, Work};
use crate::fetch::ranges::Ranges;

/// Ranges kept of one source. One that names more, in pieces that are of no use to anybody, is heard no further.
const RANGES: usize = 16_384;
/// So many times a source may not have what it has named; after that it is taken to have nothing.
const BROKEN: u32 = 16;
/// Chunks that are looked at for how many have them.
const COMPARED: usize = 256;

/// What the other end of a session has said that it has, on whichever of its links.
#[derive(Debug)]
pub(super) enum Said {
    /// All of what it states.
    All,
    /// These parts.
    Part(Parts),
}

impl Said {
    const fn parts(&self) -> Option<&Parts> {
        match self {
            Self::All => None,
            Self::Part(parts) => Some(parts),
        }
    }
}

/// What a device has named of each file.
#[derive(Debug, Default)]
pub(super) struct Parts {
    named: BTreeMap<usize, Ranges>,
    /// How many ranges all that is.
    ranges: usize,
    /// How often something was not there that it had named.
    broken: u32,
}

impl Parts {
    /// What it has named of the file of `job`.
    pub(super) fn of(&self, job: usize) -> Option<&Ranges> {
        self.named.get(&job)
    }

    fn has(&self, job: usize, index: u64) -> bool {
        self.of(job).is_some_and(|named| named.contains(index))
    }

    fn name(&mut self, job: usize, layout: Layout, run: &ChunkRun) {
        if self.ranges < RANGES && self.broken < BROKEN {
            let end = run.first.saturating_add(run.count).min(layout.chunks());
            self.change(job, |named| named.insert(run.first..end));
        }
    }

    fn take_back(&mut self, job: usize, chunks: Range<u64>) {
        self.broken += 1;
        if self.broken >= BROKEN {
            self.named.clear();
            self.ranges = 0;
        } else if self.named.contains_key(&job) {
            self.change(job, |named| named.remove(chunks));
        }
    }

    fn change(&mut self, job: usize, change: impl FnOnce(&mut Ranges)) {
        let named = self.named.entry(job).or_default();
        let before = named.len();
        change(named);
        self.ranges = self.ranges.saturating_sub(before) + named.len();
    }

    /// Nothing is fetched any more of the file of `job`.
    fn forget(&mut self, job: usize) {
        let named = self.named.remove(&job);
        self.ranges = self.ranges.saturating_sub(named.map_or(0, |named| named.len()));
    }
}

impl Schedule {
    /// Source `id` has all of what it states.
    pub fn says_complete(&mut self, id: SourceId) {
        if let Some(source) = self.sources.get(&id) {
            self.said.insert(source.device, Said::All);
        }
    }

    /// What was named of the file of `job` is of no use any more.
    pub(super) fn forget_named(&mut self, job: usize) {
        for said in self.said.values_mut() {
            if let Said::Part(parts) = said {
                parts.forget(job);
            }
        }
    }

    /// Source `id` has verified these chunks of `root`. Unless it has said that it has all of what it states, it is asked for
    /// nothing else from now on.
    pub fn have(&mut self, id: SourceId, root: &Root, chunks: &[ChunkRun]) {
        // What it has of something else says nothing of what it has of this.
        let Some(job) = self.roots.get(root).copied() else { return };
        let Some(source) = self.sources.get(&id) else { return };
        let said = self.said.entry(source.device).or_insert_with(|| Said::Part(Parts::default()));
        let Said::Part(parts) = said else { return };
        let size = self.jobs.get(job).and_then(|of| match &of.state {
            State::Known(_, size) | State::Beginning(_, size) => Some(*size),
            State::Open(file) => Some(file.layout.size()),
            _ => None,
        });
        if let Some(layout) = size.and_then(|size| Layout::new(size).ok()) {
            chunks.iter().for_each(|run| parts.name(job, layout, run));
        }
    }

    /// What the device of source `id` has named, on whichever link, if it has a part.
    pub(super) fn parts_of(&self, id: SourceId) -> Option<&Parts> {
        let device = self.sources.get(&id)?.device;
        self.said.get(&device)?.parts()
    }

    /// Whether source `id` has a part of what it states, and not all.
    pub(super) fn is_partial(&self, id: SourceId) -> bool {
        self.parts_of(id).is_some()
    }

    /// Source `id` has not what it has named.
    pub(super) fn unnamed(&mut self, id: SourceId, job: usize, chunks: Range<u64>) {
        let Some(source) = self.sources.get(&id) else { return };
        if let Some(Said::Part(parts)) = self.said.get_mut(&source.device) {
            parts.take_back(job, chunks);
        }
    }

    /// Whether chunk `index` of `job` may be asked of source `id`, which serves the file.
    pub(super) fn may_give(&self, id: SourceId, job: usize, index: u64) -> bool {
        let Some(parts) = self.parts_of(id) else { return true };
        parts.has(job, index)
            && self.opened(job).is_some_and(|file| file.pages.value(index).is_some())
    }

    /// Whether source `id`, which serves the file of `job`, has anything of it that is missing and does not refuse the page.
    pub(super) fn may_bring(&self, id: SourceId, job: usize) -> bool {
        let Some(source) = self.sources.get(&id) else { return false };
        let Some(parts) = self.parts_of(id) else { return true };
        let (Some(file), Some(named)) = (self.opened(job), parts.of(job)) else { return false };
        let refused = |page| {
            let page = (job, Some(page));
            source.pages.contains(&page)
                && !source.asked.values().any(|asked| *asked == Asked::Page(page))
        };
        let mut wanted = named.iter().flat_map(|range| file.missing.within(range));
        wanted.any(|range| {
            let mut pages = file.pages_of(&range);
            pages.is_empty() || pages.any(|page| file.pages.has(page) || !refused(page))
        })
    }

    fn opened(&self, job: usize) -> Option<&File> {
        match &self.jobs.get(job)?.state {
            State::Open(file) => Some(file),
            _ => None,
        }
    }

    /// What other devices than that of `id` have named of the file of `job`.
    fn partners(&self, id: SourceId, job: usize) -> Vec<&Ranges> {
        let own = self.sources.get(&id).map(|source| source.device);
        let others = self.said.iter().filter(|(device, _)| Some(**device) != own);
        others.filter_map(|(_, said)| said.parts()?.of(job)).collect()
    }

    /// A page that source `id`, which has a part, needs to be asked for before its chunks.
    pub(super) fn page_of_part(&mut self, id: SourceId, now: Instant) -> Option<Work> {
        let source = self.sources.get(&id)?;
        let parts = self.parts_of(id)?;
        // What it has been asked for and does not give must not keep it from being asked for anything else.
        let asked = |job, page| source.pages.contains(&(job, Some(page)));
        let lacking = |job: &usize| {
            let (file, named) = (self.opened(*job)?, parts.of(*job)?);
            let wanted = named.iter().flat_map(|range| file.missing.within(range));
            let mut pages = wanted.flat_map(|range| file.pages_of(&range));
            let page = pages.find(|page| !file.pages.has(*page) && !asked(*job, *page))?;
            Some((*job, file.root, file.with_tops(page)))
        };
        let (job, root, pages) = self.ready.iter().find_map(lacking)?;
        let pages = self.ask_pages(id, job, root, pages, now);
        (!pages.is_empty()).then_some(Work::Run { pages, get: None })
    }

    /// Of the missing chunks of `job` that source `id` has named, the one that fewest have, and those behind it: `most` bytes at
    /// most, none at or behind `end`.
    pub(super) fn rarest(
        &self,
        id: SourceId,
        job: usize,
        most: u64,
        end: u64,
    ) -> Option<Range<u64>> {
        let (file, named) = (self.opened(job)?, self.parts_of(id)?.of(job)?);
        let partners = self.partners(id, job);
        let held = |index: &u64| partners.iter().filter(|named| named.contains(*index)).count();
        let wanted = || named.iter().flat_map(|range| file.missing.within(range));
        let ready = |index: &u64| *index < end && file.pages.value(*index).is_some();
        let first = wanted().flatten().filter(ready).take(COMPARED).min_by_key(held)?;
        let range = wanted().find(|range| range.contains(&first))?;
        let count = (most / file.layout.chunk_len(0).max(1)).max(1);
        let last = range.end.min(end).min(first.saturating_add(count));
        let as_rare = |index: &u64| ready(index) && held(index) == held(&first);
        let stop = (first + 1..last).find(|index| !as_rare(index)).unwrap_or(last);
        Some(first..stop)
    }

    /// Of the missing chunks of `job` one that no partner has named, and those behind it, for a source that has all: `most` bytes at
    /// most, none at or behind `end`. `None` where there are no partners, or they have all of it between them. It is looked for from a
    /// place of chance on, so that those who fetch do not all ask for the same.
    pub(super) fn nobodys(
        &self,
        id: SourceId,
        job: usize,
        most: u64,
        end: u64,
    ) -> Option<Range<u64>> {
        let partners = self.partners(id, job);
        let any = !partners.is_empty() || !self.partners.is_empty();
        let file = self.opened(job).filter(|_| any)?;
        let free =
            |index: &u64| *index < end && !partners.iter().any(|named| named.contains(*index));
        let chunks = file.layout.chunks();
        let from = u64::try_from((u128::from(self.turn) * u128::from(chunks)) >> 64).unwrap_or(0);
        let (behind, before) = (file.missing.within(from..chunks), file.missing.within(0..from));
        let first = behind.chain(before).flatten().take(COMPARED).find(free)?;
        let count = (most / file.layout.chunk_len(0).max(1)).max(1);
        let wanted = |index: &u64| free(index) && file.missing.contains(*index);
        let last = end.min(first.saturating_add(count));
        let stop = (first + 1..last).find(|index| !wanted(index)).unwrap_or(last);
        Some(first..stop)
    }
}
