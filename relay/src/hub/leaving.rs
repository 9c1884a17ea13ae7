//! How a relay ends: nobody comes in any more, members are told, links at work may finish.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sealift_proto::codec::Extensions;
use sealift_proto::control::{FromRelay, Refusal};

use super::{Hub, Places};

/// Devices that may come back to a relay within a second.
const COMING_BACK: usize = 200;
/// The longest time over which they spread, seconds.
const LONGEST_SPREAD: u16 = 120;

impl Hub {
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From now on nobody enters and no link is opened. Members are told; links that run go on.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        self.close_all();
        // Halves whose other half can no longer come.
        let mut state = self.state();
        let effects = state.board.expire_tickets(Duration::MAX);
        state.apply(effects);
    }

    /// Waits until no link is at work: all have ended, or nothing has moved on any of them for `quiet`.
    pub(crate) async fn links_rest(&self, quiet: Duration) {
        loop {
            let before = self.count();
            if before.links == 0
                || tokio::time::timeout(quiet, self.link_ended.notified()).await.is_err()
                    && self.count().bytes == before.bytes
            {
                return;
            }
        }
    }

    /// Says farewell to every member, and where to look for the relay again.
    fn close_all(&self) {
        let places = self.moved_to.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let state = self.state();
        let spread = state.outboxes.len() / COMING_BACK;
        let leaving = FromRelay::Leaving {
            spread: u16::try_from(spread).unwrap_or(LONGEST_SPREAD).min(LONGEST_SPREAD),
            places,
            extensions: Extensions::default(),
        };
        for outbox in state.outboxes.values() {
            outbox.push(&leaving);
            outbox.close(Some(Refusal::Shutdown));
        }
    }

    /// Where a relay with the same key takes over when this one ends.
    pub(crate) fn set_moved_to(&self, places: Places) {
        *self.moved_to.lock().unwrap_or_else(PoisonError::into_inner) = places;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use crate::hub::Waiting;
    use crate::limits::Limits;
    use crate::splice::Meter;
    use crate::testing;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn links_at_work_have_their_time_and_those_that_rest_have_less() {
        let second = Duration::from_secs(1);
        for (works, seconds) in [(true, 20), (false, 5)] {
            let limits = Limits { drain: 20 * second, ..Limits::default() };
            let (_home, relay) = testing::relay(limits).await;
            let meter = Arc::new(Meter::default());
            let link = Waiting { second: None, cut: Arc::default(), meter: Arc::clone(&meter) };
            relay.hub.state().links.insert(1, link);
            let working = tokio::spawn(async move {
                loop {
                    meter.there.fetch_add(u64::from(works), Ordering::Relaxed);
                    tokio::time::sleep(second).await;
                }
            });
            let start = Instant::now();
            relay.serve(Vec::new(), std::future::ready(())).await.unwrap();
            assert_eq!(start.elapsed().as_secs(), seconds);
            working.abort();
        }
    }
}
