//! Sealed objects outside a session (PROTOCOL.md section 7.3): what the relay forwards or keeps.
//!
//! ```text
//! object = header [80] ‖ Cobblestone message over the padded content
//! header = version [1] ‖ kind [1] ‖ space [32] ‖ u32 epoch ‖ device [32] ‖ u16 log ‖ u64 position, big-endian
//! ```
//!
//! The header is in clear and is the context of the sealing byte for byte, so an object opens only as what it is and where it
//! belongs. Each kind has its own key type: sealing one kind under the key of another does not compile.

use crate::identity::DeviceId;
use crate::keys::{CardKey, CatalogueKey, ForwardKey, PackageKey, RecordKey};
use crate::kind;
use crate::padme;
use crate::seal::{self, Salt, SealKey};
use crate::space::SpaceId;

/// Version of the header.
const VERSION: u8 = 1;

/// Length of the header, bytes.
pub const HEADER_LEN: usize = 1 + 1 + 32 + 4 + 32 + 2 + 8;

/// Where an object belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The space.
    pub space: SpaceId,
    /// The epoch whose secret seals it.
    pub epoch: u32,
    /// Who made it: the sender of a forwarded message, the device of a card or catalogue, the owner of a record or package.
    pub device: DeviceId,
    /// The log it is part of: 0 the space record, 1 the card, 2 and up catalogues; 0 for what is in no log.
    pub log: u16,
    /// Position of a segment or head, number of a record or card; 0 for what has none.
    pub position: u64,
}

/// A kind of object: its number and the type of its key.
pub trait Kind {
    /// The byte in the header.
    const NUMBER: u8;
    /// What it is sealed under.
    type Key: AsRef<SealKey>;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $number:ident, $key:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub enum $name {}

        impl Kind for $name {
            const NUMBER: u8 = kind::object::$number;
            type Key = $key;
        }
    )*};
}

kinds! {
    /// A message to another connection: OFFER, WRAP or REFUSE.
    Forward = FORWARD, ForwardKey;
    /// The private part of a card.
    Card = CARD, CardKey;
    /// The private part of the space record.
    Record = RECORD, RecordKey;
    /// A segment of a catalogue.
    Segment = SEGMENT, CatalogueKey;
    /// The status in a catalogue head.
    HeadStatus = STATUS, CatalogueKey;
    /// An invite package.
    Package = PACKAGE, PackageKey;
}

/// Why bytes are no object of this kind, key and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// No header, or one of another version or kind.
    #[error("not a sealed object of this kind")]
    Header,
    /// It belongs somewhere else.
    #[error("a sealed object of another place")]
    Place,
    /// It does not open: altered, or sealed under another key.
    #[error("a sealed object does not open")]
    Sealed,
}

/// Seals `content` at `place`.
///
/// # Panics
/// For content of 4 GiB and more.
#[must_use]
pub fn seal<K: Kind>(key: &K::Key, place: &Place, salt: Salt, content: &[u8]) -> Vec<u8> {
    let header = place.header(K::NUMBER);
    let padded = padme::pad(content).expect("objects are far shorter than 4 GiB");
    let mut object = Vec::with_capacity(HEADER_LEN + seal::sealed_len(padded.len()));
    object.extend_from_slice(&header);
    seal::seal_onto(&mut object, key.as_ref(), &header, salt, &padded);
    object
}

/// Opens an object that belongs at `place`.
///
/// # Errors
/// When it is of another kind or place, was altered, or was sealed under another key.
pub fn open<K: Kind>(key: &K::Key, place: &Place, object: &[u8]) -> Result<Vec<u8>, ObjectError> {
    let (header, message) = split::<K>(object)?;
    if *header != place.header(K::NUMBER) {
        return Err(ObjectError::Place);
    }
    open_message(key.as_ref(), header, message)
}

/// Opens an object wherever it belongs, and tells where that is: for what is found by its key alone.
///
/// # Errors
/// When it is of another kind, was altered, or was sealed under another key.
pub fn open_anywhere<K: Kind>(
    key: &K::Key,
    object: &[u8],
) -> Result<(Place, Vec<u8>), ObjectError> {
    let place = place_of::<K>(object)?;
    Ok((place, open::<K>(key, &place, object)?))
}

/// Where an object says that it belongs, before it is opened: which epoch's key it needs.
///
/// # Errors
/// [`ObjectError::Header`] when it is no object of this kind.
pub fn place_of<K: Kind>(object: &[u8]) -> Result<Place, ObjectError> {
    Place::parse(split::<K>(object)?.0).ok_or(ObjectError::Header)
}

/// Bytes of the object that content of `len` bytes is sealed into.
#[must_use]
pub const fn sealed_len(len: usize) -> usize {
    HEADER_LEN + seal::sealed_len(padme::padded_len(4 + len))
}

fn split<K: Kind>(object: &[u8]) -> Result<(&[u8; HEADER_LEN], &[u8]), ObjectError> {
    match object.split_first_chunk::<HEADER_LEN>() {
        Some((header, message)) if header[..2] == [VERSION, K::NUMBER] => Ok((header, message)),
        _ => Err(ObjectError::Header),
    }
}

fn open_message(
    key: &SealKey,
    header: &[u8; HEADER_LEN],
    message: &[u8],
) -> Result<Vec<u8>, ObjectError> {
    let padded = seal::open(key, header, message).map_err(|_| ObjectError::Sealed)?;
    Ok(padme::unpad(&padded).map_err(|_| ObjectError::Sealed)?.to_vec())
}

impl Place {
    fn header(&self, kind: u8) -> [u8; HEADER_LEN] {
        let mut header = [0; HEADER_LEN];
        let parts: [&[u8]; 6] = [
            &[VERSION, kind],
            self.space.as_bytes(),
            &self.epoch.to_be_bytes(),
            self.device.as_bytes(),
            &self.log.to_be_bytes(),
            &self.position.to_be_bytes(),
        ];
        let mut at = 0;
        for part in parts {
            header[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        header
    }

    fn parse(header: &[u8; HEADER_LEN]) -> Option<Self> {
        let (space, rest) = header[2..].split_first_chunk()?;
        let (epoch, rest) = rest.split_first_chunk()?;
        let (device, rest) = rest.split_first_chunk()?;
        let (log, rest) = rest.split_first_chunk()?;
        let (position, _) = rest.split_first_chunk()?;
        Some(Self {
            space: SpaceId::from_bytes(*space),
            epoch: u32::from_be_bytes(*epoch),
            device: DeviceId::new(*device).ok()?,
            log: u16::from_be_bytes(*log),
            position: u64::from_be_bytes(*position),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SecretKey;
    use crate::keys::EpochSecret;

    fn place() -> Place {
        Place {
            space: SpaceId::from_bytes([7; 32]),
            epoch: 3,
            device: SecretKey::from_seed([1; 32]).id(),
            log: 2,
            position: 900,
        }
    }

    #[test]
    fn an_object_opens_at_its_place_only() {
        let keys = EpochSecret::new([9; 32]).keys();
        let object = seal::<Segment>(&keys.catalogue, &place(), [1; 24], b"changes");
        assert_eq!(object.len(), sealed_len(7));
        assert_eq!(open::<Segment>(&keys.catalogue, &place(), &object).unwrap(), b"changes");
        assert_eq!(open_anywhere::<Segment>(&keys.catalogue, &object).unwrap().0, place());
        let other_device = SecretKey::from_seed([2; 32]).id();
        for other in [
            Place { space: SpaceId::from_bytes([8; 32]), ..place() },
            Place { epoch: 4, ..place() },
            Place { device: other_device, ..place() },
            Place { log: 3, ..place() },
            Place { position: 901, ..place() },
        ] {
            let opened = open::<Segment>(&keys.catalogue, &other, &object);
            assert_eq!(opened, Err(ObjectError::Place));
            let mut moved = object.clone();
            moved[..HEADER_LEN].copy_from_slice(&other.header(Segment::NUMBER));
            let opened = open::<Segment>(&keys.catalogue, &other, &moved);
            assert_eq!(opened, Err(ObjectError::Sealed));
        }
    }

    #[test]
    fn kinds_and_epochs_do_not_mix() {
        let keys = EpochSecret::new([9; 32]).keys();
        let object = seal::<Segment>(&keys.catalogue, &place(), [1; 24], b"changes");
        let as_status = open::<HeadStatus>(&keys.catalogue, &place(), &object);
        assert_eq!(as_status, Err(ObjectError::Header));
        let mut renumbered = object.clone();
        renumbered[1] = HeadStatus::NUMBER;
        let as_status = open::<HeadStatus>(&keys.catalogue, &place(), &renumbered);
        assert_eq!(as_status, Err(ObjectError::Sealed));
        let later = EpochSecret::new([10; 32]).keys();
        assert_eq!(open::<Segment>(&later.catalogue, &place(), &object), Err(ObjectError::Sealed));
    }

    #[test]
    fn every_bit_and_every_cut_is_noticed() {
        let keys = EpochSecret::new([9; 32]).keys();
        let object = seal::<Card>(&keys.card, &place(), [1; 24], b"ana@desk");
        for bit in 0..object.len() * 8 {
            let mut altered = object.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            assert!(open::<Card>(&keys.card, &place(), &altered).is_err(), "bit {bit}");
            assert!(open_anywhere::<Card>(&keys.card, &altered).is_err(), "bit {bit}");
        }
        for len in 0..object.len() {
            assert!(open::<Card>(&keys.card, &place(), &object[..len]).is_err());
        }
    }
}
