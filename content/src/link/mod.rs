//! One link of a session, whoever opened it: either end may ask and serve on it. What comes is decoded here alone and goes to the
//! half that it is for; what leaves goes through one writer, small messages before what takes the disk.

mod sort;
mod write;

use std::time::Duration;

use sealift_proto::codec;
use sealift_proto::direct::Candidates;
use sealift_proto::link::Direction;
use sealift_proto::message::{MESSAGE_MAX, SessionMessage};
use sealift_transport::session::{Incoming, LinkReader, RunReader, SessionError};
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(crate) use sort::{Answer, Request, Told};
#[cfg(test)]
pub(crate) use write::Waiting;
pub(crate) use write::{Job, Outbox, Room, Work, courtesy, outbox};

use sort::Sorted;

/// Whoever asks this end for nothing for so long, nor says anything, is let go.
pub(crate) const IDLE: Duration = Duration::from_secs(600);

/// The half of a link that asks: it takes what is answered.
pub(crate) trait Asking<R: Direction>: Sync {
    /// Whether anything is asked here, so that answers come between what the other end asks.
    fn asks(&self) -> bool {
        true
    }

    /// So many bytes of a message have come, whatever it says.
    fn heard(&self, bytes: usize);

    /// The other end says what it can be asked for.
    fn told(&self, told: Told) {
        let _ = told;
    }

    /// Something was answered.
    ///
    /// # Errors
    /// When it answers nothing.
    fn answer(&self, answer: Answer) -> Result<(), SessionError>;

    /// A run comes.
    ///
    /// # Errors
    /// When it answers nothing, or the link breaks.
    fn run(&self, run: RunReader<'_, R>) -> impl Future<Output = Result<(), SessionError>> + Send;
}

/// The half of a link that serves: it takes what is asked for.
pub(crate) trait Serving: Sync {
    /// Something is asked for. While this takes its time nothing more is read: where this end `asks` too it must not wait for
    /// answers to leave, since the other end may be waiting for the same.
    ///
    /// # Errors
    /// When this end serves nothing here, or too much is asked for.
    fn request(
        &self,
        request: Request,
        asks: bool,
    ) -> impl Future<Output = Result<(), SessionError>> + Send;
}

/// In place of the half that an end does not have: what comes for it is out of turn, and ends the link.
pub(crate) struct Absent;

impl<R: Direction> Asking<R> for Absent {
    fn asks(&self) -> bool {
        false
    }

    fn heard(&self, _: usize) {}

    fn answer(&self, _: Answer) -> Result<(), SessionError> {
        Err(SessionError::Malformed)
    }

    async fn run(&self, _: RunReader<'_, R>) -> Result<(), SessionError> {
        Err(SessionError::Malformed)
    }
}

/// The half that serves, where there may be none.
impl<S: Serving> Serving for Option<S> {
    async fn request(&self, request: Request, asks: bool) -> Result<(), SessionError> {
        match self {
            Some(serving) => serving.request(request, asks).await,
            None => Absent.request(request, asks).await,
        }
    }
}

impl Serving for Absent {
    async fn request(&self, request: Request, _: bool) -> Result<(), SessionError> {
        match request {
            // It asks for nothing.
            Request::Done(_) => Ok(()),
            _ => Err(SessionError::Malformed),
        }
    }
}

/// The other end has said where it may be reached.
pub(crate) struct Addresses {
    /// Where.
    pub(crate) candidates: Candidates,
    /// For an answer on the same link. What goes there has bounds: the other end may ask for it as often as it likes.
    pub(crate) answer: mpsc::WeakSender<Job>,
}

/// Reads what comes until the other end ends the link in order. It may say nothing for `idle`. What it says of its addresses goes
/// `aside`; one that says more of them than there is room for is not heard.
///
/// # Errors
/// Why it ended otherwise.
pub(crate) async fn read<R: Direction>(
    reader: &mut LinkReader<R>,
    (asking, serving): (&impl Asking<R>, &impl Serving),
    (aside, answer): (&mpsc::Sender<Addresses>, &mpsc::WeakSender<Job>),
    idle: Duration,
) -> Result<(), SessionError> {
    loop {
        let next = timeout(idle, reader.next()).await.map_err(|_| SessionError::Timeout)??;
        let message = match next {
            Incoming::End => return Ok(()),
            Incoming::Run(run) => {
                asking.run(run).await?;
                continue;
            }
            Incoming::Message(message) if message.len() <= MESSAGE_MAX => message,
            Incoming::Message(_) => return Err(SessionError::Malformed),
        };
        asking.heard(message.len());
        let message: SessionMessage =
            codec::decode(&message).map_err(|_| SessionError::Malformed)?;
        match Sorted::from(message) {
            Sorted::Request(request) => serving.request(request, asking.asks()).await?,
            Sorted::Answer(said) => asking.answer(said)?,
            Sorted::Addresses(candidates) => {
                let _ = aside.try_send(Addresses { candidates, answer: answer.clone() });
            }
            Sorted::Told(told) if told.is_sound() => asking.told(told),
            Sorted::Told(_) => return Err(SessionError::Malformed),
        }
    }
}

#[cfg(test)]
mod tests;
