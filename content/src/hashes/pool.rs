//! Reads files on at most two threads, those that somebody waits for first.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use sealift_platform::disk::Buffer;
use tokio::sync::mpsc;

use super::cache::Cache;
use super::file::{HashError, Hashed, Reading};
use super::lanes::{Batch, Lanes, Rank};
use super::print::Print;
use super::underway::UnderWay;
use super::{Name, Places};

/// Files up to this size that just changed go before those of a first scan, bytes.
const SMALL: u64 = 16 * 1024 * 1024;

pub use super::lanes::Job;

/// What became of a file.
#[derive(Debug)]
pub struct Outcome {
    /// The file.
    pub name: Name,
    /// The state it was to be read in.
    pub print: Print,
    /// Its content, or why it has none.
    pub result: Result<sealift_proto::catalogue::Root, HashError>,
}

/// From the threads to the owner of the pool.
pub enum Report {
    /// A file is done.
    Done(Outcome),
    /// A thread that read from this disk is free, having put aside what it gives back.
    Free(u64, Vec<Job>),
}

/// The queue and the threads.
pub struct Pool {
    places: Arc<dyn Places>,
    cache: Arc<Cache>,
    reports: mpsc::UnboundedSender<Report>,
    lanes: Lanes,
    /// The print each file is to be read in; an older job in a queue is passed over.
    prints: HashMap<Name, Print>,
    /// Those of them that somebody waits for.
    asked: HashSet<Name>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Bytes read so far.
    bytes: AtomicU64,
    under_way: Arc<UnderWay>,
    stopping: AtomicBool,
}

impl Pool {
    /// A pool that reads files of `places` and puts their hashes into `cache`. What the receiver gets must be given to
    /// [`Pool::take`].
    #[must_use]
    pub fn new(
        places: Arc<dyn Places>,
        cache: Arc<Cache>,
    ) -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (reports, received) = mpsc::unbounded_channel();
        let pool = Self {
            places,
            cache,
            reports,
            lanes: Lanes::default(),
            prints: HashMap::new(),
            asked: HashSet::new(),
            shared: Arc::default(),
        };
        (pool, received)
    }

    /// Has `name` read in the state `print`; `changed` if it is not from a first scan.
    pub fn push(&mut self, name: &Name, print: Print, changed: bool) {
        self.enqueue(name, print, rank(&print, changed));
    }

    /// Whether so much of this kind waits to be read from its disk that the rest is better kept for later.
    #[must_use]
    pub fn is_full(&self, print: &Print, changed: bool) -> bool {
        self.lanes.is_full(print.device, rank(print, changed))
    }

    /// Whether more may be pushed of what was kept of disk `device`.
    #[must_use]
    pub fn is_hungry(&self, device: u64) -> bool {
        self.lanes.is_hungry(device)
    }

    /// Has `name` read before all others.
    pub fn want(&mut self, name: &Name, print: Print) {
        self.enqueue(name, print, Rank::Wanted);
    }

    fn enqueue(&mut self, name: &Name, print: Print, rank: Rank) {
        if rank == Rank::Wanted {
            self.asked.insert(name.clone());
        }
        let mut job = Job { name: name.clone(), print, reading: None };
        if self.prints.insert(name.clone(), print) == Some(print) {
            // Queued or being read already. Only somebody who waits for it moves it to the front.
            let queued = match rank {
                Rank::Wanted => self.lanes.take_queued(name, print.device),
                _ => None,
            };
            let Some(queued) = queued else { return };
            job = queued;
        }
        self.lanes.add(job, rank, false);
        self.pump();
    }

    /// Does not read `name`.
    pub fn forget(&mut self, name: &Name) {
        self.prints.remove(name);
        self.asked.remove(name);
        self.shared.under_way.end(name);
    }

    /// Takes a report; the outcome if a file is done.
    pub fn take(&mut self, report: Report) -> Option<Outcome> {
        match report {
            Report::Done(outcome) => {
                if self.prints.get(&outcome.name) == Some(&outcome.print) {
                    self.prints.remove(&outcome.name);
                    self.asked.remove(&outcome.name);
                }
                self.give_back();
                Some(outcome)
            }
            Report::Free(device, aside) => {
                self.lanes.end(device);
                for job in aside.into_iter().rev() {
                    let asked = self.asked.contains(&job.name);
                    let rank = if asked { Rank::Wanted } else { Rank::Waiting };
                    self.lanes.add(job, rank, true);
                }
                self.pump();
                None
            }
        }
    }

    /// Frees what only a first scan needs.
    fn give_back(&mut self) {
        if self.prints.is_empty() {
            self.prints.shrink_to_fit();
        }
    }

    /// Bytes read since the pool was made.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// How far readings are.
    #[must_use]
    pub fn under_way(&self) -> Arc<UnderWay> {
        self.shared.under_way.clone()
    }

    /// Whether nothing is read or waits to be.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lanes.running() == 0 && self.prints.is_empty()
    }

    /// Makes running threads stop soon.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
    }

    fn pump(&mut self) {
        let (prints, under_way) = (&self.prints, &self.shared.under_way);
        let mut is_current = |job: &Job| {
            let current = prints.get(&job.name) == Some(&job.print);
            if !current {
                under_way.end(&job.name);
            }
            current
        };
        while !self.shared.stopping.load(Ordering::Relaxed)
            && let Some(batch) = self.lanes.start(&mut is_current)
        {
            let Batch { device, rank, jobs, urgent } = batch;
            let worker = Worker {
                places: self.places.clone(),
                cache: self.cache.clone(),
                reports: self.reports.clone(),
                shared: self.shared.clone(),
                device,
                urgent: (rank == Rank::Waiting).then_some(urgent),
            };
            tokio::task::spawn_blocking(move || worker.run(jobs));
        }
    }
}

fn rank(print: &Print, changed: bool) -> Rank {
    if changed && print.size <= SMALL { Rank::Fresh } else { Rank::Waiting }
}

struct Worker {
    places: Arc<dyn Places>,
    cache: Arc<Cache>,
    reports: mpsc::UnboundedSender<Report>,
    shared: Arc<Shared>,
    /// The disk that it reads from.
    device: u64,
    /// How many others it steps aside for, if it does.
    urgent: Option<Arc<AtomicUsize>>,
}

impl Worker {
    fn run(self, jobs: Vec<Job>) {
        let mut buffer = Buffer::default();
        let mut jobs = VecDeque::from(jobs);
        while let Some(job) = jobs.pop_front() {
            let aside = if self.steps_aside() { Some(job) } else { self.work(job, &mut buffer) };
            if let Some(job) = aside {
                jobs.push_front(job);
                break;
            }
        }
        let _ = self.reports.send(Report::Free(self.device, jobs.into()));
    }

    fn steps_aside(&self) -> bool {
        let urgent = self.urgent.as_ref().map_or(0, |urgent| urgent.load(Ordering::Relaxed));
        self.stopping() || urgent > 0
    }

    fn stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Relaxed)
    }

    /// Reads one file to its end; gives it back if it stepped aside.
    fn work(&self, mut job: Job, buffer: &mut Buffer) -> Option<Job> {
        let result = match self.advance(&mut job, buffer) {
            Ok(None) => return Some(job),
            Ok(Some(hashed)) => {
                let root = hashed.root;
                self.cache.put(&job.print, &job.name, hashed);
                Ok(root)
            }
            Err(error) => Err(error),
        };
        self.shared.under_way.end(&job.name);
        let outcome = Outcome { name: job.name, print: job.print, result };
        // Nobody listens only while everything ends.
        let _ = self.reports.send(Report::Done(outcome));
        None
    }

    fn advance(&self, job: &mut Job, buffer: &mut Buffer) -> Result<Option<Hashed>, HashError> {
        let mut reading = match job.reading.take() {
            Some(reading) => reading,
            None => Box::new(self.open(job)?),
        };
        let count = |len| {
            self.shared.bytes.fetch_add(len, Ordering::Relaxed);
            self.shared.under_way.add(&job.name, job.print.size, len);
        };
        let done = reading.advance(buffer, || self.steps_aside(), count)?;
        if done.is_none() {
            job.reading = Some(reading);
        }
        Ok(done)
    }

    fn open(&self, job: &Job) -> Result<Reading, HashError> {
        let (folder, local) = self.places.find(&job.name).ok_or(HashError::Changed)?;
        Reading::open(&*folder, &local, job.print)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hashes::file::CHUNK_LEN;
    use sealift_platform::disk::Root as Folder;
    use sealift_platform::testing::Share;
    use std::path::{Path, PathBuf};

    struct Shared(Arc<dyn Folder>);

    impl Places for Shared {
        fn find(&self, name: &str) -> Option<(Arc<dyn Folder>, PathBuf)> {
            Some((self.0.clone(), name.strip_prefix("s/")?.into()))
        }
    }

    fn pool(share: &Share) -> (Pool, mpsc::UnboundedReceiver<Report>) {
        let cache = Cache::open(&share.root()).0;
        Pool::new(Arc::new(Shared(share.root())), Arc::new(cache))
    }

    fn file(share: &Share, path: &str, len: usize) -> (Name, Print) {
        share.write(path, vec![1; len]);
        let print = Print::of(&share.root().stat(Path::new(path)).unwrap());
        (format!("s/{path}").into(), print)
    }

    async fn outcomes(
        pool: &mut Pool,
        reports: &mut mpsc::UnboundedReceiver<Report>,
    ) -> Vec<Outcome> {
        let mut done = Vec::new();
        while !pool.is_idle() {
            done.extend(pool.take(reports.recv().await.unwrap()));
        }
        done
    }

    #[tokio::test]
    async fn what_is_wanted_overtakes_large_files_under_way() {
        let share = Share::new();
        let (mut pool, mut reports) = pool(&share);
        let large: Vec<_> =
            ["a", "b", "c"].iter().map(|path| file(&share, path, 40 * CHUNK_LEN)).collect();
        let (wanted, print) = file(&share, "z", 5);
        for (name, print) in &large {
            pool.push(name, *print, false);
        }
        pool.push(&wanted, print, false);
        pool.want(&wanted, print);
        let under_way = pool.under_way();
        let done = outcomes(&mut pool, &mut reports).await;
        assert!(done.iter().all(|outcome| outcome.result.is_ok()));
        assert_eq!(done.len(), 4);
        assert!(large.iter().all(|(name, _)| under_way.done(name) == 0), "nothing is left over");
        assert_eq!(done[0].name, wanted);
        assert_eq!(pool.bytes(), 120 * CHUNK_LEN as u64 + 5);
    }

    #[tokio::test]
    async fn many_small_files_are_all_read_and_those_gone_are_said() {
        let share = Share::new();
        let (mut pool, mut reports) = pool(&share);
        for number in 0..300 {
            let (name, print) = file(&share, &format!("f{number}"), number);
            pool.push(&name, print, number % 2 == 0);
        }
        let (gone, print) = file(&share, "gone", 5);
        std::fs::remove_file(share.path("gone")).unwrap();
        pool.push(&gone, print, false);
        let done = outcomes(&mut pool, &mut reports).await;
        assert_eq!(done.len(), 301);
        let failed: Vec<_> = done.iter().filter(|outcome| outcome.result.is_err()).collect();
        assert!(failed.len() == 1 && failed[0].name == gone);
    }
}
