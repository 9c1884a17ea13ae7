//! OFFER, WRAP and REFUSE, and what is hashed over them (PROTOCOL.md section 6.2).

use serde::{Deserialize, Serialize};

use super::{HandshakeError, RefuseCode, SessionId, Terms};
use crate::codec::{self, Bytes, Extensions, List};
use crate::control::Address;
use crate::features::Features;
use crate::identity::{DeviceId, Signed, Statement};
use crate::keys::hash;
use crate::label;
use crate::limits::HANDSHAKE_MAX;
use crate::object::{self, Forward, ObjectError, Place};
use crate::seal::Salt;
use crate::space::{Chain, SpaceId};
use crate::wrap::{SHARE_MAX, Suite, Wrapped};

pub use crate::limits::SHARES_MAX;

/// A single-use public key under one suite.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Share {
    /// Number of the suite; unknown ones are passed over.
    pub suite: u8,
    /// The public key in the form of the suite.
    pub public: Bytes<SHARE_MAX>,
}

/// OFFER: the leecher wants a session. Signed by its device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// Always [`crate::frame::VERSION`].
    pub version: u8,
    /// The space.
    pub space: SpaceId,
    /// The epoch whose `psk` the leecher holds.
    pub epoch: u32,
    /// The leecher's connection.
    pub leecher: Address,
    /// The seeder's connection.
    pub seeder: Address,
    /// Tag of the link that the leecher opens for this session.
    #[serde(with = "codec::array")]
    pub link_tag: [u8; 16],
    /// Random; an OFFER with the nonce of one that is pending is a repetition.
    #[serde(with = "codec::array")]
    pub nonce: [u8; 32],
    /// How the leecher belongs to the space.
    pub chain: Chain,
    /// Best first, at most one for each suite.
    pub shares: List<Share, SHARES_MAX>,
    /// What the leecher can do beyond the version.
    pub features: Features,
    /// Additions.
    pub extensions: Extensions,
}

impl Statement for Offer {
    const CONTEXT: &'static str = label::OFFER;
    const MAX: usize = HANDSHAKE_MAX;
}

/// WRAP: the seeder takes the offer. Signed by its device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Wrap {
    /// Always [`crate::frame::VERSION`].
    pub version: u8,
    /// Which offer: SHA-256 of the OFFER, signature included.
    #[serde(with = "codec::array")]
    pub offer: [u8; 32],
    /// Number of the suite chosen.
    pub suite: u8,
    /// The leecher's connection.
    pub leecher: Address,
    /// The seeder's connection.
    pub seeder: Address,
    /// How the seeder belongs to the space.
    pub chain: Chain,
    /// Name of the session.
    pub session: SessionId,
    /// The fresh key.
    pub wrapped: Wrapped,
    /// What the seeder can do beyond the version.
    pub features: Features,
    /// Additions.
    pub extensions: Extensions,
}

impl Statement for Wrap {
    const CONTEXT: &'static str = label::SIGNED_WRAP;
    const MAX: usize = HANDSHAKE_MAX;
}

/// REFUSE: the seeder does not take the offer. Signed by its device.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Refuse {
    /// Always [`crate::frame::VERSION`].
    pub version: u8,
    /// Which offer: SHA-256 of the OFFER, signature included.
    #[serde(with = "codec::array")]
    pub offer: [u8; 32],
    /// Number of a [`RefuseCode`].
    pub code: u8,
    /// Additions.
    pub extensions: Extensions,
}

impl Refuse {
    /// The code.
    #[must_use]
    pub const fn code(&self) -> RefuseCode {
        RefuseCode::from_number(self.code)
    }
}

impl Statement for Refuse {
    const CONTEXT: &'static str = label::REFUSE;
    const MAX: usize = HANDSHAKE_MAX;
}

/// What travels by Forward, sealed under the forward key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Message {
    /// 0
    Offer(Signed<Offer>),
    /// 1
    Wrap(Signed<Wrap>),
    /// 2
    Refuse(Signed<Refuse>),
}

impl Message {
    /// Seals the message for the relay to carry; `from` is the device that sends it.
    #[must_use]
    pub fn seal(&self, terms: &Terms<'_>, from: &DeviceId, salt: Salt) -> Vec<u8> {
        let place = forward_place(terms, from);
        object::seal::<Forward>(&terms.keys.forward, &place, salt, &codec::encode(self))
    }

    /// Opens what the relay delivered as coming from `from`. No signature has been looked at yet.
    ///
    /// # Errors
    /// [`HandshakeError::Epoch`], [`HandshakeError::Space`], [`HandshakeError::Address`], [`HandshakeError::Sealed`] or
    /// [`HandshakeError::Malformed`].
    pub fn open(terms: &Terms<'_>, from: &DeviceId, object: &[u8]) -> Result<Self, HandshakeError> {
        let said = object::place_of::<Forward>(object).map_err(|_| HandshakeError::Malformed)?;
        let place = forward_place(terms, from);
        if said.space != place.space {
            return Err(HandshakeError::Space);
        }
        if said.device != place.device {
            return Err(HandshakeError::Address);
        }
        if said.epoch != place.epoch {
            return Err(HandshakeError::Epoch);
        }
        let content =
            object::open::<Forward>(&terms.keys.forward, &place, object).map_err(|error| {
                match error {
                    ObjectError::Sealed => HandshakeError::Sealed,
                    ObjectError::Header | ObjectError::Place => HandshakeError::Malformed,
                }
            })?;
        codec::decode(&content).map_err(|_| HandshakeError::Malformed)
    }

    /// For an answer, the hash of the offer that it answers; for an offer its own. A leecher with several offers under
    /// way finds the right one by it.
    #[must_use]
    pub fn offer_hash(&self) -> [u8; 32] {
        match self {
            Self::Offer(offer) => offer_hash(&offer.to_bytes()),
            Self::Wrap(wrap) => wrap.unverified().offer,
            Self::Refuse(refuse) => refuse.unverified().offer,
        }
    }
}

fn forward_place(terms: &Terms<'_>, from: &DeviceId) -> Place {
    Place { space: terms.space, epoch: terms.epoch, device: *from, log: 0, position: 0 }
}

/// H1.
pub(super) fn offer_hash(offer: &[u8]) -> [u8; 32] {
    hash(&[offer])
}

/// WC: what the fresh key is wrapped for.
pub(super) fn wrap_context(
    offer_hash: &[u8; 32],
    suite: Suite,
    leecher: &Address,
    seeder: &Address,
    session: &SessionId,
) -> [u8; 32] {
    hash(&[
        label::WRAP.as_bytes(),
        offer_hash,
        &[suite.number()],
        leecher.device.as_bytes(),
        &leecher.connection.to_be_bytes(),
        seeder.device.as_bytes(),
        &seeder.connection.to_be_bytes(),
        &session.0,
    ])
}

/// TH: everything both sides have said.
pub(super) fn transcript(offer: &[u8], wrap: &[u8]) -> [u8; 32] {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    hash(&[label::TRANSCRIPT.as_bytes(), &length(offer), offer, &length(wrap), wrap])
}
