//! The table of handshakes that wait.

use super::*;

fn awaiting(world: &mut World) -> AwaitingAck {
    let offered = world.offer(&[Suite::X25519]);
    world.respond(&offered.message()).unwrap()
}

#[test]
fn a_repetition_gets_the_same_wrap_while_it_waits() {
    let mut world = World::new();
    let mut pending = Pending::default();
    let handshake = awaiting(&mut world);
    let (nonce, wrap) = (*handshake.nonce(), handshake.message());
    let session = handshake.session();
    let leecher = world.leecher.key.id();
    assert_eq!(pending.repeated(&leecher, &nonce, 0), None);
    pending.insert(handshake, 0);
    for _ in 0..1000 {
        assert_eq!(pending.repeated(&leecher, &nonce, PENDING_MILLIS - 1), Some(wrap.clone()));
    }
    assert_eq!(pending.repeated(&world.seeder.key.id(), &nonce, 0), None, "another leecher");
    assert_eq!(pending.repeated(&leecher, &nonce, PENDING_MILLIS), None);
    assert!(pending.take(&session, 5).is_some());
    assert!(pending.take(&session, 5).is_none(), "a session opens once");
    assert_eq!(pending.repeated(&leecher, &nonce, 5), None);
    assert!(pending.is_empty());
}

#[test]
fn nobody_waits_longer_than_the_deadline() {
    let mut world = World::new();
    let mut pending = Pending::default();
    let (first, second) = (awaiting(&mut world), awaiting(&mut world));
    let sessions = (first.session(), second.session());
    pending.insert(first, 0);
    pending.insert(second, 10);
    assert_eq!(pending.next_deadline(), Some(PENDING_MILLIS));
    pending.expire(PENDING_MILLIS);
    assert_eq!((pending.len(), pending.next_deadline()), (1, Some(PENDING_MILLIS + 10)));
    assert!(pending.take(&sessions.0, PENDING_MILLIS).is_none());
    assert!(pending.take(&sessions.1, PENDING_MILLIS + 10).is_none());
    assert!(pending.is_empty() && pending.next_deadline().is_none());
}

#[test]
fn one_device_cannot_crowd_out_the_others() {
    let mut pending = Pending::default();
    let mut honest = World::new();
    let waiting = awaiting(&mut honest);
    let session = waiting.session();
    pending.insert(waiting, 0);
    let leecher = Device::new(9, 1, Role::FETCH);
    let mut flood = World { leecher, rng: Seeded::new(9), ..World::new() };
    let mut last = None;
    for _ in 0..200 {
        let handshake = awaiting(&mut flood);
        last = Some(handshake.session());
        pending.insert(handshake, 1);
    }
    assert_eq!(pending.len(), PENDING_PER_DEVICE + 1);
    assert!(pending.take(&last.unwrap(), 1).is_some(), "the newest stay");
    assert!(pending.take(&session, 1).is_some());
}

#[test]
fn the_table_has_a_limit_in_all() {
    let mut pending = Pending::default();
    for device in 0..20 {
        let leecher = Device::new(100 + device, 1, Role::FETCH);
        let rng = Seeded::new(u64::from(device));
        let mut world = World { leecher, rng, ..World::new() };
        for _ in 0..PENDING_PER_DEVICE {
            pending.insert(awaiting(&mut world), 0);
        }
    }
    assert_eq!(pending.len(), PENDING_MAX);
    assert_eq!(pending.index_sizes(), [PENDING_MAX; 2]);
}
