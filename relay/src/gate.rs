//! Connections that have not shown who they are: few at a time, the oldest of too many is closed; and how many of them
//! may begin a handshake.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::limits::InForce;
use crate::rate::Rate;
use crate::sources::{Sources, source_of};

/// Lets connections in until they have shown who they are.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    limits: InForce,
}

#[derive(Default)]
struct State {
    next: u64,
    waiting: BTreeMap<u64, (IpAddr, oneshot::Sender<()>)>,
    /// Per source, oldest first.
    sources: HashMap<IpAddr, BTreeMap<u64, ()>>,
    /// Handshakes in all, and of the sources that began some lately.
    handshakes: Option<Rate>,
    handshakes_of: Sources,
}

/// A place in the gate, given back when dropped.
pub(crate) struct Place {
    gate: Gate,
    number: u64,
    evicted: Option<oneshot::Receiver<()>>,
}

impl Gate {
    pub(crate) fn new(limits: InForce) -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), limits }))
    }

    /// How many hold a place.
    pub(crate) fn len(&self) -> usize {
        self.state().waiting.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a connection from there has to wait before its handshake begins; `None` if that is too long.
    pub(crate) fn handshake(&self, from: IpAddr, now: Duration) -> Option<Duration> {
        let limits = self.0.limits.get();
        let source = source_of(from);
        let mut state = self.state();
        let of_source = state.handshakes_of.of(source, limits.sources, now, || {
            let rate = limits.handshakes_per_second_per_source;
            Rate::new(rate, limits.handshake_burst_per_source, now)
        });
        let own = of_source.take_within(limits.handshake_wait, now)?;
        let all = state.handshakes.get_or_insert_with(|| {
            Rate::new(limits.handshakes_per_second, limits.handshake_burst, now)
        });
        all.take_within(limits.handshake_wait, now).map(|all| all.max(own))
    }

    /// Forgets the sources that have begun no handshake lately.
    pub(crate) fn forget_sources(&self, now: Duration) {
        self.state().handshakes_of.forget(now);
    }

    /// The oldest `count` holders are to go; whether there was any.
    pub(crate) fn evict(&self, count: usize) -> bool {
        let mut state = self.state();
        let oldest: Vec<u64> = state.waiting.keys().take(count).copied().collect();
        oldest.iter().for_each(|number| state.remove(*number));
        !oldest.is_empty()
    }

    /// Takes a place, from the oldest holder if there is none left.
    pub(crate) fn enter(&self, from: IpAddr) -> Place {
        let source = source_of(from);
        let (sender, evicted) = oneshot::channel();
        let limits = self.0.limits.get();
        let mut state = self.state();
        let of_source = state.sources.get(&source);
        let oldest = of_source
            .filter(|numbers| numbers.len() >= limits.unauthenticated_per_source)
            .and_then(|numbers| numbers.keys().next().copied());
        if let Some(number) = oldest {
            state.remove(number);
        } else if state.waiting.len() >= limits.unauthenticated
            && let Some(number) = state.waiting.keys().next().copied()
        {
            state.remove(number);
        }
        state.next += 1;
        let number = state.next;
        state.waiting.insert(number, (source, sender));
        state.sources.entry(source).or_default().insert(number, ());
        Place { gate: self.clone(), number, evicted: Some(evicted) }
    }
}

impl State {
    /// Dropping the sender tells the holder.
    fn remove(&mut self, number: u64) {
        let Some((source, _)) = self.waiting.remove(&number) else { return };
        if let Some(numbers) = self.sources.get_mut(&source) {
            numbers.remove(&number);
            if numbers.is_empty() {
                self.sources.remove(&source);
            }
        }
    }
}

impl Place {
    /// Waits until the place is taken away.
    pub(crate) async fn evicted(&mut self) {
        if let Some(evicted) = self.evicted.as_mut() {
            let _ = evicted.await;
        }
        self.evicted = None;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.gate.state().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn gate(unauthenticated: usize, unauthenticated_per_source: usize) -> Gate {
        let limits = Limits { unauthenticated, unauthenticated_per_source, ..Limits::default() };
        Gate::new(InForce::new(limits))
    }

    async fn is_evicted(place: &mut Place) -> bool {
        let wait = Duration::from_millis(1);
        tokio::time::timeout(wait, place.evicted()).await.is_ok()
    }

    #[tokio::test]
    async fn the_oldest_goes_first_of_its_source_then_of_all() {
        let gate = gate(3, 2);
        let mut one = gate.enter(at("10.0.0.1"));
        let mut two = gate.enter(at("10.0.0.2"));
        let mut three = gate.enter(at("10.0.0.2"));
        let mut four = gate.enter(at("10.0.0.2"));
        assert!(is_evicted(&mut two).await && !is_evicted(&mut one).await);
        let mut five = gate.enter(at("10.0.0.3"));
        assert!(is_evicted(&mut one).await && !is_evicted(&mut three).await);
        drop(three);
        let _six = gate.enter(at("10.0.0.4"));
        assert!(!is_evicted(&mut four).await && !is_evicted(&mut five).await);
        assert!(gate.evict(1) && is_evicted(&mut four).await && !is_evicted(&mut five).await);
        drop((one, two, four, five));
        assert_eq!(gate.0.state.lock().unwrap().waiting.len(), 1);
        assert_eq!(gate.0.state.lock().unwrap().sources.len(), 1);
    }

    #[test]
    fn handshakes_wait_for_their_turn_by_source_and_in_all() {
        let limits = Limits {
            handshakes_per_second: 100,
            handshake_burst: 4,
            handshakes_per_second_per_source: 10,
            handshake_burst_per_source: 2,
            handshake_wait: Duration::from_millis(100),
            ..Limits::default()
        };
        let gate = Gate::new(InForce::new(limits));
        let ms = |ms| Some(Duration::from_millis(ms));
        let begin = |from| gate.handshake(at(from), Duration::ZERO);
        let of_one = [begin("10.0.0.1"), begin("10.0.0.1"), begin("10.0.0.1"), begin("10.0.0.1")];
        assert_eq!(of_one, [ms(0), ms(0), ms(100), None]);
        assert_eq!(begin("10.0.0.2"), ms(0));
        assert_eq!(begin("10.0.0.3"), ms(10), "too many in all");
        // A network of IPv6 is one source.
        let network = [begin("2001:db8::1"), begin("2001:db8::2"), begin("2001:db8::3")];
        assert_eq!(network, [ms(20), ms(30), ms(100)]);
        assert_eq!(begin("2001:db8::4"), None);
        gate.forget_sources(Duration::from_millis(150));
        assert_ne!(gate.state().handshakes_of.len(), 0);
        gate.forget_sources(Duration::from_secs(1));
        assert_eq!(gate.state().handshakes_of.len(), 0);
    }
}
