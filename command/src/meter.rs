//! How fast something goes now.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// What is averaged over: long enough to be calm, short enough to notice that nothing comes any more.
const WINDOW: Duration = Duration::from_secs(4);
/// Before so much time has passed no speed is stated.
const SHORTEST: Duration = Duration::from_millis(300);

/// Counts over the last few seconds.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    samples: VecDeque<(Instant, u64)>,
}

impl Meter {
    /// At `now` it was `total` in all.
    pub fn note(&mut self, now: Instant, total: u64) {
        // One older than the window stays: it is where the window begins.
        while self.samples.get(1).is_some_and(|(time, _)| now - *time >= WINDOW) {
            self.samples.pop_front();
        }
        self.samples.push_back((now, total));
    }

    /// In a second, over the last few; `None` before that can be told.
    #[must_use]
    pub fn per_second(&self) -> Option<u64> {
        let ((begin, first), (end, last)) = (self.samples.front()?, self.samples.back()?);
        let time = *end - *begin;
        (time >= SHORTEST).then(|| rate(last.saturating_sub(*first), time))
    }
}

/// Bytes per second.
#[must_use]
pub fn rate(bytes: u64, time: Duration) -> u64 {
    let micros = time.as_micros().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000 / micros).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_seconds_count() {
        let begin = Instant::now();
        let at = |tenths: u64| begin + Duration::from_millis(tenths * 100);
        let mut meter = Meter::default();
        meter.note(at(0), 0);
        assert_eq!(meter.per_second(), None);
        for tenths in 1..=100 {
            meter.note(at(tenths), tenths * 1000);
        }
        assert_eq!(meter.per_second(), Some(10_000));
        for tenths in 101..=145 {
            meter.note(at(tenths), 100_000);
        }
        assert_eq!(meter.per_second(), Some(0), "what came before says nothing of now");
    }
}
