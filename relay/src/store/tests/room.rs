//! What happens when there is no room: which space goes, and which never does.

use super::*;

/// The card of a device in a space of its own, which is `seed`'s.
fn own_card(seed: u8) -> (Writer, Vec<u8>) {
    let space = SpaceId::derive(&key(seed).id(), &[0; 16]);
    let card = Card { space, sealed: Bytes::new(vec![6; 4000]).unwrap(), ..card(seed, 1) };
    (Writer { space, ..writer(seed) }, signed(card, seed))
}

impl Held {
    /// Brings a space of its own for `seed` at `now` and publishes a card there.
    fn bring(&mut self, seed: u8, now: u64) -> Result<Option<Published>, Refusal> {
        let (writer, statement) = own_card(seed);
        self.one(Admit { space: writer.space, token: None, now })?;
        self.one(Publish { writer, log: 1, follows: None, statement })
    }

    fn has(&self, seed: u8) -> bool {
        let space = own_card(seed).0.space;
        let facts = self.core.shared().facts(&space).unwrap();
        let heads = self.core.shared().heads(&space, Cursor::default()).unwrap().0;
        assert_eq!(facts.known.known, !heads.is_empty(), "all of a space goes, or nothing");
        facts.known.known
    }
}

#[test]
fn a_full_store_drops_the_space_that_had_no_device_for_longest() {
    let limits = Limits { total_bytes: 10_000, ..Limits::default() };
    let (_folder, mut store) = open_with(&limits);
    store.bring(2, NOW + 9).unwrap();
    store.bring(3, NOW + 1).unwrap();
    store.bring(4, NOW + 20).unwrap();
    assert!(store.has(2) && !store.has(3) && store.has(4));
    // A device of the oldest one is connected: then the other goes, and if all have one, nobody.
    let presence = store.core.shared().presence.clone();
    let connected = presence.enter(own_card(2).0.space).unwrap();
    store.bring(5, NOW + 30).unwrap();
    assert!(store.has(2) && !store.has(4) && store.has(5));
    let other = presence.enter(own_card(5).0.space).unwrap();
    let _own = presence.enter(own_card(6).0.space).unwrap();
    assert_eq!(store.bring(6, NOW + 40), Err(Refusal::Full));
    drop((connected, other));
    store.bring(6, NOW + 50).unwrap();
    assert_eq!((store.has(2), store.has(5), store.has(6)), (false, true, true));
    // What a dropped space used is free again, all of it.
    assert!(store.core.shared().usage().unwrap().bytes < 10_000);
    store.bring(2, NOW + 60).unwrap();
}

#[test]
fn a_new_space_takes_the_place_of_one_without_devices() {
    let limits = Limits { spaces: 2, ..Limits::default() };
    let (_folder, mut store) = open_with(&limits);
    store.bring(2, NOW).unwrap();
    store.bring(3, NOW + 1).unwrap();
    let space = own_card(2).0.space;
    store.one(Seen { spaces: vec![space, own_card(9).0.space], now: NOW + 2 }).unwrap();
    store.bring(4, NOW + 3).unwrap();
    assert!(store.has(2) && !store.has(3) && store.has(4));
    let presence = store.core.shared().presence.clone();
    let _all = [2, 4].map(|seed| presence.enter(own_card(seed).0.space).unwrap());
    assert_eq!(store.bring(5, NOW + 4), Err(Refusal::Full));
}

#[test]
fn a_dropped_space_takes_its_invites_segments_and_what_was_kept_aside_with_it() {
    let limits = Limits { invites: 1, ..Limits::default() };
    let (_folder, mut store) = open_with(&limits);
    store.one(Admit { space: space(), token: Some([7; 16]), now: NOW }).unwrap();
    let parts = [segment(1, 4000), segment(2, 4000)];
    store.stage(2, 7, 0, &parts);
    store.publish(2, LOG, None, &signed(head(2, 7, 0, &parts), 2)).unwrap();
    store.stage(2, 7, 2, &parts);
    let invite = |space, id| {
        let package = vec![1; 10];
        PutInvite { space, id: [id; 16], deadline: NOW, uses: 1, package, now: NOW }
    };
    store.one(invite(space(), 1)).unwrap();
    assert_eq!(store.core.shared().facts(&space()).unwrap().known.token, Some([7; 16]));
    let (other, _) = own_card(9);
    store.one(Admit { space: other.space, token: None, now: NOW + 1 }).unwrap();
    store.one(invite(other.space, 2)).unwrap();
    assert_eq!(store.core.shared().facts(&space()).unwrap(), Facts::default());
    assert!(store.heads().is_empty());
    let take = TakeInvite { device: key(5).id(), id: [1; 16], now: NOW };
    assert_eq!(store.one(take), Err(Refusal::NotFound));
    let usage = store.core.shared().usage().unwrap();
    assert_eq!((usage.segments, usage.statements, usage.invites, usage.spaces), (0, 0, 1, 1));
    // Its publisher begins anew.
    store.one(Admit { space: space(), token: None, now: NOW + 2 }).unwrap();
    store.stage(2, 7, 0, &parts);
    store.publish(2, LOG, None, &signed(head(2, 7, 0, &parts), 2)).unwrap();
    assert_eq!(store.segments(2, 7, 0, 2).unwrap(), parts);
}
