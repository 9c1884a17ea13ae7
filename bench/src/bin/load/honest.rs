//! Honest devices that come and go while something else is done to the relay.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::client::{Client, Space, source};

/// Far from where crowds come from.
const FROM: u64 = 0x00e0_0000;

/// A device that connects, says Hello, is welcomed and goes, again and again.
pub(crate) struct Visits {
    end: watch::Sender<bool>,
    task: JoinHandle<Vec<Result<Duration, String>>>,
}

/// What the visits found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// How many there were.
    pub(crate) count: usize,
    /// How many were not welcomed.
    pub(crate) failed: usize,
    /// Seconds to a welcome, in the middle.
    pub(crate) median: f64,
    /// Seconds to a welcome that 99 of a hundred did not take longer than.
    pub p99: f64,
}

impl Visits {
    /// One begins each `every`, however long the others take.
    pub(crate) fn start(relay: SocketAddr, space: Space, every: Duration) -> Self {
        let (end, mut ended) = watch::channel(false);
        let space = Arc::new(space);
        let task = tokio::spawn(async move {
            let (mut visits, mut number) = (JoinSet::new(), 0);
            let mut next = tokio::time::interval(every);
            loop {
                tokio::select! {
                    _ = next.tick() => {}
                    _ = ended.wait_for(|ended| *ended) => break,
                }
                number += 1;
                visits.spawn(visit(relay, Arc::clone(&space), number));
            }
            visits.join_all().await
        });
        Self { end, task }
    }

    /// Waits for those under way and tells how they went.
    pub(crate) async fn end(self) -> Figures {
        self.end.send_replace(true);
        let all = self.task.await.unwrap_or_default();
        let mut times: Vec<Duration> =
            all.iter().filter_map(|one| one.as_ref().ok().copied()).collect();
        for error in all.iter().filter_map(|one| one.as_ref().err()).take(3) {
            eprintln!("   an honest device: {error}");
        }
        times.sort_unstable();
        let at = |part: usize| {
            let place = (times.len() * part).div_ceil(100).saturating_sub(1);
            times.get(place).map_or(f64::INFINITY, Duration::as_secs_f64)
        };
        Figures { count: all.len(), failed: all.len() - times.len(), median: at(50), p99: at(99) }
    }
}

async fn visit(relay: SocketAddr, space: Arc<Space>, number: u64) -> Result<Duration, String> {
    let start = Instant::now();
    let device = space.device(number);
    let client = Client::connect(relay, source(FROM + number), &device, false).await;
    client.map(|_| start.elapsed()).map_err(|error| error.to_string())
}
