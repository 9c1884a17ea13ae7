//! One seeder at work: requests in flight, answers verified, chunks handed on.

mod deliver;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use blake3::hazmat::ChainingValue;
use sealift_peer::exit::Failure;
use sealift_peer::session::{Incoming, LeecherSession, LinkReader, RunReader, SessionError};
use sealift_proto::catalogue::Root;
use sealift_proto::codec::{self, List};
use sealift_proto::link::ToLeecher;
use sealift_proto::manifest::{CHUNK, Layout};
use sealift_proto::message::{Finished, FromLeecher, FromSeeder, ITEMS_MAX, Missing, Outcome};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::pages::Pages;
use super::plan::{Plan, Run};
use super::verify::{Piece, Verdict};
use crate::replica::Place;

/// Runs asked for and not answered yet.
const IN_FLIGHT: usize = 3;
/// A seeder that sends nothing for so long is given up.
const STALL: Duration = Duration::from_secs(30);
/// How long a seeder may take to read a file whose content it has not stated yet.
const READING: Duration = Duration::from_secs(15 * 60);
/// A run shall take about so long at the measured rate.
const RUN_TIME: Duration = Duration::from_millis(250);

/// Where verified chunks go. All calls may block on the disk and come from any thread.
pub trait Sink: Send + Sync + 'static {
    /// Begins the file of `job`, whose content is `root`: which chunks are missing.
    ///
    /// # Errors
    /// Why it cannot be begun; the job then ends with that.
    fn begin(&self, job: usize, root: Root, size: u64) -> Result<Vec<Range<u64>>, Failure>;

    /// Takes a verified chunk, with its value in the manifest if the file has several.
    ///
    /// # Errors
    /// When it cannot be written.
    fn write(
        &self,
        job: usize,
        index: u64,
        chunk: &[u8],
        value: Option<ChainingValue>,
    ) -> Result<(), Failure>;

    /// Verified bytes taken so far, of all jobs.
    fn written(&self) -> u64;

    /// Gives the files of `jobs`, which have all their chunks, their final names.
    fn finish(&self, jobs: Vec<usize>) -> Vec<(usize, Result<Landed, Failure>)>;
}

/// How a file that had all its chunks ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landed {
    /// It is on disk under its final name.
    Done,
    /// What an earlier process left of it was damaged; that part is to be fetched again.
    Again,
}

/// What one seeder is to send.
#[derive(Debug, Clone)]
pub struct Errand {
    /// Number of the job.
    pub job: usize,
    /// The content, if the seeder has stated it.
    pub root: Option<Root>,
    /// Length as stated, bytes.
    pub size: u64,
    /// Which log states it, and where.
    pub log_id: [u8; 16],
    /// See `log_id`.
    pub place: Place,
}

/// What became of a job at this seeder.
#[derive(Debug)]
pub enum Fate {
    /// On disk under its final name.
    Done,
    /// The seeder does not give it.
    Missing(Missing),
    /// The seeder sent something that is not what it should be.
    Wrong,
    /// This device could not take it.
    Local(Failure),
}

/// How the work with one seeder ended.
#[derive(Debug)]
pub struct Ended {
    /// What became of which job; those not named are unfinished.
    pub fates: Vec<(usize, Fate)>,
    /// Why it ended early, if it did.
    pub error: Option<SessionError>,
}

struct File {
    root: Root,
    layout: Layout,
    pages: Pages,
    left: u64,
    suspect: bool,
}

struct Source {
    sink: Arc<dyn Sink>,
    requests: mpsc::UnboundedSender<FromLeecher>,
    errands: VecDeque<Errand>,
    wants: BTreeMap<u32, Errand>,
    plan: Plan,
    files: BTreeMap<usize, File>,
    asked: VecDeque<(u32, Run, Instant)>,
    pages_asked: BTreeMap<u32, super::plan::Page>,
    /// Questions about files of which something did not verify.
    probes: BTreeMap<u32, usize>,
    /// Files that are getting their final names.
    landing: BTreeMap<usize, Finished>,
    next_request: u32,
    run_bytes: u64,
    batch: Vec<Piece>,
    batch_bytes: usize,
    verifying: JoinSet<Vec<Verdict>>,
    complete: Vec<usize>,
    changed: Vec<Root>,
    fates: Vec<(usize, Fate)>,
    lying: bool,
}

/// Fetches `errands` from the seeder of `session`, in order, into `sink`.
pub async fn fetch(session: LeecherSession, errands: Vec<Errand>, sink: Arc<dyn Sink>) -> Ended {
    let (requests, queue) = mpsc::unbounded_channel();
    let LeecherSession { mut writer, reader, .. } = session;
    // Requests go out on their own: a seeder that is sending must never wait for us to read before we can ask.
    let mut sending = JoinSet::new();
    sending.spawn(async move {
        let mut queue: mpsc::UnboundedReceiver<FromLeecher> = queue;
        while let Some(message) = queue.recv().await {
            // The reader notices a link that broke.
            if writer.message(&message).await.is_err() {
                return;
            }
        }
    });
    let mut source = Source::new(sink, requests, errands);
    let error = source.run(reader).await.err();
    source.settle().await;
    let Source { fates, requests, .. } = source;
    drop(requests);
    // DONE is a courtesy to the seeder's log; it gets a moment to leave.
    let _ = timeout(Duration::from_secs(1), sending.join_next()).await;
    Ended { fates, error }
}

impl Source {
    fn new(
        sink: Arc<dyn Sink>,
        requests: mpsc::UnboundedSender<FromLeecher>,
        errands: Vec<Errand>,
    ) -> Self {
        Self {
            sink,
            requests,
            errands: errands.into(),
            wants: BTreeMap::new(),
            plan: Plan::default(),
            files: BTreeMap::new(),
            asked: VecDeque::new(),
            pages_asked: BTreeMap::new(),
            probes: BTreeMap::new(),
            landing: BTreeMap::new(),
            next_request: 1,
            run_bytes: 4 * CHUNK,
            batch: Vec::new(),
            batch_bytes: 0,
            verifying: JoinSet::new(),
            complete: Vec::new(),
            changed: Vec::new(),
            fates: Vec::new(),
            lying: false,
        }
    }

    async fn run(
        &mut self,
        reader: sealift_peer::session::LeecherReader,
    ) -> Result<(), SessionError> {
        // The first requests leave right behind the ACK, before READY has come.
        self.fill().await;
        let mut reader = reader.confirm().await?;
        loop {
            if self.expects_answers() {
                self.take_next(&mut reader).await?;
            } else if !self.batch.is_empty() {
                self.dispatch().await;
            } else if let Some(done) = self.verifying.join_next().await {
                self.judge(done.unwrap_or_default());
            } else if !self.complete.is_empty() {
                self.land();
            } else {
                return Ok(());
            }
            self.collect_ready();
            if self.lying {
                return Err(SessionError::Malformed);
            }
            self.fill().await;
        }
    }

    /// Whether the seeder has something to answer.
    fn expects_answers(&self) -> bool {
        !(self.asked.is_empty()
            && self.wants.is_empty()
            && self.pages_asked.is_empty()
            && self.probes.is_empty())
    }

    fn request(&mut self) -> u32 {
        let request = self.next_request;
        self.next_request = self.next_request.wrapping_add(1);
        request
    }

    fn send(&self, message: FromLeecher) {
        // A link that broke is noticed by the reader.
        let _ = self.requests.send(message);
    }

    /// Keeps enough runs in flight.
    async fn fill(&mut self) {
        while self.asked.len() < IN_FLIGHT {
            if self.plan.is_empty() {
                self.begin_some().await;
            }
            let Some(run) = self.plan.next(self.run_bytes) else { return };
            self.ask(run);
        }
    }

    fn ask(&mut self, run: Run) {
        for (job, page) in &run.pages {
            if let Some(root) = self.files.get(job).map(|file| file.root) {
                let request = self.request();
                self.pages_asked.insert(request, (*job, *page));
                self.send(FromLeecher::GetPage { request, root, page: *page });
            }
        }
        let items = run.items.iter().map(|(_, item)| *item).collect();
        let request = self.request();
        if let Ok(items) = List::new(items) {
            self.send(FromLeecher::Get { request, items });
            self.asked.push_back((request, run, Instant::now()));
        }
    }

    /// Begins files until there is enough for a run. Those whose content is not stated yet are asked about.
    async fn begin_some(&mut self) {
        let mut begun = 0u64;
        let mut batch = Vec::new();
        while begun < self.run_bytes && batch.len() < ITEMS_MAX {
            let Some(errand) = self.errands.pop_front() else { break };
            match errand.root {
                Some(_) => {
                    begun = begun.saturating_add(errand.size).saturating_add(1);
                    batch.push(errand);
                }
                None => self.want(errand),
            }
        }
        self.begin(batch).await;
    }

    fn want(&mut self, errand: Errand) {
        let request = self.request();
        self.send(FromLeecher::Want {
            request,
            log_id: errand.log_id,
            position: errand.place.position,
            index: errand.place.index,
        });
        self.wants.insert(request, errand);
    }

    async fn begin(&mut self, errands: Vec<Errand>) {
        let sink = self.sink.clone();
        let work = move || -> Vec<_> {
            let begin = |errand: Errand| {
                let root = errand.root?;
                Some((errand.job, root, errand.size, sink.begin(errand.job, root, errand.size)))
            };
            errands.into_iter().filter_map(begin).collect()
        };
        let Ok(begun) = tokio::task::spawn_blocking(work).await else { return };
        for (job, root, size, missing) in begun {
            match (missing, Layout::new(size)) {
                (Ok(missing), Ok(layout)) => self.begun(job, root, layout, missing),
                (Err(failure), _) => self.fates.push((job, Fate::Local(failure))),
                (_, Err(_)) => self.fates.push((job, Fate::Wrong)),
            }
        }
    }

    fn begun(&mut self, job: usize, root: Root, layout: Layout, missing: Vec<Range<u64>>) {
        let left = missing.iter().map(|range| range.end - range.start).sum();
        let file = File { root, layout, pages: Pages::new(layout, root), left, suspect: false };
        self.files.insert(job, file);
        if left == 0 {
            self.complete.push(job);
        }
        self.plan.add(job, root, layout, missing);
    }

    async fn take_next(&mut self, reader: &mut LinkReader<ToLeecher>) -> Result<(), SessionError> {
        let reads = self.asked.is_empty() && self.pages_asked.is_empty() && self.probes.is_empty();
        let patience = if reads { READING } else { STALL };
        let incoming =
            timeout(patience, reader.next()).await.map_err(|_| SessionError::Timeout)??;
        match incoming {
            Incoming::End => Err(SessionError::Io(std::io::ErrorKind::UnexpectedEof.into())),
            Incoming::Message(bytes) => {
                let message = codec::decode(&bytes).map_err(|_| SessionError::Malformed)?;
                self.take_message(message).await
            }
            Incoming::Run(run) => self.take_run(run).await,
        }
    }

    async fn take_message(&mut self, message: FromSeeder) -> Result<(), SessionError> {
        match message {
            FromSeeder::Head { .. } => Ok(()),
            FromSeeder::Root { request, root, size } => {
                let errand = self.wants.remove(&request).ok_or(SessionError::Malformed)?;
                self.begin(vec![Errand { root: Some(root), size, ..errand }]).await;
                Ok(())
            }
            FromSeeder::Page { request, .. } if self.probes.contains_key(&request) => {
                if let Some(job) = self.probes.remove(&request) {
                    self.probed(job, None);
                }
                Ok(())
            }
            FromSeeder::Page { request, values } => {
                let (job, page) =
                    self.pages_asked.remove(&request).ok_or(SessionError::Malformed)?;
                let file = self.files.get_mut(&job).ok_or(SessionError::Malformed)?;
                let values = values.iter().map(|value| value.0).collect();
                if file.pages.take(page, values).is_err() {
                    self.wrong(job);
                }
                Ok(())
            }
            FromSeeder::Failed { request, why } => self.failed(request, why),
            FromSeeder::Changed { root } => {
                self.changed.push(root);
                Ok(())
            }
        }
    }

    fn failed(&mut self, request: u32, why: Missing) -> Result<(), SessionError> {
        if let Some(errand) = self.wants.remove(&request) {
            self.fates.push((errand.job, Fate::Missing(why)));
            return Ok(());
        }
        if let Some(job) = self.probes.remove(&request) {
            self.probed(job, Some(why));
            return Ok(());
        }
        if let Some((job, _)) = self.pages_asked.remove(&request) {
            self.missing(job, why);
            return Ok(());
        }
        let front = self.asked.pop_front().filter(|(asked, ..)| *asked == request);
        let (_, run, _) = front.ok_or(SessionError::Malformed)?;
        for (job, _) in run.items {
            self.missing(job, why);
        }
        Ok(())
    }

    /// The seeder does not give the file of `job`.
    fn missing(&mut self, job: usize, why: Missing) {
        self.plan.forget(job);
        if self.files.remove(&job).is_some() {
            self.fates.push((job, Fate::Missing(why)));
        }
    }

    /// Something of `job` did not verify. The file may have changed while it was read, which the seeder says right behind
    /// the run: so it is asked about the file once more, and what it says before the answer counts.
    fn wrong(&mut self, job: usize) {
        self.plan.forget(job);
        let Some(file) = self.files.get_mut(&job).filter(|file| !file.suspect) else { return };
        file.suspect = true;
        let root = file.root;
        let request = self.request();
        self.probes.insert(request, job);
        self.send(FromLeecher::GetPage { request, root, page: Some(0) });
    }

    /// The seeder has answered about a file of which something did not verify.
    fn probed(&mut self, job: usize, why: Option<Missing>) {
        let Some(file) = self.files.remove(&job) else { return };
        let gone = matches!(why, Some(Missing::Changed | Missing::Gone | Missing::Unreadable));
        if gone || self.changed.contains(&file.root) {
            self.fates.push((job, Fate::Missing(Missing::Changed)));
        } else {
            self.fates.push((job, Fate::Wrong));
            self.lying = true;
        }
    }

    async fn take_run(&mut self, mut reader: RunReader<'_, ToLeecher>) -> Result<(), SessionError> {
        let (request, run, asked) = self.asked.pop_front().ok_or(SessionError::Malformed)?;
        let header = reader.header().clone();
        if header.request != request || header.outcomes.len() != run.items.len() {
            return Err(SessionError::Malformed);
        }
        for ((job, item), outcome) in run.items.iter().zip(header.outcomes.iter()) {
            let chunks = item.first..item.first + u64::from(item.count);
            match outcome {
                Outcome::Missing(why) => self.missing(*job, *why),
                Outcome::Data { len } => self.take_item(&mut reader, *job, chunks, *len).await?,
            }
        }
        if timeout(STALL, reader.next()).await.map_err(|_| SessionError::Timeout)??.is_some() {
            return Err(SessionError::Malformed);
        }
        self.dispatch().await;
        self.adapt(run.bytes, asked.elapsed());
        Ok(())
    }

    /// Reads the bytes of one item, chunk by chunk. Those of a file given up meanwhile are read and dropped.
    async fn take_item(
        &mut self,
        reader: &mut RunReader<'_, ToLeecher>,
        job: usize,
        chunks: Range<u64>,
        len: u32,
    ) -> Result<(), SessionError> {
        let layout = self.files.get(&job).map(|file| file.layout);
        let expected =
            layout.map(|layout| chunks.clone().map(|index| layout.chunk_len(index)).sum());
        if expected.is_some_and(|expected: u64| expected != u64::from(len)) {
            return Err(SessionError::Malformed);
        }
        let Some(layout) = layout else {
            return self.skip(reader, u64::from(len)).await;
        };
        for index in chunks {
            let bytes = self.read(reader, layout.chunk_len(index)).await?;
            self.hand_on(job, index, bytes).await;
        }
        Ok(())
    }

    async fn read(
        &mut self,
        reader: &mut RunReader<'_, ToLeecher>,
        len: u64,
    ) -> Result<Vec<u8>, SessionError> {
        // A chunk has 1 MiB at most.
        let len = usize::try_from(len).map_err(|_| SessionError::Malformed)?;
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            let read = timeout(STALL, reader.take(len - bytes.len())).await;
            let part = read.map_err(|_| SessionError::Timeout)??;
            bytes.extend_from_slice(part.ok_or(SessionError::Malformed)?);
        }
        Ok(bytes)
    }

    async fn skip(
        &mut self,
        reader: &mut RunReader<'_, ToLeecher>,
        len: u64,
    ) -> Result<(), SessionError> {
        let mut left = len;
        while left > 0 {
            let now = left.min(CHUNK);
            self.read(reader, now).await?;
            left -= now;
        }
        Ok(())
    }
}
