//! Who may ask the UDP service, and what it answers (PROTOCOL.md section 5.7). Pure but for the lock; times are arguments.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use sealift_platform::random::Random;
use sealift_platform::rate::Rate;
use sealift_platform::sync::lock;
use sealift_proto::probe::{Answer, Ask, PROBE_LEN, ProbeKey, ProbeToken};

use crate::limits::InForce;
use crate::switchboard::Key;

/// Who may ask, and how often.
pub(crate) struct Probes {
    state: Mutex<State>,
    limits: InForce,
}

struct State {
    /// Where the service is; `None` without one.
    port: Option<u16>,
    by_owner: HashMap<Key, ProbeToken>,
    known: HashMap<ProbeToken, Known>,
    all: Rate,
}

struct Known {
    key: ProbeKey,
    rate: Rate,
}

/// Why a datagram is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// It is no question of this service.
    Foreign,
    /// No live connection was granted its token.
    Unknown,
    /// It is not sealed with the key of that connection.
    Forged,
    /// The connection has asked too often.
    Often,
    /// All together have.
    Crowded,
}

impl Dropped {
    /// Its name in the metrics.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::Foreign => "foreign",
            Self::Unknown => "unknown",
            Self::Forged => "forged",
            Self::Often => "often",
            Self::Crowded => "crowded",
        }
    }
}

/// What a device is told.
pub(crate) struct Grant {
    pub(crate) port: u16,
    pub(crate) token: ProbeToken,
    pub(crate) key: ProbeKey,
}

impl Probes {
    pub(crate) fn new(limits: InForce) -> Self {
        let most = limits.get().probes_total_per_second;
        let all = Rate::new(most, most, Duration::ZERO);
        let (by_owner, known) = (HashMap::new(), HashMap::new());
        Self { state: Mutex::new(State { port: None, by_owner, known, all }), limits }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Token and key of a control connection, the same however often they are asked for; `None` without a service.
    pub(crate) fn grant(&self, owner: Key, random: &dyn Random, now: Duration) -> Option<Grant> {
        let limits = self.limits.get();
        let mut state = self.state();
        let port = state.port?;
        let token = *state.by_owner.entry(owner).or_insert_with(|| ProbeToken(random.bytes()));
        let known = state.known.entry(token).or_insert_with(|| Known {
            key: ProbeKey::new(random.bytes()),
            rate: Rate::new(limits.probes_per_second, limits.probe_burst, now),
        });
        Some(Grant { port, token, key: known.key.clone() })
    }

    /// The control connection has ended, and with it what it was granted.
    pub(crate) fn release(&self, owner: Key) {
        let mut state = self.state();
        if let Some(token) = state.by_owner.remove(&owner) {
            state.known.remove(&token);
        }
    }

    /// Where the service is.
    pub(crate) fn port(&self) -> Option<u16> {
        self.state().port
    }

    /// The service is there.
    pub(crate) fn set_port(&self, port: Option<u16>) {
        self.state().port = port;
    }

    /// What to answer to a datagram, or why nothing.
    pub(crate) fn answer(
        &self,
        datagram: &[u8],
        from: SocketAddr,
        now: Duration,
    ) -> Result<[u8; PROBE_LEN], Dropped> {
        let token = Ask::token(datagram).ok_or(Dropped::Foreign)?;
        let mut state = self.state();
        let State { known, all, .. } = &mut *state;
        let known = known.get_mut(&token).ok_or(Dropped::Unknown)?;
        let ask = Ask::from_bytes(datagram, &known.key).ok_or(Dropped::Forged)?;
        if !known.rate.try_take(now) {
            return Err(Dropped::Often);
        }
        if !all.try_take(now) {
            return Err(Dropped::Crowded);
        }
        let seen = SocketAddr::new(from.ip().to_canonical(), from.port());
        Ok(Answer { nonce: ask.nonce, seen }.to_bytes(&known.key))
    }
}

#[cfg(test)]
mod tests {
    use sealift_platform::random::SystemRandom;

    use super::*;
    use crate::limits::Limits;

    const NOW: Duration = Duration::from_secs(1);

    fn from() -> SocketAddr {
        "192.0.2.7:5000".parse().unwrap()
    }

    fn probes() -> Probes {
        let limits = Limits {
            probes_per_second: 1,
            probe_burst: 3,
            probes_total_per_second: 5,
            ..Limits::default()
        };
        let probes = Probes::new(InForce::new(limits));
        probes.state().port = Some(7743);
        probes
    }

    fn ask(grant: &Grant, nonce: u8) -> [u8; PROBE_LEN] {
        Ask { token: grant.token, nonce: [nonce; 16] }.to_bytes(&grant.key)
    }

    #[test]
    fn a_device_learns_where_it_asks_from_until_its_connection_ends() {
        let probes = probes();
        let grant = probes.grant(1, &SystemRandom, NOW).unwrap();
        let again = probes.grant(1, &SystemRandom, NOW).unwrap();
        assert_eq!((grant.token, &grant.key), (again.token, &again.key));
        let answer = probes.answer(&ask(&grant, 1), from(), NOW).unwrap();
        let answer = Answer::from_bytes(&answer, &grant.key).unwrap();
        assert_eq!((answer.nonce, answer.seen), ([1; 16], from()));
        probes.release(1);
        assert_eq!(probes.answer(&ask(&grant, 2), from(), NOW), Err(Dropped::Unknown));
        let state = probes.state();
        assert!(state.known.is_empty() && state.by_owner.is_empty());
    }

    #[test]
    fn nothing_else_is_answered() {
        let probes = probes();
        let grant = probes.grant(1, &SystemRandom, NOW).unwrap();
        let good = ask(&grant, 1);
        for bit in 0..PROBE_LEN * 8 {
            let mut altered = good;
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(probes.answer(&altered, from(), NOW).is_err(), "{bit}");
        }
        for len in 0..PROBE_LEN {
            assert_eq!(probes.answer(&good[..len], from(), NOW), Err(Dropped::Foreign));
        }
        let longer = [&good[..], &[0]].concat();
        assert_eq!(probes.answer(&longer, from(), NOW), Err(Dropped::Foreign));
        let mut forged = good;
        forged[PROBE_LEN - 1] ^= 1;
        assert_eq!(probes.answer(&forged, from(), NOW), Err(Dropped::Forged));
        // None of it has used up what the device may ask.
        for nonce in 1..=3 {
            assert!(probes.answer(&ask(&grant, nonce), from(), NOW).is_ok());
        }
    }

    #[test]
    fn each_connection_and_all_together_have_a_rate() {
        let probes = probes();
        let answers = |owner, now| {
            let grant = probes.grant(owner, &SystemRandom, NOW).unwrap();
            let answers = (0..9).map(|nonce| probes.answer(&ask(&grant, nonce), from(), now));
            let answers: Vec<_> = answers.collect();
            (answers.iter().filter(|answer| answer.is_ok()).count(), answers[8].err())
        };
        assert_eq!(answers(1, NOW), (3, Some(Dropped::Often)));
        assert_eq!(answers(2, NOW), (2, Some(Dropped::Often)), "two of five were left for all");
        let later = NOW + Duration::from_secs(2);
        assert_eq!(answers(1, later), (2, Some(Dropped::Often)));
        assert_eq!(answers(3, later).0, 3);
    }
}
