//! The way to a connection: how it goes on while the relay does not answer, what is told meanwhile, and when it is given up.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::time::Duration;

use sealift_platform::random::Random;
use sealift_proto::control::ToRelay;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::control::{Control, DialError, Events, Purpose, dial};
use crate::device::ThisDevice;
use crate::error::Error;
use crate::notice::Notice;
use sealift_proto::place::RelayPlace;
use sealift_space::profile::space::SpaceState;

/// When a person is told that the relay does not answer yet.
const TELL_AFTER: Duration = Duration::from_secs(3);
/// How long an answer may take even then before it is told that there is none.
const MOMENT: Duration = Duration::from_secs(1);
/// Shortest and longest pause between two attempts.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(20));
/// How long a one-shot command bears that there is no way to the relay at all.
const NO_WAY: Duration = Duration::from_secs(3);
/// Longer than any attempt lasts.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// How long to try, and what is taken for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// At most so long, and no longer than it takes to know that waiting a moment will not help: a command that somebody
    /// waits for.
    AtMost(Duration),
    /// For ever, as a program that is to run for long tries for its first connection. Only what the relay itself refuses it
    /// ends that.
    Begin,
    /// For ever, as one that was connected before: even a refusal may pass, as its operator's slip does.
    Again,
}

/// The way to a connection.
pub(super) struct Attempt<'a> {
    this: &'a ThisDevice,
    serving: bool,
    patience: Patience,
    start: Instant,
    pause: Duration,
    told: BTreeSet<&'static str>,
}

impl<'a> Attempt<'a> {
    pub(super) fn new(this: &'a ThisDevice, serving: bool, patience: Patience) -> Self {
        let (start, told) = (Instant::now(), BTreeSet::new());
        Self { this, serving, patience, start, pause: PAUSE.0, told }
    }

    /// Whether it goes on after `error` of a connection that stood already. What is not the relay's going is told once.
    pub(super) fn bears(&mut self, error: &Error) -> bool {
        let bears = match self.patience {
            Patience::AtMost(most) => error.is_relays() && self.has_time(most),
            Patience::Begin | Patience::Again => error.may_pass(),
        };
        if bears && !error.is_relays() && self.told.insert("midway") {
            self.this.reporter.tell(&Notice::TryingOn(error));
        }
        bears
    }

    /// Whether another pause fits into `most`.
    fn has_time(&self, most: Duration) -> bool {
        self.start.elapsed() + self.pause <= most
    }

    fn goes_on(&self, error: &DialError) -> bool {
        match self.patience {
            Patience::AtMost(most) => error.is_passing() && self.has_time(most.min(worth(error))),
            Patience::Begin if matches!(error, DialError::Refused(_)) => error.is_passing(),
            Patience::Begin => true,
            Patience::Again => error.may_pass(),
        }
    }

    pub(super) async fn wait(&mut self) {
        sleep(jittered(self.pause, &*self.this.profile.platform().random)).await;
        self.pause = (self.pause * 2).min(PAUSE.1);
    }

    pub(super) async fn dial(
        &mut self,
        space: &SpaceState,
        relay: &RelayPlace,
    ) -> Result<(Control, Events), Error> {
        loop {
            let error = match self.dial_once(space, relay).await? {
                Ok(connection) => return Ok(connection),
                Err(error) => error,
            };
            if !self.goes_on(&error) {
                return Err(self.failed(error, relay, space));
            }
            self.tell(error, relay, space);
            self.wait().await;
        }
    }

    async fn dial_once(
        &mut self,
        space: &SpaceState,
        relay: &RelayPlace,
    ) -> Result<Result<(Control, Events), DialError>, Error> {
        let this = self.this;
        let token = match &relay.pin {
            Some(pin) => this.profile.relay_token(pin)?,
            None => None,
        };
        let purpose =
            Purpose::Member { chain: space.chain().clone(), serving: self.serving, token };
        let first = vec![ToRelay::Heads, ToRelay::Peers];
        let left = match self.patience {
            Patience::AtMost(most) => most.saturating_sub(self.start.elapsed()).max(PAUSE.0),
            Patience::Begin | Patience::Again => FOR_EVER,
        };
        let dialling = dial(this.profile.platform(), relay, &this.device.key, purpose, first);
        let ended = self.telling(relay, "nothing comes back", timeout(left, dialling)).await;
        Ok(ended.unwrap_or_else(|_| Err(DialError::Unreachable(ErrorKind::TimedOut.into()))))
    }

    /// Waits for what the relay answers; when that takes longer than a moment, `why` is told.
    pub(super) async fn telling<T>(
        &mut self,
        relay: &RelayPlace,
        why: &'static str,
        answer: impl Future<Output = T>,
    ) -> T {
        let mut answer = pin!(answer);
        let moment = (self.start + TELL_AFTER).max(Instant::now() + MOMENT);
        if let Ok(answer) = timeout_at(moment, &mut answer).await {
            return answer;
        }
        if self.told.insert("waiting") {
            self.tell_waiting(relay, &DialError::Unreachable(io::Error::other(why)));
        }
        answer.await
    }

    /// How long the relay may be silent while it tells the first news: with what dialling took, no longer than the patience.
    pub(super) fn silence(&self, most: Duration) -> Duration {
        match self.patience {
            Patience::AtMost(all) => {
                all.saturating_sub(self.start.elapsed()).clamp(TELL_AFTER.min(most), most)
            }
            Patience::Begin | Patience::Again => most,
        }
    }

    /// Tells once why there is no connection yet: after a moment where the relay is only not there, at once where something
    /// else is in its place.
    fn tell(&mut self, error: DialError, relay: &RelayPlace, space: &SpaceState) {
        if error.is_passing() {
            if self.start.elapsed() + self.pause >= TELL_AFTER && self.told.insert("waiting") {
                self.tell_waiting(relay, &error);
            }
        } else if self.told.insert(error.kind()) {
            self.this.reporter.tell(&Notice::TryingOn(&self.failed(error, relay, space)));
        }
    }

    fn tell_waiting(&self, relay: &RelayPlace, error: &DialError) {
        let most = match self.patience {
            Patience::AtMost(most) => Some(most),
            Patience::Begin | Patience::Again => None,
        };
        self.this.reporter.tell(&Notice::Waiting { relay, error, most });
    }

    /// What is known here of why `relay` was not dialled for `space`.
    fn failed(&self, error: DialError, relay: &RelayPlace, space: &SpaceState) -> Error {
        let now = self.this.now();
        let own = space.verify_member(space.chain(), now);
        Error::Dial {
            relay: relay.clone(),
            error,
            space: Some(space.id()),
            certificate: Some(own.map(|member| member.not_after.saturating_sub(now))),
        }
    }
}

/// How long it is worth trying again after `error`: somebody waits, and a system that refuses at once has said all.
fn worth(error: &DialError) -> Duration {
    use ErrorKind as K;
    match error {
        DialError::Unreachable(why) => match why.kind() {
            K::ConnectionRefused => Duration::ZERO,
            K::TimedOut
            | K::ConnectionReset
            | K::ConnectionAborted
            | K::UnexpectedEof
            | K::BrokenPipe => FOR_EVER,
            // No route, no network, no such name.
            _ => NO_WAY,
        },
        // That has taken its time already.
        DialError::Stalled { .. } => Duration::ZERO,
        _ => FOR_EVER,
    }
}

/// Half to all of `pause`, so that many do not come back at one moment.
#[must_use]
pub fn jittered(pause: Duration, random: &dyn Random) -> Duration {
    let part = u32::from(u16::from_be_bytes(random.bytes()));
    pause / 2 + pause / 2 * part / u32::from(u16::MAX)
}
