//! One link of a session that serves: its requests are read as they come, queued, and answered one behind the other.

use std::sync::Arc;

use sealift_proto::catalogue::Root;
use sealift_proto::codec::List;
use sealift_proto::control::Hash;
use sealift_proto::link::Direction;
use sealift_proto::message::{Finished, Missing, SessionMessage};
use sealift_transport::path::Way;
use sealift_transport::session::{LinkReader, LinkWriter, RunReader, SessionError};
use tokio::sync::{Semaphore, mpsc};

use super::event::Event;
use super::swarm::Seat;
use super::{Service, run};
use crate::entry::EntryPlace;
use crate::link::{
    self, Absent, Addresses, Answer, Asking, IDLE, Job, Outbox, Request, Room, Serving, Told, Work,
    courtesy,
};

/// Entries wanted at once, beyond which whoever wants them waits; where this end asks too the link is closed.
const WANTED: usize = 256;

/// A link on which this end serves, which sends by `S` and receives by `R`.
pub(super) struct Line<S: Direction, R: Direction> {
    /// What is served.
    pub(super) service: Service,
    /// Which way the link takes.
    pub(super) way: Way,
    /// Whether content may be asked for on it.
    pub(super) carries: bool,
    /// Answers go here.
    pub(super) writer: LinkWriter<S>,
    /// Requests come from here.
    pub(super) reader: LinkReader<R>,
    /// What the other end says of its addresses goes here.
    pub(super) aside: mpsc::Sender<Addresses>,
    /// Its place among those who give on what they fetch.
    pub(super) seat: Option<Arc<Seat>>,
}

impl<S: Direction, R: Direction> Line<S, R> {
    /// Serves until the other end ends the link; `first` is said before all else.
    ///
    /// # Errors
    /// Why it ended otherwise.
    pub(super) async fn serve(self, first: Option<SessionMessage>) -> Result<(), SessionError> {
        let Self { service, way, carries, writer, mut reader, aside, seat } = self;
        let (Outbox { small, jobs }, waiting) = link::outbox();
        if let Some(first) = first {
            // Its other end is here.
            let _ = small.send(first);
        }
        // All else that leaves is an answer.
        drop(small);
        let answer = jobs.downgrade();
        let hearing = Hearing { service: service.clone(), seat, link: jobs.downgrade() };
        let server = Server::new(service, (way, carries), jobs);
        let reading = async move {
            link::read(&mut reader, (&hearing, &server), (&aside, &answer), IDLE).await
        };
        let writing = waiting.send(writer);
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

/// In place of the half that asks: it hears what the other end has.
struct Hearing {
    service: Service,
    seat: Option<Arc<Seat>>,
    link: mpsc::WeakSender<Job>,
}

impl<R: Direction> Asking<R> for Hearing {
    fn asks(&self) -> bool {
        false
    }

    fn heard(&self, _: usize) {}

    /// One who gives on a content of this end is named to others who fetch it.
    fn told(&self, told: Told) {
        let (Some(seat), Told::Have(root, _)) = (&self.seat, told) else { return };
        let Service { holdings, to, .. } = &self.service;
        if holdings.may(to, &root) && holdings.layout(&root).is_ok() {
            seat.has(root, &self.link);
        }
    }

    fn answer(&self, answer: Answer) -> Result<(), SessionError> {
        Asking::<R>::answer(&Absent, answer)
    }

    async fn run(&self, run: RunReader<'_, R>) -> Result<(), SessionError> {
        Absent.run(run).await
    }
}

/// The half of a link that serves.
pub(crate) struct Server {
    service: Service,
    way: Way,
    carries: bool,
    jobs: mpsc::Sender<Job>,
    room: Room,
    wanted: Arc<Semaphore>,
}

impl Serving for Server {
    async fn request(&self, request: Request, asks: bool) -> Result<(), SessionError> {
        let (service, way) = (self.service.clone(), self.way);
        // Held until the work on the answer has begun.
        let room = match &request {
            Request::Done(_) => None,
            Request::Want { .. } if self.carries => None,
            Request::Run { items, .. } => Some(self.room.take(items.len(), asks).await?),
            Request::Want { .. } | Request::Page { .. } => Some(self.room.take(0, asks).await?),
        };
        let work: Work = match request {
            Request::Done(files) => {
                self.tell_completed(&files);
                return Ok(());
            }
            Request::Want { request, .. }
            | Request::Page { request, .. }
            | Request::Run { request, .. }
                if !self.carries =>
            {
                Box::new(move || Err(SessionMessage::Failed { request, why: Missing::NotHere }))
            }
            Request::Want { request, entry } => return self.want(request, entry, asks).await,
            Request::Page { request, root, page } => {
                service.holdings.known(&[root]).await;
                Box::new(move || Err(page_answer(&service, request, &root, page)))
            }
            Request::Run { request, items } => {
                let roots: Vec<_> = items.iter().map(|item| item.root).collect();
                service.holdings.known(&roots).await;
                Box::new(move || run::prepare(&service, way, request, &items))
            }
        };
        let job = Job::Work(Box::new(move || {
            drop(room);
            work()
        }));
        // If the writer has ended, so has the link: whoever waits for it says why.
        let _ = self.jobs.send(job).await;
        Ok(())
    }
}

impl Server {
    /// Serves over a link that takes this way, and may carry content or not. What is answered goes to `jobs`.
    pub(crate) fn new(
        service: Service,
        (way, carries): (Way, bool),
        jobs: mpsc::Sender<Job>,
    ) -> Self {
        let wanted = Arc::new(Semaphore::new(WANTED));
        Self { service, way, carries, jobs, room: Room::default(), wanted }
    }

    /// Answers as soon as the content is known; meanwhile other requests are read.
    async fn want(&self, request: u32, entry: EntryPlace, asks: bool) -> Result<(), SessionError> {
        let wanted = self.wanted.clone();
        let permit = if asks {
            wanted.try_acquire_owned().map_err(|_| SessionError::Malformed)?
        } else {
            wanted.acquire_owned().await.map_err(|_| SessionError::Closed)?
        };
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
        let _ = courtesy(jobs, SessionMessage::Reading { request, done, size });
    };
    match service.holdings.want(entry, &reading).await {
        Ok((root, size)) if service.holdings.may(&service.to, &root) => {
            SessionMessage::Root { request, root, size }
        }
        Ok(_) => SessionMessage::Failed { request, why: Missing::Gone },
        Err(why) => SessionMessage::Failed { request, why },
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
