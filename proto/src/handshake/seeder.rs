//! The seeder's side of the handshake.

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use super::leecher::check_shares;
use super::message::{offer_hash, transcript, wrap_context};
use super::{
    HandshakeError, Message, Offer, Party, Peer, Refuse, RefuseCode, SessionId, SessionKeys, Share,
    Terms, Wrap,
};
use crate::codec::Extensions;
use crate::control::Address;
use crate::features::Features;
use crate::frame::VERSION;
use crate::identity::{SecretKey, Signed};
use crate::keys::{FreshKey, Schedule};
use crate::label;
use crate::space::Role;
use crate::wrap::{self, Suite, Wrapped};

/// Takes an offer that the relay delivered as coming from `from`: wraps a fresh key for it. Not one byte of a file may go
/// out before [`AwaitingAck::confirm`].
///
/// # Errors
/// What is wrong with the offer; [`HandshakeError::code`] says what may be told.
pub fn respond(
    terms: &Terms<'_>,
    me: &Party<'_>,
    from: Address,
    signed: &Signed<Offer>,
    rng: &mut impl CryptoRng,
) -> Result<AwaitingAck, HandshakeError> {
    let offer = check(terms, me, from, signed)?;
    let membership = terms.member(&offer.chain, &from.device, Role::FETCH)?;
    let (suite, share) = choose(terms, offer)?;

    let session = SessionId(random(rng));
    let fresh = FreshKey::new(random(rng));
    let hash = offer_hash(&signed.to_bytes());
    let context = wrap_context(&hash, suite, &from, &me.address, &session);
    let wrapped =
        wrap::wrap(suite, &share.public, &context, &fresh, rng).map_err(HandshakeError::Wrap)?;
    let wrap = sign(me, from, hash, suite, session, wrapped)?;

    let transcript = transcript(&signed.to_bytes(), &wrap.to_bytes());
    let schedule = Schedule::derive(&context, &transcript, &fresh, &terms.keys.psk);
    let features = offer.features.common(Features::OWN);
    let peer = Peer { address: from, membership, features };
    let (nonce, link_tag) = (offer.nonce, offer.link_tag);
    Ok(AwaitingAck { session, nonce, link_tag, wrap, schedule, transcript, peer, suite })
}

/// The offer, if it is signed by `from` and meant for this side, space and epoch.
fn check<'a>(
    terms: &Terms<'_>,
    me: &Party<'_>,
    from: Address,
    signed: &'a Signed<Offer>,
) -> Result<&'a Offer, HandshakeError> {
    let addresses = signed.unverified();
    if addresses.leecher != from || addresses.seeder != me.address {
        return Err(HandshakeError::Address);
    }
    let offer = signed.verify(&from.device)?;
    if offer.version != VERSION {
        return Err(HandshakeError::Version);
    }
    if offer.space != terms.space {
        return Err(HandshakeError::Space);
    }
    if offer.epoch != terms.epoch {
        return Err(HandshakeError::Epoch);
    }
    check_shares(offer)?;
    Ok(offer)
}

/// The leecher's best share that is known and allowed here.
fn choose<'a>(terms: &Terms<'_>, offer: &'a Offer) -> Result<(Suite, &'a Share), HandshakeError> {
    let mut usable = offer.shares.iter().filter_map(|share| {
        let suite = Suite::from_number(share.suite)?;
        terms.allows(suite).then_some((suite, share))
    });
    usable.next().ok_or(HandshakeError::NoCommonSuite)
}

fn sign(
    me: &Party<'_>,
    leecher: Address,
    offer: [u8; 32],
    suite: Suite,
    session: SessionId,
    wrapped: Wrapped,
) -> Result<Signed<Wrap>, HandshakeError> {
    let wrap = Wrap {
        version: VERSION,
        offer,
        suite: suite.number(),
        leecher,
        seeder: me.address,
        chain: me.chain.clone(),
        session,
        wrapped,
        features: Features::OWN,
        extensions: Extensions::default(),
    };
    Signed::sign(wrap, me.key).map_err(|_| HandshakeError::Malformed)
}

fn random<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// The answer to an offer that is not taken.
///
/// # Panics
/// Never: the message has a fixed small size.
#[must_use]
pub fn refuse(key: &SecretKey, offer: &Signed<Offer>, code: RefuseCode) -> Message {
    let refuse = Refuse {
        version: VERSION,
        offer: offer_hash(&offer.to_bytes()),
        code: code.number(),
        extensions: Extensions::default(),
    };
    Message::Refuse(Signed::sign(refuse, key).expect("far below the limit"))
}

/// WRAP is out; nothing is known yet of who holds the key.
#[cfg_attr(test, derive(Clone))]
pub struct AwaitingAck {
    session: SessionId,
    nonce: [u8; 32],
    link_tag: [u8; 16],
    wrap: Signed<Wrap>,
    schedule: Schedule,
    transcript: [u8; 32],
    peer: Peer,
    suite: Suite,
}

impl AwaitingAck {
    /// The message to send.
    #[must_use]
    pub fn message(&self) -> Message {
        Message::Wrap(self.wrap.clone())
    }

    /// Name of the session, by which the link finds it.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// Nonce of the offer.
    #[must_use]
    pub const fn nonce(&self) -> &[u8; 32] {
        &self.nonce
    }

    /// Tag of the link that goes with the offer.
    #[must_use]
    pub const fn link_tag(&self) -> &[u8; 16] {
        &self.link_tag
    }

    /// The leecher.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The suite chosen.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Takes the ACK, the proof in the first link's opening.
    ///
    /// # Errors
    /// [`HandshakeError::Confirmation`] when it does not verify.
    pub fn confirm(self, ack: &[u8; 32]) -> Result<Ready, HandshakeError> {
        let expected =
            self.schedule.confirm_leecher.mac(&[label::ACK.as_bytes(), &self.transcript]);
        if !bool::from(expected.ct_eq(ack)) {
            return Err(HandshakeError::Confirmation);
        }
        let proof =
            self.schedule.confirm_seeder.mac(&[label::READY.as_bytes(), &self.transcript, ack]);
        let keys = SessionKeys::new(self.session, self.schedule);
        Ok(Ready { keys, proof, peer: self.peer })
    }
}

impl std::fmt::Debug for AwaitingAck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AwaitingAck({:?}, {:?})", self.peer.address.device, self.suite)
    }
}

/// The session stands.
#[derive(Debug)]
pub struct Ready {
    /// Its keys.
    pub keys: SessionKeys,
    /// READY: the first bytes to send on the link.
    pub proof: [u8; 32],
    /// The leecher.
    pub peer: Peer,
}
