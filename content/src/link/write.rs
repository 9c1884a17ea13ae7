//! What leaves over a link.

use std::sync::Arc;

use sealift_proto::link::Direction;
use sealift_proto::message::SessionMessage;
use sealift_transport::session::{LinkWriter, SessionError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use crate::serve::run::Prepared;

/// Work that waits to be sent; beyond, whoever asks for more waits, if nothing but questions comes from there.
const QUEUE: u32 = 64;
/// The same where answers come between them: requests and items of requests, beyond which the link is closed.
const ROOM: u32 = 65_536;
/// Other answers that may wait beside that work.
const BESIDE: usize = 1024;
/// Messages that nobody misses are left out when so many wait.
const COURTESIES: usize = 64;

/// What makes an answer ready.
pub(crate) type Work = Box<dyn FnOnce() -> Result<Prepared, SessionMessage> + Send>;

/// What is sent in its order.
pub(crate) enum Job {
    /// Right away.
    Message(SessionMessage),
    /// When it is ready: a run, or what is answered in its place. Takes the disk.
    Work(Work),
}

/// Where what is to leave goes.
pub(crate) struct Outbox {
    /// Requests and other small messages of this end's own accord, which go before all work: nothing that the other end asks for,
    /// since this has no bounds.
    pub(crate) small: mpsc::UnboundedSender<SessionMessage>,
    /// Work, in its order.
    pub(crate) jobs: mpsc::Sender<Job>,
}

/// What waits to leave.
pub(crate) struct Waiting {
    small: mpsc::UnboundedReceiver<SessionMessage>,
    jobs: mpsc::Receiver<Job>,
}

/// Makes both ends of the queue. It ends when nobody can put anything into it any more.
pub(crate) fn outbox() -> (Outbox, Waiting) {
    let (small, smalls) = mpsc::unbounded_channel();
    let (jobs, queue) = mpsc::channel(ROOM as usize + BESIDE);
    (Outbox { small, jobs }, Waiting { small: smalls, jobs: queue })
}

/// Sends what nobody misses, unless much waits already: one that does not read its answers need not know. The message comes
/// back where there was no room for it.
pub(crate) fn courtesy(
    jobs: &mpsc::Sender<Job>,
    message: SessionMessage,
) -> Option<SessionMessage> {
    if jobs.max_capacity() - jobs.capacity() >= COURTESIES {
        return Some(message);
    }
    // On a link that has ended nobody misses anything either.
    let _ = jobs.try_send(Job::Message(message));
    None
}

/// Room for what is asked for and not answered yet.
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(ROOM as usize)))
    }
}

impl Room {
    /// Room for a request of `items` items, until what this returns is dropped. Where only questions come it is waited for.
    ///
    /// # Errors
    /// When there is none where this end `asks` too.
    pub(crate) async fn take(
        &self,
        items: usize,
        asks: bool,
    ) -> Result<OwnedSemaphorePermit, SessionError> {
        let room = self.0.clone();
        if !asks {
            return room.acquire_many_owned(ROOM / QUEUE).await.map_err(|_| SessionError::Closed);
        }
        let count = u32::try_from(items).unwrap_or(ROOM).saturating_add(1);
        room.try_acquire_many_owned(count).map_err(|_| SessionError::Malformed)
    }
}

/// A job whose disk work has been begun.
enum Ready {
    Message(SessionMessage),
    Work(JoinHandle<Result<Prepared, SessionMessage>>),
}

fn begin(job: Job) -> Ready {
    match job {
        Job::Message(message) => Ready::Message(message),
        Job::Work(work) => Ready::Work(tokio::task::spawn_blocking(work)),
    }
}

impl Waiting {
    /// How much waits.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.small.len() + self.jobs.len()
    }

    /// The next message in its order, if one waits.
    #[cfg(test)]
    pub(crate) fn next_message(&mut self) -> Option<SessionMessage> {
        match self.jobs.try_recv().ok()? {
            Job::Message(message) => Some(message),
            Job::Work(_) => None,
        }
    }

    /// Sends what waits until the queue ends. While one piece of work is sent the next is being made ready.
    ///
    /// # Errors
    /// When the link broke.
    pub(crate) async fn send<S: Direction>(
        mut self,
        mut writer: LinkWriter<S>,
    ) -> Result<(), SessionError> {
        let mut next = None;
        loop {
            while let Ok(message) = self.small.try_recv() {
                writer.message(&message).await?;
            }
            let ready = match next.take() {
                Some(ready) => ready,
                None => tokio::select! {
                    biased;
                    Some(message) = self.small.recv() => {
                        writer.message(&message).await?;
                        continue;
                    }
                    Some(job) = self.jobs.recv() => begin(job),
                    else => return Ok(()),
                },
            };
            next = self.jobs.try_recv().ok().map(begin);
            match ready {
                Ready::Message(message) => writer.message(&message).await?,
                Ready::Work(work) => match work.await {
                    Ok(Ok(prepared)) => writer = prepared.send(writer).await?,
                    Ok(Err(answer)) => writer.message(&answer).await?,
                    Err(_) => return Err(SessionError::Closed),
                },
            }
        }
    }
}
