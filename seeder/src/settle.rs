//! Files that changed a moment ago, and when they may be taken for complete.
//!
//! A file is read once it was closed by its writer, or nothing was seen to change for a while. What is read is compared with
//! the state it had then, so a wrong guess costs a second reading and never a wrong hash.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::index::Name;

/// After a file was closed.
pub const CLOSED: Duration = Duration::from_millis(300);
/// After its last change, where no close was seen.
pub const QUIET: Duration = Duration::from_millis(2500);
/// Files whose times are older than this when they are first seen are complete.
pub const OLD: Duration = Duration::from_secs(3);
/// Large files that keep changing are read more and more seldom, up to this.
const SELDOM: Duration = Duration::from_secs(60);
/// From which size on that is so, bytes.
const LARGE: u64 = 16 * 1024 * 1024;
/// How long a file has to stay as it is for its past to be forgotten.
const CALM: Duration = Duration::from_secs(120);

/// Files that wait to be complete.
#[derive(Default)]
pub struct Settle {
    due: BTreeSet<(Instant, Name)>,
    by_name: HashMap<Name, Instant>,
    restless: HashMap<Name, (Instant, u32)>,
}

impl Settle {
    /// `name`, of `size` bytes, changed; if nothing else happens it is complete after `delay`.
    pub fn touch(&mut self, name: &Name, size: u64, now: Instant, delay: Duration) {
        let delay = if size >= LARGE { self.slow_down(name, now, delay) } else { delay };
        self.set(name, now + delay);
    }

    /// `name` was closed: it need not wait for quiet, if it waits at all.
    pub fn closed(&mut self, name: &Name, size: u64, now: Instant) {
        if self.by_name.contains_key(name) {
            let delay = self.restless.get(name).map_or(CLOSED, |(_, times)| growing(*times));
            self.set(name, now + if size >= LARGE { delay } else { CLOSED });
        }
    }

    /// `name` need not wait any more.
    pub fn forget(&mut self, name: &Name) {
        if let Some(due) = self.by_name.remove(name) {
            self.due.remove(&(due, name.clone()));
        }
    }

    /// When the next file is complete.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The files that are complete by `now`.
    pub fn take_due(&mut self, now: Instant) -> Vec<Name> {
        let mut names = Vec::new();
        while self.due.first().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, name)) = self.due.pop_first() {
                self.by_name.remove(&name);
                names.push(name);
            }
        }
        self.restless.retain(|_, (last, _)| now < *last + CALM);
        names
    }

    fn set(&mut self, name: &Name, due: Instant) {
        self.forget(name);
        self.by_name.insert(name.clone(), due);
        self.due.insert((due, name.clone()));
    }

    /// A log of a gigabyte that grows each second must not be read each second.
    fn slow_down(&mut self, name: &Name, now: Instant, delay: Duration) -> Duration {
        if self.by_name.contains_key(name) {
            // Still being written: nothing was read in vain.
            return delay;
        }
        let (last, times) = self.restless.entry(name.clone()).or_insert((now, 0));
        *last = now;
        *times += 1;
        delay.max(growing(*times))
    }
}

fn growing(times: u32) -> Duration {
    (CLOSED * 2_u32.saturating_pow(times.saturating_sub(1).min(10))).min(SELDOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_shortens_the_wait_and_a_change_prolongs_it() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let name: Name = "s/a".into();
        let mut settle = Settle::default();
        settle.touch(&name, 5, start, QUIET);
        assert!(settle.take_due(at(2400)).is_empty());
        settle.touch(&name, 5, at(2400), QUIET);
        assert!(settle.take_due(at(4800)).is_empty());
        settle.closed(&name, 5, at(4800));
        assert!(settle.take_due(at(5000)).is_empty());
        assert_eq!(settle.take_due(at(5100)).first(), Some(&name));
        settle.closed(&name, 5, at(5200));
        assert_eq!(settle.next(), None);
    }

    #[test]
    fn large_files_that_keep_changing_are_read_more_seldom() {
        let mut now = Instant::now();
        let name: Name = "s/log".into();
        let mut settle = Settle::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            settle.touch(&name, LARGE, now, CLOSED);
            let due = settle.next().unwrap();
            waits.push(due - now);
            now = due;
            assert_eq!(settle.take_due(now).len(), 1);
        }
        assert_eq!(waits[0], CLOSED);
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(waits[11], SELDOM);
        now += CALM + SELDOM;
        assert!(settle.take_due(now).is_empty());
        settle.touch(&name, LARGE, now, CLOSED);
        assert_eq!(settle.next(), Some(now + CLOSED));
    }
}
