//! What is to be read, in a queue of its own for each disk, so that a slow one holds up no other; and how many read from each.
//!
//! ```text
//! wanted   somebody asked for it            first; running readings of others step aside between two chunks
//! fresh    small and just changed           next
//! waiting  everything else                  in the order found
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Name;
use super::file::Reading;
use super::print::Print;

/// How many read from one disk: one computes while the other waits, and more would have the heads of a disk move.
const READERS: usize = 2;
/// One reader takes so many small files at once: handing over costs more than they do.
const BATCH_FILES: usize = 64;
const BATCH_BYTES: u64 = 4 * 1024 * 1024;
/// More than so many files of one kind are not queued: who finds them keeps them until there are fewer than a part of that.
const FULL: usize = 8192;

/// A file to read, perhaps begun.
pub struct Job {
    pub(super) name: Name,
    pub(super) print: Print,
    pub(super) reading: Option<Box<Reading>>,
}

/// Which files go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Wanted,
    Fresh,
    Waiting,
}

/// Some files for one reader.
pub(super) struct Batch {
    /// The disk that they are on.
    pub(super) device: u64,
    pub(super) rank: Rank,
    pub(super) jobs: Vec<Job>,
    /// How many jobs on that disk running ones step aside for.
    pub(super) urgent: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Lane {
    wanted: VecDeque<Job>,
    fresh: VecDeque<Job>,
    waiting: VecDeque<Job>,
    running: usize,
    urgent: Arc<AtomicUsize>,
}

/// The queues of all disks.
#[derive(Default)]
pub(super) struct Lanes(BTreeMap<u64, Lane>);

impl Lane {
    fn queue(&mut self, rank: Rank) -> &mut VecDeque<Job> {
        match rank {
            Rank::Wanted => &mut self.wanted,
            Rank::Fresh => &mut self.fresh,
            Rank::Waiting => &mut self.waiting,
        }
    }

    fn next(&mut self, is_current: &mut impl FnMut(&Job) -> bool) -> Option<(Rank, Vec<Job>)> {
        [Rank::Wanted, Rank::Fresh, Rank::Waiting].into_iter().find_map(|rank| {
            let (mut jobs, mut bytes) = (Vec::new(), 0);
            while jobs.len() < BATCH_FILES
                && bytes < BATCH_BYTES
                && let Some(job) = self.queue(rank).pop_front()
            {
                if is_current(&job) {
                    bytes += job.print.size;
                    jobs.push(job);
                }
            }
            (!jobs.is_empty()).then_some((rank, jobs))
        })
    }

    fn count_urgent(&self) {
        self.urgent.store(self.wanted.len() + self.fresh.len(), Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        self.running == 0
            && self.wanted.is_empty()
            && self.fresh.is_empty()
            && self.waiting.is_empty()
    }
}

impl Lanes {
    fn lane(&mut self, device: u64) -> &mut Lane {
        self.0.entry(device).or_default()
    }

    /// Has `job` read behind all others of its rank, or before them if it comes back.
    pub(super) fn add(&mut self, job: Job, rank: Rank, comes_back: bool) {
        let lane = self.lane(job.print.device);
        match comes_back {
            true => lane.queue(rank).push_front(job),
            false => lane.queue(rank).push_back(job),
        }
        lane.count_urgent();
    }

    /// Takes the file `name` of disk `device` out of the queues of those nobody asked for.
    pub(super) fn take_queued(&mut self, name: &Name, device: u64) -> Option<Job> {
        let lane = self.0.get_mut(&device)?;
        [&mut lane.fresh, &mut lane.waiting].into_iter().find_map(|queue| {
            let at = queue.iter().position(|job| job.name == *name)?;
            queue.remove(at)
        })
    }

    /// Work for a further reader, if any disk may have one; `is_current` says whether a job still counts.
    pub(super) fn start(&mut self, mut is_current: impl FnMut(&Job) -> bool) -> Option<Batch> {
        self.0.iter_mut().filter(|(_, lane)| lane.running < READERS).find_map(|(device, lane)| {
            let (rank, jobs) = lane.next(&mut is_current)?;
            lane.running += 1;
            lane.count_urgent();
            Some(Batch { device: *device, rank, jobs, urgent: lane.urgent.clone() })
        })
    }

    /// A reader of disk `device` has ended.
    pub(super) fn end(&mut self, device: u64) {
        let lane = self.lane(device);
        lane.running = lane.running.saturating_sub(1);
        if lane.is_idle() {
            self.0.remove(&device);
        }
    }

    /// How many read.
    pub(super) fn running(&self) -> usize {
        self.0.values().map(|lane| lane.running).sum()
    }

    /// Whether disk `device` has as many jobs of a rank as are queued.
    pub(super) fn is_full(&self, device: u64, rank: Rank) -> bool {
        self.count(device, rank) >= FULL
    }

    /// Whether disk `device` may have more work.
    pub(super) fn is_hungry(&self, device: u64) -> bool {
        self.count(device, Rank::Waiting) < FULL / 4
    }

    fn count(&self, device: u64, rank: Rank) -> usize {
        self.0.get(&device).map_or(0, |lane| match rank {
            Rank::Wanted => lane.wanted.len(),
            Rank::Fresh => lane.fresh.len(),
            Rank::Waiting => lane.waiting.len(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: u64 = 1 << 30;

    fn job(name: &str, device: u64, size: u64) -> Job {
        let print = Print { size, modified_ns: 1, changed_ns: 1, inode: 1, device };
        Job { name: name.into(), print, reading: None }
    }

    fn started(lanes: &mut Lanes) -> Vec<(u64, String)> {
        std::iter::from_fn(|| lanes.start(|_| true))
            .map(|batch| (batch.device, batch.jobs[0].name.to_string()))
            .collect()
    }

    #[test]
    fn each_disk_has_readers_of_its_own() {
        let mut lanes = Lanes::default();
        for number in 0..4 {
            lanes.add(job(&format!("slow/{number}"), 1, LARGE), Rank::Waiting, false);
        }
        lanes.add(job("fast/0", 2, LARGE), Rank::Waiting, false);
        let of = |device, name: &str| (device, name.to_owned());
        assert_eq!(started(&mut lanes), [of(1, "slow/0"), of(1, "slow/1"), of(2, "fast/0")]);
        // The slow one is still at it.
        lanes.end(2);
        lanes.add(job("fast/1", 2, LARGE), Rank::Waiting, false);
        assert_eq!(started(&mut lanes), [of(2, "fast/1")]);
        lanes.end(1);
        assert_eq!(started(&mut lanes), [of(1, "slow/2")]);
        (0..2).for_each(|_| lanes.end(1));
        lanes.end(2);
        assert_eq!(started(&mut lanes), [of(1, "slow/3")]);
        lanes.end(1);
        assert!(lanes.0.is_empty());
    }

    #[test]
    fn who_is_asked_for_goes_first_and_only_its_disk_steps_aside() {
        let mut lanes = Lanes::default();
        for device in [1, 2] {
            lanes.add(job("a", device, LARGE), Rank::Waiting, false);
        }
        let running: Vec<_> = std::iter::from_fn(|| lanes.start(|_| true)).collect();
        lanes.add(job("b", 2, 5), Rank::Waiting, false);
        lanes.add(job("c", 2, 5), Rank::Fresh, false);
        lanes.add(job("d", 2, 5), Rank::Wanted, false);
        let urgent: Vec<_> = running.iter().map(|b| b.urgent.load(Ordering::Relaxed)).collect();
        assert_eq!(urgent, [0, 2]);
        let next = lanes.start(|_| true).unwrap();
        assert_eq!((next.rank, &*next.jobs[0].name), (Rank::Wanted, "d"));
        assert!(lanes.start(|_| true).is_none(), "two read from it");
        assert_eq!(&*lanes.take_queued(&"b".into(), 2).unwrap().name, "b");
        lanes.end(2);
        assert_eq!(lanes.start(|_| true).unwrap().rank, Rank::Fresh);
    }

    #[test]
    fn small_files_are_handed_out_together_and_old_ones_not_at_all() {
        let mut lanes = Lanes::default();
        for number in 0..FULL {
            assert!(!lanes.is_full(1, Rank::Waiting));
            lanes.add(job(&number.to_string(), 1, 5), Rank::Waiting, false);
        }
        assert!(lanes.is_full(1, Rank::Waiting) && !lanes.is_full(1, Rank::Fresh));
        assert!(!lanes.is_full(2, Rank::Waiting) && lanes.is_hungry(2) && !lanes.is_hungry(1));
        assert_eq!(lanes.start(|_| true).unwrap().jobs.len(), BATCH_FILES);
        let batch = lanes.start(|job| &*job.name == "8000").unwrap();
        assert_eq!((&*batch.jobs[0].name, batch.jobs.len()), ("8000", 1));
        assert!(lanes.is_hungry(1));
    }
}
