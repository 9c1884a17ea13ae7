//! How much content has left this process on which way.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sealift_peer::path::Way;

/// Bytes of content sent since the start, by way.
#[derive(Debug, Default)]
pub struct Sent(Mutex<BTreeMap<Way, u64>>);

impl Sent {
    /// Counts `bytes` more.
    pub fn add(&self, way: Way, bytes: u64) {
        let mut sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let all = sent.entry(way).or_default();
        *all = all.saturating_add(bytes);
    }

    /// The ways that carried anything.
    #[must_use]
    pub fn list(&self) -> Vec<(Way, u64)> {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().map(|(way, bytes)| (*way, *bytes)).collect()
    }
}
