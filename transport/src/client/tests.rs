use std::task::{Context, Poll, Waker};
use std::time::Duration;

use sealift_platform::random::{Random, SystemRandom};
use sealift_proto::codec::{self, Bytes, List};
use sealift_proto::identity::{SecretKey, Signed};
use sealift_proto::object;
use sealift_proto::place::RelayPlace;
use sealift_proto::space::{HostName, Label, SerialNumber};

use super::*;

/// The space after its owner has removed `serial`.
fn without(space: &SpaceState, serial: [u8; 16]) -> SpaceState {
    let owner = space.owner().unwrap();
    let mut record = space.record().unverified().clone();
    record.number += 1;
    record.removed = List::new(vec![SerialNumber(serial)]).unwrap();
    let place = space.place(owner.id(), 0, record.number);
    let (secret, salt) = (codec::encode(space.secret()), (&SystemRandom as &dyn Random).bytes());
    let sealed = object::seal::<object::Record>(&space.keys().record, &place, salt, &secret);
    record.sealed = Bytes::new(sealed).unwrap();
    let mut after = space.clone();
    assert_eq!(after.take_record(Signed::sign(record, owner).unwrap()), Ok(true));
    after
}

#[test]
fn a_session_ends_with_the_membership_of_its_other_end() {
    let device = SecretKey::from_seed([1; 32]).id();
    let name = Label::new("space").unwrap();
    let space = SpaceState::create(&SystemRandom, 1, &device, name, Vec::new()).unwrap();
    let member = space.verify_member(space.chain(), 1).unwrap();
    let spaces = watch::Sender::new(Arc::new(space.clone()));
    let mut ended = Box::pin(removed(spaces.subscribe(), member, || 1));
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(ended.as_mut().poll(&mut context), Poll::Pending);
    spaces.send_replace(Arc::new(without(&space, [9; 16])));
    assert_eq!(ended.as_mut().poll(&mut context), Poll::Pending, "somebody else");
    spaces.send_replace(Arc::new(without(&space, member.serial)));
    assert_eq!(ended.as_mut().poll(&mut context), Poll::Ready(()));
    // A handshake that was under way finds it at once.
    let mut begun = Box::pin(removed(spaces.subscribe(), member, || 1));
    assert_eq!(begun.as_mut().poll(&mut context), Poll::Ready(()));
    let mut alone =
        Box::pin(removed(watch::Sender::new(Arc::new(space)).subscribe(), member, || 1));
    assert_eq!(alone.as_mut().poll(&mut context), Poll::Pending);
}

#[test]
fn a_relay_that_leaves_names_places_for_its_own_key_alone() {
    let host = |name: &str| HostName::new(name).unwrap();
    let relay = |pin| RelayPlace { host: host("one"), port: 1, pin };
    let places = || vec![(host("two"), 2), (host("three"), 3)];
    let long = Duration::from_secs(1 << 30);
    let mut said = Farewell::new(&relay(Some([7; 16])), long, places());
    let two = RelayPlace { host: host("two"), port: 2, pin: Some([7; 16]) };
    assert_eq!(said.place(), Some(two), "the first is tried first");
    assert!(said.place().is_some() && said.place().is_none());
    assert_eq!(Farewell::new(&relay(None), long, places()).place(), None);
}

#[test]
fn who_is_on_the_local_network_stays_when_it_leaves_the_relay() {
    let [near, far] = [1, 2].map(|seed| SecretKey::from_seed([seed; 32]).id());
    let attendance = Attendance::new([near, far].into());
    attendance.near(near);
    attendance.gone(&near);
    attendance.gone(&far);
    let presence = attendance.presence();
    assert_eq!(presence.borrow().serving, [near].into());
    attendance.not_near(&near, false);
    assert!(presence.borrow().serving.is_empty() && !presence.borrow().ended);
    attendance.end();
    assert!(presence.borrow().ended);
}
