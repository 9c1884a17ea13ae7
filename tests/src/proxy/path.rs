//! How long bytes take: a bottleneck that all connections of a direction share, then a delay with jitter.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use sealift_platform::sync::lock;

/// What a bottleneck makes up for when this machine woke it too late.
const CREDIT: Duration = Duration::from_millis(10);
/// Bytes that wait behind a bottleneck, or at a receiver that does not read.
const QUEUE: usize = 256 * 1024;
/// Bytes on their way where there is delay and no bottleneck.
const FLIGHT: usize = 64 * 1024 * 1024;

/// What bytes meet on their way in one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Path {
    /// Time from one side to the other; a new connection costs one exchange before its first bytes leave.
    pub delay: Duration,
    /// Up to so much more, by the seed; bytes keep their order.
    pub jitter: Duration,
    /// Bytes in a second that all connections share; `None` for as many as come.
    pub rate: Option<u64>,
}

impl Path {
    /// Most bytes that are in the proxy at once, for one direction of a connection.
    pub(super) fn room(&self) -> usize {
        let time = self.delay + self.jitter;
        let flight = match self.rate {
            _ if time.is_zero() => 0,
            None => FLIGHT,
            Some(rate) => usize::try_from(u128::from(rate) * time.as_micros() / 1_000_000)
                .unwrap_or(FLIGHT)
                .min(FLIGHT),
        };
        flight + QUEUE
    }
}

/// Where the bytes of all connections of one direction line up.
pub(super) struct Bottleneck {
    path: Mutex<Path>,
    /// When the last byte that was let in is through.
    free: Mutex<Instant>,
}

impl Bottleneck {
    pub(super) fn new(path: Path) -> Self {
        Self { path: Mutex::new(path), free: Mutex::new(Instant::now()) }
    }

    pub(super) fn path(&self) -> Path {
        *lock(&self.path)
    }

    pub(super) fn set(&self, path: Path) {
        *lock(&self.path) = path;
    }

    /// When `count` bytes that stand here now are through.
    pub(super) fn pass(&self, count: usize) -> Instant {
        let now = Instant::now();
        let Some(rate) = self.path().rate else { return now };
        let nanos = u128::try_from(count).unwrap_or(0) * 1_000_000_000 / u128::from(rate.max(1));
        let takes = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        let mut free = lock(&self.free);
        *free = (*free).max(now.checked_sub(CREDIT).unwrap_or(now)) + takes;
        *free
    }
}

pub(super) fn wait_until(time: Instant) {
    let left = time.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        std::thread::sleep(left);
    }
}
