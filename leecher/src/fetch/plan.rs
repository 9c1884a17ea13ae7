//! What to ask of one seeder next: pure bookkeeping, no input or output.
//!
//! Runs of a large file are consecutive chunks; small files share runs. A manifest page is asked for in the flight of the
//! first run that needs it, in front of it, so that no round trip is spent on it.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

use sealift_proto::catalogue::Root;
use sealift_proto::manifest::{CHUNK, Layout, PAGE_CHUNKS};
use sealift_proto::message::{ITEMS_MAX, Item, RUN_MAX};

/// Bytes that an item costs beside its content, so that empty files do not fill a run without end.
const ITEM_COST: u64 = 256;

/// A page of a manifest: of which job, and which; `None` is the page of the pages' own values.
pub type Page = (usize, Option<u64>);

/// One Get, with the pages that must come before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    /// Pages to ask for first.
    pub pages: Vec<Page>,
    /// What to ask for, and for which job.
    pub items: Vec<(usize, Item)>,
    /// Bytes of content.
    pub bytes: u64,
}

struct Wanted {
    job: usize,
    root: Root,
    layout: Layout,
    chunks: Range<u64>,
}

/// What is still to be asked for, in order.
#[derive(Default)]
pub struct Plan {
    wanted: VecDeque<Wanted>,
    asked: BTreeSet<Page>,
}

impl Plan {
    /// Adds the chunks `missing` of the file of `job`.
    pub fn add(
        &mut self,
        job: usize,
        root: Root,
        layout: Layout,
        missing: impl IntoIterator<Item = Range<u64>>,
    ) {
        let ranges = missing.into_iter().filter(|range| !range.is_empty());
        self.wanted.extend(ranges.map(|chunks| Wanted { job, root, layout, chunks }));
    }

    /// Drops what is wanted for `job`.
    pub fn forget(&mut self, job: usize) {
        self.wanted.retain(|wanted| wanted.job != job);
    }

    /// Whether everything has been asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    /// The next run, of about `bytes` bytes and at least one chunk; `None` when everything has been asked for.
    pub fn next(&mut self, bytes: u64) -> Option<Run> {
        let most = bytes.clamp(CHUNK, RUN_MAX);
        let mut run = Run::default();
        let mut cost = 0;
        while cost < most
            && run.items.len() < ITEMS_MAX
            && let Some(wanted) = self.wanted.front_mut()
        {
            let room = most - cost;
            let count = chunks_within(wanted, room);
            if count == 0 && !run.items.is_empty() {
                break;
            }
            let chunks = wanted.chunks.start..wanted.chunks.start + count.max(1);
            let job = wanted.job;
            pages(wanted, &chunks, &mut self.asked, &mut run.pages);
            let length: u64 = chunks.clone().map(|index| wanted.layout.chunk_len(index)).sum();
            // At most 16 chunks.
            let count = u32::try_from(chunks.end - chunks.start).unwrap_or(u32::MAX);
            run.items.push((job, Item { root: wanted.root, first: chunks.start, count }));
            run.bytes += length;
            cost += length + ITEM_COST;
            wanted.chunks.start = chunks.end;
            if wanted.chunks.is_empty() {
                self.wanted.pop_front();
            }
        }
        (!run.items.is_empty()).then_some(run)
    }
}

/// How many of the wanted chunks fit into `room` bytes.
fn chunks_within(wanted: &Wanted, room: u64) -> u64 {
    let mut left = room;
    let fits = |index: &u64| {
        let len = wanted.layout.chunk_len(*index);
        let fits = len <= left;
        left = left.saturating_sub(len);
        fits
    };
    let count = wanted.chunks.clone().take_while(fits).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Adds the pages that `chunks` need and nobody has asked for yet.
fn pages(wanted: &Wanted, chunks: &Range<u64>, asked: &mut BTreeSet<Page>, pages: &mut Vec<Page>) {
    if wanted.layout.pages() == 0 {
        return;
    }
    let mut needed = Vec::new();
    if wanted.layout.pages() > 1 {
        needed.push((wanted.job, None));
    }
    let (first, last) = (chunks.start / PAGE_CHUNKS, (chunks.end - 1) / PAGE_CHUNKS);
    needed.extend((first..=last).map(|page| (wanted.job, Some(page))));
    pages.extend(needed.into_iter().filter(|page| asked.insert(*page)));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::single_range_in_vec_init, reason = "a file that lacks one range of chunks")]

    use super::*;

    fn plan(files: &[(u64, &[Range<u64>])]) -> Plan {
        let mut plan = Plan::default();
        for (job, (size, missing)) in files.iter().enumerate() {
            let layout = Layout::new(*size).unwrap();
            plan.add(job, Root([job as u8; 32]), layout, missing.iter().cloned());
        }
        plan
    }

    fn all(mut plan: Plan, bytes: u64) -> Vec<Run> {
        std::iter::from_fn(|| plan.next(bytes)).collect()
    }

    #[test]
    fn a_large_file_goes_in_runs_of_the_size_asked() {
        let runs = all(plan(&[(20 * CHUNK + 5, &[0..21])]), 8 * CHUNK);
        let counts: Vec<_> = runs.iter().map(|run| run.items[0].1.count).collect();
        assert_eq!(counts, [8, 8, 5]);
        assert_eq!(runs.iter().map(|run| run.bytes).sum::<u64>(), 20 * CHUNK + 5);
        assert_eq!(runs[0].pages, [(0, Some(0))]);
        assert!(runs[1].pages.is_empty());
    }

    #[test]
    fn small_files_share_runs() {
        let files: Vec<(u64, &[Range<u64>])> = vec![(4096, &[0..1]); 10_000];
        let runs = all(plan(&files), RUN_MAX);
        assert!(runs.len() <= 4, "{}", runs.len());
        assert!(runs.iter().all(|run| run.items.len() <= ITEMS_MAX && run.pages.is_empty()));
        assert_eq!(runs.iter().map(|run| run.items.len()).sum::<usize>(), 10_000);
    }

    #[test]
    fn empty_files_end() {
        let files: Vec<(u64, &[Range<u64>])> = vec![(0, &[0..1]); 9000];
        assert_eq!(all(plan(&files), CHUNK).iter().map(|run| run.items.len()).sum::<usize>(), 9000);
    }

    #[test]
    fn only_what_is_missing_is_asked_for() {
        let runs = all(plan(&[(30 * CHUNK, &[2..3, 7..9])]), RUN_MAX);
        let items: Vec<_> = runs
            .iter()
            .flat_map(|run| &run.items)
            .map(|(_, item)| (item.first, item.count))
            .collect();
        assert_eq!(items, [(2, 1), (7, 2)]);
    }

    #[test]
    fn pages_come_before_the_first_run_that_needs_them() {
        let size = (PAGE_CHUNKS + 4) * CHUNK;
        let runs = all(plan(&[(size, &[PAGE_CHUNKS - 2..PAGE_CHUNKS + 4])]), 4 * CHUNK);
        assert_eq!(runs[0].pages, [(0, None), (0, Some(0)), (0, Some(1))]);
        assert!(runs[1].pages.is_empty());
    }

    #[test]
    fn a_forgotten_file_is_not_asked_for() {
        let mut plan = plan(&[(CHUNK, &[0..1]), (CHUNK, &[0..1])]);
        plan.forget(0);
        assert_eq!(plan.next(RUN_MAX).map(|run| run.items[0].0), Some(1));
        assert!(plan.is_empty());
    }
}
