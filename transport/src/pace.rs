//! How fast the links of a process may be together (`--limit`).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use sealift_platform::rate::Rate as Bucket;
use sealift_platform::sync::lock;

/// What was not used stays good for a tenth of a second. Without it, each time a busy machine wakes a link late would be lost.
const BURSTS: u64 = 10;
/// How much of a second a link may pass at once: with several of them, how long each waits for its turn.
const TURN: u64 = 50;
/// Bytes that a link passes at once, at least and at most.
const TURN_BYTES: (u64, u64) = (4 << 10, 256 << 10);

/// Bytes per second that a person allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(u64);

impl Rate {
    /// Least that can be asked for. Below it a link would take the pause between two pieces for the end of the other side.
    pub const LEAST: Self = Self(10_000);

    /// So many bytes per second; `None` below [`Rate::LEAST`].
    #[must_use]
    pub const fn new(bytes_per_second: u64) -> Option<Self> {
        if bytes_per_second >= Self::LEAST.0 { Some(Self(bytes_per_second)) } else { None }
    }

    /// Bytes per second.
    #[must_use]
    pub const fn bytes_per_second(self) -> u64 {
        self.0
    }
}

/// Who may pass how much when, on a clock of its own. Links take turns: each passes a turn's bytes, pays for them, and waits
/// until all that was paid for so far is due. Nothing is given in advance: a process that is started again and again would pass
/// the burst each time.
fn bucket(rate: Rate) -> Bucket {
    Bucket::new(rate.0, rate.0 / BURSTS, Duration::ZERO).emptied()
}

/// Pays for `bytes` that passed at `now`: when whoever passed them may go on.
fn pay(bucket: &mut Bucket, now: Duration, bytes: u64) -> Duration {
    now.saturating_add(bucket.take(bytes, now))
}

/// The limit that all links of a process share.
#[derive(Debug, Clone)]
pub struct Pace {
    bucket: Arc<Mutex<Bucket>>,
    start: Instant,
    turn: usize,
}

impl Pace {
    /// No faster than `rate`, in the long run and within each tenth of a second.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        let turn = (rate.0 / TURN).clamp(TURN_BYTES.0, TURN_BYTES.1);
        Self {
            bucket: Arc::new(Mutex::new(bucket(rate))),
            start: Instant::now(),
            turn: usize::try_from(turn).unwrap_or(1),
        }
    }

    /// Bytes that a link may pass at once.
    pub(crate) const fn turn(&self) -> usize {
        self.turn
    }

    /// Pays for `bytes` that have passed: until when to wait before more do, if at all.
    pub(crate) fn pay(&self, bytes: usize) -> Option<Instant> {
        let now = self.start.elapsed();
        let due = pay(&mut lock(&self.bucket), now, bytes as u64);
        (due > now).then(|| self.start + due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_the_long_run_the_rate_holds_and_a_late_link_catches_up() {
        for rate in [10_000, 10_000_000, 5_000_000_000] {
            let mut bucket = bucket(Rate(rate));
            let (mut now, mut passed, mut late) = (Duration::ZERO, 0, 0);
            while now < Duration::from_secs(20) {
                let due = pay(&mut bucket, now, rate / TURN);
                passed += rate / TURN;
                // Each is woken some milliseconds late.
                late = (late * 7 + 3) % 19;
                now = due.max(now) + Duration::from_millis(late);
            }
            let wanted = u128::from(rate) * now.as_millis() / 1000;
            let exact = u128::from(passed).abs_diff(wanted) * 100 / wanted;
            assert!(exact == 0, "{passed} instead of {wanted} at {rate}");
        }
    }

    #[test]
    fn an_idle_time_gives_no_more_than_the_burst() {
        let mut used = bucket(Rate(1_000_000));
        let hour = Duration::from_secs(3600);
        assert_eq!(pay(&mut used, hour, 100_000), hour);
        assert_eq!(pay(&mut used, hour, 50_000), hour + Duration::from_millis(50));
        let mut fresh = bucket(Rate(1_000_000));
        assert_eq!(
            pay(&mut fresh, Duration::ZERO, 1000),
            Duration::from_millis(1),
            "nothing is given in advance"
        );
    }
}
