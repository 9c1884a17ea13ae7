//! Many connections at once.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::client::{Client, Failed, Space, source};

/// How many handshakes are under way at once.
const AT_ONCE: usize = 64;

/// Idle devices that give signs of life.
pub(crate) struct Crowd {
    relay: SocketAddr,
    space: Arc<Space>,
    next: u64,
    gone: Arc<AtomicUsize>,
    tasks: JoinSet<()>,
}

impl Crowd {
    /// Nobody yet. Devices of this space come, numbered from `first`.
    pub(crate) fn new(relay: SocketAddr, space: Space, first: u64) -> Self {
        let gone = Arc::new(AtomicUsize::new(0));
        Self { relay, space: Arc::new(space), next: first, gone, tasks: JoinSet::new() }
    }

    /// Connects so many devices more, each from an address of its own; the rejected by reason.
    pub(crate) async fn grow(&mut self, count: usize) -> BTreeMap<String, usize> {
        let (relay, space) = (self.relay, Arc::clone(&self.space));
        let first = self.next;
        self.next += count as u64;
        let dialled = all(count, AT_ONCE, move |number| {
            let space = Arc::clone(&space);
            async move {
                let number = first + number as u64;
                let device = space.device(number);
                Client::connect(relay, source(number), &device, false).await
            }
        })
        .await;
        let mut rejected = BTreeMap::new();
        for client in dialled {
            match client {
                Ok(client) => self.keep(client),
                Err(error) => *rejected.entry(error.to_string()).or_default() += 1,
            }
        }
        rejected
    }

    fn keep(&mut self, client: Client) {
        let gone = Arc::clone(&self.gone);
        self.tasks.spawn(async move {
            client.idle().await;
            gone.fetch_add(1, Ordering::Relaxed);
        });
    }

    /// How many are connected.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len() - self.gone.load(Ordering::Relaxed)
    }

    /// All go at once.
    pub(crate) async fn leave(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Runs `count` tasks, `at_once` at a time, and collects what they give.
pub(crate) async fn all<T: Send + 'static, F>(
    count: usize,
    at_once: usize,
    task: impl Fn(usize) -> F,
) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(at_once));
    let mut tasks = JoinSet::new();
    for number in 0..count {
        let place = Arc::clone(&places).acquire_owned().await;
        let work = task(number);
        tasks.spawn(async move {
            let done = work.await;
            drop(place);
            done
        });
    }
    tasks.join_all().await
}

/// How often each error came.
pub(crate) fn reasons<T>(results: &[Result<T, Failed>]) -> String {
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for error in results.iter().filter_map(|result| result.as_ref().err()) {
        *counted.entry(error.to_string()).or_default() += 1;
    }
    words(&counted)
}

/// Reasons and how often, in words.
pub(crate) fn words(counted: &BTreeMap<String, usize>) -> String {
    let parts: Vec<String> =
        counted.iter().map(|(why, count)| format!("{count} × {why}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}
