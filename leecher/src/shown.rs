//! What each relay has shown of each catalogue: a relay that shows less than it itself showed before is found out.
//!
//! Another relay may be behind without fault, so that relays are remembered apart, by their pins.

use std::collections::BTreeMap;

use sealift_proto::identity::DeviceId;
use sealift_proto::log::Head;
use sealift_proto::text;
use sealift_space::profile::Profile;
use sealift_space::profile::file::{FileError, Kept};
use sealift_space::profile::space::SpaceState;
use serde::{Deserialize, Serialize};

/// Most relays remembered for a space; beyond, those that are not in use are forgotten.
const RELAYS_MAX: usize = 16;

#[derive(Default, Serialize, Deserialize)]
struct ShownFile {
    /// By pin, then by device and log.
    relays: BTreeMap<String, BTreeMap<String, Mark>>,
}

impl Kept for ShownFile {
    const KIND: &'static str = "shown";
}

/// How far a catalogue was when a relay showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    log_id: String,
    base: u64,
    position: u64,
    time: u64,
}

impl Mark {
    fn of(head: &Head) -> Self {
        let Head { base, position, time, .. } = *head;
        Self { log_id: text::hex(&head.log_id), base, position, time }
    }

    /// Whether `self` is an earlier state than `other`.
    fn is_before(&self, other: &Self) -> bool {
        if self.log_id != other.log_id {
            return self.time <= other.time;
        }
        self.base < other.base || self.position < other.position || self.time < other.time
    }
}

/// What one relay has shown of the catalogues of a space.
pub(crate) struct Shown {
    file: ShownFile,
    path: String,
    pin: String,
    changed: bool,
}

impl Shown {
    /// Reads what the relay with this `pin` has shown.
    ///
    /// # Errors
    /// When the file cannot be read or is damaged.
    pub(crate) fn load(
        profile: &Profile,
        space: &SpaceState,
        pin: &[u8],
    ) -> Result<Self, FileError> {
        let path = format!("spaces/{}/shown.json", space.id().short());
        let file: ShownFile = profile.folder().read(&path)?.unwrap_or_default();
        Ok(Self { file, path, pin: text::base32(pin), changed: false })
    }

    /// Takes a verified head that the relay shows now. False if it is less than it showed before; that is not forgotten.
    pub(crate) fn take(&mut self, head: &Head) -> bool {
        let mark = Mark::of(head);
        let marks = self.file.relays.entry(self.pin.clone()).or_default();
        let key = key(&head.device, head.log);
        match marks.get(&key) {
            Some(before) if *before == mark => true,
            Some(before) if mark.is_before(before) => false,
            _ => {
                marks.insert(key, mark);
                self.changed = true;
                true
            }
        }
    }

    /// The catalogues that the relay showed before and that are not among `now`. They are forgotten: told once is enough
    /// for a relay whose store was lost.
    pub(crate) fn take_missing(&mut self, now: &[(DeviceId, u16)]) -> Vec<DeviceId> {
        let present: Vec<_> = now.iter().map(|(device, log)| key(device, *log)).collect();
        let Some(marks) = self.file.relays.get_mut(&self.pin) else { return Vec::new() };
        let missing: Vec<_> = marks.keys().filter(|key| !present.contains(key)).cloned().collect();
        for key in &missing {
            marks.remove(key);
            self.changed = true;
        }
        missing.iter().filter_map(|key| device_of(key)).collect()
    }

    /// Writes what has changed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&mut self, profile: &Profile) -> Result<(), FileError> {
        if !self.changed {
            return Ok(());
        }
        while self.file.relays.len() > RELAYS_MAX {
            let Some(other) = self.file.relays.keys().find(|pin| **pin != self.pin).cloned() else {
                break;
            };
            self.file.relays.remove(&other);
        }
        self.changed = false;
        profile.folder().write(&self.path, &self.file, true)
    }
}

fn key(device: &DeviceId, log: u16) -> String {
    format!("{}-{log}", text::base32(device.as_bytes()))
}

fn device_of(key: &str) -> Option<DeviceId> {
    let (device, _) = key.rsplit_once('-')?;
    DeviceId::new(text::from_base32(device)?).ok()
}

#[cfg(test)]
mod tests {
    use sealift_proto::codec::{Bytes, Extensions};
    use sealift_proto::identity::SecretKey;
    use sealift_proto::space::SpaceId;

    use super::*;

    fn head(log_id: u8, base: u64, position: u64, time: u64) -> Head {
        Head {
            version: 1,
            space: SpaceId::from_bytes([1; 32]),
            device: SecretKey::from_seed([2; 32]).id(),
            log: 2,
            log_id: [log_id; 16],
            base,
            position,
            chain: [0; 32],
            epoch: 1,
            time,
            status: Bytes::default(),
            extensions: Extensions::default(),
        }
    }

    fn shown(pin: &str) -> Shown {
        let file = ShownFile::default();
        Shown { file, path: String::new(), pin: pin.into(), changed: false }
    }

    #[test]
    fn less_than_before_is_found_out_and_remembered() {
        let mut shown = shown("a");
        assert!(shown.take(&head(1, 0, 5, 10)));
        assert!(shown.take(&head(1, 0, 5, 10)) && shown.take(&head(1, 0, 6, 11)));
        for less in [head(1, 0, 5, 10), head(1, 0, 6, 10), head(9, 0, 99, 11)] {
            assert!(!shown.take(&less));
        }
        assert!(!shown.take(&head(1, 0, 5, 10)), "again");
        assert!(shown.take(&head(1, 6, 8, 12)), "written anew");
        assert!(!shown.take(&head(1, 0, 9, 13)));
        assert!(shown.take(&head(2, 0, 1, 14)), "restarted later");
    }

    #[test]
    fn another_relay_may_be_behind() {
        let mut shown = shown("a");
        assert!(shown.take(&head(1, 0, 6, 11)));
        shown.pin = "b".into();
        assert!(shown.take(&head(1, 0, 5, 10)));
    }

    #[test]
    fn what_is_no_longer_shown_is_told_once() {
        let mut shown = shown("a");
        let one = head(1, 0, 5, 10);
        assert!(shown.take_missing(&[]).is_empty());
        shown.take(&one);
        assert!(shown.take_missing(&[(one.device, 2)]).is_empty());
        assert_eq!(shown.take_missing(&[(one.device, 3)]), [one.device]);
        assert!(shown.take_missing(&[]).is_empty());
    }
}
