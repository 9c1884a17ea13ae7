//! One file under way: which of its chunks are where.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use blake3::hazmat::ChainingValue;
use sealift_proto::catalogue::Root;
use sealift_proto::identity::DeviceId;
use sealift_proto::manifest::{Layout, PAGE_CHUNKS};

use crate::fetch::pages::Pages;
use crate::fetch::ranges::Ranges;
use crate::landing::sink::{Begun, Start};

/// A chunk is in one of `missing`, `earlier`, `checking` and `done`, or on its way: asked for, or come and being verified.
pub(super) struct File {
    pub(super) root: Root,
    pub(super) layout: Layout,
    pub(super) pages: Pages,
    /// Others may ask for them.
    pub(super) keeps_pages: bool,
    /// To be asked for.
    pub(super) missing: Ranges,
    /// Left by an earlier process, not read again yet.
    pub(super) earlier: Ranges,
    /// Being read again.
    checking: Ranges,
    /// Come, and being verified and written.
    pub(super) verifying: Ranges,
    /// Verified and written.
    pub(super) done: Ranges,
    /// Of chunks that are not there, what came from a device before its link was lost.
    pub(super) starts: BTreeMap<(u64, DeviceId), Arc<[u8]>>,
}

impl File {
    pub(super) fn new(root: Root, layout: Layout, begun: Begun) -> Self {
        let all = 0..layout.chunks();
        let within = |range: Range<u64>| range.start.min(all.end)..range.end.min(all.end);
        let missing: Ranges = begun.missing.into_iter().map(within).collect();
        let earlier: Ranges = begun.earlier.into_iter().map(within).collect();
        let mut done: Ranges = std::iter::once(all.clone()).collect();
        missing.iter().chain(earlier.iter()).for_each(|range| done.remove(range));
        let fits = |start: &Start| (start.bytes.len() as u64) < layout.chunk_len(start.index);
        let starts = begun.starts.into_iter().filter(fits);
        let starts = starts.map(|start| ((start.index, start.device), start.bytes)).collect();
        Self {
            root,
            layout,
            pages: Pages::new(layout, root),
            keeps_pages: false,
            missing,
            earlier,
            checking: Ranges::default(),
            verifying: Ranges::default(),
            done,
            starts,
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.done.first() == Some(0..self.layout.chunks())
    }

    /// Bytes of the chunks in `range`.
    pub(super) fn bytes(&self, range: Range<u64>) -> u64 {
        let count = range.end - range.start;
        match count {
            0 => 0,
            _ => (count - 1) * self.layout.chunk_len(0) + self.layout.chunk_len(range.end - 1),
        }
    }

    /// Bytes of all chunks in `ranges`.
    pub(super) fn bytes_of(&self, ranges: &Ranges) -> u64 {
        ranges.iter().map(|range| self.bytes(range)).sum()
    }

    /// The first chunk that is not verified and written.
    pub(super) fn front(&self) -> u64 {
        self.done.first().filter(|range| range.start == 0).map_or(0, |range| range.end)
    }

    /// Whether chunk `index` may still be delivered by somebody.
    pub(super) fn wants(&self, index: u64) -> bool {
        !self.done.contains(index) && !self.verifying.contains(index)
    }

    /// The first missing chunk before `end` of which `device` has sent the start.
    pub(super) fn begun_by(&self, device: DeviceId, end: u64) -> Option<Range<u64>> {
        let begun = self.starts.keys().filter(|(_, by)| *by == device).map(|(index, _)| *index);
        let mut wanted = begun.filter(|index| *index < end && self.missing.contains(*index));
        wanted.next().map(|index| index..index + 1)
    }

    /// The first missing chunks, `most` bytes at most but one chunk at least, none at or behind `end`.
    pub(super) fn first_missing(&self, most: u64, end: u64) -> Option<Range<u64>> {
        let range = self.missing.first().filter(|range| range.start < end)?;
        let count = (most / self.layout.chunk_len(0).max(1)).max(1);
        let stop = range.end.min(end).min(range.start.saturating_add(count));
        // The last chunk of a file may be shorter than the others, so that it fits too.
        let longer = range.start..(stop + 1).min(range.end).min(end);
        if self.bytes(longer.clone()) <= most { Some(longer) } else { Some(range.start..stop) }
    }

    /// Bytes of the longest starts of chunks.
    pub(super) fn started(&self) -> u64 {
        let mut longest = BTreeMap::new();
        for ((index, _), bytes) in &self.starts {
            let most: &mut usize = longest.entry(index).or_default();
            *most = bytes.len().max(*most);
        }
        longest.into_values().map(|bytes| bytes as u64).sum()
    }

    /// The pages that `chunks` need and that have not come.
    pub(super) fn pages_for(&self, chunks: &Range<u64>) -> Vec<Option<u64>> {
        let wanted = self.pages_of(chunks).filter(|page| !self.pages.has(*page)).map(Some);
        let wanted: Vec<_> = wanted.collect();
        if wanted.is_empty() { wanted } else { self.tops().chain(wanted).collect() }
    }

    /// Page `page`, and what it needs that has not come.
    pub(super) fn with_tops(&self, page: u64) -> Vec<Option<u64>> {
        self.tops().chain([Some(page)]).collect()
    }

    /// The pages of `chunks`, which are not none; a file of one chunk has no pages.
    pub(super) fn pages_of(&self, chunks: &Range<u64>) -> Range<u64> {
        match self.layout.pages() {
            0 => 0..0,
            _ => chunks.start / PAGE_CHUNKS..(chunks.end - 1) / PAGE_CHUNKS + 1,
        }
    }

    /// The page of the pages' own values, where it is needed and has not come.
    fn tops(&self) -> impl Iterator<Item = Option<u64>> {
        (self.layout.pages() > 1 && !self.pages.has_tops()).then_some(None).into_iter()
    }

    /// Whether there is a chunk to be read again, and what verifies it.
    pub(super) fn can_check(&self) -> bool {
        self.earlier.first().is_some_and(|range| self.pages.value(range.start).is_some())
    }

    /// Whether a chunk is being read again.
    pub(super) fn is_checked(&self) -> bool {
        !self.checking.is_empty()
    }

    /// The next chunk to be read again, with what verifies it. It is out of `earlier` then.
    pub(super) fn next_check(&mut self) -> Option<(u64, Option<ChainingValue>)> {
        let range = self.earlier.first()?;
        let value = self.pages.value(range.start)?;
        self.earlier.remove(range.start..range.start + 1);
        self.checking.insert(range.start..range.start + 1);
        Some((range.start, value))
    }

    /// What became of a chunk that was read again.
    pub(super) fn checked(&mut self, index: u64, fits: bool) {
        self.checking.remove(index..index + 1);
        match fits {
            true => self.finished(index),
            false => self.missing.insert(index..index + 1),
        }
    }

    /// Chunk `index` is verified and written.
    pub(super) fn finished(&mut self, index: u64) {
        self.verifying.remove(index..index + 1);
        self.missing.remove(index..index + 1);
        self.done.insert(index..index + 1);
        self.starts.retain(|(of, _), _| *of != index);
        let page = index / PAGE_CHUNKS;
        // Memory is for what is under way only, unless others ask for it.
        if !self.keeps_pages && self.has(&self.chunks_of(page)) {
            self.pages.forget(page);
        }
    }

    /// How many pages are there whose chunks are not all done.
    pub(super) fn pages_in_use(&self) -> usize {
        self.pages.held().filter(|page| !self.has(&self.chunks_of(*page))).count()
    }

    /// The chunks whose values page `page` has.
    fn chunks_of(&self, page: u64) -> Range<u64> {
        page * PAGE_CHUNKS..((page + 1) * PAGE_CHUNKS).min(self.layout.chunks())
    }

    /// Whether a page is there, or not needed any more.
    pub(super) fn has_page(&self, page: u64) -> bool {
        self.has(&self.chunks_of(page)) || self.pages.has(page)
    }

    /// Whether all of `chunks` are verified and written.
    pub(super) fn has(&self, chunks: &Range<u64>) -> bool {
        self.done.iter().any(|range| range.start <= chunks.start && chunks.end <= range.end)
    }
}
