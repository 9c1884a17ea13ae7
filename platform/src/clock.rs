//! Wall-clock time, for dates in certificates and records; intervals are measured with `tokio::time`.

use std::time::{SystemTime, UNIX_EPOCH};

/// Tells the date.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01 UTC.
    fn unix_millis(&self) -> u64;

    /// Whole seconds since 1970-01-01 UTC.
    fn unix_seconds(&self) -> u64 {
        self.unix_millis() / 1000
    }
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn unix_millis(&self) -> u64 {
        // A clock set before 1970 reads as 1970: certificates then fail with words about the clock.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
