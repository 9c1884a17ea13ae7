//! A side that is newer than the other.

use super::*;
use crate::features::Features;

const ALL: Features = Features::from_bits(u64::MAX);

#[test]
fn a_newer_leecher_is_answered_and_only_what_both_have_is_used() {
    let mut world = World::new();
    let offer = changed_offer(&mut world, |offer| offer.features = ALL);
    let awaiting = world.respond(&offer).unwrap();
    assert_eq!(awaiting.peer().features, Features::OWN);
}

#[test]
fn a_newer_seeder_is_taken_and_its_bits_stand_in_the_transcript() {
    let mut world = World::new();
    let offered = world.offer(&[Suite::X25519]);
    let awaiting = world.respond(&offered.message()).unwrap();
    let newer = changed_wrap(&world, &awaiting.message(), &|wrap| wrap.features = ALL);
    let answered = world.answer(offered, &newer).unwrap();
    assert_eq!(answered.peer().features, Features::OWN);
    // The two have seen other bits, so they do not have the same keys.
    let (_, opening) = answered.acknowledge();
    assert_eq!(awaiting.confirm(&opening.proof).err(), Some(HandshakeError::Confirmation));
}
