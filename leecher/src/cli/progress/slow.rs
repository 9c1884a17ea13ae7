//! When what comes is too slow to be relied on.

use std::time::Duration;

use sealift_command::meter::rate;
use tokio::time::Instant;

/// Bytes per second from which on every connection that lives half a minute moves a file of up to 12 GiB forward.
pub(super) const LEAST: u64 = 16 * 1024;
/// What is judged: half as long as such a connection lives, so that it is seen before it breaks.
const WINDOW: Duration = Duration::from_secs(15);

/// Notices that less comes than is enough.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slowness {
    /// Since when it is counted, and how much there was then.
    since: Option<(Instant, u64)>,
    told: bool,
}

impl Slowness {
    /// At `now` it was `total` in all. Bytes per second if that is too little and was not said yet. What comes while nobody is `busy`
    /// says nothing, and that nothing at all comes is said elsewhere.
    pub(super) fn note(&mut self, now: Instant, total: u64, busy: bool) -> Option<u64> {
        let (begin, first) = *self.since.filter(|_| busy).get_or_insert((now, total));
        self.since = Some((begin, first));
        if now - begin < WINDOW {
            return None;
        }
        self.since = Some((now, total));
        let speed = rate(total.saturating_sub(first), now - begin);
        if speed >= LEAST {
            self.told = false;
        }
        let is_slow = (1..LEAST).contains(&speed);
        (is_slow && !std::mem::replace(&mut self.told, true)).then_some(speed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said at which second, of what comes in each.
    fn said(seconds: impl IntoIterator<Item = (u64, bool)>) -> Vec<(u64, u64)> {
        let (mut slowness, begin, mut total) = (Slowness::default(), Instant::now(), 0);
        let mut said = Vec::new();
        for (second, (bytes, busy)) in (0..).zip(seconds) {
            let speed = slowness.note(begin + Duration::from_secs(second), total, busy);
            said.extend(speed.map(|speed| (second, speed)));
            total += bytes;
        }
        said
    }

    #[test]
    fn what_is_too_slow_is_said_once_until_it_was_enough() {
        let slow = std::iter::repeat_n((9_000, true), 90);
        assert_eq!(said(slow.clone()), [(15, 9_000)]);
        let enough = std::iter::repeat_n((20_000, true), 60);
        assert_eq!(said(enough.clone()), []);
        let again = slow.clone().chain(enough).chain(slow);
        assert_eq!(said(again), [(15, 9_000), (165, 9_000)]);
    }

    #[test]
    fn a_pause_and_silence_are_not_slow() {
        assert_eq!(said(std::iter::repeat_n((100, false), 200)), []);
        assert_eq!(said(std::iter::repeat_n((0, true), 200)), []);
        let (slow, nothing) =
            (std::iter::repeat_n((9_000, true), 30), std::iter::repeat_n((0, true), 40));
        assert_eq!(said(slow.clone().chain(nothing).chain(slow)), [(15, 9_000)]);
        let broken = std::iter::repeat_n([(9_000, true); 12], 9);
        let broken = broken.flat_map(|part| part.into_iter().chain([(0, false)]));
        assert_eq!(said(broken), [], "none of them was seen for long enough");
    }
}
