//! Randomness that can be had again.

use std::sync::{Arc, Mutex};

use sealift_platform::random::Random;
use sealift_platform::sync::lock;

/// A stream of bytes that follows from a seed; clones share it.
#[derive(Clone)]
pub struct SimRandom {
    seed: [u8; 32],
    stream: Arc<Mutex<blake3::OutputReader>>,
}

impl SimRandom {
    /// The stream of `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::from_key(*blake3::hash(&seed.to_be_bytes()).as_bytes())
    }

    /// An independent stream for whoever is called `name`; the same each time for the same seed.
    #[must_use]
    pub fn fork(&self, name: &str) -> Self {
        Self::from_key(*blake3::keyed_hash(&self.seed, name.as_bytes()).as_bytes())
    }

    /// A number below `end`, or 0 if `end` is 0.
    #[must_use]
    pub fn below(&self, end: u64) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_be_bytes(bytes).checked_rem(end).unwrap_or(0)
    }

    /// True as often as not.
    #[must_use]
    pub fn coin(&self) -> bool {
        self.below(2) == 1
    }

    fn from_key(seed: [u8; 32]) -> Self {
        let stream = blake3::Hasher::new_keyed(&seed).finalize_xof();
        Self { seed, stream: Arc::new(Mutex::new(stream)) }
    }
}

impl Random for SimRandom {
    fn fill(&self, out: &mut [u8]) {
        lock(&self.stream).fill(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_bytes_again() {
        let bytes = |random: &SimRandom| {
            let mut out = [0; 64];
            random.fill(&mut out);
            out
        };
        let first = SimRandom::new(7);
        assert_eq!(bytes(&first.fork("relay")), bytes(&SimRandom::new(7).fork("relay")));
        assert_ne!(bytes(&first.fork("relay")), bytes(&first.fork("seeder")));
        assert_ne!(bytes(&first), bytes(&SimRandom::new(8)));
        assert_ne!(bytes(&first), bytes(&first), "a stream goes on");
    }
}
