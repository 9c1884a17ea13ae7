//! How much content has left this process on which way.

use std::collections::BTreeMap;
use std::sync::Mutex;

use sealift_platform::sync::lock;
use sealift_transport::path::Way;

/// Bytes of content sent since the start, by way.
#[derive(Debug, Default)]
pub struct Sent(Mutex<BTreeMap<Way, u64>>);

impl Sent {
    /// Counts `bytes` more.
    pub fn add(&self, way: Way, bytes: u64) {
        let mut sent = lock(&self.0);
        let all = sent.entry(way).or_default();
        *all = all.saturating_add(bytes);
    }

    /// The ways that carried anything.
    #[must_use]
    pub fn list(&self) -> Vec<(Way, u64)> {
        let sent = lock(&self.0);
        sent.iter().map(|(way, bytes)| (*way, *bytes)).collect()
    }
}
