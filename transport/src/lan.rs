//! Devices of a space find each other on the local network, when asked to (PROTOCOL.md section 6.6).
//!
//! What is heard there is anybody's: a name that a member did not make is nobody's, an address outside the networks that this
//! machine is on is dropped, and whoever answers at one still has to hold the handshake.

mod announce;
mod browse;
mod door;

use data_encoding::BASE32_NOPAD;
use sealift_platform::random::Random;
use sealift_proto::identity::DeviceId;
use sealift_proto::keys::LanKey;

pub use announce::Announcement;
pub use browse::{Browser, Found};
pub use door::{Caller, Door};

/// The type of service.
const SERVICE: &str = "_sealift._tcp.local.";
/// What a record says that this understands.
const VERSION: &str = "1";

/// Why the local network cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("multicast DNS does not work here: {0}")]
pub struct LanError(#[from] mdns_sd::Error);

/// What a device is called on the local network, as its record says it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    salt: [u8; 8],
    name: [u8; 16],
}

impl Name {
    /// A new one for `device`.
    fn new(key: &LanKey, device: &DeviceId, random: &dyn Random) -> Self {
        let salt = random.bytes();
        Self { salt, name: key.name(&salt, device) }
    }

    /// The fields of its TXT record.
    fn fields(&self) -> [(&'static str, String); 3] {
        let text = |bytes: &[u8]| BASE32_NOPAD.encode(bytes).to_ascii_lowercase();
        [("v", VERSION.to_owned()), ("s", text(&self.salt)), ("n", text(&self.name))]
    }

    /// Reads the fields of a TXT record.
    fn parse<'a>(field: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        fn bytes<const N: usize>(text: Option<&str>) -> Option<[u8; N]> {
            let text = text.filter(|text| text.len() < 2 * N + 2)?.to_ascii_uppercase();
            BASE32_NOPAD.decode(text.as_bytes()).ok()?.try_into().ok()
        }
        let known = field("v") == Some(VERSION);
        known.then(|| Some(Self { salt: bytes(field("s"))?, name: bytes(field("n"))? }))?
    }

    /// Which of `devices` it is the name of.
    fn of(&self, key: &LanKey, devices: impl IntoIterator<Item = DeviceId>) -> Option<DeviceId> {
        devices.into_iter().find(|device| key.name(&self.salt, device) == self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use sealift_platform::random::SystemRandom;
    use sealift_proto::identity::SecretKey;
    use sealift_proto::keys::EpochSecret;

    use super::*;

    #[test]
    fn members_recognise_a_name_and_others_do_not() {
        let [ours, theirs] = [1, 2].map(|secret| EpochSecret::new([secret; 32]).keys().lan);
        let devices = [1, 2, 3].map(|seed| SecretKey::from_seed([seed; 32]).id());
        let name = Name::new(&ours, &devices[1], &SystemRandom);
        let fields: HashMap<_, _> = name.fields().into_iter().collect();
        let read = Name::parse(|field| fields.get(field).map(String::as_str)).unwrap();
        assert_eq!(read, name);
        assert_eq!(read.of(&ours, devices), Some(devices[1]));
        assert_eq!(read.of(&theirs, devices), None);
        assert_eq!(read.of(&ours, [devices[0]]), None);
        assert_ne!(Name::new(&ours, &devices[1], &SystemRandom), name, "names change");
    }

    #[test]
    fn other_records_are_nobodys() {
        let good = [("v", "1"), ("s", "aeaqcaibaeaqc"), ("n", "aebagbafaydqqcikbmga2dqpca")];
        let parse = |fields: &[(&str, &'static str)]| {
            let fields: HashMap<_, _> = fields.iter().copied().collect();
            Name::parse(|field| fields.get(field).copied())
        };
        assert!(parse(&good).is_some());
        for (field, value) in
            [("v", "2"), ("s", ""), ("s", "a"), ("n", "aeaqcaibaeaqc"), ("n", "!")]
        {
            let mut bad = good;
            bad.iter_mut().filter(|(name, _)| *name == field).for_each(|(_, old)| *old = value);
            assert_eq!(parse(&bad), None, "{field}={value}");
            assert_eq!(
                parse(&good.iter().copied().filter(|(n, _)| *n != field).collect::<Vec<_>>()),
                None
            );
        }
        let long: &'static str = "a".repeat(10_000).leak();
        assert_eq!(parse(&[good[0], good[1], ("n", long)]), None);
    }
}
