//! How fast one who is known may speak.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_platform::rate::Rate;
use sealift_platform::sync::lock;

/// What one may send.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Messages in the long run.
    pub messages_per_second: u64,
    /// Messages at once.
    pub message_burst: u64,
    /// Bytes in the long run.
    pub member_bytes_per_second: u64,
    /// Bytes at once.
    pub member_byte_burst: u64,
}

/// How fast one member may speak, over all its connections. It pays after it has spoken, so that a message of any size gets through
/// once, and waits until its debt is paid.
#[derive(Debug, Clone)]
pub struct Pace(Arc<Mutex<(Rate, Rate)>>);

impl Pace {
    /// Nothing is owed yet at `now`.
    #[must_use]
    pub fn new(bounds: &Bounds, now: Duration) -> Self {
        let messages = Rate::new(bounds.messages_per_second, bounds.message_burst, now);
        let bytes = Rate::new(bounds.member_bytes_per_second, bounds.member_byte_burst, now);
        Self(Arc::new(Mutex::new((messages, bytes))))
    }

    /// Counts messages of `bytes` in all, and says how long to wait before the next one is read.
    pub fn take(&self, messages: u64, bytes: usize, now: Duration) -> Duration {
        let mut rates = lock(&self.0);
        let wait = rates.0.take(messages, now);
        wait.max(rates.1.take(u64::try_from(bytes).unwrap_or(u64::MAX), now))
    }

    /// Whether nobody has it but the one who asks, and nothing is owed.
    pub fn is_idle(&self, now: Duration) -> bool {
        let mut rates = lock(&self.0);
        Arc::strong_count(&self.0) == 1 && rates.0.is_full(now) && rates.1.is_full(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_owes_for_messages_and_for_bytes() {
        let bounds = Bounds {
            messages_per_second: 10,
            message_burst: 2,
            member_bytes_per_second: 1000,
            member_byte_burst: 500,
        };
        let pace = Pace::new(&bounds, Duration::ZERO);
        assert_eq!(pace.take(1, 400, Duration::ZERO), Duration::ZERO);
        assert_eq!(pace.take(1, 400, Duration::ZERO), Duration::from_millis(300));
        assert_eq!(pace.clone().take(3, 0, Duration::from_millis(300)), Duration::from_millis(100));
        assert!(!pace.is_idle(Duration::from_millis(300)) && pace.is_idle(Duration::from_secs(2)));
        let held = pace.clone();
        assert!(!pace.is_idle(Duration::from_secs(2)));
        drop(held);
    }
}
