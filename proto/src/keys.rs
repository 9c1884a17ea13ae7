//! Every derivation of the protocol, on one screen (PROTOCOL.md sections 6.4 and 11); names in capitals are labels.
//!
//! ```text
//! Expand = HKDF-Expand-SHA256 to 32 bytes unless said otherwise      Extract = HKDF-Extract-SHA256
//!
//! epoch secret ─ Expand ─┬─ CATALOGUE_KEY ─▶ catalogue key      invite secret [16]
//!                        ├─ FORWARD_KEY ───▶ forward key             │ Extract(salt INVITE)
//!                        ├─ CARD_KEY ──────▶ card key                ├─ Expand INVITE_ID ──────────▶ id, 16 bytes
//!                        ├─ RECORD_KEY ────▶ record key              └─ Expand INVITE_PACKAGE_KEY ─▶ package key
//!                        ├─ LAN_KEY ───────▶ key of the names on a local network
//!                        └─ PSK ───────────▶ psk
//!
//! H1 = SHA-256(OFFER)      WC = SHA-256(WRAP ‖ H1 ‖ suite ‖ addresses ‖ session id)
//! TH = SHA-256(TRANSCRIPT ‖ u32 len ‖ OFFER ‖ u32 len ‖ WRAP)
//! PRK0 = Extract(salt WC, FK ‖ psk)      PRK = Extract(salt TH, Expand(PRK0, DERIVED))
//!
//! PRK ─ Expand ─┬─ CONFIRM_LEECHER, CONFIRM_SEEDER ─────▶ the keys of ACK and READY (HMAC-SHA256)
//!               ├─ LEECHER_TO_SEEDER, SEEDER_TO_LEECHER ▶ the keys of the two directions of all links
//!               └─ EXPORTER ────────────────────────────▶ the key of proofs on further links
//! ```

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use crate::identity::DeviceId;
use crate::label;
use crate::seal::SealKey;

/// The secret that all present members of a space know and nobody else. It is never a key itself. Cleared when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct EpochSecret([u8; 32]);

impl EpochSecret {
    /// Takes 32 random bytes, or those that were kept or received.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, to be kept or put into an invite package.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// All keys of the epoch.
    #[must_use]
    pub fn keys(&self) -> EpochKeys {
        let key = |label: &str| SealKey::new(*expand(&self.0, label.as_bytes()));
        EpochKeys {
            catalogue: CatalogueKey(key(label::CATALOGUE_KEY)),
            forward: ForwardKey(key(label::FORWARD_KEY)),
            card: CardKey(key(label::CARD_KEY)),
            record: RecordKey(key(label::RECORD_KEY)),
            lan: LanKey(*expand(&self.0, label::LAN_KEY.as_bytes())),
            psk: Psk(*expand(&self.0, label::PSK.as_bytes())),
        }
    }
}

impl std::fmt::Debug for EpochSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EpochSecret(..)")
    }
}

/// The keys of one epoch of a space.
#[derive(Clone, Debug)]
pub struct EpochKeys {
    /// Seals segments and head statuses.
    pub catalogue: CatalogueKey,
    /// Seals what the relay forwards.
    pub forward: ForwardKey,
    /// Seals cards.
    pub card: CardKey,
    /// Seals the private part of the space record.
    pub record: RecordKey,
    /// Makes the names under which devices are found on a local network.
    pub lan: LanKey,
    /// Goes into every session.
    pub psk: Psk,
}

macro_rules! purpose {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(pub(crate) SealKey);

        impl AsRef<SealKey> for $name {
            fn as_ref(&self) -> &SealKey {
                &self.0
            }
        }
    )*};
}

purpose! {
    /// Key of catalogue segments and head statuses.
    CatalogueKey;
    /// Key of forwarded messages.
    ForwardKey;
    /// Key of cards.
    CardKey;
    /// Key of the private part of the space record.
    RecordKey;
    /// Key of one invite's package.
    PackageKey;
    /// Key of what the leecher sends in a session.
    LeecherToSeederKey;
    /// Key of what the seeder sends in a session.
    SeederToLeecherKey;
}

/// Shows in every session that both sides are present members. Cleared when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Psk([u8; 32]);

impl std::fmt::Debug for Psk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Psk(..)")
    }
}

/// Makes the names under which devices announce themselves on a local network. Cleared when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct LanKey([u8; 32]);

impl LanKey {
    /// The name of `device` under `salt`: the first 16 bytes of HMAC-SHA256 over both. Members of the space recognise it, and
    /// to anybody else it says nothing, not even that it is the name that another salt gave something else (PROTOCOL.md
    /// section 6.6).
    #[must_use]
    pub fn name(&self, salt: &[u8; 8], device: &DeviceId) -> [u8; 16] {
        let mac = hmac(&self.0, &[salt, device.as_bytes()]);
        let mut name = [0; 16];
        name.copy_from_slice(&mac[..16]);
        name
    }
}

impl std::fmt::Debug for LanKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LanKey(..)")
    }
}

/// What derives from the secret of an invite.
#[derive(Clone, Debug)]
pub struct InviteKeys {
    /// Under which the relay keeps the package.
    pub id: [u8; 16],
    /// Seals the package.
    pub package: PackageKey,
}

impl InviteKeys {
    /// Derives both from the secret in the line.
    #[must_use]
    pub fn derive(secret: &[u8; 16]) -> Self {
        let prk = extract(label::INVITE.as_bytes(), &[secret]);
        Self {
            id: *expand(&prk, label::INVITE_ID.as_bytes()),
            package: PackageKey(SealKey::new(*expand(&prk, label::INVITE_PACKAGE_KEY.as_bytes()))),
        }
    }
}

/// The fresh secret that a suite delivers. Cleared when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct FreshKey(pub(crate) [u8; 32]);

impl FreshKey {
    /// Takes 32 fresh random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for FreshKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FreshKey(..)")
    }
}

/// Everything that derives from one handshake.
#[cfg_attr(test, derive(Clone))]
pub(crate) struct Schedule {
    pub(crate) confirm_leecher: ConfirmKey,
    pub(crate) confirm_seeder: ConfirmKey,
    pub(crate) leecher_to_seeder: LeecherToSeederKey,
    pub(crate) seeder_to_leecher: SeederToLeecherKey,
    pub(crate) exporter: ExporterKey,
}

impl Schedule {
    pub(crate) fn derive(
        wrap_context: &[u8; 32],
        transcript: &[u8; 32],
        fresh: &FreshKey,
        psk: &Psk,
    ) -> Self {
        let prk0 = extract(wrap_context, &[&fresh.0, &psk.0]);
        let prk = extract(transcript, &[&*expand::<32>(&prk0, label::DERIVED.as_bytes())]);
        let key = |label: &str| SealKey::new(*expand(&prk, label.as_bytes()));
        Self {
            confirm_leecher: ConfirmKey(*expand(&prk, label::CONFIRM_LEECHER.as_bytes())),
            confirm_seeder: ConfirmKey(*expand(&prk, label::CONFIRM_SEEDER.as_bytes())),
            leecher_to_seeder: LeecherToSeederKey(key(label::LEECHER_TO_SEEDER)),
            seeder_to_leecher: SeederToLeecherKey(key(label::SEEDER_TO_LEECHER)),
            exporter: ExporterKey(*expand(&prk, label::EXPORTER.as_bytes())),
        }
    }
}

/// Key of the HMAC in ACK or READY. Cleared when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub(crate) struct ConfirmKey([u8; 32]);

impl ConfirmKey {
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        hmac(&self.0, parts)
    }
}

/// Key of the proofs that open further links of a session. Cleared when dropped.
#[derive(Clone, ZeroizeOnDrop)]
pub struct ExporterKey([u8; 32]);

impl ExporterKey {
    /// A key for tests and vectors; real ones come out of a handshake.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// HMAC-SHA256 over all of `parts`, one behind the other.
    #[must_use]
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        hmac(&self.0, parts)
    }
}

impl std::fmt::Debug for ExporterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExporterKey(..)")
    }
}

/// SHA-256 over all of `parts`, one behind the other.
pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn extract(salt: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    // HKDF-Extract is an HMAC with the salt as its key (RFC 5869 section 2.2).
    let mut mac = Hmac::<Sha256>::new_from_slice(salt).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn expand<const N: usize>(key: &[u8; 32], label: &[u8]) -> Zeroizing<[u8; N]> {
    const { assert!(N <= 255 * 32) };
    let mut okm = Zeroizing::new([0; N]);
    Hkdf::<Sha256>::from_prk(key)
        .expect("the key is as long as the hash")
        .expand(label, &mut *okm)
        .expect("HKDF gives up to 255 blocks");
    okm
}

#[cfg(test)]
mod published;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_print_nothing() {
        let keys = EpochSecret::new([1; 32]).keys();
        assert!(format!("{keys:?}").chars().all(|c| !c.is_ascii_digit()));
    }

    #[test]
    fn every_input_of_the_schedule_matters() {
        let derive = |wc: u8, th: u8, fresh: u8, psk: u8| {
            let schedule =
                Schedule::derive(&[wc; 32], &[th; 32], &FreshKey([fresh; 32]), &Psk([psk; 32]));
            schedule.confirm_leecher.0
        };
        let base = derive(1, 1, 1, 1);
        assert_eq!(base, derive(1, 1, 1, 1));
        for other in
            [derive(2, 1, 1, 1), derive(1, 2, 1, 1), derive(1, 1, 2, 1), derive(1, 1, 1, 2)]
        {
            assert_ne!(base, other);
        }
    }
}
