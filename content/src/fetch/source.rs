//! One link to a seeder at work: it is asked for what the schedule says, and what it answers is taken apart.

mod coming;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;
use sealift_proto::codec::List;
use sealift_proto::identity::DeviceId;
use sealift_proto::limits;
use sealift_proto::link::Direction;
use sealift_proto::manifest::CHUNK;
use sealift_proto::message::{Outcome, SessionMessage};
use sealift_transport::path::Way;
use sealift_transport::session::{LinkReader, LinkWriter, RunReader, SessionError};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::deliver::{BATCH, Piece, deliver};
use super::schedule::{Arrival, Coming, OutOfTurn, SourceId, Work};
use super::shared::Shared;
use super::swarm::{self, Sayer};
use crate::link::{self, Addresses, Answer, Asking, IDLE, Outbox, Told};
use coming::ComingChunk;

/// A seeder that sends nothing for so long is given up.
const STALL: Duration = Duration::from_secs(30);
/// The same of a direct link: there is another way.
const STALL_DIRECT: Duration = Duration::from_secs(8);
/// The same of a link on which nothing was heard since this device or the seeder lost the relay and found it again.
const STALL_RENEWED: Duration = Duration::from_secs(2);
/// How long a seeder may take to read a file whose content it has not stated yet.
const READING: Duration = Duration::from_secs(15 * 60);
/// How often an idle source looks whether another one needs help, and a silent one is noticed.
const TICK: Duration = Duration::from_millis(200);
/// The last messages get so long to leave.
const FAREWELL: Duration = Duration::from_secs(1);
/// On a link that is asked nothing for so long a message that says nothing keeps everybody on the way from closing it.
const KEEP: Duration = Duration::from_secs(limits::KEEP_TIME);

impl From<OutOfTurn> for SessionError {
    fn from(_: OutOfTurn) -> Self {
        Self::Malformed
    }
}

/// A link to a seeder, as far as the session knows it.
pub(super) struct Line<S: Direction> {
    /// Who is at its other end.
    pub(super) device: DeviceId,
    /// Which way it takes.
    pub(super) way: Way,
    /// Requests go here, at once.
    pub(super) writer: LinkWriter<S>,
    /// What the seeder says of its addresses goes here.
    pub(super) aside: mpsc::Sender<Addresses>,
}

/// Serves the schedule over `line` until everything has come to an end. `reader` is waited for while requests go out.
///
/// # Errors
/// Why it ended before.
pub(super) async fn carry<S: Direction, R: Direction>(
    shared: &Arc<Shared>,
    line: Line<S>,
    reader: impl Future<Output = Result<LinkReader<R>, SessionError>>,
) -> Result<(), SessionError> {
    let Line { device, way, writer, aside } = line;
    let (Outbox { small, jobs }, waiting) = link::outbox();
    let answer = jobs.downgrade();
    let sayer = shared.swarm.is_some().then(|| Mutex::new(Sayer::new(jobs.downgrade())));
    let server = swarm::server(shared, device, way, jobs);
    // A seeder says nothing unasked; one that fetches too keeps the link alive as this end does.
    let idle = if shared.schedule().is_partner(device) { IDLE } else { Duration::MAX };
    // Requests go out on their own: a seeder that is sending must never wait for us to read before we can ask.
    let mut sending = JoinSet::new();
    // The reader notices a link that broke.
    sending.spawn(async move { drop(waiting.send(writer).await) });
    let id = shared.schedule().add(device, way, Instant::now());
    shared.connect(id, small);
    let stall = if way.is_direct() { STALL_DIRECT } else { STALL };
    let heard = Mutex::new(Instant::now());
    let came = Mutex::default();
    let source = Source { shared, id, device, stall, heard, came, sayer };
    let ended = tokio::select! {
        ended = async {
            let mut reader = reader.await?;
            *lock(&source.came) = (reader.came(), 0);
            link::read(&mut reader, (&source, &server), (&aside, &answer), idle).await?;
            // It has not been asked to.
            Err(SessionError::Io(std::io::ErrorKind::UnexpectedEof.into()))
        } => ended,
        ended = source.ask() => ended,
    };
    drop((source, server));
    // DONE is a courtesy to the seeder's log.
    let _ = timeout(FAREWELL, sending.join_next()).await;
    ended
}

struct Source<'a> {
    shared: &'a Arc<Shared>,
    id: SourceId,
    /// How long it may be silent.
    stall: Duration,
    device: DeviceId,
    /// When something was heard last.
    heard: Mutex<Instant>,
    /// Counts the bytes that come, and how many there were when it was looked at last.
    came: Mutex<(Arc<AtomicU64>, u64)>,
    /// Says what is given on over this link, if anything is.
    sayer: Option<Mutex<Sayer>>,
}

impl Drop for Source<'_> {
    fn drop(&mut self) {
        self.shared.disconnect(self.id);
        self.shared.schedule().remove(self.id);
        self.shared.tell();
    }
}

impl Source<'_> {
    /// Asks for more whenever there is room, until everything is done.
    async fn ask(&self) -> Result<(), SessionError> {
        let mut news = self.shared.news();
        let mut asked = Instant::now();
        loop {
            news.mark_unchanged();
            self.listen();
            if let Some(sayer) = &self.sayer {
                lock(sayer).say(self.shared, self.device);
            }
            if self.fill().await {
                asked = Instant::now();
            } else if asked.elapsed() >= KEEP {
                asked = Instant::now();
                self.send(SessionMessage::Done { files: List::default() });
            }
            if self.shared.is_done() {
                return Ok(());
            }
            {
                let schedule = self.shared.schedule();
                if schedule.has_lied(self.id) {
                    return Ok(());
                }
                if let Some((silence, reads)) = schedule.silence(self.id, Instant::now())
                    && silence > self.patience(reads)
                {
                    return Err(SessionError::Timeout);
                }
            }
            tokio::select! {
                _ = news.changed() => {}
                () = sleep(TICK) => {}
            }
        }
    }

    /// Notes whether anything comes: on a slow way a message takes its time, and is no silence.
    fn listen(&self) {
        let mut came = lock(&self.came);
        let now = came.0.load(Ordering::Relaxed);
        if now != std::mem::replace(&mut came.1, now) {
            let time = Instant::now();
            *lock(&self.heard) = time;
            self.shared.schedule().stirred(self.id, time);
        }
    }

    /// How long it may be silent; `reads` says that it may have to read a file first.
    fn patience(&self, reads: bool) -> Duration {
        let heard = *lock(&self.heard);
        if self.shared.is_renewed_since(heard, &self.device) {
            return STALL_RENEWED;
        }
        if reads { READING } else { self.stall }
    }

    /// Whether there was anything to ask.
    async fn fill(&self) -> bool {
        let mut asked = false;
        loop {
            let work = self.shared.schedule().next(self.id, Instant::now());
            match work {
                None => return asked,
                Some(Work::Want { request, offer }) => self.send(SessionMessage::Want {
                    request,
                    log_id: offer.entry.log_id,
                    position: offer.entry.position,
                    index: offer.entry.index,
                }),
                Some(Work::Begin(files)) => self.begin(files).await,
                Some(Work::Run { pages, get }) => {
                    for (request, root, page) in pages {
                        self.send(SessionMessage::GetPage { request, root, page });
                    }
                    if let Some((request, items)) = get
                        && let Ok(items) = List::new(items)
                    {
                        self.send(SessionMessage::Get { request, items });
                    }
                }
            }
            asked = true;
        }
    }

    fn send(&self, message: SessionMessage) {
        self.shared.send(self.id, message);
    }

    async fn begin(&self, files: Vec<(usize, Root, u64)>) {
        let shared = self.shared.clone();
        let begin = move || {
            for (job, root, size) in files {
                let begun = shared.sink.begin(job, root, size);
                shared.schedule().begun(job, begun);
            }
            shared.tell();
        };
        // A panic in it shows in the jobs that never begin; there is none.
        let _ = tokio::task::spawn_blocking(begin).await;
    }

    fn heard(&self, bytes: usize) {
        let now = Instant::now();
        *lock(&self.heard) = now;
        self.shared.schedule().heard(self.id, bytes as u64, now);
    }

    async fn take_run(&self, mut run: RunReader<'_, impl Direction>) -> Result<(), SessionError> {
        let header = run.header().clone();
        let coming = self.shared.schedule().run_came(
            self.id,
            header.request,
            header.outcomes.len(),
            Instant::now(),
        )?;
        let mut batch = Batch { source: self, pieces: Vec::new(), bytes: 0 };
        for (item, outcome) in coming.into_iter().zip(header.outcomes.iter()) {
            match outcome {
                Outcome::Missing(why) => {
                    self.shared.schedule().item_passed(self.id, Some(*why));
                }
                Outcome::Data { len } => batch.item(&mut run, item, *len).await?,
            }
        }
        batch.dispatch().await;
        run.finish().await?;
        self.shared.schedule().run_ended(self.id, Instant::now());
        Ok(())
    }

    /// Reads `len` bytes and drops them.
    async fn skip(
        &self,
        run: &mut RunReader<'_, impl Direction>,
        len: u64,
    ) -> Result<(), SessionError> {
        let mut left = len;
        let most = usize::try_from(left.min(CHUNK)).unwrap_or(0);
        let mut bytes = self.shared.delivery.buffer(most);
        while left > 0 {
            let most = usize::try_from(left.min(CHUNK)).unwrap_or(0);
            match run.read(&mut bytes[..most]).await? {
                0 => return Err(SessionError::Malformed),
                read => {
                    left -= read as u64;
                    self.heard(read);
                }
            }
        }
        self.shared.delivery.give_back(bytes);
        Ok(())
    }
}

impl<R: Direction> Asking<R> for Source<'_> {
    fn heard(&self, bytes: usize) {
        self.heard(bytes);
    }

    fn told(&self, told: Told) {
        match told {
            Told::Catalogue => self.shared.schedule().says_complete(self.id),
            Told::Have(root, chunks) => self.shared.schedule().have(self.id, &root, &chunks),
            Told::Others(root, addresses) => self.shared.named(self.device, root, addresses),
        }
        self.shared.tell();
    }

    fn answer(&self, answer: Answer) -> Result<(), SessionError> {
        {
            let mut schedule = self.shared.schedule();
            match answer {
                Answer::Reading { request, done, size } => {
                    schedule.reading(self.id, request, done, size);
                }
                Answer::Stated { request, root, size } => {
                    schedule.stated(self.id, request, root, size)?;
                }
                Answer::Page { request, values } => schedule.page(self.id, request, values)?,
                Answer::Failed { request, why } => schedule.failed(self.id, request, why)?,
                Answer::Changed(root) => schedule.changed(self.id, root),
            }
        }
        self.shared.tell();
        Ok(())
    }

    async fn run(&self, run: RunReader<'_, R>) -> Result<(), SessionError> {
        self.take_run(run).await?;
        self.shared.tell();
        Ok(())
    }
}

/// Chunks of one run that are handed on together.
struct Batch<'a> {
    source: &'a Source<'a>,
    pieces: Vec<Piece>,
    bytes: usize,
}

impl Batch<'_> {
    /// Reads the bytes of one item, chunk by chunk. Those of a file that has ended meanwhile are read and dropped.
    async fn item(
        &mut self,
        run: &mut RunReader<'_, impl Direction>,
        item: Coming,
        len: u32,
    ) -> Result<(), SessionError> {
        let Coming { job, chunks, mut start } = item;
        let (layout, root) = {
            let schedule = self.source.shared.schedule();
            (schedule.layout(job), schedule.root(job))
        };
        let (Some(layout), Some(root)) = (layout, root) else {
            self.source.skip(run, u64::from(len)).await?;
            self.source.shared.schedule().item_passed(self.source.id, None);
            return Ok(());
        };
        let all: u64 = chunks.clone().map(|index| layout.chunk_len(index)).sum();
        let there = start.as_ref().map_or(0, |start| start.len() as u64);
        if all.checked_sub(there) != Some(u64::from(len)) {
            return Err(SessionError::Malformed);
        }
        for index in chunks {
            let coming = ComingChunk::new(self.source, (job, root, index), layout, start.take());
            self.chunk(run, coming?).await?;
        }
        Ok(())
    }

    async fn chunk(
        &mut self,
        run: &mut RunReader<'_, impl Direction>,
        mut coming: ComingChunk<'_>,
    ) -> Result<(), SessionError> {
        let shared = self.source.shared;
        let joined = coming.fill(run).await?;
        let (job, index, bytes) = (coming.job, coming.index, coming.take());
        match shared.schedule().chunk_came(self.source.id, job, index) {
            Arrival::Drop => shared.delivery.give_back(bytes),
            Arrival::Take { layout, root, value } => {
                self.bytes += bytes.len() + 1;
                self.pieces.push(Piece { job, index, bytes, layout, root, value, joined });
            }
        }
        if self.bytes >= BATCH {
            self.dispatch().await;
        }
        Ok(())
    }

    /// Hands on what is gathered, as soon as there is room.
    async fn dispatch(&mut self) {
        if self.pieces.is_empty() {
            return;
        }
        // Taken only then: whoever waits here may be dropped.
        if let Some(room) = self.source.shared.delivery.room().await {
            self.bytes = 0;
            let pieces = std::mem::take(&mut self.pieces);
            deliver(self.source.shared, self.source.id, pieces, room);
        }
        self.source.shared.tell();
    }
}

/// What has come counts, also when the link is lost before it was handed on.
impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let pieces = std::mem::take(&mut self.pieces);
        if pieces.is_empty() {
            return;
        }
        let (shared, id) = (self.source.shared.clone(), self.source.id);
        tokio::spawn(async move {
            if let Some(room) = shared.delivery.room().await {
                deliver(&shared, id, pieces, room);
            }
        });
    }
}

#[cfg(test)]
mod tests;
