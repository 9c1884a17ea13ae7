//! How far the reading of large files is, for those who wait for one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use sealift_platform::sync::lock;
use sealift_proto::manifest::CHUNK;

use super::Name;

/// Bytes read of each file that is being read. Files of one chunk are not noted: they are done before anybody asks.
#[derive(Default)]
pub struct UnderWay(Mutex<HashMap<Name, u64>>);

impl UnderWay {
    /// Of `name`, a file of `size` bytes, `len` more are read.
    pub(super) fn add(&self, name: &Name, size: u64, len: u64) {
        if size > CHUNK {
            *self.lock().entry(name.clone()).or_default() += len;
        }
    }

    /// The reading of `name` has ended.
    pub(super) fn end(&self, name: &Name) {
        self.lock().remove(name);
    }

    /// Bytes of `name` that are read; 0 if its reading has not begun.
    #[must_use]
    pub fn done(&self, name: &Name) -> u64 {
        self.lock().get(name).copied().unwrap_or(0)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Name, u64>> {
        lock(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_readings_are_counted_until_they_end() {
        let under_way = UnderWay::default();
        let (large, small): (Name, Name) = ("s/large".into(), "s/small".into());
        for _ in 0..3 {
            under_way.add(&large, 9 * CHUNK, CHUNK);
            under_way.add(&small, CHUNK, CHUNK);
        }
        assert_eq!((under_way.done(&large), under_way.done(&small)), (3 * CHUNK, 0));
        under_way.end(&large);
        assert_eq!(under_way.done(&large), 0);
    }
}
