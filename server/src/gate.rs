//! Connections that have not shown who they are: few at a time, the oldest of too many is closed; and how many of them
//! may begin a handshake.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::oneshot;

use sealift_platform::rate::Rate;
use sealift_platform::sync::lock;

use crate::limits::View;
use crate::sources::{Sources, source_of};

/// What the gate goes by.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How long one may take to show who it is.
    pub handshake: Duration,
    /// Connections that have not.
    pub unauthenticated: usize,
    /// Of those, from one source.
    pub unauthenticated_per_source: usize,
    /// Sources remembered for what they owe.
    pub sources: usize,
    /// Handshakes begun, in all and in the long run.
    pub handshakes_per_second: u64,
    /// Of those, at once.
    pub handshake_burst: u64,
    /// Handshakes begun from one source, in the long run.
    pub handshakes_per_second_per_source: u64,
    /// Of those, at once.
    pub handshake_burst_per_source: u64,
    /// The longest wait for a turn.
    pub handshake_wait: Duration,
}

/// Lets connections in until they have shown who they are.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    bounds: View<Bounds>,
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
pub struct Slot {
    gate: Gate,
    number: u64,
    evicted: Option<oneshot::Receiver<()>>,
}

impl Gate {
    /// A gate that nobody stands in.
    #[must_use]
    pub fn new(bounds: View<Bounds>) -> Self {
        Self(Arc::new(Inner { state: Mutex::default(), bounds }))
    }

    /// How many hold a place.
    #[must_use]
    pub fn len(&self) -> usize {
        self.state().waiting.len()
    }

    /// Whether nobody holds one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// How long one may take to show who it is.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.0.bounds.get().handshake
    }

    /// How long a connection from there has to wait before its handshake begins; `None` if that is too long.
    pub fn handshake(&self, from: IpAddr, now: Duration) -> Option<Duration> {
        let bounds = self.0.bounds.get();
        let source = source_of(from);
        let mut state = self.state();
        let of_source = state.handshakes_of.of(source, bounds.sources, now, || {
            let rate = bounds.handshakes_per_second_per_source;
            Rate::new(rate, bounds.handshake_burst_per_source, now)
        });
        let own = of_source.take_within(bounds.handshake_wait, now)?;
        let all = state.handshakes.get_or_insert_with(|| {
            Rate::new(bounds.handshakes_per_second, bounds.handshake_burst, now)
        });
        all.take_within(bounds.handshake_wait, now).map(|all| all.max(own))
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

    /// Takes a place, from the oldest holder if there is none left. The oldest and not the newcomer goes: an honest client has shown
    /// who it is within moments, so whoever has stood here longest is the likeliest to be none.
    pub fn enter(&self, from: IpAddr) -> Slot {
        let source = source_of(from);
        let (sender, evicted) = oneshot::channel();
        let bounds = self.0.bounds.get();
        let mut state = self.state();
        let of_source = state.sources.get(&source);
        let oldest = of_source
            .filter(|numbers| numbers.len() >= bounds.unauthenticated_per_source)
            .and_then(|numbers| numbers.keys().next().copied());
        if let Some(number) = oldest {
            state.remove(number);
        } else if state.waiting.len() >= bounds.unauthenticated
            && let Some(number) = state.waiting.keys().next().copied()
        {
            state.remove(number);
        }
        state.next += 1;
        let number = state.next;
        state.waiting.insert(number, (source, sender));
        state.sources.entry(source).or_default().insert(number, ());
        Slot { gate: self.clone(), number, evicted: Some(evicted) }
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

impl Slot {
    /// Waits until the place is taken away.
    pub async fn evicted(&mut self) {
        if let Some(evicted) = self.evicted.as_mut() {
            let _ = evicted.await;
        }
        self.evicted = None;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.gate.state().remove(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        handshake: Duration::from_secs(10),
        unauthenticated: 10,
        unauthenticated_per_source: 10,
        sources: 10,
        handshakes_per_second: 100,
        handshake_burst: 100,
        handshakes_per_second_per_source: 100,
        handshake_burst_per_source: 100,
        handshake_wait: Duration::from_secs(1),
    };

    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn gate(unauthenticated: usize, unauthenticated_per_source: usize) -> Gate {
        let bounds = Bounds { unauthenticated, unauthenticated_per_source, ..BOUNDS };
        Gate::new(View::fixed(bounds))
    }

    async fn is_evicted(place: &mut Slot) -> bool {
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
        let bounds = Bounds {
            handshakes_per_second: 100,
            handshake_burst: 4,
            handshakes_per_second_per_source: 10,
            handshake_burst_per_source: 2,
            handshake_wait: Duration::from_millis(100),
            ..BOUNDS
        };
        let gate = Gate::new(View::fixed(bounds));
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
