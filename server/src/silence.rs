//! When a connection on which nothing comes is asked for a sign of life, and when it is given up. Pure: times are arguments.

use std::time::Duration;

use tokio::time::Instant;

/// How long one may be silent.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Until it is asked for a sign of life.
    pub ping_after: Duration,
    /// Until it is given up.
    pub idle: Duration,
}

/// How long one has been silent, and whether it was asked.
#[derive(Debug)]
pub struct Silence {
    heard: Instant,
    asked: bool,
}

/// What is to be done with a silent one.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask it for a sign of life.
    Ask,
    /// Give it up.
    End,
}

impl Silence {
    /// Something came just now.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { heard: now, asked: false }
    }

    /// Something came.
    pub const fn heard(&mut self, now: Instant) {
        *self = Self::new(now);
    }

    /// Until when nothing is to be done.
    #[must_use]
    pub fn until(&self, bounds: &Bounds) -> Instant {
        self.heard + if self.asked { bounds.idle } else { bounds.ping_after }
    }

    /// That time has come.
    pub const fn over(&mut self) -> Next {
        if self.asked {
            return Next::End;
        }
        self.asked = true;
        Next::Ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_asked_once_and_then_given_up_unless_it_is_heard() {
        let second = Duration::from_secs(1);
        let bounds = Bounds { ping_after: 3 * second, idle: 10 * second };
        let start = Instant::now();
        let mut silence = Silence::new(start);
        assert_eq!(silence.until(&bounds), start + 3 * second);
        assert_eq!(silence.over(), Next::Ask);
        assert_eq!(silence.until(&bounds), start + 10 * second);
        silence.heard(start + 9 * second);
        assert_eq!(silence.until(&bounds), start + 12 * second);
        assert_eq!(silence.over(), Next::Ask);
        assert_eq!(silence.until(&bounds), start + 19 * second);
        assert_eq!(silence.over(), Next::End);
    }
}
