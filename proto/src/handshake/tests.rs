//! Group by group: what stands, what is bound, what is refused, what repeats.

mod altered;
mod features;
mod pending;

use super::*;
use crate::codec::{Bytes, Extensions, List};
use crate::frame::VERSION;
use crate::identity::Signed;
use crate::keys::EpochSecret;
use crate::link::Opening;
use crate::space::Certificate;
use crate::testing::{RSA_KEY, Seeded};
use crate::wrap::ShareSecret;

const NOW: u64 = 1_800_000_000;
const SALT: [u8; 16] = [3; 16];
const SUITES: [Suite; 3] = [Suite::X25519, Suite::Rsa, Suite::Hybrid];

fn owner() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

/// A device and how it belongs to the space.
struct Device {
    key: SecretKey,
    chain: Chain,
    address: Address,
}

impl Device {
    fn new(seed: u8, connection: u32, role: Role) -> Self {
        let key = SecretKey::from_seed([seed; 32]);
        let certificate = Certificate {
            version: VERSION,
            space: SpaceId::derive(&owner().id(), &SALT),
            subject: key.id(),
            role,
            depth_left: 0,
            uses: 0,
            not_after: NOW + 1000,
            serial: [seed; 16],
            extensions: Extensions::default(),
        };
        let certificates = vec![Signed::sign(certificate, &owner()).unwrap()];
        let certificates = List::new(certificates).unwrap();
        let chain = Chain { owner: owner().id(), salt: SALT, certificates };
        Self { address: Address { device: key.id(), connection }, key, chain }
    }

    fn party(&self) -> Party<'_> {
        Party { key: &self.key, chain: &self.chain, address: self.address }
    }
}

struct World {
    keys: EpochKeys,
    leecher: Device,
    seeder: Device,
    rng: Seeded,
}

impl World {
    fn new() -> Self {
        Self {
            keys: EpochSecret::new([9; 32]).keys(),
            leecher: Device::new(2, 7, Role::FETCH),
            seeder: Device::new(3, 0, Role::BOTH),
            rng: Seeded::new(1),
        }
    }

    fn terms(&self) -> Terms<'_> {
        Terms {
            space: SpaceId::derive(&owner().id(), &SALT),
            epoch: 4,
            keys: &self.keys,
            lowest_suite: Suite::Rsa.number(),
            removed: &[],
            now: NOW,
        }
    }

    fn secrets(&mut self, suites: &[Suite]) -> Vec<ShareSecret> {
        let secret = |suite: &Suite| match suite {
            Suite::Rsa => ShareSecret::from_bytes(Suite::Rsa, RSA_KEY),
            other => ShareSecret::generate(*other, &mut self.rng),
        };
        suites.iter().map(secret).collect::<Result<_, _>>().unwrap()
    }

    fn offer(&mut self, suites: &[Suite]) -> Offered {
        let secrets = self.secrets(suites);
        let mut rng = self.rng.clone();
        let seeder = self.seeder.address;
        let party = self.leecher.party();
        let offered = Offered::new(&self.terms(), &party, seeder, [5; 16], secrets, &mut rng);
        self.rng = rng;
        offered.unwrap()
    }

    fn respond(&mut self, message: &Message) -> Result<AwaitingAck, HandshakeError> {
        let Message::Offer(offer) = message else { panic!("an offer") };
        let mut rng = self.rng.clone();
        let from = self.leecher.address;
        let answer = respond(&self.terms(), &self.seeder.party(), from, offer, &mut rng);
        self.rng = rng;
        answer
    }

    fn answer(&mut self, offered: Offered, message: &Message) -> Result<Answered, HandshakeError> {
        let mut rng = self.rng.clone();
        let answered = offered.answer(&self.terms(), self.seeder.address, message, &mut rng);
        self.rng = rng;
        answered
    }

    /// The whole handshake up to ACK, as far as it goes.
    fn wrapped(&mut self, suites: &[Suite]) -> (AwaitingAck, Acknowledged, Opening) {
        let offered = self.offer(suites);
        let awaiting = self.respond(&offered.message()).unwrap();
        let answered = self.answer(offered, &awaiting.message()).unwrap();
        let (acknowledged, opening) = answered.acknowledge();
        (awaiting, acknowledged, opening)
    }
}

fn same_keys(a: &SessionKeys, b: &SessionKeys) -> bool {
    use crate::link::{LinkReceiver, LinkSender, MessageHead, ToLeecher, ToSeeder};
    let mut to_seeder = LinkSender::<ToSeeder>::new(a.to_seeder.clone(), a.id, 0);
    let mut at_seeder = LinkReceiver::<ToSeeder>::new(b.to_seeder.clone(), b.id, 0);
    let mut to_leecher = LinkSender::<ToLeecher>::new(b.to_leecher.clone(), b.id, 0);
    let mut at_leecher = LinkReceiver::<ToLeecher>::new(a.to_leecher.clone(), a.id, 0);
    let request = to_seeder.message(b"request", [1; 24]).unwrap();
    let reply = to_leecher.message(b"reply", [1; 24]).unwrap();
    let head = |bytes: &[u8]| MessageHead::parse(*bytes.first_chunk().unwrap()).unwrap();
    at_seeder.message(&head(&request), &request[5..]).is_ok_and(|bytes| bytes == b"request")
        && at_leecher.message(&head(&reply), &reply[5..]).is_ok_and(|bytes| bytes == b"reply")
        && a.exporter.mac(&[]) == b.exporter.mac(&[])
}

#[test]
fn every_suite_leads_to_the_same_keys_on_both_sides() {
    for suite in SUITES {
        let mut world = World::new();
        let (awaiting, acknowledged, opening) = world.wrapped(&[suite]);
        assert_eq!((awaiting.suite(), opening.session), (suite, awaiting.session()));
        assert_eq!(awaiting.link_tag(), &[5; 16]);
        let ready = awaiting.confirm(&opening.proof).unwrap();
        assert_eq!(ready.peer.membership.device, world.leecher.key.id());
        assert_eq!(acknowledged.peer().membership.device, world.seeder.key.id());
        let keys = acknowledged.confirm(&ready.proof).unwrap();
        assert!(same_keys(&keys, &ready.keys), "{suite:?}");
    }
}

#[test]
fn messages_travel_sealed_between_the_two() {
    let mut world = World::new();
    let offered = world.offer(&[Suite::X25519]);
    let message = offered.message();
    let from = world.leecher.key.id();
    let object = message.seal(&world.terms(), &from, [1; 24]);
    assert_eq!(Message::open(&world.terms(), &from, &object), Ok(message.clone()));
    assert_eq!(message.offer_hash(), *offered.hash());
    let other = world.seeder.key.id();
    let opened = |terms: &Terms<'_>, from, object: &[u8]| Message::open(terms, from, object).err();
    assert_eq!(opened(&world.terms(), &other, &object), Some(HandshakeError::Address));
    let later = Terms { epoch: 5, ..world.terms() };
    assert_eq!(opened(&later, &from, &object), Some(HandshakeError::Epoch));
    let elsewhere = Terms { space: SpaceId::from_bytes([0; 32]), ..world.terms() };
    assert_eq!(opened(&elsewhere, &from, &object), Some(HandshakeError::Space));
    let keys = EpochSecret::new([8; 32]).keys();
    let strange = Terms { keys: &keys, ..world.terms() };
    assert_eq!(opened(&strange, &from, &object), Some(HandshakeError::Sealed));
    assert_eq!(opened(&world.terms(), &from, b"GET / HTTP/1.1"), Some(HandshakeError::Malformed));
}

#[test]
fn a_different_psk_shows_at_the_confirmation() {
    let mut world = World::new();
    let offered = world.offer(&[Suite::X25519]);
    let awaiting = world.respond(&offered.message()).unwrap();
    world.keys = EpochSecret::new([8; 32]).keys();
    let answered = world.answer(offered, &awaiting.message()).unwrap();
    let (_, opening) = answered.acknowledge();
    assert_eq!(awaiting.confirm(&opening.proof).err(), Some(HandshakeError::Confirmation));
}

#[test]
fn the_leecher_chooses_among_what_the_space_allows() {
    let mut world = World::new();
    let offered = world.offer(&[Suite::Hybrid, Suite::X25519]);
    assert_eq!(world.respond(&offered.message()).unwrap().suite(), Suite::Hybrid);
    let offered = world.offer(&[Suite::X25519, Suite::Hybrid]);
    assert_eq!(world.respond(&offered.message()).unwrap().suite(), Suite::X25519);

    let Message::Offer(offer) = offered.message() else { panic!("an offer") };
    let high = Terms { lowest_suite: 3, ..world.terms() };
    let from = world.leecher.address;
    let mut rng = world.rng.clone();
    let awaiting = respond(&high, &world.seeder.party(), from, &offer, &mut rng).unwrap();
    assert_eq!(awaiting.suite(), Suite::Hybrid);
    let too_high = Terms { lowest_suite: 4, ..world.terms() };
    let refused = respond(&too_high, &world.seeder.party(), from, &offer, &mut rng);
    assert_eq!(refused.err(), Some(HandshakeError::NoCommonSuite));
}

/// The numbers of suites are no order of strength: X25519 has the lowest of all, and RSA is weaker.
#[test]
fn the_lowest_suite_is_the_weakest_and_not_the_one_of_the_lowest_number() {
    use Suite::{Hybrid, Rsa, X25519};
    let allowed = |lowest: u8| [Rsa, X25519, Hybrid].map(|suite| suite.is_allowed(lowest));
    assert_eq!(allowed(Rsa.number()), [true, true, true]);
    assert_eq!(allowed(X25519.number()), [false, true, true]);
    assert_eq!(allowed(Hybrid.number()), [false, false, true]);
    assert_eq!([0, 4, 255].map(allowed), [[false; 3]; 3]);
    let mut world = World::new();
    let offered = world.offer(&[Rsa, X25519]).message();
    let Message::Offer(offer) = offered else { panic!("an offer") };
    let terms = Terms { lowest_suite: X25519.number(), ..world.terms() };
    let (from, mut rng) = (world.leecher.address, world.rng.clone());
    let awaiting = respond(&terms, &world.seeder.party(), from, &offer, &mut rng).unwrap();
    assert_eq!(awaiting.suite(), X25519);
}

#[test]
fn a_leecher_neither_offers_nor_takes_a_suite_below_the_lowest() {
    let mut world = World::new();
    let secrets = world.secrets(&[Suite::X25519, Suite::Hybrid]);
    let mut rng = world.rng.clone();
    let high = Terms { lowest_suite: 3, ..world.terms() };
    let to = world.seeder.address;
    let party = world.leecher.party();
    let offered = Offered::new(&high, &party, to, [5; 16], secrets, &mut rng).unwrap();
    let Message::Offer(offer) = offered.message() else { panic!("an offer") };
    let suites: Vec<_> = offer.unverified().shares.iter().map(|share| share.suite).collect();
    assert_eq!(suites, [3]);
    let none = Offered::new(&high, &party, to, [5; 16], vec![], &mut rng);
    assert_eq!(none.err(), Some(HandshakeError::NoCommonSuite));

    let offered = world.offer(&[Suite::X25519]);
    let awaiting = world.respond(&offered.message()).unwrap();
    let high = Terms { lowest_suite: 3, ..world.terms() };
    let answered = offered.answer(&high, to, &awaiting.message(), &mut rng);
    assert_eq!(answered.err(), Some(HandshakeError::Suite));
}

/// An offer by the leecher with something of it changed, properly signed.
fn changed_offer(world: &mut World, change: impl FnOnce(&mut Offer)) -> Message {
    let Message::Offer(offer) = world.offer(&[Suite::X25519]).message() else { panic!("an offer") };
    let mut offer = offer.unverified().clone();
    change(&mut offer);
    Message::Offer(Signed::sign(offer, &world.leecher.key).unwrap())
}

#[test]
fn the_seeder_refuses_each_wrong_offer() {
    let mut world = World::new();
    let stranger = Device::new(4, 7, Role::FETCH);
    let share = |suite: u8| Share { suite, public: Bytes::new(vec![9; 32]).unwrap() };
    let shares = |list: Vec<Share>| List::new(list).unwrap();
    let mut check = |expected: HandshakeError, change: &dyn Fn(&mut Offer)| {
        let offer = changed_offer(&mut world, change);
        assert_eq!(world.respond(&offer).err(), Some(expected));
    };
    check(HandshakeError::Version, &|offer| offer.version = 0);
    check(HandshakeError::Version, &|offer| offer.version = 2);
    check(HandshakeError::Version, &|offer| offer.version = 255);
    check(HandshakeError::Space, &|offer| offer.space = SpaceId::from_bytes([0; 32]));
    check(HandshakeError::Epoch, &|offer| offer.epoch = 5);
    check(HandshakeError::Address, &|offer| offer.leecher.connection = 8);
    check(HandshakeError::Address, &|offer| offer.leecher = stranger.address);
    check(HandshakeError::Address, &|offer| offer.seeder = stranger.address);
    check(HandshakeError::Address, &|offer| offer.seeder.connection = 1);
    check(HandshakeError::NotAllowed, &|offer| offer.chain = stranger.chain.clone());
    check(HandshakeError::Malformed, &|offer| offer.shares = shares(vec![share(1), share(1)]));
    check(HandshakeError::NoCommonSuite, &|offer| offer.shares = shares(vec![]));
    for suite in [0, 4, 255] {
        check(HandshakeError::NoCommonSuite, &|offer| offer.shares = shares(vec![share(suite)]));
    }
    for suite in [2, 3] {
        let refused = HandshakeError::Wrap(WrapError::Key);
        check(refused, &|offer| offer.shares = shares(vec![share(suite)]));
    }
    assert!(List::<Share, SHARES_MAX>::new(vec![share(1); 17]).is_err());
}

#[test]
fn an_offer_of_somebody_else_is_nobodys() {
    let mut world = World::new();
    let Message::Offer(offer) = world.offer(&[Suite::X25519]).message() else { panic!("an offer") };
    let forged = Signed::sign(offer.unverified().clone(), &SecretKey::from_seed([4; 32])).unwrap();
    let answer = world.respond(&Message::Offer(forged));
    assert_eq!(answer.err(), Some(HandshakeError::Signature));
    assert_eq!(HandshakeError::Signature.code(), None, "a forger learns nothing");
}

#[test]
fn chains_are_checked_on_both_sides() {
    let mut world = World::new();
    let offered = world.offer(&[Suite::X25519]);
    let Message::Offer(offer) = offered.message() else { panic!("an offer") };
    let from = world.leecher.address;
    let mut rng = world.rng.clone();
    let mut at_seeder =
        |terms: &Terms<'_>| respond(terms, &world.seeder.party(), from, &offer, &mut rng).err();
    let late = Terms { now: NOW + 1121, ..world.terms() };
    let expired = HandshakeError::Chain(ChainError::Expired { seconds_ago: 121 });
    assert_eq!(at_seeder(&late), Some(expired));
    let removed = Terms { removed: &[[2; 16]], ..world.terms() };
    assert_eq!(at_seeder(&removed), Some(HandshakeError::Chain(ChainError::Removed)));

    let awaiting = world.respond(&offered.message()).unwrap();
    let removed = Terms { removed: &[[3; 16]], ..world.terms() };
    let answered =
        offered.answer(&removed, world.seeder.address, &awaiting.message(), &mut world.rng.clone());
    assert_eq!(answered.err(), Some(HandshakeError::Chain(ChainError::Removed)));
}

#[test]
fn only_who_may_fetch_is_served_and_only_who_may_offer_serves() {
    let mut world = World::new();
    world.leecher = Device::new(2, 7, Role::OFFER);
    let offered = world.offer(&[Suite::X25519]);
    assert_eq!(world.respond(&offered.message()).err(), Some(HandshakeError::NotAllowed));
    let mut world = World::new();
    world.seeder = Device::new(3, 0, Role::FETCH);
    let offered = world.offer(&[Suite::X25519]);
    let awaiting = world.respond(&offered.message()).unwrap();
    let answered = world.answer(offered, &awaiting.message());
    assert_eq!(answered.err(), Some(HandshakeError::NotAllowed));
}

/// The seeder's WRAP with something of it changed, properly signed.
fn changed_wrap(world: &World, wrap: &Message, change: &dyn Fn(&mut Wrap)) -> Message {
    let Message::Wrap(wrap) = wrap else { panic!("a wrap") };
    let mut wrap = wrap.unverified().clone();
    change(&mut wrap);
    Message::Wrap(Signed::sign(wrap, &world.seeder.key).unwrap())
}

#[test]
fn the_leecher_refuses_each_wrong_wrap_even_from_the_right_seeder() {
    for suite in SUITES {
        let mut world = World::new();
        let stranger = Device::new(4, 7, Role::BOTH);
        let mut check = |expected: HandshakeError, change: &dyn Fn(&mut Wrap)| {
            let offered = world.offer(&[suite]);
            let wrap = world.respond(&offered.message()).unwrap().message();
            let wrap = changed_wrap(&world, &wrap, change);
            assert_eq!(world.answer(offered, &wrap).err(), Some(expected), "{suite:?}");
        };
        check(HandshakeError::Version, &|wrap| wrap.version = 2);
        check(HandshakeError::OtherOffer, &|wrap| wrap.offer[0] ^= 1);
        check(HandshakeError::Address, &|wrap| wrap.leecher.connection += 1);
        check(HandshakeError::Address, &|wrap| wrap.leecher = stranger.address);
        check(HandshakeError::Address, &|wrap| wrap.seeder = stranger.address);
        check(HandshakeError::NotAllowed, &|wrap| wrap.chain = stranger.chain.clone());
        for other in [0, 4, 255].into_iter().chain(SUITES.map(Suite::number)) {
            if other != suite.number() {
                check(HandshakeError::Suite, &|wrap| wrap.suite = other);
            }
        }
    }
}

#[test]
fn a_wrap_for_another_session_or_offer_does_not_open() {
    for suite in SUITES {
        let mut world = World::new();
        let offered = world.offer(&[suite]);
        let awaiting = world.respond(&offered.message()).unwrap();
        let other = changed_wrap(&world, &awaiting.message(), &|wrap| wrap.session.0[0] ^= 1);
        refused_at_last(&mut world, offered, awaiting, &other);

        let (first, second) = (world.offer(&[suite]), world.offer(&[suite]));
        let for_first = world.respond(&first.message()).unwrap();
        let for_second = world.respond(&second.message()).unwrap();
        let Message::Wrap(given) = for_first.message() else { panic!("a wrap") };
        let crossed = changed_wrap(&world, &for_second.message(), &|wrap| {
            wrap.wrapped = given.unverified().wrapped.clone();
        });
        refused_at_last(&mut world, second, for_second, &crossed);
    }
}

/// Refused by the leecher, or with RSA by the seeder who gets another ACK.
fn refused_at_last(world: &mut World, offered: Offered, seeder: AwaitingAck, wrong: &Message) {
    match world.answer(offered, wrong) {
        Err(error) => assert_eq!(error, HandshakeError::Wrap(WrapError::Open)),
        Ok(answered) => {
            assert_eq!(answered.suite(), Suite::Rsa);
            let ack = answered.acknowledge().1.proof;
            assert_eq!(seeder.confirm(&ack).err(), Some(HandshakeError::Confirmation));
        }
    }
}

#[test]
fn a_reflected_or_crossed_message_is_refused() {
    let mut world = World::new();
    let offered = world.offer(&[Suite::X25519]);
    let Message::Offer(offer) = offered.message() else { panic!("an offer") };
    // The relay hands the leecher its own offer, as coming from the seeder or from itself.
    let party = world.leecher.party();
    for from in [world.seeder.address, world.leecher.address] {
        let mut rng = world.rng.clone();
        let answer = respond(&world.terms(), &party, from, &offer, &mut rng);
        assert_eq!(answer.err(), Some(HandshakeError::Address));
    }
    // Two leechers' answers cross.
    let other = Device::new(4, 9, Role::FETCH);
    let mut second = World { leecher: other, ..World::new() };
    second.rng = Seeded::new(2);
    let for_other = second.offer(&[Suite::X25519]);
    let wrap = second.respond(&for_other.message()).unwrap().message();
    assert_eq!(world.answer(offered, &wrap).err(), Some(HandshakeError::OtherOffer));
}

#[test]
fn a_session_of_a_device_with_itself_stands_and_does_not_reflect() {
    let mut world = World::new();
    world.leecher = Device::new(3, 7, Role::BOTH);
    let (awaiting, acknowledged, opening) = world.wrapped(&[Suite::Hybrid]);
    let reflected = acknowledged.confirm(&opening.proof);
    assert_eq!(reflected.err(), Some(HandshakeError::Confirmation), "an ACK is no READY");
    assert!(awaiting.confirm(&opening.proof).is_ok());
}

#[test]
fn a_refusal_counts_only_from_the_seeder_for_this_offer() {
    let mut world = World::new();
    let refusal = |world: &World, offered: &Offered, key: &SecretKey| {
        let Message::Offer(offer) = offered.message() else { panic!("an offer") };
        let _ = world;
        refuse(key, &offer, RefuseCode::Busy)
    };
    let seeder_key = SecretKey::from_seed([3; 32]);
    let offered = world.offer(&[Suite::X25519]);
    let message = refusal(&world, &offered, &seeder_key);
    let refused = HandshakeError::Refused(RefuseCode::Busy);
    assert_eq!(world.answer(offered, &message).err(), Some(refused));
    let offered = world.offer(&[Suite::X25519]);
    assert_eq!(world.answer(offered, &message).err(), Some(HandshakeError::OtherOffer));
    let offered = world.offer(&[Suite::X25519]);
    let forged = refusal(&world, &offered, &SecretKey::from_seed([4; 32]));
    assert_eq!(world.answer(offered, &forged).err(), Some(HandshakeError::Signature));
    for number in 0..=255 {
        assert_eq!(RefuseCode::from_number(number).number(), number);
    }
}

#[test]
fn a_message_out_of_turn_is_refused() {
    let mut world = World::new();
    let offered = world.offer(&[Suite::X25519]);
    let own = offered.message();
    assert_eq!(world.answer(offered, &own).err(), Some(HandshakeError::Unexpected));
}

#[test]
fn replayed_answers_and_acks_are_refused() {
    let mut world = World::new();
    let (awaiting, _, opening) = world.wrapped(&[Suite::X25519]);
    let wrap = awaiting.message();
    let later = world.offer(&[Suite::X25519]);
    assert_eq!(world.answer(later, &wrap).err(), Some(HandshakeError::OtherOffer));
    let (next, _, _) = world.wrapped(&[Suite::X25519]);
    assert_eq!(next.confirm(&opening.proof).err(), Some(HandshakeError::Confirmation));
    // The whole offer again: another session, which the old ACK does not open.
    let offered = world.offer(&[Suite::X25519]);
    let offer = offered.message();
    let first = world.respond(&offer).unwrap();
    let (_, opening) = world.answer(offered, &first.message()).unwrap().acknowledge();
    let second = world.respond(&offer).unwrap();
    assert_ne!(first.session(), second.session());
    assert_eq!(second.confirm(&opening.proof).err(), Some(HandshakeError::Confirmation));
}

/// Every message that can reach a state at the wrong time, other than those that do not compile.
#[test]
fn no_state_takes_the_message_of_another() {
    let mut world = World::new();
    let other_offer = world.offer(&[Suite::X25519]);
    let other_wrap = world.respond(&other_offer.message()).unwrap().message();
    let Message::Offer(offer) = other_offer.message() else { panic!("an offer") };
    let other_refusal = refuse(&world.seeder.key, &offer, RefuseCode::Busy);
    let own = world.offer(&[Suite::X25519]).message();
    for (message, error) in [
        (own, HandshakeError::Unexpected),
        (other_offer.message(), HandshakeError::Unexpected),
        (other_wrap, HandshakeError::OtherOffer),
        (other_refusal, HandshakeError::OtherOffer),
    ] {
        let offered = world.offer(&[Suite::X25519]);
        assert_eq!(world.answer(offered, &message).err(), Some(error));
    }
    let (other, _, other_opening) = world.wrapped(&[Suite::X25519]);
    let other_ready = other.confirm(&other_opening.proof).unwrap().proof;
    for which in 0..5 {
        let (awaiting, acknowledged, opening) = world.wrapped(&[Suite::X25519]);
        let nonce = *awaiting.nonce();
        let foreign = [other_ready, other_opening.proof, [0; 32], [0xff; 32], nonce][which];
        let ready = awaiting.confirm(&foreign).err();
        assert_eq!(ready, Some(HandshakeError::Confirmation), "{which}");
        let confirmed = acknowledged.confirm(&foreign).err();
        assert_eq!(confirmed, Some(HandshakeError::Confirmation), "{which}");
        let (_, again, _) = world.wrapped(&[Suite::X25519]);
        assert!(again.confirm(&opening.proof).is_err(), "an ACK of another session");
    }
}

#[test]
fn two_leechers_of_one_file_share_no_key() {
    let mut first = World::new();
    let mut second = World { leecher: Device::new(4, 9, Role::FETCH), ..World::new() };
    second.rng = Seeded::new(2);
    let mut keys = Vec::new();
    for world in [&mut first, &mut second] {
        let (awaiting, _, opening) = world.wrapped(&[Suite::Hybrid]);
        keys.push(awaiting.confirm(&opening.proof).unwrap().keys);
    }
    assert_ne!(keys[0].id, keys[1].id);
    keys[1].id = keys[0].id;
    assert!(!same_keys(&keys[0], &keys[1]));
}
