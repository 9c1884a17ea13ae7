//! How fast a source is, and how much to ask of it at once.

use std::time::Duration;

use sealift_proto::manifest::CHUNK;
use sealift_proto::message::RUN_MAX;
use tokio::time::Instant;

/// A rate is measured over at least so long.
const WINDOW: Duration = Duration::from_millis(100);
/// Work under way at a source shall last about so long, beside the time that its answers take to come.
const AHEAD: Duration = Duration::from_millis(500);
/// Runs into which the work under way is cut.
const RUNS: u64 = 3;
/// Least and most bytes under way at one source.
const LEAST: u64 = 2 * CHUNK;
const MOST: u64 = RUNS * RUN_MAX;
/// From a source that answers soon, no more is under way than this, or so many times what is on its way while it answers: the rest
/// would only wait in the systems' buffers, which grow with it until none of it is in the processor's cache when it is next copied.
const NEAR: u64 = MOST / 3;
const ON_ITS_WAY: f64 = 8.0;
/// A source from which nothing comes for longer than this is taken to slow down.
const HESITATION: Duration = Duration::from_millis(500);

/// Bytes per second of one source, and what follows from it.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// Bytes per second, once measured.
    rate: Option<f64>,
    /// A first idea of it, from answers shorter than a measurement.
    guess: Option<f64>,
    window: (Instant, u64),
    last: Instant,
    /// The same, of anything at all: also of what is not whole yet, which shows that the source is there and nothing else.
    stirred: Instant,
    /// Shortest time between a question and the first byte of its answer.
    latency: Option<Duration>,
    /// Bytes to have under way until the rate is known: doubled with each answer.
    opening: u64,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            rate: None,
            guess: None,
            window: (now, 0),
            last: now,
            stirred: now,
            latency: None,
            opening: LEAST,
        }
    }

    /// The source was idle and is asked something now: the time before does not count.
    pub(super) fn wake(&mut self, now: Instant) {
        self.window = (now, 0);
        self.last = now;
    }

    /// Something has come that is not whole yet. It makes nobody quick: a byte now and then costs its sender nothing.
    pub(super) fn stirred(&mut self, now: Instant) {
        self.stirred = now;
    }

    /// So many bytes have come.
    pub(super) fn arrived(&mut self, bytes: u64, now: Instant) {
        self.last = now;
        self.window.1 += bytes;
        let time = now.duration_since(self.window.0);
        if time < WINDOW {
            return;
        }
        let fresh = self.window.1 as f64 / time.as_secs_f64();
        self.rate = Some(self.rate.map_or(fresh, |rate| rate * 0.6 + fresh * 0.4));
        self.window = (now, 0);
    }

    /// The first byte of an answer has come, `after` the question.
    pub(super) fn answered(&mut self, after: Duration) {
        self.latency = Some(self.latency.map_or(after, |latency| latency.min(after)));
    }

    /// A whole answer has come.
    pub(super) fn finished_run(&mut self, now: Instant) {
        self.opening = (self.opening * 2).min(MOST);
        let time = now.duration_since(self.window.0).as_secs_f64().max(0.001);
        if self.rate.is_none() && self.window.1 > 0 {
            self.guess = Some(self.window.1 as f64 / time);
        }
    }

    /// Bytes per second, if known.
    pub(super) const fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// Bytes per second to expect when it is asked for something, if known.
    pub(super) fn expected(&self) -> Option<f64> {
        self.rate.or(self.guess)
    }

    /// Bytes per second now: less than measured when nothing has come for a while. `None` if it is not known.
    pub(super) fn speed(&self, now: Instant) -> Option<f64> {
        let silence = now.duration_since(self.last);
        let rate = self.expected();
        if silence <= HESITATION {
            return rate;
        }
        let rate = rate.unwrap_or(CHUNK as f64);
        Some(rate * HESITATION.as_secs_f64() / silence.as_secs_f64() / 4.0)
    }

    /// How long nothing has come.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.duration_since(self.last.max(self.stirred))
    }

    /// Bytes that shall be under way.
    pub(super) fn under_way(&self) -> u64 {
        let latency = self.latency.unwrap_or_default();
        let lasting = |rate| (rate * (AHEAD + latency).as_secs_f64()) as u64;
        self.rate.map_or(self.opening, lasting).clamp(LEAST, self.most())
    }

    fn most(&self) -> u64 {
        let (Some(rate), Some(latency)) = (self.rate.or(self.guess), self.latency) else {
            return MOST;
        };
        ((rate * latency.as_secs_f64() * ON_ITS_WAY) as u64).clamp(NEAR, MOST)
    }

    /// Bytes of one run.
    pub(super) fn run(&self) -> u64 {
        (self.under_way() / RUNS / CHUNK * CHUNK).clamp(CHUNK, RUN_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A source of `rate` bytes per second for `time`, in steps of 10 ms.
    fn play(pace: &mut Pace, now: &mut Instant, rate: u64, time: Duration) {
        for _ in 0..time.as_millis() / 10 {
            *now += 10 * MS;
            pace.arrived(rate / 100, *now);
        }
    }

    #[test]
    fn a_rate_is_found_and_followed() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        assert_eq!((pace.rate(), pace.under_way(), pace.run()), (None, LEAST, CHUNK));
        play(&mut pace, &mut now, 100_000_000, 500 * MS);
        assert!((pace.rate().unwrap() - 1e8).abs() < 1e6);
        assert_eq!(pace.under_way(), 50_000_000);
        assert_eq!(pace.run(), 15 * CHUNK);
        play(&mut pace, &mut now, 1_000_000, 2000 * MS);
        assert!(pace.rate().unwrap() < 1.2e6);
        assert_eq!((pace.under_way(), pace.run()), (LEAST, CHUNK));
    }

    #[test]
    fn a_long_way_asks_for_more_under_way() {
        let mut now = Instant::now();
        let (mut near, mut far) = (Pace::new(now), Pace::new(now));
        far.answered(600 * MS);
        let start = now;
        play(&mut near, &mut now, 20_000_000, 300 * MS);
        let mut now = start;
        play(&mut far, &mut now, 20_000_000, 300 * MS);
        // More than what is on the way at that rate, so that the rate can rise to what the way carries.
        assert!(far.under_way() > 12_000_000 && near.under_way() < 11_000_000);
    }

    #[test]
    fn what_comes_at_once_is_not_asked_for_long_before() {
        let mut now = Instant::now();
        let (mut near, mut far) = (Pace::new(now), Pace::new(now));
        near.answered(MS);
        far.answered(20 * MS);
        let start = now;
        play(&mut near, &mut now, 1_000_000_000, 300 * MS);
        let mut now = start;
        play(&mut far, &mut now, 1_000_000_000, 300 * MS);
        assert_eq!((near.under_way(), far.under_way()), (NEAR, MOST));
        // Nor before the rate is known.
        let mut new = Pace::new(now);
        new.answered(MS);
        for _ in 0..9 {
            now += 10 * MS;
            new.arrived(1 << 20, now);
            new.finished_run(now);
        }
        assert_eq!((new.rate(), new.under_way()), (None, NEAR));
    }

    #[test]
    fn silence_makes_it_slow_and_waking_forgives() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        play(&mut pace, &mut now, 100_000_000, 300 * MS);
        assert_eq!(pace.speed(now + 400 * MS), pace.rate());
        assert!(pace.speed(now + 5000 * MS).unwrap() < 4e6);
        pace.wake(now + 5000 * MS);
        assert_eq!(pace.speed(now + 5001 * MS), pace.rate());
    }

    #[test]
    fn before_a_rate_is_known_each_answer_doubles_what_is_asked() {
        let now = Instant::now();
        let mut pace = Pace::new(now);
        for _ in 0..9 {
            pace.finished_run(now);
        }
        assert_eq!((pace.under_way(), pace.run()), (MOST, RUN_MAX));
    }
}
