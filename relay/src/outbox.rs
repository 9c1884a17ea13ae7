//! What waits to be sent on one control connection.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use sealift_platform::sync::lock;
use sealift_proto::codec;
use sealift_proto::control::{FromRelay, Refusal};
use sealift_proto::frame;
use sealift_proto::identity::DeviceId;

use crate::limits::Limits;
use crate::store::SegmentRange;

/// A frame ready to be sent, shared by all who get it.
pub(crate) type Frame = Arc<[u8]>;

/// `message` as a frame.
pub(crate) fn encode(message: &FromRelay) -> Frame {
    // Every message of the relay fits by its own bounds; a test in `proto` holds the largest ones against it.
    frame::frame(&codec::encode(message)).unwrap_or_default().into()
}

/// Something to be read from the store and sent piece by piece, behind everything that is ready.
#[derive(Debug)]
pub(crate) enum Job {
    /// All statements of the connection's space.
    Heads,
    /// Some segments.
    Fetch {
        /// Echoed.
        request: u32,
        /// Which.
        range: SegmentRange,
    },
}

/// What the writer is to do next.
pub(crate) enum Next {
    /// Send these.
    Frames(Vec<Frame>),
    /// Do this.
    Job(Job),
    /// Send the last word, if any, and close.
    Close(Option<Refusal>),
}

/// Bytes that wait on all connections together.
#[derive(Debug, Default)]
pub(crate) struct QueuedBytes(AtomicUsize);

/// Bytes that one connection may let wait even when too many wait in all: else one crowd of slow readers would cost everybody
/// else the answer to a ping, and with it the connection.
const OWN: usize = 16 << 10;

/// Filled by anybody, emptied by the connection's writer.
pub(crate) struct Outbox {
    state: Mutex<State>,
    all: Arc<QueuedBytes>,
    /// The writer sleeps on it.
    filled: Notify,
    /// The reader sleeps on it while too much waits.
    drained: Notify,
    /// The reader learns from it that the connection ends.
    closing: Notify,
    queue_bytes: usize,
    forward_bytes: usize,
    all_bytes: usize,
    jobs: usize,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Frame>,
    bytes: usize,
    /// Of what the writer took last: it has been sent when the writer comes again.
    in_hand: usize,
    /// New statements by log: of each, only the newest waits.
    heads: BTreeMap<(DeviceId, u16), Frame>,
    jobs: VecDeque<Job>,
    closing: Option<Option<Refusal>>,
}

impl Outbox {
    pub(crate) fn new(limits: &Limits, all: &Arc<QueuedBytes>) -> Self {
        Self {
            state: Mutex::default(),
            all: Arc::clone(all),
            all_bytes: limits.queue_bytes_in_all,
            filled: Notify::new(),
            drained: Notify::new(),
            closing: Notify::new(),
            queue_bytes: limits.queue_bytes,
            forward_bytes: limits.forward_bytes,
            jobs: limits.jobs,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Adds a message. A connection that lets too much wait is closed: it can ask for everything again.
    pub(crate) fn push(&self, message: &FromRelay) {
        if !self.push_below(encode(message), self.queue_bytes) {
            self.close(Some(Refusal::Busy));
        }
    }

    /// Adds a message from another device, unless too much waits already.
    pub(crate) fn forward(&self, message: &FromRelay) -> bool {
        self.push_below(encode(message), self.forward_bytes)
    }

    fn push_below(&self, frame: Frame, most: usize) -> bool {
        let mut state = self.state();
        let (own, all) = (state.bytes + frame.len(), self.all.0.load(Ordering::Relaxed));
        if own > most || own > OWN && all + frame.len() > self.all_bytes {
            return false;
        }
        self.all.0.fetch_add(frame.len(), Ordering::Relaxed);
        state.bytes += frame.len();
        state.frames.push_back(frame);
        drop(state);
        self.filled.notify_one();
        true
    }

    /// Adds a new statement of a log, in place of an older one that still waits.
    pub(crate) fn push_head(&self, log: (DeviceId, u16), frame: Frame) {
        self.state().heads.insert(log, frame);
        self.filled.notify_one();
    }

    /// Adds a job; [`Self::room`] keeps their number small.
    pub(crate) fn push_job(&self, job: Job) {
        self.state().jobs.push_back(job);
        self.filled.notify_one();
    }

    /// Ends the connection: what is ready is still sent, then `why`. The first to say so is heard.
    pub(crate) fn close(&self, why: Option<Refusal>) {
        let mut state = self.state();
        if state.closing.is_none() {
            state.closing = Some(why);
            state.jobs.clear();
            state.heads.clear();
        }
        drop(state);
        self.filled.notify_one();
        self.closing.notify_one();
    }

    /// Waits until little enough waits for the connection's own messages to be read on.
    pub(crate) async fn room(&self) {
        loop {
            {
                let state = self.state();
                // Half of what others may let wait here: what it asks for itself never takes their part.
                if state.bytes < self.forward_bytes / 2 && state.jobs.len() < self.jobs {
                    return;
                }
            }
            self.drained.notified().await;
        }
    }

    /// Waits until the connection is to end.
    pub(crate) async fn closed(&self) {
        while !self.is_closing() {
            self.closing.notified().await;
        }
    }

    /// What the relay ends the connection with, if it does.
    pub(crate) fn last_word(&self) -> Option<Refusal> {
        self.state().closing.flatten()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.state().closing.is_some()
    }

    /// What is ready, oldest first.
    pub(crate) fn take_frames(&self) -> Vec<Frame> {
        let frames: Vec<Frame> = {
            let mut state = self.state();
            self.all.0.fetch_sub(state.in_hand, Ordering::Relaxed);
            state.in_hand = std::mem::take(&mut state.bytes);
            state.frames.drain(..).collect()
        };
        if !frames.is_empty() {
            self.drained.notify_one();
        }
        frames
    }

    /// What is ready, new statements included.
    pub(crate) fn take_ready(&self) -> Vec<Frame> {
        let mut frames = self.take_frames();
        frames.extend(std::mem::take(&mut self.state().heads).into_values());
        frames
    }

    fn take_next(&self) -> Option<Next> {
        let frames = self.take_ready();
        if !frames.is_empty() {
            return Some(Next::Frames(frames));
        }
        let mut state = self.state();
        if let Some(why) = state.closing {
            return Some(Next::Close(why));
        }
        let job = state.jobs.pop_front().map(Next::Job);
        drop(state);
        if job.is_some() {
            self.drained.notify_one();
        }
        job
    }

    /// What to do next, if there is anything.
    pub(crate) fn try_next(&self) -> Option<Next> {
        self.take_next()
    }

    /// Waits for something to do.
    pub(crate) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.take_next() {
                return next;
            }
            self.filled.notified().await;
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let state = self.state();
        self.all.0.fetch_sub(state.bytes + state.in_hand, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use sealift_proto::codec::Bytes;
    use sealift_proto::control::{Address, LogHead};
    use sealift_proto::identity::SecretKey;

    use super::*;

    fn pong(nonce: u64) -> FromRelay {
        FromRelay::Pong { nonce }
    }

    fn small() -> Outbox {
        let limits = Limits { queue_bytes: 40, forward_bytes: 20, jobs: 2, ..Limits::default() };
        Outbox::new(&limits, &Arc::default())
    }

    fn frames(outbox: &Outbox) -> Vec<Frame> {
        match outbox.try_next() {
            Some(Next::Frames(frames)) => frames,
            _ => Vec::new(),
        }
    }

    #[test]
    fn messages_go_before_jobs_and_the_last_word_comes_last() {
        let outbox = small();
        outbox.push_job(Job::Heads);
        outbox.push(&pong(1));
        assert_eq!(frames(&outbox), [encode(&pong(1))]);
        assert!(matches!(outbox.try_next(), Some(Next::Job(Job::Heads))));
        assert!(outbox.try_next().is_none());
        outbox.push_job(Job::Heads);
        outbox.push(&pong(2));
        outbox.close(Some(Refusal::Shutdown));
        outbox.close(Some(Refusal::Idle));
        assert_eq!(frames(&outbox), [encode(&pong(2))]);
        assert!(matches!(outbox.try_next(), Some(Next::Close(Some(Refusal::Shutdown)))));
    }

    #[test]
    fn of_a_log_only_the_newest_statement_waits() {
        let outbox = small();
        let device = SecretKey::from_seed([1; 32]).id();
        let head = |log, byte| {
            let statement = Bytes::new(vec![byte]).unwrap();
            encode(&FromRelay::Head(LogHead { device, log, statement }))
        };
        outbox.push_head((device, 2), head(2, 1));
        outbox.push_head((device, 3), head(3, 1));
        outbox.push_head((device, 2), head(2, 9));
        assert_eq!(frames(&outbox), [head(2, 9), head(3, 1)]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let outbox = small();
        while outbox.forward(&pong(1)) {}
        assert!(outbox.state().bytes <= 20 && !outbox.is_closing());
        outbox.push(&pong(2));
        assert!(!outbox.is_closing(), "its own answers have more room");
        for _ in 0..9 {
            outbox.push(&pong(3));
        }
        assert!(outbox.is_closing() && outbox.state().bytes <= 40);
    }

    #[test]
    fn what_waits_on_all_connections_is_bounded_and_what_was_sent_no_longer_counts() {
        let limits = Limits { queue_bytes_in_all: 100 << 10, ..Limits::default() };
        let all = Arc::default();
        let (one, other) = (Outbox::new(&limits, &all), Outbox::new(&limits, &all));
        let device = SecretKey::from_seed([1; 32]).id();
        let body = Bytes::new(vec![0; 40 << 10]).unwrap();
        let large = FromRelay::Deliver { from: Address { device, connection: 0 }, body };
        assert!(one.forward(&large) && one.forward(&large) && !one.forward(&large));
        assert!(!other.forward(&large));
        // A little is always taken, so that nobody loses its connection by what others let wait.
        other.push(&pong(1));
        assert!(!other.is_closing());
        // In the hands of the writer it still takes memory.
        assert_eq!(frames(&one).len(), 2);
        assert!(!other.forward(&large));
        assert!(one.try_next().is_none());
        assert!(other.forward(&large));
        drop((one, other));
        assert_eq!(all.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_not_read_while_too_much_waits() {
        let second = std::time::Duration::from_secs(1);
        let outbox = small();
        outbox.push_job(Job::Heads);
        outbox.room().await;
        outbox.push_job(Job::Heads);
        assert!(tokio::time::timeout(second, outbox.room()).await.is_err());
        let (room, next) = tokio::join!(tokio::time::timeout(second, outbox.room()), outbox.next());
        assert!(room.is_ok() && matches!(next, Next::Job(_)));
        outbox.push(&pong(1));
        outbox.push(&pong(1));
        assert!(tokio::time::timeout(second, outbox.room()).await.is_err());
        outbox.take_frames();
        outbox.room().await;
    }
}
