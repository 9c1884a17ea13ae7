//! The relay ends on purpose while others need it.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use rustix::process::Signal;
use sealift_tests::process::User;
use sealift_tests::stage::{Relay, appears, download, fetched, join, seed};

use super::killed::{until, written};

const FILE: &str = "big.bin";

/// A relay, a seeder with one file, and a friend who has heard of it.
fn stand(size: usize) -> (Relay, User, sealift_tests::process::Running, User, Vec<u8>) {
    let relay = Relay::start();
    let owner = User::new();
    let mut content = vec![0; size];
    blake3::Hasher::new_derive_key("content").finalize_xof().fill(&mut content);
    owner.write(&format!("share/{FILE}"), &content);
    let seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    appears(&friend, FILE);
    (relay, owner, seeder, friend, content)
}

#[test]
fn a_download_finishes_although_its_relay_ends() {
    let (relay, _owner, _seeder, friend, content) = stand(12 << 20);
    let running = friend.start("leecher", &["download", FILE, "--out", "out", "--limit", "4M"]);
    until(|| written(&friend) > 1 << 20);
    relay.program.signal(Signal::TERM);
    let _ = running.wait().expect(0);
    assert!(fetched(&friend, FILE) == content);
    let _ = relay.program.wait().expect(0);
}

/// Has `relay` leave for another one with its key.
fn moves(mut relay: Relay) -> Relay {
    let copy = relay.user.work().join("key");
    let copy = copy.to_str().unwrap();
    let _ = relay.user.run("relay", &["key", "export", copy]).expect(0);
    let host = User::new();
    let _ = host.run("relay", &["key", "import", copy]).expect(0);
    let next = Relay::start_with(host, &[]);
    assert_eq!(next.pin(), relay.pin());
    let file = relay.user.home().join(".local/share/sealift/relay/relay.toml");
    std::fs::write(file, format!("moved_to = [\"{}\"]\n", next.address())).unwrap();
    relay.program.signal(Signal::HUP);
    relay.program.message("was read again");
    relay.program.signal(Signal::TERM);
    let _ = relay.program.wait().expect(0);
    next
}

#[test]
fn devices_follow_a_relay_to_where_it_moved() {
    let (relay, _owner, _seeder, friend, content) = stand(100_000);
    let next = moves(relay);
    until(|| {
        let status = next.user.run("relay", &["status", "--json"]).expect(0);
        status.says("\"serving\":1")
    });
    let _ = friend.run("leecher", &["list", "--relay", &next.place]).expect(0);
    let _ = download(&friend, FILE).expect(0);
    assert!(fetched(&friend, FILE) == content);
}

#[test]
fn a_download_follows_its_relay_to_where_it_moved() {
    let (relay, _owner, _seeder, friend, content) = stand(12 << 20);
    let running = friend.start("leecher", &["download", FILE, "--out", "out", "--limit", "4M"]);
    until(|| written(&friend) > 1 << 20);
    let _next = moves(relay);
    let _ = running.wait().expect(0);
    assert!(fetched(&friend, FILE) == content);
}

#[test]
fn what_a_seeder_knows_at_its_end_is_known_to_the_others() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/first.txt", b"first");
    let mut seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    for round in 0..3 {
        // The first has a head published, so that the next has to wait for its turn.
        owner.write(&format!("share/before-{round}.txt"), format!("before {round}").as_bytes());
        seeder.message(&format!("added share/before-{round}.txt"));
        owner.write(&format!("share/last-{round}.txt"), format!("last {round}").as_bytes());
        seeder.message(&format!("added share/last-{round}.txt"));
        seeder.signal(Signal::TERM);
        let _ = seeder.wait().expect(0);
        let found = friend.run("leecher", &["search", &format!("last-{round}.txt")]).expect(0);
        assert!(!found.says("not hashed yet") && !found.says("reading"), "{found}");
        seeder = seed(&owner, &relay.place, "ana");
    }
}

#[test]
fn a_seeder_that_left_in_the_middle_of_reading_is_away_and_reads_nothing() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/small.txt", b"small");
    let seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    seeder.signal(Signal::TERM);
    let _ = seeder.wait().expect(0);
    // Sparse, so that it takes long to read and no room.
    let file = std::fs::File::create(owner.work().join("share/huge.bin")).unwrap();
    file.set_len(200 << 30).unwrap();
    let mut seeder = owner.start("seeder", &["--watch", "share"]);
    appears(&friend, "huge.bin");
    seeder.message("connected");
    seeder.signal(Signal::TERM);
    let _ = seeder.wait().expect(0);
    let found = friend.run("leecher", &["search", "huge.bin"]).expect(0);
    assert!(found.says("ana is away, and was still reading") && found.says("1 of 2"), "{found}");
}
