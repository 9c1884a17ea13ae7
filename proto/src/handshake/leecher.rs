//! The leecher's side of the handshake.

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use super::message::{offer_hash, transcript, wrap_context};
use super::{
    HandshakeError, Message, Offer, Party, Peer, Refuse, SessionId, SessionKeys, Share, Terms, Wrap,
};
use crate::codec::{Bytes, Extensions, List};
use crate::control::Address;
use crate::features::Features;
use crate::frame::VERSION;
use crate::identity::Signed;
use crate::keys::{LeecherToSeederKey, Schedule};
use crate::label;
use crate::limits::LAN_CONNECTION;
use crate::link::Opening;
use crate::space::Role;
use crate::wrap::{ShareSecret, Suite};

/// An offer is out.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Offered {
    offer: Signed<Offer>,
    hash: [u8; 32],
    secrets: Vec<ShareSecret>,
}

impl Offered {
    /// Makes an offer to `seeder` with these shares, best first. `link_tag` names the link that goes with it.
    ///
    /// # Errors
    /// [`HandshakeError::Malformed`] with more than [`super::SHARES_MAX`] shares or two of one suite,
    /// [`HandshakeError::NoCommonSuite`] with none that the space allows.
    pub fn new(
        terms: &Terms<'_>,
        me: &Party<'_>,
        seeder: Address,
        link_tag: [u8; 16],
        secrets: Vec<ShareSecret>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, HandshakeError> {
        let secrets: Vec<_> =
            secrets.into_iter().filter(|secret| terms.allows(secret.suite())).collect();
        if secrets.is_empty() {
            return Err(HandshakeError::NoCommonSuite);
        }
        let shares = secrets.iter().map(share).collect::<Result<_, _>>()?;
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let offer = Offer {
            version: VERSION,
            space: terms.space,
            epoch: terms.epoch,
            leecher: me.address,
            seeder,
            link_tag,
            nonce,
            chain: me.chain.clone(),
            shares: List::new(shares).map_err(|_| HandshakeError::Malformed)?,
            features: Features::OWN,
            extensions: Extensions::default(),
        };
        check_shares(&offer)?;
        let offer = Signed::sign(offer, me.key).map_err(|_| HandshakeError::Malformed)?;
        let hash = offer_hash(&offer.to_bytes());
        Ok(Self { offer, hash, secrets })
    }

    /// The message to send.
    #[must_use]
    pub fn message(&self) -> Message {
        Message::Offer(self.offer.clone())
    }

    /// Names this offer in the answers to it.
    #[must_use]
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// Takes the answer that the relay delivered as coming from `from`. An answer to another offer ends this one too: look
    /// at [`Message::offer_hash`] first.
    ///
    /// # Errors
    /// [`HandshakeError::Refused`] when the seeder says no, otherwise what is wrong with the answer.
    pub fn answer(
        self,
        terms: &Terms<'_>,
        from: Address,
        answer: &Message,
        rng: &mut impl CryptoRng,
    ) -> Result<Answered, HandshakeError> {
        match answer {
            Message::Offer(_) => Err(HandshakeError::Unexpected),
            Message::Refuse(refuse) => Err(self.refused(from, refuse)),
            Message::Wrap(wrap) => self.wrapped(terms, from, wrap, rng),
        }
    }

    fn refused(&self, from: Address, refuse: &Signed<Refuse>) -> HandshakeError {
        let seeder = self.offer.unverified().seeder;
        if from != seeder {
            return HandshakeError::Address;
        }
        match refuse.verify(&seeder.device) {
            Err(_) => HandshakeError::Signature,
            Ok(refuse) if refuse.version != VERSION => HandshakeError::Version,
            Ok(refuse) if refuse.offer != self.hash => HandshakeError::OtherOffer,
            Ok(refuse) => HandshakeError::Refused(refuse.code()),
        }
    }

    fn wrapped(
        self,
        terms: &Terms<'_>,
        from: Address,
        signed: &Signed<Wrap>,
        rng: &mut impl CryptoRng,
    ) -> Result<Answered, HandshakeError> {
        let offer = self.offer.unverified();
        if from != offer.seeder {
            return Err(HandshakeError::Address);
        }
        let wrap = signed.verify(&offer.seeder.device)?;
        self.check(wrap)?;
        let membership = terms.member(&wrap.chain, &offer.seeder.device, needed(offer.seeder))?;
        let suite = Suite::from_number(wrap.suite).filter(|suite| terms.allows(*suite));
        let suite = suite.ok_or(HandshakeError::Suite)?;
        let secret = self.secrets.into_iter().find(|secret| secret.suite() == suite);
        let secret = secret.ok_or(HandshakeError::Suite)?;

        let context = wrap_context(&self.hash, suite, &offer.leecher, &offer.seeder, &wrap.session);
        let fresh = secret.unwrap(&context, &wrap.wrapped, rng).map_err(HandshakeError::Wrap)?;
        let transcript = transcript(&self.offer.to_bytes(), &signed.to_bytes());
        let schedule = Schedule::derive(&context, &transcript, &fresh, &terms.keys.psk);
        let features = offer.features.common(wrap.features);
        let peer = Peer { address: from, membership, features };
        Ok(Answered { session: wrap.session, schedule, transcript, peer, suite })
    }

    /// Whether `wrap` answers this offer between these two.
    fn check(&self, wrap: &Wrap) -> Result<(), HandshakeError> {
        let offer = self.offer.unverified();
        if wrap.version != VERSION {
            return Err(HandshakeError::Version);
        }
        if wrap.offer != self.hash {
            return Err(HandshakeError::OtherOffer);
        }
        if wrap.leecher != offer.leecher || wrap.seeder != offer.seeder {
            return Err(HandshakeError::Address);
        }
        Ok(())
    }
}

/// What whoever accepts at `address` must be allowed. A catalogue stands behind a serving connection and on the local network; on
/// any other a member gives on what it fetched itself, and all of that is verified by its root.
const fn needed(address: Address) -> Role {
    match address.connection {
        0 | LAN_CONNECTION => Role::OFFER,
        _ => Role::FETCH,
    }
}

fn share(secret: &ShareSecret) -> Result<Share, HandshakeError> {
    let public = Bytes::new(secret.public()).map_err(|_| HandshakeError::Malformed)?;
    Ok(Share { suite: secret.suite().number(), public })
}

/// No suite may be offered twice.
pub(super) fn check_shares(offer: &Offer) -> Result<(), HandshakeError> {
    let mut suites: Vec<_> = offer.shares.iter().map(|share| share.suite).collect();
    suites.sort_unstable();
    let twice = suites.windows(2).any(|pair| pair[0] == pair[1]);
    if twice { Err(HandshakeError::Malformed) } else { Ok(()) }
}

/// The seeder's WRAP is verified and the key unwrapped. Whether the seeder has the same keys is not known yet.
pub struct Answered {
    session: SessionId,
    schedule: Schedule,
    transcript: [u8; 32],
    peer: Peer,
    suite: Suite,
}

impl Answered {
    /// The seeder.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// The suite that the seeder chose.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// Makes the ACK; the opening is what goes first on the link.
    #[must_use]
    pub fn acknowledge(self) -> (Acknowledged, Opening) {
        let ack = self.schedule.confirm_leecher.mac(&[label::ACK.as_bytes(), &self.transcript]);
        let opening = Opening { session: self.session, link: 0, proof: ack };
        let Self { session, schedule, transcript, peer, suite: _ } = self;
        (Acknowledged { session, schedule, transcript, peer, ack }, opening)
    }
}

impl std::fmt::Debug for Answered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Answered({:?}, {:?})", self.peer.address.device, self.suite)
    }
}

/// The ACK is out. The leecher may send already, since the seeder opens nothing before the ACK verifies; it may not open
/// anything yet.
pub struct Acknowledged {
    session: SessionId,
    schedule: Schedule,
    transcript: [u8; 32],
    peer: Peer,
    ack: [u8; 32],
}

impl Acknowledged {
    /// Name of the session, to send with.
    #[must_use]
    pub const fn session(&self) -> SessionId {
        self.session
    }

    /// The key to send with.
    #[must_use]
    pub const fn to_seeder(&self) -> &LeecherToSeederKey {
        &self.schedule.leecher_to_seeder
    }

    /// The seeder.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Takes READY, the first 32 bytes from the seeder on the link.
    ///
    /// # Errors
    /// [`HandshakeError::Confirmation`] when it does not verify.
    pub fn confirm(self, ready: &[u8; 32]) -> Result<SessionKeys, HandshakeError> {
        let expected = self.schedule.confirm_seeder.mac(&[
            label::READY.as_bytes(),
            &self.transcript,
            &self.ack,
        ]);
        if !bool::from(expected.ct_eq(ready)) {
            return Err(HandshakeError::Confirmation);
        }
        Ok(SessionKeys::new(self.session, self.schedule))
    }
}

impl std::fmt::Debug for Acknowledged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Acknowledged({:?})", self.peer.address.device)
    }
}
