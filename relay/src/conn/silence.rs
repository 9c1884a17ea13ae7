//! When a connection on which nothing comes is asked for a sign of life, and when it is given up. Pure: times are arguments.

use tokio::time::Instant;

use crate::limits::Limits;

/// How long one has been silent, and whether it was asked.
pub(super) struct Silence {
    heard: Instant,
    asked: bool,
}

/// What is to be done with a silent one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask it for a sign of life.
    Ask,
    /// Give it up.
    End,
}

impl Silence {
    pub(super) const fn new(now: Instant) -> Self {
        Self { heard: now, asked: false }
    }

    /// Something came.
    pub(super) const fn heard(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// Until when nothing is to be done.
    pub(super) fn until(&self, limits: &Limits) -> Instant {
        self.heard + if self.asked { limits.idle } else { limits.ping_after }
    }

    /// That time has come.
    pub(super) const fn over(&mut self) -> Next {
        if self.asked {
            return Next::End;
        }
        self.asked = true;
        Next::Ask
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_is_asked_once_and_then_given_up_unless_it_is_heard() {
        let second = Duration::from_secs(1);
        let limits = Limits { ping_after: 3 * second, idle: 10 * second, ..Limits::default() };
        let start = Instant::now();
        let mut silence = Silence::new(start);
        assert_eq!(silence.until(&limits), start + 3 * second);
        assert_eq!(silence.over(), Next::Ask);
        assert_eq!(silence.until(&limits), start + 10 * second);
        silence.heard(start + 9 * second);
        assert_eq!(silence.until(&limits), start + 12 * second);
        assert_eq!(silence.over(), Next::Ask);
        assert_eq!(silence.until(&limits), start + 19 * second);
        assert_eq!(silence.over(), Next::End);
    }
}
