//! When the relay's link to a device stands by, since the direct ones do as well without it.
//!
//! Whether they do is known for sure only when they are alone: where all links share one bottleneck, each has a part of it. So
//! as soon as the direct links carry together what the relay's link does, it stands by; and if they then stay below what
//! that link has shown to be worth, it comes back, and the next try waits longer.

use std::time::Duration;

use tokio::time::Instant;

/// Direct links must do as well for so long. A mistake costs little: each byte until then costs the relay.
const AS_WELL: Duration = Duration::from_millis(400);
/// They must do worse for so long.
const DO_WORSE: Duration = Duration::from_secs(1);
/// Below this part of what the relay's link was worth the direct ones do worse.
const WORSE: f64 = 0.95;
/// What the relay's link was worth is taken for so much less after each try that failed: it may have been a short burst.
const FORGET: f64 = 0.97;
/// Time over which the worth of the relay's link is averaged.
const AVERAGE: Duration = Duration::from_secs(1);
/// Pause after a try that failed: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(120));
/// A stand-by that has lasted so long was no failure.
const GOOD: Duration = Duration::from_secs(10);

/// What a look at the links of a device shows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Look {
    /// Bytes per second of the relay's link, once measured.
    pub(super) relay: Option<f64>,
    /// Something that the relay's link was asked for has not come.
    pub(super) busy: bool,
    /// Bytes per second of all direct links together, once measured.
    pub(super) direct: Option<f64>,
    /// No direct link brings anything although something is to come, or there is none.
    pub(super) silent: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// The relay's link works; since when the direct ones do as well.
    Works { enough: Option<Instant> },
    /// It stands by since then; since when the direct ones do worse.
    StandsBy { since: Instant, worse: Option<Instant> },
}

/// Of one device.
#[derive(Debug)]
pub(super) struct Standby {
    state: State,
    /// Bytes per second of the relay's link of late.
    average: f64,
    /// What it has shown to be worth.
    worth: f64,
    last: Instant,
    pause: Duration,
    not_before: Instant,
}

impl Standby {
    pub(super) fn new(now: Instant) -> Self {
        let state = State::Works { enough: None };
        Self { state, average: 0.0, worth: 0.0, last: now, pause: PAUSE.0, not_before: now }
    }

    /// Whether the relay's link stands by from now on.
    pub(super) fn look(&mut self, look: &Look, now: Instant) -> bool {
        self.measure(look, now);
        self.state = match self.state {
            State::Works { enough } => self.works(look, enough, now),
            State::StandsBy { since, worse } => self.stands_by(look, since, worse, now),
        };
        matches!(self.state, State::StandsBy { .. })
    }

    fn measure(&mut self, look: &Look, now: Instant) {
        let passed = now.saturating_duration_since(self.last).as_secs_f64();
        self.last = now;
        if let (Some(relay), true, State::Works { .. }) = (look.relay, look.busy, self.state) {
            let part = 1.0 - (-passed / AVERAGE.as_secs_f64()).exp();
            self.average += (relay - self.average) * part;
            self.worth = self.worth.max(self.average);
        }
    }

    fn works(&mut self, look: &Look, enough: Option<Instant>, now: Instant) -> State {
        let (Some(relay), Some(direct)) = (look.relay, look.direct) else {
            return State::Works { enough: None };
        };
        if look.silent || direct < relay || now < self.not_before {
            return State::Works { enough: None };
        }
        let enough = enough.unwrap_or(now);
        if now.saturating_duration_since(enough) < AS_WELL {
            return State::Works { enough: Some(enough) };
        }
        // If all together carry less than the relay's link alone did once, the way has become worse for all.
        self.worth = self.worth.min(relay + direct).max(relay);
        State::StandsBy { since: now, worse: None }
    }

    fn stands_by(
        &mut self,
        look: &Look,
        since: Instant,
        worse: Option<Instant>,
        now: Instant,
    ) -> State {
        if now.saturating_duration_since(since) >= GOOD {
            self.pause = PAUSE.0;
        }
        let Some(direct) = look.direct.filter(|_| !look.silent) else {
            self.average = 0.0;
            return State::Works { enough: None };
        };
        // What was asked before still comes, and takes its part of the way.
        if look.busy || direct >= self.worth * WORSE {
            return State::StandsBy { since, worse: None };
        }
        let worse = worse.unwrap_or(now);
        if now.saturating_duration_since(worse) < DO_WORSE {
            return State::StandsBy { since, worse: Some(worse) };
        }
        self.worth *= FORGET;
        self.average = 0.0;
        self.not_before = now + self.pause;
        self.pause = (self.pause * 2).min(PAUSE.1);
        State::Works { enough: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(100);

    /// A network: bytes per second of the relay's way, of the direct one, and of what both have in common.
    struct Net {
        standby: Standby,
        now: Instant,
        stands_by: bool,
        /// Bytes that came by each.
        came: (f64, f64),
    }

    impl Net {
        fn new() -> Self {
            let now = Instant::now();
            Self { standby: Standby::new(now), now, stands_by: false, came: (0.0, 0.0) }
        }

        fn play(&mut self, seconds: u32, relay: f64, direct: f64, common: f64) {
            (0..seconds * 10).for_each(|_| self.step(relay, direct, common));
        }

        fn step(&mut self, relay: f64, direct: f64, common: f64) {
            let wanted = if self.stands_by { 0.0 } else { relay } + direct;
            let part = (common / wanted.max(1e-9)).min(1.0);
            let rates = (if self.stands_by { 0.0 } else { relay * part }, direct * part);
            let look = Look {
                relay: Some(relay * part),
                busy: !self.stands_by,
                direct: (direct > 0.0).then_some(rates.1),
                silent: direct == 0.0,
            };
            let step = STEP.as_secs_f64();
            self.came = (self.came.0 + rates.0 * step, self.came.1 + rates.1 * step);
            self.now += STEP;
            self.stands_by = self.standby.look(&look, self.now);
        }
    }

    #[test]
    fn the_relay_stands_by_once_a_direct_link_does_as_well() {
        let mut net = Net::new();
        net.play(3, 50.0, 0.0, 1000.0);
        assert!(!net.stands_by);
        net.step(50.0, 60.0, 1000.0);
        assert!(!net.stands_by, "not at once");
        net.play(1, 50.0, 60.0, 1000.0);
        assert!(net.stands_by);
        net.play(60, 50.0, 60.0, 1000.0);
        assert!(net.stands_by);
    }

    #[test]
    fn a_slower_direct_link_only_helps() {
        let mut net = Net::new();
        net.play(20, 50.0, 40.0, 1000.0);
        assert!(!net.stands_by);
        assert!((net.came.0 - 1000.0).abs() < 1.0 && (net.came.1 - 800.0).abs() < 1.0);
    }

    #[test]
    fn where_both_share_a_bottleneck_the_direct_one_takes_all_of_it() {
        let mut net = Net::new();
        net.play(5, 500.0, 0.0, 100.0);
        net.play(3, 500.0, 500.0, 100.0);
        assert!(net.stands_by);
        let before = net.came.0;
        net.play(60, 500.0, 500.0, 100.0);
        assert!(net.stands_by && net.came.0 - before < 1.0);
    }

    #[test]
    fn a_direct_link_that_is_worse_alone_gives_way_and_is_tried_more_and_more_seldom() {
        let mut net = Net::new();
        net.play(5, 1000.0, 0.0, 100.0);
        net.came = (0.0, 0.0);
        // Beside the relay's link it gets more than half, and alone no more than that.
        for _ in 0..120 {
            let direct = 60.0;
            let relay = 40.0;
            net.play(1, if net.stands_by { 100.0 } else { relay }, direct, 1000.0);
        }
        // Alone the relay's link would have brought 12,000.
        let all = net.came.0 + net.came.1;
        assert!(all > 12_000.0 * 0.98, "{all}");
    }

    #[test]
    fn what_becomes_worse_or_silent_brings_the_relay_back() {
        let mut net = Net::new();
        net.play(4, 50.0, 80.0, 1000.0);
        assert!(net.stands_by);
        net.play(1, 50.0, 48.0, 1000.0);
        assert!(net.stands_by, "a little less, for a moment");
        net.play(2, 50.0, 30.0, 1000.0);
        assert!(!net.stands_by);
        net.play(10, 50.0, 80.0, 1000.0);
        assert!(net.stands_by);
        net.now += STEP;
        assert!(!net.standby.look(&Look { silent: true, ..Look::default() }, net.now), "at once");
    }

    #[test]
    fn when_all_ways_become_worse_the_relay_need_not_come_back_for_long() {
        let mut net = Net::new();
        net.play(5, 500.0, 500.0, 100.0);
        assert!(net.stands_by);
        net.play(20, 500.0, 500.0, 20.0);
        assert!(net.stands_by, "it came back, showed no more, and stands by again");
    }
}
