//! What a relay counts while it runs. Nothing here names a device, a space or an address: what is counted can be shown.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter for each reason that has occurred. Reasons are words of the program, so there are few.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<BTreeMap<&'static str, u64>>);

impl Tally {
    pub(crate) fn add(&self, reason: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    pub(crate) fn get(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// All counters of a relay, since it started.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Connections accepted.
    pub(crate) accepted: Counter,
    /// Bytes sent on control connections, TLS included.
    pub(crate) sent: Arc<Counter>,
    /// Times that the system could not accept one.
    pub(crate) not_accepted: Counter,
    /// Hellos that were good.
    pub(crate) welcomed: Counter,
    /// Connections ended before they showed who they are, by reason.
    pub(crate) rejected: Tally,
    /// Members' connections ended by the relay, by reason.
    pub(crate) closed: Tally,
    /// Requests of members that were answered with no, by reason.
    pub(crate) refused: Tally,
    /// Pairs of tickets given out.
    pub(crate) tickets: Counter,
    /// Links that both halves came to.
    pub(crate) links: Counter,
    /// Their ends, by how.
    pub(crate) links_ended: Tally,
    /// Answers of the UDP service, and bytes of them.
    pub(crate) probes: Counter,
    pub(crate) probe_bytes: Counter,
    /// Datagrams that it did not answer, by reason.
    pub(crate) probes_dropped: Tally,
}
