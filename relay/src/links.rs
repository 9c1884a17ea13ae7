//! Links as streams: halves that wait for their other half, and links at work.
//!
//! Who may open a link, and which ticket is good for which half, is for the switchboard to say (`switchboard::links`); here it is
//! only known which halves have come. Both books are kept in step by whoever holds the switchboard's lock while changing this one.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use sealift_platform::net::BoxStream;
use sealift_platform::sync::{Ordered, OrderedGuard};
use sealift_proto::space::SpaceId;

use crate::limits::Limits;
use crate::splice::{self, Bandwidth, Brakes, End, Meter, Pipes};
use crate::switchboard::Pair;

/// All links of a relay.
pub(crate) struct Links {
    table: Ordered<Table>,
    pipes: Pipes,
    /// Told when one ends.
    ended: Notify,
}

#[derive(Default)]
struct Table {
    links: HashMap<Pair, Link>,
    bandwidth: Bandwidth,
    /// Bytes of links that have ended.
    moved: u64,
}

/// A link, waiting for its second half or at work.
struct Link {
    second: Option<oneshot::Sender<BoxStream>>,
    cut: Arc<Notify>,
    meter: Arc<Meter>,
}

/// The half that came first: it carries the link.
pub(crate) struct FirstHalf {
    pub(crate) pair: Pair,
    /// Where the second half comes in.
    pub(crate) second: oneshot::Receiver<BoxStream>,
    /// Told when the link is to end.
    pub(crate) cut: Arc<Notify>,
    meter: Arc<Meter>,
    brakes: Brakes,
}

impl FirstHalf {
    /// Bytes moved.
    pub(crate) fn moved(&self) -> u64 {
        self.meter.total()
    }
}

impl Links {
    /// None yet; `place` is that of its lock in the order of locks.
    pub(crate) fn new(place: u8, pipes: Pipes) -> Self {
        Self { table: Ordered::new(place, Table::default()), pipes, ended: Notify::new() }
    }

    fn table(&self) -> OrderedGuard<'_, Table> {
        self.table.lock()
    }

    /// How many pipes links are moved through.
    pub(crate) fn pipes(&self) -> u64 {
        self.pipes.held()
    }

    /// The first half of `pair` has come.
    pub(crate) fn first(&self, pair: Pair, space: SpaceId, limits: &Limits) -> FirstHalf {
        let (sender, second) = oneshot::channel();
        let (cut, meter) = (Arc::new(Notify::new()), Arc::new(Meter::default()));
        let mut table = self.table();
        let brakes = table.bandwidth.of(space, limits);
        let link = Link { second: Some(sender), cut: Arc::clone(&cut), meter: Arc::clone(&meter) };
        table.links.insert(pair, link);
        FirstHalf { pair, second, cut, meter, brakes }
    }

    /// The second half has come: where it is to go.
    pub(crate) fn second(&self, pair: Pair) -> Option<oneshot::Sender<BoxStream>> {
        self.table().links.get_mut(&pair)?.second.take()
    }

    /// A link is to end, whether both halves are there or not.
    pub(crate) fn cut(&self, pair: Pair) {
        if let Some(link) = self.table().links.remove(&pair) {
            // Told even if nobody listens yet: the half that comes to wait then ends at once.
            link.cut.notify_one();
        }
    }

    /// A link has ended, or its first half waits no more.
    pub(crate) fn ended(&self, half: &FirstHalf) {
        let mut table = self.table();
        table.links.remove(&half.pair);
        table.moved = table.moved.saturating_add(half.moved());
        drop(table);
        self.ended.notify_one();
    }

    /// Moves the bytes of a link until it ends: how, or that it was cut.
    pub(crate) async fn run(
        &self,
        half: &FirstHalf,
        limits: &Limits,
        one: BoxStream,
        other: BoxStream,
    ) -> Option<End> {
        tokio::select! {
            end = splice::join(one, other, limits, &self.pipes, &half.brakes, &half.meter) => Some(end),
            () = half.cut.notified() => None,
        }
    }

    /// How many are at work.
    pub(crate) fn at_work(&self) -> usize {
        self.table().links.values().filter(|link| link.second.is_none()).count()
    }

    /// Bytes carried since the start. Under one lock: a link that ends meanwhile counts neither twice nor not at all.
    pub(crate) fn moved(&self) -> u64 {
        let table = self.table();
        let under_way: u64 = table.links.values().map(|link| link.meter.total()).sum();
        table.moved.saturating_add(under_way)
    }

    /// Waits until no link is at work: all have ended, or nothing has moved on any of them for `quiet`.
    pub(crate) async fn rest(&self, quiet: Duration) {
        loop {
            let (at_work, before) = (self.at_work(), self.moved());
            if at_work == 0
                || tokio::time::timeout(quiet, self.ended.notified()).await.is_err()
                    && self.moved() == before
            {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use tokio::time::Instant;

    use super::*;
    use crate::testing;

    const SECOND: Duration = Duration::from_secs(1);

    fn space() -> SpaceId {
        SpaceId::from_bytes([1; 32])
    }

    fn links() -> Links {
        Links::new(0, Pipes::new(0))
    }

    #[tokio::test(start_paused = true)]
    async fn links_at_work_have_their_time_and_those_that_rest_have_less() {
        for (works, seconds) in [(true, 20), (false, 5)] {
            let limits = Limits { drain: 20 * SECOND, ..Limits::default() };
            let (_home, relay) = testing::relay(limits.clone()).await;
            let half = relay.hub.links.first(1, space(), &limits);
            let _second = relay.hub.links.second(1).unwrap();
            let working = tokio::spawn(async move {
                loop {
                    half.meter.there.fetch_add(u64::from(works), Ordering::Relaxed);
                    tokio::time::sleep(SECOND).await;
                }
            });
            let start = Instant::now();
            relay.serve(Vec::new(), std::future::ready(())).await.unwrap();
            assert_eq!(start.elapsed().as_secs(), seconds);
            working.abort();
        }
    }

    #[test]
    fn bytes_of_a_link_count_once_while_it_works_and_after_it() {
        let links = links();
        let half = links.first(7, space(), &Limits::default());
        half.meter.there.fetch_add(5, Ordering::Relaxed);
        half.meter.back.fetch_add(2, Ordering::Relaxed);
        assert_eq!((links.at_work(), links.moved()), (0, 7), "its second half is missing");
        assert!(links.second(7).is_some() && links.second(7).is_none(), "there is one");
        assert_eq!((links.at_work(), links.moved()), (1, 7));
        links.ended(&half);
        assert_eq!((links.at_work(), links.moved()), (0, 7));
        assert!(links.second(7).is_none());
    }

    #[tokio::test]
    async fn a_link_that_is_cut_before_its_half_waits_ends_all_the_same() {
        let links = links();
        let half = links.first(7, space(), &Limits::default());
        links.cut(7);
        tokio::time::timeout(20 * SECOND, half.cut.notified()).await.expect("it was told");
        assert!(links.second(7).is_none());
    }
}
