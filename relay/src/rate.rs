//! How fast something may happen.

use std::time::Duration;

/// A token bucket: `burst` at once, then `per_second`. Time is an argument.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    burst: f64,
    tokens: f64,
    last: Duration,
}

impl Rate {
    #[expect(clippy::cast_precision_loss, reason = "nobody notices the last of 2^53 tokens")]
    pub(crate) const fn new(per_second: u64, burst: u64, now: Duration) -> Self {
        let (per_second, burst) = (per_second as f64, burst as f64);
        Self { per_second, burst, tokens: burst, last: now }
    }

    /// Takes one token, on credit if there is none, and says how long to wait until the debt is paid.
    pub(crate) fn take(&mut self, now: Duration) -> Duration {
        self.refill(now);
        self.tokens -= 1.0;
        Duration::from_secs_f64((-self.tokens).max(0.0) / self.per_second)
    }

    /// Takes one token if there is one.
    pub(crate) fn try_take(&mut self, now: Duration) -> bool {
        self.refill(now);
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.last).as_secs_f64();
        self.tokens = passed.mul_add(self.per_second, self.tokens).min(self.burst);
        self.last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut rate = Rate::new(10, 3, Duration::ZERO);
        for _ in 0..3 {
            assert_eq!(rate.take(Duration::ZERO), Duration::ZERO);
        }
        assert_eq!(rate.take(Duration::ZERO), Duration::from_millis(100));
        assert!(!rate.try_take(Duration::from_millis(150)));
        assert!(rate.try_take(Duration::from_millis(250)));
        assert!(!rate.try_take(Duration::from_millis(250)));
    }
}
