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

#[test]
fn devices_follow_a_relay_to_where_it_moved() {
    let (mut relay, _owner, _seeder, friend, content) = stand(100_000);
    let copy = relay.user.work().join("key");
    let copy = copy.to_str().unwrap();
    let _ = relay.user.run("relay", &["key", "export", copy]).expect(0);
    let host = User::new();
    let _ = host.run("relay", &["key", "import", copy]).expect(0);
    let next = Relay::start_with(host, &[]);
    assert_eq!(next.pin(), relay.pin());
    let file = relay.user.home().join(".local/share/sealift/relay/relay.toml");
    std::fs::write(file, format!("moved_to = [\"127.0.0.1:{}\"]\n", next.port())).unwrap();
    relay.program.signal(Signal::HUP);
    relay.program.message("was read again");
    relay.program.signal(Signal::TERM);
    let _ = relay.program.wait().expect(0);
    until(|| {
        let status = next.user.run("relay", &["status", "--json"]).expect(0);
        status.says("\"serving\":1")
    });
    let _ = friend.run("leecher", &["list", "--relay", &next.place]).expect(0);
    let _ = download(&friend, FILE).expect(0);
    assert!(fetched(&friend, FILE) == content);
}
