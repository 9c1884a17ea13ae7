//! Spaces, certificates and the signed statements about them (PROTOCOL.md section 4).

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use crate::codec::{self, Bytes, Extensions, List};
use crate::frame::VERSION;
use crate::identity::{DeviceId, SIGNED_MAX, Signed, Statement};
use crate::kind::role;
use crate::label;
use crate::limits::{
    CARD_MAX, CARD_SEALED_MAX, CERTIFICATE_MAX, CHAIN_MAX, HOST_MAX, LASTING_MAX, RECEIVE_KEY_MAX,
    RECORD_SEALED_MAX, RELAYS_MAX, REMOVED_MAX,
};

pub use crate::limits::{CLOCK_SKEW, LABEL_MAX};

/// Which space: a hash of its owner's key and 16 random bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpaceId(#[serde(with = "codec::array")] [u8; 32]);

impl SpaceId {
    /// `SHA-256("sealift/1 space\0" ‖ owner ‖ salt)`.
    #[must_use]
    pub fn derive(owner: &DeviceId, salt: &[u8; 16]) -> Self {
        let hash = Sha256::new()
            .chain_update(label::SPACE)
            .chain_update(owner.as_bytes())
            .chain_update(salt);
        Self(hash.finalize().into())
    }

    /// Takes an id that was kept or received; it proves nothing until a chain or record leads to it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Sixteen characters for people and file names.
    #[must_use]
    pub fn short(&self) -> String {
        crate::text::base32(&self.0[..10])
    }
}

impl std::fmt::Debug for SpaceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.short())
    }
}

/// A name that people gave a space or device: 1 to [`LABEL_MAX`] bytes without control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct Label(String);

impl Label {
    /// Checks `text`; `None` if it is empty, too long or has control characters.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits = !text.is_empty() && text.len() <= LABEL_MAX;
        (fits && !text.chars().any(char::is_control)).then_some(Self(text))
    }

    /// The text; still a stranger's, to be escaped before it is shown.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?)
            .ok_or_else(|| serde::de::Error::custom("no such name"))
    }
}

/// What a member may do. Bits: 1 fetch, 2 offer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Role(u8);

impl Role {
    /// Search and download.
    pub const FETCH: Self = Self(role::FETCH);
    /// Share files.
    pub const OFFER: Self = Self(role::OFFER);
    /// Both.
    pub const BOTH: Self = Self(role::FETCH | role::OFFER);

    /// Whether all of `other` is part of this.
    #[must_use]
    pub const fn allows(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            bits @ 1..=3 => Ok(Self(bits)),
            _ => Err(serde::de::Error::custom("unknown role")),
        }
    }
}

/// Number by which a certificate is removed.
pub type Serial = [u8; 16];

/// A statement that `subject` belongs to the space.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Certificate {
    /// Always [`VERSION`].
    pub version: u8,
    /// The space.
    pub space: SpaceId,
    /// The key that belongs to it.
    pub subject: DeviceId,
    /// What it may do.
    pub role: Role,
    /// How many certificates may follow below this one: 1 for an invite key, 0 for a device.
    pub depth_left: u8,
    /// How many devices an invite key may sign for; 0 for a device.
    pub uses: u32,
    /// Last second at which it holds, unix time.
    pub not_after: u64,
    /// Random number of this certificate.
    #[serde(with = "codec::array")]
    pub serial: Serial,
    /// Additions.
    pub extensions: Extensions,
}

impl Statement for Certificate {
    const CONTEXT: &'static str = label::CERTIFICATE;
    const MAX: usize = CERTIFICATE_MAX;
}

/// The way from a space's owner to a device: owner → device, or owner → invite key → device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Chain {
    /// The owner's key.
    pub owner: DeviceId,
    /// The random bytes of the space id.
    #[serde(with = "codec::array")]
    pub salt: [u8; 16],
    /// First signed by the owner, each further one by the subject before it.
    pub certificates: List<Signed<Certificate>, CHAIN_MAX>,
}

/// What a valid chain says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Membership {
    /// The device.
    pub device: DeviceId,
    /// The space.
    pub space: SpaceId,
    /// What it may do.
    pub role: Role,
    /// Last second of it, unix time.
    pub not_after: u64,
    /// Serial of the device's own certificate.
    pub serial: Serial,
    /// For a device that came by an invite and has no lasting certificate yet.
    pub invite: Option<InviteUse>,
}

impl Membership {
    /// Whether it still holds at unix time `now` (seconds), now that the serials in `removed` do not.
    #[must_use]
    pub fn still_holds(&self, now: u64, removed: &[Serial]) -> bool {
        let invite = self.invite.map(|invite| invite.serial);
        let mut serials = [Some(self.serial), invite].into_iter().flatten();
        !serials.any(|serial| removed.contains(&serial)) && is_in_time(self.not_after, now)
    }
}

/// The invite behind a provisional membership.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InviteUse {
    /// Serial of the invite key's certificate.
    pub serial: Serial,
    /// How many devices may come by it.
    pub uses: u32,
}

/// Why a chain proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// Another version.
    #[error("a certificate of another version")]
    Version,
    /// For another space, device or number of steps, widening, or with a signature that does not hold.
    #[error("the certificate does not belong to this device and space")]
    Invalid,
    /// Out of date; perhaps a clock is wrong.
    #[error("the certificate ended {seconds_ago} s ago by this clock")]
    Expired {
        /// By how much, seconds.
        seconds_ago: u64,
    },
    /// Removed by the owner.
    #[error("the owner removed this device")]
    Removed,
}

impl Chain {
    /// The space it is about.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        SpaceId::derive(&self.owner, &self.salt)
    }

    /// The device it is for, unverified.
    #[must_use]
    pub fn subject(&self) -> Option<&DeviceId> {
        self.certificates.last().map(|certificate| &certificate.unverified().subject)
    }

    /// Checks every step of the chain at unix time `now` (seconds) against the serials in `removed`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn verify(&self, now: u64, removed: &[Serial]) -> Result<Membership, ChainError> {
        let space = self.space();
        let mut issuer = self.owner;
        let mut above: Option<&Certificate> = None;
        for signed in self.certificates.iter() {
            let certificate = signed.verify(&issuer).map_err(|_| ChainError::Invalid)?;
            check_step(certificate, &space, above)?;
            check_date(certificate, now)?;
            if removed.contains(&certificate.serial) {
                return Err(ChainError::Removed);
            }
            issuer = certificate.subject;
            above = Some(certificate);
        }
        let device = above.ok_or(ChainError::Invalid)?;
        if device.depth_left != 0 || device.uses != 0 {
            return Err(ChainError::Invalid);
        }
        let invite = match self.certificates.len() {
            2 => self.certificates.first().map(|signed| signed.unverified()),
            _ => None,
        };
        Ok(Membership {
            device: device.subject,
            space,
            role: device.role,
            not_after: device.not_after,
            serial: device.serial,
            invite: invite.map(|key| InviteUse { serial: key.serial, uses: key.uses }),
        })
    }
}

/// A certificate may only narrow the one above it; the owner stands above the first with depth 2 and every role.
fn check_step(
    certificate: &Certificate,
    space: &SpaceId,
    above: Option<&Certificate>,
) -> Result<(), ChainError> {
    if certificate.version != VERSION {
        return Err(ChainError::Version);
    }
    let (role, depth, not_after) = above
        .map_or((Role::BOTH, 2, u64::MAX), |above| (above.role, above.depth_left, above.not_after));
    let narrows = role.allows(certificate.role)
        && certificate.depth_left < depth
        && certificate.not_after <= not_after;
    let shaped = (certificate.depth_left == 0) == (certificate.uses == 0);
    if certificate.space == *space && narrows && shaped { Ok(()) } else { Err(ChainError::Invalid) }
}

fn check_date(certificate: &Certificate, now: u64) -> Result<(), ChainError> {
    if !is_in_time(certificate.not_after, now) {
        return Err(ChainError::Expired { seconds_ago: now - certificate.not_after });
    }
    Ok(())
}

const fn is_in_time(not_after: u64, now: u64) -> bool {
    now <= not_after.saturating_add(CLOCK_SKEW)
}

/// Where a relay is and which key it must have.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RelayAddress {
    /// Host name or address, unbracketed.
    pub host: HostName,
    /// TCP port.
    pub port: u16,
    /// First 16 bytes of the SHA-256 of the relay's public key (SubjectPublicKeyInfo, DER).
    #[serde(with = "codec::array")]
    pub pin: [u8; 16],
}

/// A host name or IP address: 1 to 253 of the characters that either may have.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct HostName(String);

impl HostName {
    /// Checks `text`; an IPv6 address stands without brackets.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits = (1..=HOST_MAX).contains(&text.len()) && !text.starts_with('-');
        let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "-._:%".contains(c));
        let colons = !text.contains(':') || text.parse::<std::net::Ipv6Addr>().is_ok();
        (fits && plain && colons).then_some(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?)
            .ok_or_else(|| serde::de::Error::custom("no host name"))
    }
}

/// The owner's numbered statement about the space: log 0.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SpaceRecord {
    /// Always [`VERSION`].
    pub version: u8,
    /// The owner's key, which signs the record.
    pub owner: DeviceId,
    /// The random bytes of the space id.
    #[serde(with = "codec::array")]
    pub salt: [u8; 16],
    /// Rises with each record.
    pub number: u64,
    /// Which epoch secret is in use.
    pub epoch: u32,
    /// When it was made, unix seconds.
    pub time: u64,
    /// Certificates that no longer hold.
    pub removed: List<SerialNumber, REMOVED_MAX>,
    /// Sealed object holding a [`RecordSecret`]; empty in none.
    pub sealed: Bytes<RECORD_SEALED_MAX>,
    /// Additions.
    pub extensions: Extensions,
}

/// A [`Serial`] in a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SerialNumber(#[serde(with = "codec::array")] pub Serial);

impl SpaceRecord {
    /// The space it is about.
    #[must_use]
    pub fn space(&self) -> SpaceId {
        SpaceId::derive(&self.owner, &self.salt)
    }

    /// Removed serials.
    #[must_use]
    pub fn removed(&self) -> Vec<Serial> {
        self.removed.iter().map(|serial| serial.0).collect()
    }
}

impl Statement for SpaceRecord {
    const CONTEXT: &'static str = label::SPACE_RECORD;
    const MAX: usize = SIGNED_MAX;
}

/// The part of a space record that only members read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RecordSecret {
    /// The space's name.
    pub name: Label,
    /// Number of the weakest suite that is taken; see the handshake.
    pub lowest_suite: u8,
    /// Relays of the space, best first.
    pub relays: List<RelayAddress, RELAYS_MAX>,
    /// Certificates from the owner for devices that came by invite and have not taken theirs yet.
    pub lasting: List<Signed<Certificate>, LASTING_MAX>,
    /// Additions.
    pub extensions: Extensions,
}

/// What a device says of itself: log 1, signed by the device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Card {
    /// Always [`VERSION`].
    pub version: u8,
    /// The space.
    pub space: SpaceId,
    /// The device, which signs the card.
    pub device: DeviceId,
    /// Rises with each card; unix milliseconds.
    pub number: u64,
    /// Sealed object holding a [`CardSecret`].
    pub sealed: Bytes<CARD_SEALED_MAX>,
    /// Additions.
    pub extensions: Extensions,
}

impl Statement for Card {
    const CONTEXT: &'static str = label::CARD;
    const MAX: usize = CARD_MAX;
}

/// The part of a card that only members read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CardSecret {
    /// What the person calls the device, `user@host` unless told otherwise.
    pub name: Label,
    /// Public X-Wing key, 1,216 bytes.
    pub receive_key: Bytes<RECEIVE_KEY_MAX>,
    /// How the device belongs to the space.
    pub chain: Chain,
    /// Additions.
    pub extensions: Extensions,
}

#[cfg(test)]
mod tests;
