//! Keys of the tables, as values and as the bytes that lie on disk: whatever belongs together lies together, and logs, log ids and
//! positions are in order.

use std::ops::RangeInclusive;

use sealift_proto::identity::DeviceId;
use sealift_proto::space::SpaceId;

use super::error::StoreError;

/// space ‖ device ‖ log
pub(super) type LogBytes = [u8; 66];
/// space ‖ device ‖ log ‖ log id
pub(super) type StagedBytes = [u8; 82];
/// space ‖ device ‖ log ‖ log id ‖ position
pub(super) type SegmentBytes = [u8; 90];

/// Log that holds the space record.
pub(super) const RECORD: u16 = 0;

/// Names a log of a space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct LogKey {
    pub(super) space: SpaceId,
    /// Whose it is; nobody's is the space record, which so comes before the logs of all devices.
    pub(super) device: Option<DeviceId>,
    pub(super) log: u16,
}

impl LogKey {
    /// A log of a device.
    pub(super) const fn of(space: SpaceId, device: DeviceId, log: u16) -> Self {
        Self { space, device: Some(device), log }
    }

    /// The record of a space.
    pub(super) const fn record(space: SpaceId) -> Self {
        Self { space, device: None, log: RECORD }
    }

    /// As it lies on disk.
    pub(super) fn bytes(&self) -> LogBytes {
        let mut bytes = [0; 66];
        bytes[..32].copy_from_slice(self.space.as_bytes());
        if let Some(device) = &self.device {
            bytes[32..64].copy_from_slice(device.as_bytes());
        }
        bytes[64..].copy_from_slice(&self.log.to_be_bytes());
        bytes
    }

    /// What [`Self::bytes`] made.
    pub(super) fn read(bytes: &LogBytes) -> Result<Self, StoreError> {
        let (mut space, mut device) = ([0; 32], [0; 32]);
        space.copy_from_slice(&bytes[..32]);
        device.copy_from_slice(&bytes[32..64]);
        let device = match device {
            [0, rest @ ..] if rest == [0; 31] => None,
            device => Some(DeviceId::new(device).map_err(|_| StoreError::Damaged)?),
        };
        let log = u16::from_be_bytes([bytes[64], bytes[65]]);
        Ok(Self { space: SpaceId::from_bytes(space), device, log })
    }

    /// All logs of a space.
    pub(super) fn all_of(space: &SpaceId) -> RangeInclusive<LogBytes> {
        all_of(space)
    }
}

/// Names what is kept aside of one log id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StagedKey {
    pub(super) log: LogKey,
    pub(super) log_id: [u8; 16],
}

impl StagedKey {
    /// As it lies on disk.
    pub(super) fn bytes(&self) -> StagedBytes {
        let mut bytes = [0; 82];
        bytes[..66].copy_from_slice(&self.log.bytes());
        bytes[66..].copy_from_slice(&self.log_id);
        bytes
    }

    /// What [`Self::bytes`] made.
    pub(super) fn read(bytes: &StagedBytes) -> Result<Self, StoreError> {
        let (mut log, mut log_id) = ([0; 66], [0; 16]);
        log.copy_from_slice(&bytes[..66]);
        log_id.copy_from_slice(&bytes[66..]);
        Ok(Self { log: LogKey::read(&log)?, log_id })
    }

    /// All of a log.
    pub(super) fn all_of_log(log: LogKey) -> RangeInclusive<StagedBytes> {
        let with = |log_id| Self { log, log_id }.bytes();
        with([0; 16])..=with([0xff; 16])
    }

    /// All of a space.
    pub(super) fn all_of(space: &SpaceId) -> RangeInclusive<StagedBytes> {
        all_of(space)
    }
}

/// Names a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentKey {
    pub(super) log: LogKey,
    pub(super) log_id: [u8; 16],
    pub(super) position: u64,
}

impl SegmentKey {
    /// As it lies on disk.
    pub(super) fn bytes(&self) -> SegmentBytes {
        let Self { log, log_id, position } = *self;
        let mut bytes = [0; 90];
        bytes[..82].copy_from_slice(&StagedKey { log, log_id }.bytes());
        bytes[82..].copy_from_slice(&position.to_be_bytes());
        bytes
    }

    /// Those of the same log id from this one on, up to `end` or all.
    pub(super) fn up_to(&self, end: Option<u64>) -> std::ops::Range<SegmentBytes> {
        let position = end.unwrap_or(u64::MAX);
        self.bytes()..Self { position, ..*self }.bytes()
    }

    /// All of a space.
    pub(super) fn all_of(space: &SpaceId) -> RangeInclusive<SegmentBytes> {
        all_of(space)
    }
}

/// All keys that begin with a space.
fn all_of<const LEN: usize>(space: &SpaceId) -> RangeInclusive<[u8; LEN]> {
    let (mut first, mut last) = ([0; LEN], [0xff; LEN]);
    first[..32].copy_from_slice(space.as_bytes());
    last[..32].copy_from_slice(space.as_bytes());
    first..=last
}

#[cfg(test)]
mod tests {
    use sealift_proto::identity::SecretKey;

    use super::*;

    fn log(seed: u8, log: u16) -> LogKey {
        LogKey::of(SpaceId::from_bytes([9; 32]), SecretKey::from_seed([seed; 32]).id(), log)
    }

    #[test]
    fn what_is_written_is_read_again() {
        let record = LogKey::record(SpaceId::from_bytes([9; 32]));
        for key in [record, log(1, 1), log(2, u16::MAX)] {
            assert_eq!(LogKey::read(&key.bytes()).unwrap(), key);
            let staged = StagedKey { log: key, log_id: [7; 16] };
            assert_eq!(StagedKey::read(&staged.bytes()).unwrap(), staged);
        }
    }

    #[test]
    fn the_order_on_disk_is_that_of_a_space_a_log_and_its_positions() {
        let space = SpaceId::from_bytes([9; 32]);
        let record = LogKey::record(space);
        assert!(record.bytes() < log(1, 1).bytes() && log(1, 1).bytes() < log(1, 256).bytes());
        let all = LogKey::all_of(&space);
        assert!(all.contains(&record.bytes()) && all.contains(&log(3, u16::MAX).bytes()));
        assert!(!all.contains(&LogKey::record(SpaceId::from_bytes([10; 32])).bytes()));
        let at = |position| SegmentKey { log: log(1, 2), log_id: [7; 16], position };
        let some = at(2).up_to(Some(300));
        assert!(some.contains(&at(2).bytes()) && some.contains(&at(299).bytes()));
        assert!(!some.contains(&at(1).bytes()) && !some.contains(&at(300).bytes()));
        let staged = StagedKey { log: log(1, 2), log_id: [0xff; 16] };
        assert!(StagedKey::all_of_log(log(1, 2)).contains(&staged.bytes()));
    }
}
