//! Going through the blocks of all index files, on several threads.

use std::borrow::Borrow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use memchr::memmem::Finder;

use super::fuzzy::Fuzzy;
use super::query::{Match, Query, Rank};
use crate::replica::{Index, Lines, LogView, ReplicaError, Text};

/// Most candidates kept; of more, the best. Copies of a hit that rank behind these are counted, not shown.
const KEEP: usize = 10_000;
/// A thread sorts out the best when it has so many times more.
const SLACK: usize = 5;
/// Blocks that a thread takes at a time, so that it stays beside what it read last.
const STRIDE: usize = 8;
/// Most threads: reading from memory is then the limit.
const THREADS_MAX: usize = 8;

/// Where an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub(super) view: u32,
    pub(super) level: u32,
    pub(super) block: u32,
    pub(super) entry: u32,
}

/// An entry that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) rank: Rank,
    pub(super) modified: i64,
    pub(super) spot: Spot,
}

impl Candidate {
    /// Best first: by rank, then the newest, then by place.
    fn order(&self) -> (Rank, std::cmp::Reverse<i64>, Spot) {
        (self.rank, std::cmp::Reverse(self.modified), self.spot)
    }
}

/// What a scan found.
#[derive(Default)]
pub(super) struct Scan {
    /// How many entries answer.
    pub(super) total: u64,
    /// The best of them, best first.
    pub(super) best: Vec<Candidate>,
    /// Views that could not be read to the end.
    pub(super) failed: Vec<(usize, ReplicaError)>,
}

/// What to look for in each block.
pub(super) enum Wanted<'q> {
    Query(&'q Query),
    Close(&'q Fuzzy),
}

/// Scans all of `views`.
pub(super) fn scan<V: Borrow<LogView> + Sync>(views: &[V], wanted: &Wanted<'_>) -> Scan {
    let blocks = |index: &Index| index.blocks().len();
    let work: Vec<Spot> = views
        .iter()
        .zip(0u32..)
        .flat_map(|(view, v)| {
            let levels = view.borrow().levels().iter().zip(0u32..);
            levels.flat_map(move |(index, level)| {
                let starts = (0u32..).take(blocks(index)).step_by(STRIDE);
                starts.map(move |block| Spot { view: v, level, block, entry: 0 })
            })
        })
        .collect();
    let next = AtomicUsize::new(0);
    let broken: Vec<AtomicBool> = views.iter().map(|_| AtomicBool::new(false)).collect();
    let threads = threads().min(work.len()).max(1);
    let run = || {
        let mut scanner = Scanner::new(wanted);
        while let Some(spot) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            let broken = &broken[spot.view as usize];
            if broken.load(Ordering::Relaxed) {
                continue;
            }
            if let Err(error) = scanner.blocks(views[spot.view as usize].borrow(), *spot) {
                broken.store(true, Ordering::Relaxed);
                scanner.found.failed.push((spot.view as usize, error));
            }
        }
        scanner.found
    };
    let parts: Vec<Scan> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let own = run();
        std::iter::once(own).chain(others.into_iter().map(joined)).collect()
    });
    gather(parts, &broken)
}

/// How many threads to search on.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX)
}

/// What `thread` found. A panic in it is a fault of ours and goes on here.
pub(super) fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn gather(parts: Vec<Scan>, broken: &[AtomicBool]) -> Scan {
    let mut all = Scan::default();
    for part in parts {
        all.total += part.total;
        let mut best = part.best;
        keep_best(&mut best);
        all.best.extend(best);
        all.failed.extend(part.failed);
    }
    // What was found in a damaged view before the damage is not shown: the view is left out as a whole.
    all.best.retain(|candidate| !broken[candidate.spot.view as usize].load(Ordering::Relaxed));
    all.failed.sort_by_key(|(view, _)| *view);
    all.failed.dedup_by_key(|(view, _)| *view);
    keep_best(&mut all.best);
    all.best.sort_unstable_by_key(Candidate::order);
    all
}

fn keep_best(candidates: &mut Vec<Candidate>) {
    if candidates.len() > KEEP {
        candidates.select_nth_unstable_by_key(KEEP, Candidate::order);
        candidates.truncate(KEEP);
    }
}

/// One thread's part.
struct Scanner<'q> {
    wanted: &'q Wanted<'q>,
    found: Scan,
    text: Vec<u8>,
    folded: Vec<u8>,
    other: Vec<u8>,
}

impl<'q> Scanner<'q> {
    fn new(wanted: &'q Wanted<'q>) -> Self {
        let (text, folded, other) = (Vec::new(), Vec::new(), Vec::new());
        Self { wanted, found: Scan::default(), text, folded, other }
    }

    fn blocks(&mut self, view: &LogView, first: Spot) -> Result<(), ReplicaError> {
        let index = &view.levels()[first.level as usize];
        let end = index.blocks().len().min(first.block as usize + STRIDE);
        for block in first.block..u32::try_from(end).unwrap_or(u32::MAX) {
            self.block(view, Spot { block, ..first })?;
        }
        Ok(())
    }

    fn block(&mut self, view: &LogView, spot: Spot) -> Result<(), ReplicaError> {
        let index = &view.levels()[spot.level as usize];
        let text = index.text(spot.block as usize, &mut self.text)?;
        let folded = match text.folded() {
            Some(folded) => folded,
            None => text.lines().lowered(&mut self.folded),
        };
        let mut hits = Vec::new();
        match self.wanted {
            Wanted::Query(query) => each_line(folded, query.anchor(), |line| {
                hits.extend(rank_line(query, &text, folded, line)?.map(|rank| (line, rank)));
                Ok(())
            })?,
            Wanted::Close(fuzzy) => {
                for line in 0..text.count() {
                    hits.extend(close_line(fuzzy, folded, line).map(|rank| (line, rank)));
                }
            }
        }
        hits.retain(|(line, _)| !text.is_removed(*line));
        if hits.is_empty() {
            return Ok(());
        }
        let newer = &view.levels()[spot.level as usize + 1..];
        let replaced = replaced_by(&text, newer, &mut self.other)?;
        hits.retain(|(line, _)| !replaced.get(*line).copied().unwrap_or(false));
        self.found.total += hits.len() as u64;
        for (line, rank) in hits {
            let entry = u32::try_from(line).unwrap_or(u32::MAX);
            let modified = text.modified(line);
            self.found.best.push(Candidate { rank, modified, spot: Spot { entry, ..spot } });
        }
        self.prune();
        Ok(())
    }

    fn prune(&mut self) {
        let best = &mut self.found.best;
        if best.len() >= SLACK * KEEP {
            keep_best(best);
        }
    }
}

/// Calls `hit` for each line that contains the anchor; for all if the anchor is empty.
fn each_line(
    lines: Lines<'_>,
    anchor: &Finder<'_>,
    mut hit: impl FnMut(usize) -> Result<(), ReplicaError>,
) -> Result<(), ReplicaError> {
    let bytes = lines.bytes();
    let (mut line, mut from) = (0, 0);
    while let Some(at) = bytes.get(from..).and_then(|rest| anchor.find(rest)) {
        if from + at >= bytes.len() {
            break;
        }
        (line, from) = lines.line_at(line, from + at);
        hit(line)?;
    }
    Ok(())
}

fn rank_line(
    query: &Query,
    text: &Text<'_>,
    folded: Lines<'_>,
    line: usize,
) -> Result<Option<Rank>, ReplicaError> {
    let Ok(folded) = std::str::from_utf8(folded.line(line)) else { return Ok(None) };
    Ok(query.rank(text.path(line)?, folded))
}

fn close_line(fuzzy: &Fuzzy, folded: Lines<'_>, line: usize) -> Option<Rank> {
    let path = folded.line(line);
    let name = path.rsplit(|byte| *byte == b'/').next()?;
    let closeness = fuzzy.closeness(std::str::from_utf8(name).ok()?)?;
    let off = closeness.slips * 256 + closeness.beyond.min(255);
    Some(Rank { kind: Match::Close, off: u16::try_from(off).unwrap_or(u16::MAX) })
}

/// Which entries of the block `text` have a newer state in one of the levels `newer`.
fn replaced_by(
    text: &Text<'_>,
    newer: &[Index],
    buffer: &mut Vec<u8>,
) -> Result<Vec<bool>, ReplicaError> {
    let mut replaced = vec![false; text.count()];
    let Some(last) = text.count().checked_sub(1) else { return Ok(replaced) };
    let (first, last) = (text.path(0)?, text.path(last)?);
    for index in newer {
        let from = index.block_for(first);
        for (at, other) in index.blocks().iter().enumerate().skip(from) {
            if other.first.as_str() > last {
                break;
            }
            let other = index.text(at, buffer)?;
            for entry in other.lower_bound(first)..other.count() {
                let path = other.path(entry)?;
                if path > last {
                    break;
                }
                if let Some(old) = text.position(path) {
                    replaced[old] = true;
                }
            }
        }
    }
    Ok(replaced)
}
