//! One flipped bit anywhere, in every message and suite.

use super::*;

/// Every bit for the quick suite; every day a spread of them for the costly ones, and every bit where `.ci/run` asks for
/// it: `SEALIFT_EVERY_BIT=1 cargo test -p sealift-proto --lib altered`.
fn step(suite: Suite) -> usize {
    if std::env::var_os("SEALIFT_EVERY_BIT").is_some() {
        return 1;
    }
    match suite {
        Suite::X25519 => 1,
        Suite::Rsa => 41,
        Suite::Hybrid => 13,
    }
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// Calls `check` with the number of each bit to flip, of `bits`, on as many threads as the machine has processors.
fn each_bit(bits: usize, suite: Suite, check: impl Fn(usize) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let step = step(suite);
    std::thread::scope(|scope| {
        for first in 0..threads {
            let check = &check;
            scope.spawn(move || {
                (first * step..bits).step_by(threads * step).for_each(check);
            });
        }
    });
}

impl World {
    /// What the leecher makes of `message` as the answer to its offer, which it keeps for the next time.
    fn answer_anew(
        &self,
        offered: &Offered,
        message: &Message,
    ) -> Result<Answered, HandshakeError> {
        let mut rng = self.rng.clone();
        offered.clone().answer(&self.terms(), self.seeder.address, message, &mut rng)
    }
}

/// A handshake in which WRAP is on its way.
fn waiting(suite: Suite) -> (World, Offered, AwaitingAck) {
    let mut world = World::new();
    let offered = world.offer(&[suite]);
    let awaiting = world.respond(&offered.message()).unwrap();
    (world, offered, awaiting)
}

/// What the seeder makes of the bytes of an offer.
fn offer_with(world: &World, offer: &[u8]) -> Result<AwaitingAck, HandshakeError> {
    let message = Signed::from_bytes(offer).map_err(|_| HandshakeError::Malformed)?;
    let mut rng = world.rng.clone();
    respond(&world.terms(), &world.seeder.party(), world.leecher.address, &message, &mut rng)
}

#[test]
fn every_flipped_bit_of_an_offer_is_noticed_by_the_seeder() {
    for suite in SUITES {
        let mut world = World::new();
        let Message::Offer(offer) = world.offer(&[suite]).message() else { panic!("an offer") };
        let bytes = offer.to_bytes();
        each_bit(bytes.len() * 8, suite, |bit| {
            assert!(offer_with(&world, &flipped(&bytes, bit)).is_err(), "{suite:?} {bit}");
        });
        assert!(offer_with(&world, &bytes).is_ok());
    }
}

#[test]
fn every_flipped_bit_of_a_wrap_is_noticed_by_the_leecher() {
    for suite in SUITES {
        let (world, offered, awaiting) = waiting(suite);
        let Message::Wrap(wrap) = awaiting.message() else { panic!("a wrap") };
        let bytes = wrap.to_bytes();
        each_bit(bytes.len() * 8, suite, |bit| {
            let Ok(altered) = Signed::from_bytes(&flipped(&bytes, bit)) else { return };
            let answer = world.answer_anew(&offered, &Message::Wrap(altered));
            assert!(answer.is_err(), "{suite:?} {bit}");
        });
        assert!(world.answer_anew(&offered, &awaiting.message()).is_ok());
    }
}

/// Even the seeder's own signature over an altered key does not lead to a session.
#[test]
fn every_flipped_bit_of_a_wrapped_key_is_noticed_at_the_confirmation() {
    for suite in SUITES {
        let (world, offered, awaiting) = waiting(suite);
        let Message::Wrap(wrap) = awaiting.message() else { panic!("a wrap") };
        let wrapped = wrap.unverified().wrapped.clone();
        let bits = (wrapped.encapsulation.len() + wrapped.sealed.len()) * 8;
        each_bit(bits, suite, |bit| {
            let altered = changed_wrap(&world, &awaiting.message(), &|wrap| {
                flip_wrapped(&mut wrap.wrapped, bit);
            });
            let Ok(answered) = world.answer_anew(&offered, &altered) else { return };
            assert_eq!(suite, Suite::Rsa, "only RSA goes on");
            let ack = answered.acknowledge().1.proof;
            let confirmed = awaiting.clone().confirm(&ack).err();
            assert_eq!(confirmed, Some(HandshakeError::Confirmation), "{bit}");
        });
        let ack = world.answer_anew(&offered, &awaiting.message()).unwrap().acknowledge().1.proof;
        assert!(awaiting.confirm(&ack).is_ok(), "{suite:?}: what was not altered is taken");
    }
}

fn flip_wrapped(wrapped: &mut crate::wrap::Wrapped, bit: usize) {
    let split = wrapped.encapsulation.len() * 8;
    if bit < split {
        let bytes = flipped(&wrapped.encapsulation, bit);
        wrapped.encapsulation = Bytes::new(bytes).unwrap();
    } else {
        let bytes = flipped(&wrapped.sealed, bit - split);
        wrapped.sealed = Bytes::new(bytes).unwrap();
    }
}

#[test]
fn every_flipped_bit_of_a_refusal_is_noticed() {
    let mut world = World::new();
    let offered = world.offer(&[Suite::X25519]);
    let Message::Offer(offer) = offered.message() else { panic!("an offer") };
    let refusal = refuse(&world.seeder.key, &offer, RefuseCode::Busy);
    let Message::Refuse(refusal) = refusal else { panic!("a refusal") };
    let bytes = refusal.to_bytes();
    for bit in 0..bytes.len() * 8 {
        let Ok(altered) = Signed::from_bytes(&flipped(&bytes, bit)) else { continue };
        let error = world.answer_anew(&offered, &Message::Refuse(altered)).err();
        assert_eq!(error, Some(HandshakeError::Signature), "bit {bit}");
    }
}

#[test]
fn every_flipped_bit_of_what_is_forwarded_is_noticed() {
    let mut world = World::new();
    let message = world.offer(&[Suite::X25519]).message();
    let from = world.leecher.key.id();
    let object = message.seal(&world.terms(), &from, [1; 24]);
    for bit in 0..object.len() * 8 {
        let opened = Message::open(&world.terms(), &from, &flipped(&object, bit));
        assert!(opened.is_err(), "bit {bit}");
    }
    for len in 0..object.len() {
        assert!(Message::open(&world.terms(), &from, &object[..len]).is_err());
    }
}

#[test]
fn every_flipped_bit_of_ack_and_ready_is_noticed() {
    let mut world = World::new();
    let start = world.rng.clone();
    let (awaiting, acknowledged, opening) = world.wrapped(&[Suite::X25519]);
    let session = awaiting.session();
    let ready = awaiting.clone().confirm(&opening.proof).unwrap();
    let bytes = opening.to_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut altered = [0; crate::link::OPENING_LEN];
        altered.copy_from_slice(&flipped(&bytes, bit));
        let altered = Opening::from_bytes(&altered);
        let known = altered.session == session && altered.link == 0;
        assert!(!known || awaiting.clone().confirm(&altered.proof).is_err(), "bit {bit}");
    }
    for bit in 0..256 {
        let mut again = World { rng: start.clone(), ..World::new() };
        let (_, acknowledged, _) = again.wrapped(&[Suite::X25519]);
        let altered = flipped(&ready.proof, bit).try_into().unwrap();
        let confirmed = acknowledged.confirm(&altered);
        assert_eq!(confirmed.err(), Some(HandshakeError::Confirmation), "bit {bit}");
    }
    assert!(acknowledged.confirm(&ready.proof).is_ok());
}
