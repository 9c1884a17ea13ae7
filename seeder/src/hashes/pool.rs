//! Reads files on at most two threads, those that somebody waits for first.
//!
//! ```text
//! wanted   somebody asked for it            first; running readings of others step aside between two chunks
//! fresh    small and just changed           next
//! waiting  everything else                  in the order found
//! ```

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;

use super::cache::Cache;
use super::file::{HashError, Hashed, Reading};
use super::underway::UnderWay;
use crate::folder::Folders;
use crate::index::Name;
use crate::print::Print;

/// Threads that read.
const THREADS: usize = 2;
/// Files up to this size that just changed go before those of a first scan, bytes.
const SMALL: u64 = 16 * 1024 * 1024;
/// One thread takes so many small files at once: handing over costs more than they do.
const BATCH_FILES: usize = 64;
const BATCH_BYTES: u64 = 4 * 1024 * 1024;

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
    /// A thread is free, having put aside what it gives back.
    Free(Vec<Job>),
}

/// A file to read, perhaps begun.
pub struct Job {
    name: Name,
    print: Print,
    reading: Option<Box<Reading>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Wanted,
    Fresh,
    Waiting,
}

/// The queue and the threads.
pub struct Pool {
    folders: Folders,
    cache: Arc<Cache>,
    reports: mpsc::UnboundedSender<Report>,
    wanted: VecDeque<Job>,
    fresh: VecDeque<Job>,
    waiting: VecDeque<Job>,
    /// The print each file is to be read in; an older job in a queue is passed over.
    prints: HashMap<Name, Print>,
    /// Those of them that somebody waits for.
    asked: HashSet<Name>,
    running: usize,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Jobs that running ones step aside for.
    urgent: AtomicUsize,
    /// Bytes read so far.
    bytes: AtomicU64,
    under_way: Arc<UnderWay>,
    stopping: AtomicBool,
}

impl Pool {
    /// A pool that reads files of `folders` and puts their hashes into `cache`. What the receiver gets must be given to
    /// [`Pool::take`].
    #[must_use]
    pub fn new(folders: Folders, cache: Arc<Cache>) -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (reports, received) = mpsc::unbounded_channel();
        let pool = Self {
            folders,
            cache,
            reports,
            wanted: VecDeque::new(),
            fresh: VecDeque::new(),
            waiting: VecDeque::new(),
            prints: HashMap::new(),
            asked: HashSet::new(),
            running: 0,
            shared: Arc::default(),
        };
        (pool, received)
    }

    /// Has `name` read in the state `print`; `changed` if it is not from a first scan.
    pub fn push(&mut self, name: &Name, print: Print, changed: bool) {
        let rank = if changed && print.size <= SMALL { Rank::Fresh } else { Rank::Waiting };
        self.enqueue(name, print, rank);
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
                Rank::Wanted => self.take_queued(name),
                _ => None,
            };
            let Some(queued) = queued else { return };
            job = queued;
        }
        self.queue(rank).push_back(job);
        self.pump();
    }

    fn take_queued(&mut self, name: &Name) -> Option<Job> {
        [&mut self.fresh, &mut self.waiting].into_iter().find_map(|queue| {
            let at = queue.iter().position(|job| job.name == *name)?;
            queue.remove(at)
        })
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
            Report::Free(aside) => {
                self.running -= 1;
                for job in aside.into_iter().rev() {
                    let asked = self.asked.contains(&job.name);
                    self.queue(if asked { Rank::Wanted } else { Rank::Waiting }).push_front(job);
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
            let queues = [&mut self.wanted, &mut self.fresh, &mut self.waiting];
            queues.into_iter().for_each(VecDeque::shrink_to_fit);
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
        self.running == 0 && self.prints.is_empty()
    }

    /// Makes running threads stop soon.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
    }

    fn queue(&mut self, rank: Rank) -> &mut VecDeque<Job> {
        match rank {
            Rank::Wanted => &mut self.wanted,
            Rank::Fresh => &mut self.fresh,
            Rank::Waiting => &mut self.waiting,
        }
    }

    fn pump(&mut self) {
        while self.running < THREADS && !self.shared.stopping.load(Ordering::Relaxed) {
            if !self.start() {
                break;
            }
        }
        self.shared.urgent.store(self.wanted.len() + self.fresh.len(), Ordering::Relaxed);
    }

    fn start(&mut self) -> bool {
        let Some((rank, jobs)) = self.next_batch() else { return false };
        self.running += 1;
        let worker = Worker {
            folders: self.folders.clone(),
            cache: self.cache.clone(),
            reports: self.reports.clone(),
            shared: self.shared.clone(),
            patient: rank == Rank::Waiting,
        };
        tokio::task::spawn_blocking(move || worker.run(jobs));
        true
    }

    fn next_batch(&mut self) -> Option<(Rank, Vec<Job>)> {
        for rank in [Rank::Wanted, Rank::Fresh, Rank::Waiting] {
            let mut jobs = Vec::new();
            let mut bytes = 0;
            while jobs.len() < BATCH_FILES && bytes < BATCH_BYTES {
                let Some(job) = self.queue(rank).pop_front() else { break };
                if self.prints.get(&job.name) != Some(&job.print) {
                    self.shared.under_way.end(&job.name);
                    continue;
                }
                bytes += job.print.size;
                jobs.push(job);
            }
            if !jobs.is_empty() {
                return Some((rank, jobs));
            }
        }
        None
    }
}

struct Worker {
    folders: Folders,
    cache: Arc<Cache>,
    reports: mpsc::UnboundedSender<Report>,
    shared: Arc<Shared>,
    /// Whether it steps aside for others.
    patient: bool,
}

impl Worker {
    fn run(self, jobs: Vec<Job>) {
        let mut buffer = Vec::new();
        let mut jobs = VecDeque::from(jobs);
        while let Some(job) = jobs.pop_front() {
            let aside = if self.steps_aside() { Some(job) } else { self.work(job, &mut buffer) };
            if let Some(job) = aside {
                jobs.push_front(job);
                break;
            }
        }
        let _ = self.reports.send(Report::Free(jobs.into()));
    }

    fn steps_aside(&self) -> bool {
        self.stopping() || (self.patient && self.shared.urgent.load(Ordering::Relaxed) > 0)
    }

    fn stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Relaxed)
    }

    /// Reads one file to its end; gives it back if it stepped aside.
    fn work(&self, mut job: Job, buffer: &mut Vec<u8>) -> Option<Job> {
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

    fn advance(&self, job: &mut Job, buffer: &mut Vec<u8>) -> Result<Option<Hashed>, HashError> {
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
        let (_, folder, local) = self.folders.find(&job.name).ok_or(HashError::Changed)?;
        let root = folder.root().ok_or(HashError::Changed)?;
        Reading::open(&*root, &local, job.print)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;
    use crate::hashes::file::CHUNK_LEN;
    use crate::testing::Share;
    use sealift_proto::path::RelativePath;
    use std::path::Path;

    fn pool(share: &Share) -> (Pool, mpsc::UnboundedReceiver<Report>) {
        let name = RelativePath::new("s").unwrap();
        let folder = Folder::new(name, share.dir.path().into(), Vec::new());
        folder.check(&crate::testing::platform().disk);
        let cache = Cache::open(&share.root()).0;
        Pool::new(Folders::new(vec![folder]), Arc::new(cache))
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
