//! How many offers one device may have answered: each costs key operations.

use std::collections::HashMap;

use sealift_proto::identity::DeviceId;

/// One offer each so many milliseconds in the long run.
const INTERVAL: u64 = 50;
/// So many may come at once.
const BURST: u64 = 64;
/// Devices remembered before those that are idle are forgotten.
const DEVICES: usize = 4096;

/// A leaky bucket for each device (the generic cell rate algorithm). Times are milliseconds of any clock that only rises.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    /// When the device's bucket will be empty.
    empty_at: HashMap<DeviceId, u64>,
}

impl Allowance {
    /// Takes one offer of `device` into account; false if it has had its share.
    pub(super) fn take(&mut self, device: DeviceId, now: u64) -> bool {
        if self.empty_at.len() >= DEVICES {
            self.empty_at.retain(|_, empty_at| *empty_at > now);
        }
        let empty_at = self.empty_at.entry(device).or_insert(now);
        *empty_at = now.max(*empty_at);
        let allowed = *empty_at - now < BURST * INTERVAL;
        if allowed {
            *empty_at += INTERVAL;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_proto::identity::SecretKey;

    #[test]
    fn a_burst_passes_then_a_steady_rate() {
        let mut allowance = Allowance::default();
        let [one, two] = [1, 2].map(|seed| SecretKey::from_seed([seed; 32]).id());
        let passed = (0..1000).filter(|_| allowance.take(one, 0)).count();
        assert_eq!(passed, 64);
        assert!(allowance.take(two, 0), "others are not touched");
        let passed = (0..1000).filter(|_| allowance.take(one, 1000)).count();
        assert_eq!(passed, 20);
    }
}
