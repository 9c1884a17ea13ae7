//! One link of a session: its requests are read as they come, queued, and answered one behind the other.

use std::sync::Arc;
use std::time::Duration;

use sealift_proto::catalogue::Root;
use sealift_proto::codec::{self, List};
use sealift_proto::control::Hash;
use sealift_proto::direct::Candidates;
use sealift_proto::link::{ToLeecher, ToSeeder};
use sealift_proto::message::{Finished, Item, MESSAGE_MAX, Missing, SessionMessage};
use sealift_transport::path::Way;
use sealift_transport::session::{Incoming, LinkReader, LinkWriter, SessionError};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use super::Service;
use super::event::Event;
use super::run::{self, Prepared};
use crate::entry::EntryPlace;

/// Requests read ahead; beyond, the leecher waits.
const QUEUE: usize = 64;
/// Entries wanted at once, beyond which the leecher waits.
const WANTED: usize = 256;
/// A leecher that asks nothing for so long is let go.
const IDLE: Duration = Duration::from_secs(600);

/// What is to be answered.
pub(super) enum Job {
    Message(SessionMessage),
    Page { request: u32, root: Root, page: Option<u64> },
    Run { request: u32, items: Vec<Item> },
}

/// A link to a leecher.
pub(super) struct Line {
    /// What is served.
    pub(super) service: Service,
    /// Which way the link takes.
    pub(super) way: Way,
    /// Whether content may be asked for on it.
    pub(super) carries: bool,
    /// Answers go here.
    pub(super) writer: LinkWriter<ToLeecher>,
    /// Requests come from here.
    pub(super) reader: LinkReader<ToSeeder>,
    /// What the leecher says that is not about content goes here.
    pub(super) aside: mpsc::Sender<Said>,
}

/// The leecher has said where it may be reached. One that says so more often than there is room for is not heard.
pub(super) struct Said {
    /// The addresses.
    pub(super) candidates: Candidates,
    /// For an answer on the same link.
    pub(super) answer: mpsc::WeakSender<Job>,
}

impl Line {
    /// Serves until the leecher ends the link; `first` is said before all else.
    ///
    /// # Errors
    /// Why it ended otherwise.
    pub(super) async fn serve(self, first: Option<SessionMessage>) -> Result<(), SessionError> {
        let Self { service, way, carries, writer, reader, aside } = self;
        let (jobs, queue) = mpsc::channel(QUEUE);
        if let Some(first) = first {
            // The queue is empty and has room.
            let _ = jobs.try_send(Job::Message(first));
        }
        let reading = Reading { service: &service, carries, jobs, aside }.run(reader);
        let writing = Writing { service: &service, way, writer }.run(queue);
        tokio::pin!(reading, writing);
        tokio::select! {
            result = &mut writing => result,
            // What was asked before the end is still answered.
            result = &mut reading => match result {
                Ok(()) => writing.await,
                Err(error) => Err(error),
            },
        }
    }
}

struct Reading<'a> {
    service: &'a Service,
    carries: bool,
    jobs: mpsc::Sender<Job>,
    aside: mpsc::Sender<Said>,
}

impl Reading<'_> {
    /// Reads requests until the leecher ends the link.
    async fn run(self, mut reader: LinkReader<ToSeeder>) -> Result<(), SessionError> {
        let wanted = Arc::new(Semaphore::new(WANTED));
        loop {
            let next = timeout(IDLE, reader.next()).await.map_err(|_| SessionError::Timeout)??;
            let message = match next {
                Incoming::Message(message) if message.len() <= MESSAGE_MAX => message,
                Incoming::End => return Ok(()),
                Incoming::Message(_) | Incoming::Run(_) => return Err(SessionError::Malformed),
            };
            let message = codec::decode(&message).map_err(|_| SessionError::Malformed)?;
            let job = match message {
                SessionMessage::Head { .. }
                | SessionMessage::Others { .. }
                | SessionMessage::Have { .. } => None,
                // Nothing was asked of the other end.
                SessionMessage::Root { .. }
                | SessionMessage::Page { .. }
                | SessionMessage::Failed { .. }
                | SessionMessage::Changed { .. }
                | SessionMessage::Reading { .. } => return Err(SessionError::Malformed),
                SessionMessage::Paths { candidates } => {
                    let answer = self.jobs.downgrade();
                    let _ = self.aside.try_send(Said { candidates, answer });
                    None
                }
                SessionMessage::Done { files } => {
                    self.tell_completed(&files);
                    None
                }
                SessionMessage::Want { request, .. }
                | SessionMessage::GetPage { request, .. }
                | SessionMessage::Get { request, .. }
                    if !self.carries =>
                {
                    Some(Job::Message(SessionMessage::Failed { request, why: Missing::NotHere }))
                }
                SessionMessage::Want { request, log_id, position, index } => {
                    let entry = EntryPlace { log_id, position, index };
                    self.want(&wanted, request, entry).await?;
                    None
                }
                SessionMessage::GetPage { request, root, page } => {
                    self.service.holdings.known(&[root]).await;
                    Some(Job::Page { request, root, page })
                }
                SessionMessage::Get { request, items } => {
                    let roots: Vec<_> = items.iter().map(|item| item.root).collect();
                    self.service.holdings.known(&roots).await;
                    Some(Job::Run { request, items: items.into_vec() })
                }
            };
            if let Some(job) = job
                && self.jobs.send(job).await.is_err()
            {
                return Ok(());
            }
        }
    }

    /// Answers as soon as the content is known; meanwhile other requests are read.
    async fn want(
        &self,
        wanted: &Arc<Semaphore>,
        request: u32,
        entry: EntryPlace,
    ) -> Result<(), SessionError> {
        let permit = wanted.clone().acquire_owned().await.map_err(|_| SessionError::Closed)?;
        let (service, jobs) = (self.service.clone(), self.jobs.clone());
        tokio::spawn(async move {
            let answer = want(&service, request, entry, &jobs).await;
            // A session that has ended wants no answer.
            let _ = jobs.send(Job::Message(answer)).await;
            drop(permit);
        });
        Ok(())
    }

    fn tell_completed(&self, files: &[Finished]) {
        // One that names none only keeps a link from being closed.
        if files.is_empty() {
            return;
        }
        let bytes = files.iter().map(|file| file.size).fold(0, u64::saturating_add);
        let files = files.len() as u64;
        self.service.listener.hear(Event::Completed { files, bytes });
    }
}

/// The content of an entry, read now if it has not been. The other end is told now and then how far that is.
async fn want(
    service: &Service,
    request: u32,
    entry: EntryPlace,
    jobs: &mpsc::Sender<Job>,
) -> SessionMessage {
    let reading = |done, size| {
        // Whoever does not read its answers need not know.
        let _ = jobs.try_send(Job::Message(SessionMessage::Reading { request, done, size }));
    };
    match service.holdings.want(entry, &reading).await {
        Ok((root, size)) if service.holdings.may(&service.to, &root) => {
            SessionMessage::Root { request, root, size }
        }
        Ok(_) => SessionMessage::Failed { request, why: Missing::Gone },
        Err(why) => SessionMessage::Failed { request, why },
    }
}

struct Writing<'a> {
    service: &'a Service,
    way: Way,
    writer: LinkWriter<ToLeecher>,
}

/// A job whose disk work has been begun.
enum Ready {
    Message(SessionMessage),
    Run(tokio::task::JoinHandle<Result<Prepared, SessionMessage>>),
}

impl Writing<'_> {
    /// Answers until the queue ends. While one answer is sent the next is being read.
    async fn run(mut self, mut queue: mpsc::Receiver<Job>) -> Result<(), SessionError> {
        let mut next = None;
        loop {
            let ready = match next.take() {
                Some(ready) => ready,
                None => match queue.recv().await {
                    Some(job) => self.begin(job),
                    None => return Ok(()),
                },
            };
            next = queue.try_recv().ok().map(|job| self.begin(job));
            match ready {
                Ready::Message(message) => self.writer.message(&message).await?,
                Ready::Run(preparing) => match preparing.await {
                    Ok(Ok(prepared)) => self = self.send(prepared).await?,
                    Ok(Err(refusal)) => self.writer.message(&refusal).await?,
                    Err(_) => return Err(SessionError::Closed),
                },
            }
        }
    }

    fn begin(&self, job: Job) -> Ready {
        let service = self.service.clone();
        match job {
            Job::Message(message) => Ready::Message(message),
            Job::Page { request, root, page } => {
                Ready::Run(tokio::task::spawn_blocking(move || {
                    Err(page_answer(&service, request, &root, page))
                }))
            }
            Job::Run { request, items } => Ready::Run(tokio::task::spawn_blocking(move || {
                run::prepare(&service, request, &items)
            })),
        }
    }

    async fn send(self, prepared: Prepared) -> Result<Self, SessionError> {
        let Self { service, way, writer } = self;
        let told = prepared.told();
        let (mut writer, changed) = prepared.send(writer).await?;
        if let Some((name, bytes)) = told {
            service.listener.hear(Event::Sent { way, name, bytes });
        }
        for root in changed {
            writer.message(&SessionMessage::Changed { root }).await?;
        }
        Ok(Self { service, way, writer })
    }
}

fn page_answer(service: &Service, request: u32, root: &Root, page: Option<u64>) -> SessionMessage {
    let Service { holdings, to, .. } = service;
    let values =
        if holdings.may(to, root) { holdings.values(root, page) } else { Err(Missing::Gone) };
    let values = values.and_then(|values| {
        List::new(values.into_iter().map(Hash).collect()).map_err(|_| Missing::Refused)
    });
    match values {
        Ok(values) => SessionMessage::Page { request, values },
        Err(why) => SessionMessage::Failed { request, why },
    }
}
