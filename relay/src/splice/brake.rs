//! How fast bytes may pass: on all links together, and on those of one space. Without such a bound nothing is asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::time::Instant;

use sealift_platform::rate::Rate;
use sealift_platform::sync::lock;
use sealift_proto::space::SpaceId;

use crate::limits::Limits;

/// Bytes that a direction moves at once where there is a bound: small, so that many links share it evenly. Each direction pays
/// for a step behind it and sleeps its debt off, so a link's share of the bound is how often its turn comes, and one with larger
/// steps would get more than its share.
const STEP: usize = 64 << 10;
/// What may pass at once, as a part of a second's bytes: a quarter of a second is enough for a link that the machine wakes late to
/// catch up, and too little to be seen as a jump.
const BURST: u64 = 4;

/// A bound that several links share.
#[derive(Debug)]
struct Brake {
    per_second: u64,
    began: Instant,
    rate: Mutex<Rate>,
}

impl Brake {
    fn new(per_second: u64) -> Arc<Self> {
        let burst = (per_second / BURST).max(STEP as u64);
        let rate = Mutex::new(Rate::new(per_second, burst, Duration::ZERO));
        Arc::new(Self { per_second, began: Instant::now(), rate })
    }

    fn take(&self, bytes: u64) -> Duration {
        lock(&self.rate).take(bytes, self.began.elapsed())
    }
}

/// The bounds that hold for one link.
#[derive(Debug, Clone, Default)]
pub(crate) struct Brakes(Vec<Arc<Brake>>);

/// All bounds there are.
#[derive(Debug, Default)]
pub(crate) struct Bandwidth {
    all: Option<Arc<Brake>>,
    spaces: HashMap<SpaceId, Weak<Brake>>,
}

impl Bandwidth {
    /// The bounds for a new link of `space`. Links of one space share one brake for as long as any of them lives, hence the weak
    /// reference. One whose limit was changed is replaced, not altered: links under way keep the bound that they began with.
    pub(crate) fn of(&mut self, space: SpaceId, limits: &Limits) -> Brakes {
        let same = |brake: &Arc<Brake>, rate| brake.per_second == rate;
        self.all = limits.bytes_per_second.map(|rate| {
            self.all.take().filter(|brake| same(brake, rate)).unwrap_or_else(|| Brake::new(rate))
        });
        self.spaces.retain(|_, brake| brake.strong_count() > 0);
        let of_space = limits.space_bytes_per_second.map(|rate| {
            let held = self.spaces.get(&space).and_then(Weak::upgrade);
            let brake = held.filter(|brake| same(brake, rate)).unwrap_or_else(|| Brake::new(rate));
            self.spaces.insert(space, Arc::downgrade(&brake));
            brake
        });
        Brakes(self.all.iter().cloned().chain(of_space).collect())
    }
}

/// One direction of a link: counts what passes, and makes it wait where there is a bound.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) moved: &'a AtomicU64,
    pub(super) brakes: &'a Brakes,
}

impl Way<'_> {
    /// Bytes to move at once instead of `size`.
    pub(super) fn step(&self, size: usize) -> usize {
        if self.brakes.0.is_empty() { size } else { size.min(STEP) }
    }

    /// `count` bytes have passed. Returns when more may.
    pub(super) async fn passed(&self, count: u64) {
        self.moved.fetch_add(count, Ordering::Relaxed);
        if self.brakes.0.is_empty() {
            return;
        }
        let waits = self.brakes.0.iter().map(|brake| brake.take(count));
        let wait = waits.max().unwrap_or_default();
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(all: Option<u64>, space: Option<u64>) -> Limits {
        Limits { bytes_per_second: all, space_bytes_per_second: space, ..Limits::default() }
    }

    fn space(number: u8) -> SpaceId {
        SpaceId::from_bytes([number; 32])
    }

    /// How long `bytes` take, in steps, over `links` that share their time.
    async fn time(brakes: &[Brakes], bytes: u64) -> Duration {
        let start = Instant::now();
        let moved = AtomicU64::new(0);
        let mut left = bytes;
        while left > 0 {
            for brakes in brakes {
                let way = Way { moved: &moved, brakes };
                way.passed(STEP as u64).await;
                left = left.saturating_sub(STEP as u64);
            }
        }
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn links_share_the_bound_of_all_and_those_of_a_space_its_own() {
        let mut bandwidth = Bandwidth::default();
        let bounds = limits(Some(4 << 20), Some(1 << 20));
        let one = bandwidth.of(space(1), &bounds);
        let same = bandwidth.of(space(1), &bounds);
        let other = bandwidth.of(space(2), &bounds);
        let took = time(&[one.clone(), same.clone()], 4 << 20).await;
        assert!((3500..=4000).contains(&took.as_millis()), "{took:?}");
        let took = time(std::slice::from_ref(&other), 4 << 20).await;
        assert!((3500..=4000).contains(&took.as_millis()), "{took:?}");
        // Bytes of all of them count for all.
        let fast = limits(Some(1 << 20), None);
        let both = [bandwidth.of(space(1), &fast), bandwidth.of(space(2), &fast)];
        let took = time(&both, 4 << 20).await;
        assert!((3500..=4000).contains(&took.as_millis()), "{took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_bound_nothing_waits_and_nothing_is_kept() {
        let mut bandwidth = Bandwidth::default();
        let brakes = bandwidth.of(space(1), &limits(None, None));
        assert!(bandwidth.all.is_none() && bandwidth.spaces.is_empty());
        let moved = AtomicU64::new(0);
        assert_eq!(Way { moved: &moved, brakes: &brakes }.step(1 << 20), 1 << 20);
        assert_eq!(time(&[brakes], 1 << 30).await, Duration::ZERO);
        let held = bandwidth.of(space(1), &limits(None, Some(9)));
        let _ = bandwidth.of(space(2), &limits(None, Some(9)));
        assert_eq!(bandwidth.spaces.len(), 2);
        let _ = bandwidth.of(space(3), &limits(None, None));
        assert_eq!(bandwidth.spaces.len(), 1, "those without links are forgotten");
        drop(held);
    }
}
