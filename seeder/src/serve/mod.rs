//! Serves one leecher: its requests are read as they come, queued, and answered one behind the other.
//!
//! A request names content by its root or an entry by its place in the log; it never opens a name that came from outside.

mod content;
mod known;
mod run;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sealift_peer::session::{Incoming, LinkReader, LinkWriter, SeederSession, SessionError};
use sealift_proto::catalogue::Root;
use sealift_proto::codec::{self, Bytes, List};
use sealift_proto::control::Hash;
use sealift_proto::link::{ToLeecher, ToSeeder};
use sealift_proto::message::{FromLeecher, FromSeeder, Item, MESSAGE_MAX, Missing};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::activity::{Activity, Teller};
use crate::catalogue::log::Log;
use crate::engine::Handle;
use crate::index::Name;
use run::Prepared;

/// Requests read ahead; beyond, the leecher waits.
const QUEUE: usize = 64;
/// Entries wanted at once, beyond which the leecher waits.
const WANTED: usize = 256;
/// How often somebody who waits for a file to be read is told how far it is.
const TELL: Duration = Duration::from_secs(1);
/// A leecher that asks nothing for so long is let go.
const IDLE: Duration = Duration::from_secs(600);

/// What a session needs to serve.
#[derive(Clone)]
pub struct Library {
    /// What is offered.
    pub engine: Handle,
    /// How it was published.
    pub log: Arc<Mutex<Log>>,
    /// The newest head that the relay has, encoded; empty if there is none.
    pub head: Arc<Mutex<Vec<u8>>>,
    /// Where to tell what happens.
    pub teller: Teller,
}

enum Job {
    Message(FromSeeder),
    Page { request: u32, root: Root, page: Option<u64> },
    Run { request: u32, items: Vec<Item> },
}

/// Serves `session` until the leecher ends it. `number` names it in what is told.
///
/// # Errors
/// Why it ended otherwise.
pub async fn serve(
    library: &Library,
    number: u64,
    session: SeederSession,
) -> Result<(), SessionError> {
    let SeederSession { writer, reader, .. } = session;
    let (jobs, queue) = mpsc::channel(QUEUE);
    let head = library.head.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let first = FromSeeder::Head { statement: Bytes::new(head).unwrap_or_default() };
    // The queue is empty and has room.
    let _ = jobs.try_send(Job::Message(first));
    let reading = read(library, number, reader, jobs);
    let writing = Writing { library, number, writer }.run(queue);
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

async fn read(
    library: &Library,
    number: u64,
    mut reader: LinkReader<ToSeeder>,
    jobs: mpsc::Sender<Job>,
) -> Result<(), SessionError> {
    let wanted = Arc::new(tokio::sync::Semaphore::new(WANTED));
    loop {
        let next = timeout(IDLE, reader.next()).await.map_err(|_| SessionError::Timeout)??;
        let message = match next {
            Incoming::Message(message) if message.len() <= MESSAGE_MAX => message,
            Incoming::End => return Ok(()),
            Incoming::Message(_) | Incoming::Run(_) => return Err(SessionError::Malformed),
        };
        let job = match codec::decode(&message).map_err(|_| SessionError::Malformed)? {
            FromLeecher::Want { request, log_id, position, index } => {
                let permit = wanted.clone().acquire_owned().await;
                let permit = permit.map_err(|_| SessionError::Closed)?;
                let (library, jobs) = (library.clone(), jobs.clone());
                tokio::spawn(async move {
                    let answer = want(&library, request, log_id, position, index, &jobs).await;
                    // A session that has ended wants no answer.
                    let _ = jobs.send(Job::Message(answer)).await;
                    drop(permit);
                });
                continue;
            }
            FromLeecher::GetPage { request, root, page } => {
                known::known(&library.engine, &[root]).await;
                Job::Page { request, root, page }
            }
            FromLeecher::Get { request, items } => {
                let roots: Vec<_> = items.iter().map(|item| item.root).collect();
                known::known(&library.engine, &roots).await;
                Job::Run { request, items: items.into_vec() }
            }
            // No direct links yet.
            FromLeecher::Paths { .. } => continue,
            FromLeecher::Done { files } => {
                let bytes = files.iter().map(|file| file.size).fold(0, u64::saturating_add);
                let files = files.len() as u64;
                library.teller.tell(Activity::Completed { number, files, bytes });
                continue;
            }
        };
        if jobs.send(job).await.is_err() {
            return Ok(());
        }
    }
}

/// The content of the entry at that place of the log, read now if it has not been.
async fn want(
    library: &Library,
    request: u32,
    log_id: [u8; 16],
    position: u64,
    index: u32,
    jobs: &mpsc::Sender<Job>,
) -> FromSeeder {
    let log = library.log.clone();
    let found = tokio::task::spawn_blocking(move || {
        log.lock().unwrap_or_else(PoisonError::into_inner).lookup(&log_id, position, index)
    });
    let answer = match found.await.ok().flatten() {
        Some(name) => read_now(library, request, &name, jobs).await,
        None => Err(Missing::Gone),
    };
    match answer {
        Ok((root, size)) => FromSeeder::Root { request, root, size },
        Err(why) => FromSeeder::Failed { request, why },
    }
}

/// The content of `name`; the leecher is told now and then how far its reading is.
async fn read_now(
    library: &Library,
    request: u32,
    name: &Name,
    jobs: &mpsc::Sender<Job>,
) -> Result<(Root, u64), Missing> {
    let answer = library.engine.want(name.clone());
    tokio::pin!(answer);
    loop {
        if let Ok(answer) = timeout(TELL, &mut answer).await {
            return answer;
        }
        if let Some((done, size)) = library.engine.progress(name) {
            // A leecher that does not read its answers need not know.
            let _ = jobs.try_send(Job::Message(FromSeeder::Reading { request, done, size }));
        }
    }
}

struct Writing<'a> {
    library: &'a Library,
    number: u64,
    writer: LinkWriter<ToLeecher>,
}

/// A job whose disk work has been begun.
enum Ready {
    Message(FromSeeder),
    Run(tokio::task::JoinHandle<Result<Prepared, FromSeeder>>),
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
        let engine = self.library.engine.clone();
        match job {
            Job::Message(message) => Ready::Message(message),
            Job::Page { request, root, page } => {
                Ready::Run(tokio::task::spawn_blocking(move || {
                    Err(page_answer(&engine, request, &root, page))
                }))
            }
            Job::Run { request, items } => Ready::Run(tokio::task::spawn_blocking(move || {
                run::prepare(&engine, request, &items)
            })),
        }
    }

    async fn send(self, prepared: Prepared) -> Result<Self, SessionError> {
        let Self { library, number, writer } = self;
        let told = prepared.told();
        let (mut writer, changed) = prepared.send(&library.engine, writer).await?;
        if let Some((name, bytes)) = told {
            library.teller.tell(Activity::Sent { number, name, bytes });
        }
        for root in changed {
            writer.message(&FromSeeder::Changed { root }).await?;
        }
        Ok(Self { library, number, writer })
    }
}

fn page_answer(engine: &Handle, request: u32, root: &Root, page: Option<u64>) -> FromSeeder {
    let values = content::page(engine, root, page).and_then(|values| {
        List::new(values.into_iter().map(Hash).collect()).map_err(|_| Missing::Refused)
    });
    match values {
        Ok(values) => FromSeeder::Page { request, values },
        Err(why) => FromSeeder::Failed { request, why },
    }
}
