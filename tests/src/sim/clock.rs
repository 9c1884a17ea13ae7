//! A date that moves with tokio's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sealift_platform::clock::Clock;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// 2026-06-01 12:00:00 UTC, milliseconds since 1970: when every simulation starts.
pub const START: u64 = 1_780_315_200_000;

/// Shows [`START`] plus what has passed on the clock of the runtime it was made in.
#[derive(Clone)]
pub struct SimClock {
    runtime: Handle,
    start: Instant,
    offset: Arc<AtomicI64>,
}

impl SimClock {
    /// A clock of the current runtime.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        let offset = Arc::new(AtomicI64::new(0));
        Self { runtime: Handle::current(), start: Instant::now(), offset }
    }

    /// Sets the date forward or back, milliseconds, as somebody does who sets a clock; timers do not notice.
    pub fn jump(&self, milliseconds: i64) {
        self.offset.fetch_add(milliseconds, Ordering::Relaxed);
    }
}

impl Default for SimClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SimClock {
    fn unix_millis(&self) -> u64 {
        // Threads that do not belong to the runtime would otherwise see real time.
        let _context = self.runtime.enter();
        let passed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        START.saturating_add(passed).saturating_add_signed(self.offset.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_date_moves_with_virtual_time() {
        let clock = SimClock::new();
        assert_eq!(clock.unix_millis(), START);
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(clock.unix_millis(), START + 3_600_000);
        clock.jump(-7_200_000);
        assert_eq!(clock.unix_millis(), START - 3_600_000);
    }

    #[tokio::test(start_paused = true)]
    async fn threads_of_their_own_see_the_same_date() {
        let clock = SimClock::new();
        tokio::time::sleep(Duration::from_secs(86400)).await;
        let elsewhere = clock.clone();
        let seen = std::thread::spawn(move || elsewhere.unix_millis()).join().unwrap();
        assert_eq!(seen, clock.unix_millis());
    }
}
