//! How a relay ends: nobody comes in any more, members are told, links at work may finish.

use std::sync::atomic::Ordering;
use std::time::Duration;

use sealift_platform::sync::lock;
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

    /// Says farewell to every member, and where to look for the relay again.
    fn close_all(&self) {
        let places = lock(&self.whereabouts).moved_to.clone();
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
        lock(&self.whereabouts).moved_to = places;
    }
}
