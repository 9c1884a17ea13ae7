//! What knocks have shown of one session: where the other end is, and from where it can be reached. Without input or output;
//! time is an argument.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use sealift_proto::direct::{Knock, KnockKind};
use sealift_proto::limits;
use tokio::time::Instant;

/// Addresses that are taken from knocks, beside those that the other end named (section 10.5).
const LEARNT: usize = limits::LEARNT_MAX;
/// Asks whose answers are awaited.
const ASKED: usize = 1024;
/// Asks of the other end that are remembered, so that nobody can send them again from elsewhere.
const HEARD: usize = 4096;

type Nonce = [u8; 16];

/// A way that stands: an answer has come over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Way {
    /// From ask to answer, the shortest so far.
    pub(super) round_trip: Duration,
    /// Since when.
    pub(super) since: Instant,
    /// When the other end first asked over it, too: soon after it knows that the way stands.
    pub(super) asked_too: Option<Instant>,
}

/// What is to be done about a knock.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Todo {
    /// To be sent to where the knock came from.
    pub(super) answer: Option<Knock>,
    /// Whether that address should be asked, too.
    pub(super) ask: bool,
    /// Whether a way stands that did not before.
    pub(super) stands: bool,
}

/// All ways of a session.
#[derive(Default)]
pub(super) struct Ways {
    named: Vec<SocketAddr>,
    learnt: Vec<SocketAddr>,
    asked: Recent<(SocketAddr, Instant)>,
    heard: Recent<()>,
    /// Addresses that authentic asks came from, and since when.
    from: BTreeMap<SocketAddr, Instant>,
    standing: BTreeMap<SocketAddr, Way>,
}

impl Ways {
    /// Takes the addresses that the other end names now.
    pub(super) fn name(&mut self, places: Vec<SocketAddr>) {
        self.named = places;
    }

    /// Everywhere that is worth a knock.
    pub(super) fn places(&self) -> Vec<SocketAddr> {
        let learnt = self.learnt.iter().filter(|place| !self.named.contains(place));
        self.named.iter().chain(learnt).copied().collect()
    }

    /// An ask to `to`, with a random nonce.
    pub(super) fn ask(&mut self, to: SocketAddr, nonce: Nonce, now: Instant) -> Knock {
        self.asked.insert(nonce, (to, now), ASKED);
        Knock { kind: KnockKind::Ask, nonce }
    }

    /// An authentic knock of the other end has come.
    pub(super) fn hear(&mut self, from: SocketAddr, knock: Knock, now: Instant) -> Todo {
        match knock.kind {
            KnockKind::Ask => self.hear_ask(from, knock.nonce, now),
            KnockKind::Answer => self.hear_answer(from, knock.nonce, now),
        }
    }

    fn hear_ask(&mut self, from: SocketAddr, nonce: Nonce, now: Instant) -> Todo {
        let known = self.named.contains(&from) || self.learnt.contains(&from);
        if self.heard.contains(&nonce) || (!known && self.learnt.len() == LEARNT) {
            return Todo::default();
        }
        self.heard.insert(nonce, (), HEARD);
        if !known {
            self.learnt.push(from);
        }
        let first = *self.from.entry(from).or_insert(now);
        let mut stood = false;
        if let Some(way) = self.standing.get_mut(&from) {
            stood = true;
            way.asked_too = Some(first);
        }
        let answer = Some(Knock { kind: KnockKind::Answer, nonce });
        Todo { answer, ask: !stood, stands: false }
    }

    fn hear_answer(&mut self, from: SocketAddr, nonce: Nonce, now: Instant) -> Todo {
        let Some((to, at)) = self.asked.remove(&nonce).filter(|(to, _)| *to == from) else {
            return Todo::default();
        };
        let round_trip = now.saturating_duration_since(at);
        let asked_too = self.from.get(&to).copied();
        let mut new = false;
        let way = self.standing.entry(to).or_insert_with(|| {
            new = true;
            Way { round_trip, since: now, asked_too }
        });
        way.round_trip = way.round_trip.min(round_trip);
        Todo { answer: None, ask: false, stands: new }
    }

    /// The ways that stand.
    pub(super) fn standing(&self) -> impl Iterator<Item = (SocketAddr, Way)> {
        self.standing.iter().map(|(at, way)| (*at, *way))
    }

    /// Begins anew: what stood may not do so any more, and routers give new ports.
    pub(super) fn begin(&mut self) {
        self.learnt.clear();
        self.from.clear();
        self.standing.clear();
    }

    /// How long an answer takes over a way that stands.
    pub(super) fn round_trip(&self, at: &SocketAddr) -> Option<Duration> {
        self.standing.get(at).map(|way| way.round_trip)
    }

    /// Forgets that a way stands: it did not carry a link.
    pub(super) fn forget(&mut self, at: SocketAddr) {
        self.standing.remove(&at);
    }
}

/// The newest of many values.
struct Recent<V> {
    of: HashMap<Nonce, V>,
    order: VecDeque<Nonce>,
}

impl<V> Default for Recent<V> {
    fn default() -> Self {
        Self { of: HashMap::new(), order: VecDeque::new() }
    }
}

impl<V> Recent<V> {
    fn insert(&mut self, nonce: Nonce, value: V, most: usize) {
        if self.order.len() == most
            && let Some(oldest) = self.order.pop_front()
        {
            self.of.remove(&oldest);
        }
        self.order.push_back(nonce);
        self.of.insert(nonce, value);
    }

    fn contains(&self, nonce: &Nonce) -> bool {
        self.of.contains_key(nonce)
    }

    fn remove(&mut self, nonce: &Nonce) -> Option<V> {
        self.of.remove(nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    const fn ask(nonce: u8) -> Knock {
        Knock { kind: KnockKind::Ask, nonce: [nonce; 16] }
    }

    const fn answer(nonce: u8) -> Knock {
        Knock { kind: KnockKind::Answer, nonce: [nonce; 16] }
    }

    #[tokio::test]
    async fn a_way_stands_once_an_answer_has_come_over_it() {
        let (mut ways, start) = (Ways::default(), Instant::now());
        ways.name(vec![at(1), at(2)]);
        ways.ask(at(1), [1; 16], start);
        let later = start + Duration::from_millis(30);
        assert_eq!(ways.hear(at(1), answer(9), later), Todo::default(), "nobody asked that");
        assert_eq!(ways.hear(at(2), answer(1), later), Todo::default(), "not from there");
        assert_eq!(
            ways.hear(at(1), answer(1), later),
            Todo::default(),
            "asked once, answered once"
        );
        ways.ask(at(1), [2; 16], start);
        let todo = ways.hear(at(1), answer(2), later);
        assert_eq!(todo, Todo { answer: None, ask: false, stands: true });
        let (place, way) = ways.standing().next().unwrap();
        assert_eq!((place, way.round_trip), (at(1), Duration::from_millis(30)));
        assert_eq!(way.asked_too, None);
        ways.hear(at(1), ask(3), later);
        assert_eq!(ways.standing().next().unwrap().1.asked_too, Some(later));
    }

    #[tokio::test]
    async fn an_ask_is_answered_once_and_asked_back_where_no_way_stands() {
        let (mut ways, now) = (Ways::default(), Instant::now());
        ways.name(vec![at(1)]);
        let todo = ways.hear(at(1), ask(1), now);
        assert_eq!(todo, Todo { answer: Some(answer(1)), ask: true, stands: false });
        assert_eq!(ways.hear(at(1), ask(1), now), Todo::default(), "sent again");
        assert_eq!(ways.hear(at(7), ask(1), now), Todo::default(), "sent again from elsewhere");
        assert_eq!(ways.places(), [at(1)]);
        ways.ask(at(1), [8; 16], now);
        ways.hear(at(1), answer(8), now);
        assert!(!ways.hear(at(1), ask(2), now).ask, "it stands");
    }

    #[tokio::test]
    async fn only_so_many_addresses_are_learnt() {
        let (mut ways, now) = (Ways::default(), Instant::now());
        for nonce in 0..20 {
            let heard = ways.hear(at(100 + u16::from(nonce)), ask(nonce), now);
            assert_eq!(heard.answer.is_some(), usize::from(nonce) < LEARNT, "{nonce}");
        }
        assert_eq!(ways.places().len(), LEARNT);
    }

    #[tokio::test]
    async fn memory_is_bounded() {
        let (mut ways, now) = (Ways::default(), Instant::now());
        ways.name(vec![at(1)]);
        for number in 0_u64..20_000 {
            let mut nonce = [0; 16];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            ways.ask(at(1), nonce, now);
            ways.hear(at(1), Knock { kind: KnockKind::Ask, nonce }, now);
        }
        assert!(ways.asked.of.len() <= ASKED && ways.asked.order.len() <= ASKED);
        assert!(ways.heard.of.len() <= HEARD && ways.heard.order.len() <= HEARD);
    }
}
