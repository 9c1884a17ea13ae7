//! How fast something may happen: a token bucket. Pure: time is an argument, counted from wherever its owner likes.

use std::time::Duration;

/// A token bucket: `burst` at once, then `per_second`. Time is an argument.
#[derive(Debug)]
pub struct Rate {
    per_second: f64,
    burst: f64,
    tokens: f64,
    last: Duration,
}

impl Rate {
    /// So many in a second, and `burst` at once, of which nothing is used yet.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nobody notices the last of 2^53 tokens")]
    pub const fn new(per_second: u64, burst: u64, now: Duration) -> Self {
        let (per_second, burst) = (per_second as f64, burst as f64);
        Self { per_second, burst, tokens: burst, last: now }
    }

    /// So many in each `period`, and as many at once.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "nobody notices the last of 2^53 tokens")]
    pub fn over(period: Duration, count: u64, now: Duration) -> Self {
        let per_second = count as f64 / period.as_secs_f64();
        Self { per_second, burst: count as f64, tokens: count as f64, last: now }
    }

    /// The same with nothing in it: what may pass at once has yet to be saved up.
    #[must_use]
    pub const fn emptied(mut self) -> Self {
        self.tokens = 0.0;
        self
    }

    /// What was taken last was not used.
    pub const fn give_back(&mut self) {
        self.tokens += 1.0;
    }

    /// Takes `count` tokens, on credit if there are too few, and says how long to wait until the debt is paid.
    #[expect(clippy::cast_precision_loss, reason = "nobody notices the last of 2^53 tokens")]
    pub fn take(&mut self, count: u64, now: Duration) -> Duration {
        self.refill(now);
        self.tokens -= count as f64;
        Duration::from_secs_f64((-self.tokens).max(0.0) / self.per_second)
    }

    /// Takes a token if the debt is paid within `most`, and says when that is.
    pub fn take_within(&mut self, most: Duration, now: Duration) -> Option<Duration> {
        let wait = self.take(1, now);
        if wait <= most {
            return Some(wait);
        }
        self.give_back();
        None
    }

    /// Takes one token if there is one.
    pub fn try_take(&mut self, now: Duration) -> bool {
        self.refill(now);
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }

    /// Whether nothing is missing: as good as new.
    pub fn is_full(&mut self, now: Duration) -> bool {
        self.missing(now) <= 0.0
    }

    /// How many tokens are missing, debts included.
    pub fn missing(&mut self, now: Duration) -> f64 {
        self.refill(now);
        self.burst - self.tokens
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.last).as_secs_f64();
        self.tokens = passed.mul_add(self.per_second, self.tokens).min(self.burst);
        self.last = self.last.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut rate = Rate::new(10, 3, Duration::ZERO);
        for _ in 0..3 {
            assert_eq!(rate.take(1, Duration::ZERO), Duration::ZERO);
        }
        assert_eq!(rate.take(1, Duration::ZERO), Duration::from_millis(100));
        assert!(!rate.try_take(Duration::from_millis(150)));
        assert!(rate.try_take(Duration::from_millis(250)));
        assert!(!rate.try_take(Duration::from_millis(250)));
        // Time that goes back gives nothing twice.
        assert!(!rate.try_take(Duration::from_millis(100)));
        assert!(!rate.try_take(Duration::from_millis(250)));
        assert!(!rate.is_full(Duration::from_millis(400)));
        assert!(rate.is_full(Duration::from_millis(600)));
    }

    #[test]
    fn an_empty_one_gives_nothing_in_advance() {
        let mut rate = Rate::new(10, 3, Duration::ZERO).emptied();
        assert_eq!(rate.take(1, Duration::ZERO), Duration::from_millis(100));
        assert_eq!(rate.take(3, Duration::from_secs(9)), Duration::ZERO);
    }

    #[test]
    fn what_would_wait_too_long_takes_nothing() {
        let mut rate = Rate::new(10, 1, Duration::ZERO);
        let most = Duration::from_millis(250);
        let waits: Vec<_> = (0..9).map(|_| rate.take_within(most, Duration::ZERO)).collect();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(waits, [ms(0), ms(100), ms(200), None, None, None, None, None, None]);
        assert_eq!(rate.take_within(most, Duration::from_millis(100)), ms(200));
    }
}
