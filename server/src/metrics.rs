//! What a server counts while it runs. Nothing here names a device, a space or an address: what is counted can be shown.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sealift_platform::sync::lock;

/// Numbers by reason.
pub type ByReason = BTreeMap<String, u64>;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// So many more.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// What it has grown to.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter for each reason that has occurred. Reasons are words of the program, so there are few.
#[derive(Debug, Default)]
pub struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    /// It has occurred once more.
    pub fn add(&self, reason: &'static str) {
        *lock(&self.0).entry(reason).or_default() += 1;
    }

    /// How often each has occurred.
    #[must_use]
    pub fn get(&self) -> ByReason {
        let counts = lock(&self.0);
        counts.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect()
    }
}

/// What is counted of strangers, since the start.
#[derive(Debug, Default)]
pub struct Strangers {
    /// Connections accepted.
    pub accepted: Counter,
    /// Times that the system could not accept one.
    pub not_accepted: Counter,
    /// Bytes sent over TLS, its own included.
    pub sent: Arc<Counter>,
    /// Connections ended before they showed who they are, by reason.
    pub rejected: Tally,
}
