//! `--limit` of both programs. Only what cannot be faster is asserted: a busy machine may be slower.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::time::{Duration, Instant};

use sealift_tests::process::User;
use sealift_tests::stage::{Relay, appears, fetched, join, offered, seed};

/// The least time that `bytes` take at 2 MB/s: a tenth of a second's worth, and one turn, may pass at once.
fn least(bytes: u64) -> Duration {
    Duration::from_millis((bytes - 240_000) / 2_000)
}

#[test]
fn a_leecher_reads_no_faster_than_it_is_told() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/film.mp4", &vec![3; 3_000_000]);
    let _seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    let start = Instant::now();
    let arguments = ["download", "film.mp4", "--out", "out", "--limit", "2M"];
    let _ = friend.run("leecher", &arguments).expect(0);
    assert!(start.elapsed() >= least(3_000_000), "{:?}", start.elapsed());
    assert_eq!(fetched(&friend, "film.mp4"), vec![3; 3_000_000]);
}

#[test]
fn a_seeder_serves_all_together_no_faster_than_it_is_told() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/film.mp4", &vec![3; 1_500_000]);
    let arguments = ["--watch", "share", "--relay", &relay.place, "--limit", "2M"];
    let mut seeder = owner.start("seeder", &arguments);
    offered(&mut seeder);
    let friends = ["ben", "carla"].map(|name| join(&owner, name));
    friends.iter().for_each(|friend| appears(friend, "film.mp4"));
    let start = Instant::now();
    let fetch = ["download", "film.mp4", "--out", "out"];
    let fetching = friends.each_ref().map(|friend| friend.start("leecher", &fetch));
    for running in fetching {
        let _ = running.wait().expect(0);
    }
    assert!(start.elapsed() >= least(3_000_000), "{:?}", start.elapsed());
}

#[test]
fn a_limit_that_means_nothing_is_refused() {
    let user = User::new();
    user.write("share/a", b"a");
    for limit in ["0", "9k", "fast", "10MB"] {
        let refused = user.run("leecher", &["download", "a", "--limit", limit]).expect(2);
        assert!(refused.says("10k") || refused.says("10M"), "{refused}");
        let _ = user.run("seeder", &["--watch", "share", "--limit", limit]).expect(2);
    }
}
