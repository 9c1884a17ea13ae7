//! Messages that have come in part: how long one may take, and how many bytes of them all connections hold together. Otherwise
//! whoever opens many connections and sends each time the beginning of a message would fill the memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use sealift_platform::sync::lock;
use sealift_proto::control::Refusal;

use crate::limits::View;

/// One part of so many is freed beyond what is too much. Finding the oldest means looking through all connections, under the lock
/// that every read of every connection takes: without this, a crowd that stays at the bound would have it done for each read.
const PART: usize = 8;

/// What messages that have come in part go by.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long a message may take from its first byte to its last.
    pub message_time: Duration,
    /// Bytes that all connections hold together.
    pub partial_bytes_in_all: usize,
}

/// Why a connection has to go before its message is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Aborted {
    /// The message took too long.
    #[error("it took too long")]
    Late,
    /// Others needed the memory.
    #[error("others needed the memory")]
    Crowded,
}

impl From<Aborted> for Refusal {
    fn from(aborted: Aborted) -> Self {
        match aborted {
            Aborted::Late => Self::Idle,
            Aborted::Crowded => Self::Busy,
        }
    }
}

/// What all connections hold.
#[derive(Clone)]
pub struct Partials(Arc<Inner>);

struct Inner {
    table: Mutex<Table>,
    bounds: View<Bounds>,
    started: Instant,
}

/// What one connection holds, shared by those who read it. It is forgotten when the last of them ends.
#[derive(Clone)]
pub struct Partial(Arc<Place>);

struct Place {
    all: Partials,
    number: u64,
}

/// Tells a connection that it is to end, and why.
pub type Ended = oneshot::Receiver<Aborted>;

impl Partials {
    /// Nobody holds anything yet.
    #[must_use]
    pub fn new(bounds: View<Bounds>) -> Self {
        let table = Mutex::default();
        Self(Arc::new(Inner { table, bounds, started: Instant::now() }))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.0.table)
    }

    fn now(&self) -> Duration {
        self.0.started.elapsed()
    }

    /// A place for a connection, whose first message is waited for from now on.
    #[must_use]
    pub fn connection(&self) -> (Partial, Ended) {
        let (tell, ended) = oneshot::channel();
        let number = self.table().add(tell);
        (Partial(Arc::new(Place { all: self.clone(), number })), ended)
    }

    /// Ends the connections whose message takes too long.
    pub(crate) fn end_late(&self) {
        let limit = self.0.bounds.get().message_time;
        self.table().end_late(limit, self.now());
    }

    /// Bytes held by all connections.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.table().bytes
    }
}

impl Partial {
    /// More bytes have come, in whatever they are wrapped.
    pub fn came(&self, bytes: usize) {
        let all = &self.0.all;
        let most = all.0.bounds.get().partial_bytes_in_all;
        let now = all.now();
        let mut table = all.table();
        table.came(self.0.number, bytes, now);
        table.end_oldest(most);
    }

    /// A message is whole, and `left` bytes behind it have come.
    pub fn whole(&self, left: usize) {
        self.0.all.table().whole(self.0.number, left);
    }

    /// The next message is waited for. What the relay does before that is not the other side's delay.
    pub fn awaited(&self) {
        let now = self.0.all.now();
        self.0.all.table().awaited(self.0.number, now);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.all.table().remove(self.number);
    }
}

/// The decisions. Pure: times are arguments.
///
/// Bytes are counted as they come off the socket, in TLS records, before anybody knows where a message ends. What counts is
/// therefore a little more than what is held, never less: `whole` sets it right.
#[derive(Default)]
struct Table {
    next: u64,
    bytes: usize,
    held: HashMap<u64, Held>,
}

struct Held {
    bytes: usize,
    awaited: bool,
    /// Since when a message that has begun is waited for.
    since: Option<Duration>,
    tell: oneshot::Sender<Aborted>,
}

impl Held {
    /// The clock of a message runs only while both are true: it has begun, and the program is ready for it. Bytes that lie here
    /// while the program is busy, or holds the connection back, are no fault of the one who sent them.
    fn look(&mut self, now: Duration) {
        if self.awaited && self.bytes > 0 {
            self.since.get_or_insert(now);
        }
    }
}

impl Table {
    fn add(&mut self, tell: oneshot::Sender<Aborted>) -> u64 {
        self.next += 1;
        self.held.insert(self.next, Held { bytes: 0, awaited: true, since: None, tell });
        self.next
    }

    fn remove(&mut self, number: u64) -> Option<Held> {
        let held = self.held.remove(&number)?;
        self.bytes -= held.bytes;
        Some(held)
    }

    fn end(&mut self, number: u64, why: Aborted) {
        if let Some(held) = self.remove(number) {
            // The connection may just have ended by itself.
            let _ = held.tell.send(why);
        }
    }

    fn came(&mut self, number: u64, bytes: usize, now: Duration) {
        let Some(held) = self.held.get_mut(&number) else { return };
        held.bytes += bytes;
        held.look(now);
        self.bytes += bytes;
    }

    fn whole(&mut self, number: u64, left: usize) {
        let Some(held) = self.held.get_mut(&number) else { return };
        self.bytes = self.bytes - held.bytes + left;
        (held.bytes, held.awaited, held.since) = (left, false, None);
    }

    fn awaited(&mut self, number: u64, now: Duration) {
        let Some(held) = self.held.get_mut(&number) else { return };
        held.awaited = true;
        held.look(now);
    }

    fn end_late(&mut self, limit: Duration, now: Duration) {
        let is_late = |held: &Held| held.since.is_some_and(|since| since + limit <= now);
        let late = self.held.iter().filter(|(_, held)| is_late(held));
        let late: Vec<u64> = late.map(|(number, _)| *number).collect();
        late.into_iter().for_each(|number| self.end(number, Aborted::Late));
    }

    /// Beyond `most` bytes the connections go whose messages have been waited for longest. Those that nobody waits for come last:
    /// their messages are whole, or held back by the program itself.
    fn end_oldest(&mut self, most: usize) {
        if self.bytes <= most {
            return;
        }
        let holding = self.held.iter().filter(|(_, held)| held.bytes > 0);
        let mut oldest: Vec<(Duration, u64)> =
            holding.map(|(number, held)| (held.since.unwrap_or(Duration::MAX), *number)).collect();
        oldest.sort_unstable();
        for (_, number) in oldest {
            if self.bytes <= most - most / PART {
                return;
            }
            self.end(number, Aborted::Crowded);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn add(table: &mut Table) -> (u64, Ended) {
        let (tell, ended) = oneshot::channel();
        (table.add(tell), ended)
    }

    #[test]
    fn a_message_has_its_time_from_the_first_byte_while_it_is_waited_for() {
        let limit = 30 * SECOND;
        let mut table = Table::default();
        let (silent, mut silent_ended) = add(&mut table);
        let (slow, mut slow_ended) = add(&mut table);
        let (busy, mut busy_ended) = add(&mut table);
        table.came(slow, 1, 5 * SECOND);
        table.came(slow, 1, 20 * SECOND);
        table.came(busy, 100, 5 * SECOND);
        // The beginning of the next message has come too, but the relay is not ready for it.
        table.whole(busy, 10);
        table.end_late(limit, 34 * SECOND);
        assert!(slow_ended.try_recv().is_err());
        table.end_late(limit, 35 * SECOND);
        assert_eq!(slow_ended.try_recv(), Ok(Aborted::Late), "a byte now and then does not help");
        table.end_late(limit, 99 * SECOND);
        assert!(busy_ended.try_recv().is_err() && silent_ended.try_recv().is_err());
        table.awaited(busy, 100 * SECOND);
        table.awaited(busy, 110 * SECOND);
        table.came(silent, 1, 110 * SECOND);
        table.end_late(limit, 130 * SECOND);
        assert_eq!(busy_ended.try_recv(), Ok(Aborted::Late));
        assert!(silent_ended.try_recv().is_err());
        assert_eq!((table.bytes, table.held.len()), (1, 1));
    }

    #[test]
    fn beyond_what_all_may_hold_the_oldest_go() {
        let mut table = Table::default();
        let mut all: Vec<_> = (0..10).map(|_| add(&mut table)).collect();
        for (number, _) in &all {
            table.came(*number, 80, u32::try_from(*number).unwrap() * SECOND);
        }
        table.end_oldest(800);
        assert_eq!(table.bytes, 800);
        // The oldest of them is through, and what is left of it is not waited for.
        table.whole(all[0].0, 79);
        table.came(all[9].0, 2, 99 * SECOND);
        table.end_oldest(800);
        let ended: Vec<bool> =
            all.iter_mut().map(|(_, ended)| ended.try_recv() == Ok(Aborted::Crowded)).collect();
        assert_eq!(ended, [false, true, true, false, false, false, false, false, false, false]);
        assert_eq!(table.bytes, 641);
        // Those that are not waited for go as well if nothing else helps.
        table.end_oldest(8);
        assert_eq!((table.bytes, table.held.len()), (0, 0));
        table.came(all[0].0, 5, SECOND);
        assert_eq!(table.bytes, 0, "of one that is ended nothing counts");
    }

    #[test]
    fn many_connections_hold_no_more_than_all_may() {
        let bounds = Bounds { message_time: 3 * SECOND, partial_bytes_in_all: 1000 };
        let partials = Partials::new(View::fixed(bounds));
        let mut held = Vec::new();
        for _ in 0..500 {
            let (partial, ended) = partials.connection();
            partial.came(100);
            assert!(partials.bytes() <= 1000);
            held.push((partial, ended));
        }
        drop(held);
        assert_eq!((partials.bytes(), partials.table().held.len()), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_learns_that_its_time_is_over() {
        let bounds = Bounds { message_time: 3 * SECOND, partial_bytes_in_all: 1000 };
        let partials = Partials::new(View::fixed(bounds));
        let (partial, mut ended) = partials.connection();
        partial.came(1);
        tokio::time::advance(2 * SECOND).await;
        partials.end_late();
        assert!(ended.try_recv().is_err());
        tokio::time::advance(SECOND).await;
        partials.end_late();
        assert_eq!(ended.await, Ok(Aborted::Late));
    }
}
