//! Direct links with the real programs on this machine. Routers between them are in `tests/system/network`.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::path::Path;

use sealift_tests::process::{Finished, User};
use sealift_tests::proxy::{Kind, Proxy, Setup, Way};
use sealift_tests::stage::{Relay, appears, fetched, join, seed_by};
use serde_json::Value;

/// A proxy before `relay` that counts, and the relay as reached through it.
fn counted(relay: &Relay) -> (Proxy, String) {
    let proxy = Proxy::with(relay.address(), Setup::default());
    let place = format!("{}#{}", proxy.address(), relay.pin());
    (proxy, place)
}

fn content(len: usize) -> Vec<u8> {
    let mut content = vec![0; len];
    blake3::Hasher::new_derive_key("direct").finalize_xof().fill(&mut content);
    content
}

/// Bytes of the files in `folder` that have been written; what is left out as a hole has not.
fn written(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    // A file may get its final name in between.
    let files = entries.filter_map(|entry| entry.ok()?.metadata().ok());
    files.map(|file| std::os::unix::fs::MetadataExt::blocks(&file) * 512).sum()
}

/// The objects of this type that a program with `--json` has printed.
fn events(finished: &Finished, kind: &str) -> Vec<Value> {
    let lines = finished.stdout.iter().chain(&finished.stderr);
    let events = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["type"] == kind).collect()
}

/// Bytes that the last line says came by ways that fit.
fn carried(verified: &Value, fits: impl Fn(&str) -> bool) -> u64 {
    let paths = verified["paths"].as_array().unwrap().iter();
    let fitting = paths.filter(|path| fits(path["path"].as_str().unwrap()));
    fitting.map(|path| path["bytes"].as_u64().unwrap()).sum()
}

#[test]
fn a_transfer_moves_to_direct_links_and_ends_without_the_relay() {
    const LEN: usize = 40 << 20;
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/film.mp4", &content(LEN));
    let _seeder = seed_by("any", &owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    appears(&friend, "film.mp4");
    let (proxy, place) = counted(&relay);
    // Slow enough to be watched, whatever machine this is.
    let line =
        ["download", "film.mp4", "--out", "out", "--limit", "8M", "--json", "--relay", &place];
    let mut running = friend.start("leecher", &line);
    running.message("\"standby\"");
    let out = friend.work().join("out");
    let before = proxy.passed(Kind::Link, Way::Down);
    // The rest of the relay's life: long enough for a share of the file that tells.
    let arrived = || written(&out);
    let (start, mark) = (arrived(), arrived() + (8 << 20));
    while running.runs() && arrived() < mark {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (by_relay, all) = (proxy.passed(Kind::Link, Way::Down) - before, arrived() - start);
    assert!(by_relay * 100 < all, "{by_relay} of {all} bytes through the relay after the switch");
    assert!(running.runs(), "it is not over yet");
    relay.program.kill();
    let finished = running.wait().expect(0);
    assert!(fetched(&friend, "film.mp4") == content(LEN));
    let verified = &events(&finished, "verified")[0];
    assert_eq!(carried(verified, |_| true), LEN as u64);
    assert!(carried(verified, |path| path.starts_with("direct")) > LEN as u64 / 3, "{verified}");
}

#[test]
fn who_allows_direct_links_alone_gets_them_or_a_reason() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/small.bin", &content(300_000));
    let (proxy, place) = counted(&relay);
    let seeder = seed_by("direct", &owner, &place, "ana");
    let friend = join(&owner, "ben");
    appears(&friend, "small.bin");
    let line = |path| ["download", "small.bin", "--out", path, "--json", "--path", path];
    for path in ["any", "direct"] {
        let finished = friend.run("leecher", &line(path)).expect(0);
        let verified = &events(&finished, "verified")[0];
        assert_eq!(carried(verified, |path| path.starts_with("direct")), 300_000, "{verified}");
    }
    let passed = proxy.passed(Kind::Link, Way::Up) + proxy.passed(Kind::Link, Way::Down);
    assert!(passed < 100_000, "{passed} bytes through the relay");
    let refused = friend.run("leecher", &line("relay")).expect(10);
    assert!(refused.says("this side allows the relay alone"), "{refused}");

    seeder.kill();
    let _seeder = seed_by("relay", &owner, &place, "ana");
    for path in ["any", "direct"] {
        std::fs::remove_dir_all(friend.work().join(path)).unwrap();
    }
    let refused = friend.run("leecher", &line("direct")).expect(10);
    assert!(refused.says("names no address"), "{refused}");
    let finished = friend.run("leecher", &line("any")).expect(0);
    assert_eq!(carried(&events(&finished, "verified")[0], |path| path == "relay"), 300_000);
}

#[test]
fn ping_shows_every_path() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/a", b"a");
    let seeder = seed_by("any", &owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    let finished = friend.run("leecher", &["ping", "ana", "--json"]).expect(0);
    let paths = events(&finished, "ping");
    let works = |path: &&Value| path["round_trip_ms"].is_f64() && path["why"].is_null();
    assert!(paths.iter().filter(works).any(|path| path["path"] == "relay"), "{finished}");
    let direct = paths.iter().filter(works).find(|path| path["path"] == "direct TCP");
    assert!(direct.is_some_and(|path| path["address"].is_string()), "{finished}");
    let _ = friend.run("leecher", &["ping", "nobody"]).expect(3);
    seeder.kill();
    let _ = friend.run("leecher", &["ping", "ana"]).expect(4);
}
