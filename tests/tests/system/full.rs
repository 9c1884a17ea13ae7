//! A relay that has no room for a seeder's catalogue: the seeder says so in words, shares on, and publishes by itself when there is
//! room. And one that has sent all it may this month.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::time::Instant;

use rustix::process::Signal;
use sealift_tests::process::{PATIENCE, Running, User};
use sealift_tests::stage::{Relay, appears, download, fetched, join, offered, seed};

/// How the operator gives more room.
#[derive(PartialEq, Eq)]
enum More {
    /// The relay is started anew.
    Start,
    /// It reads its configuration again, and the seeder tries again by itself, half a minute later.
    Reload,
}

fn configure(relay: &User, limit: &str, value: &str) {
    let text = format!("[limits]\n{limit} = \"{value}\"\n");
    relay.write("relay.toml", text.as_bytes());
}

/// The relay with its configuration of now, at the same place.
fn again(relay: Relay) -> Relay {
    let Relay { user, program, place } = relay;
    program.signal(Signal::TERM);
    let _ = program.wait().expect(0);
    Relay::again_with(user, &place, &["--config", "relay.toml"])
}

/// Shares so many files that the catalogue is larger than the room for it.
fn seed_too_much(owner: &User, relay: &Relay) -> Running {
    for number in 0..400 {
        owner.write(&format!("share/file-{number:03}"), format!("content {number}").as_bytes());
    }
    owner.start("seeder", &["--watch", "share", "--relay", &relay.place, "--name", "ana"])
}

fn publishes_when_there_is_room(more: &More) {
    let operator = User::new();
    configure(&operator, "device_bytes", "10 KiB");
    let relay = Relay::start_with(operator, &["--config", "relay.toml"]);
    let owner = User::new();
    let mut seeder = seed_too_much(&owner, &relay);
    let told = seeder.message("no room for this catalogue");
    assert!(told.contains("device_bytes") && told.contains("trying again"), "{told}");
    assert!(seeder.runs());
    configure(&relay.user, "device_bytes", "1 MiB");
    let _relay = match more {
        More::Start => again(relay),
        More::Reload => {
            relay.program.signal(Signal::HUP);
            relay
        }
    };
    offered(&mut seeder);
    let friend = join(&owner, "ben");
    appears(&friend, "file-399");
    let _ = download(&friend, "file-399").expect(0);
    assert_eq!(fetched(&friend, "file-399"), b"content 399");
    assert!(seeder.runs());
}

#[test]
fn a_seeder_without_room_says_so_and_publishes_when_the_relay_has_more() {
    publishes_when_there_is_room(&More::Start);
}

#[test]
fn a_seeder_without_room_tries_again_by_itself() {
    if std::env::var_os("SEALIFT_LONG").is_none() {
        println!("skipped: half a minute; set SEALIFT_LONG to try");
        return;
    }
    publishes_when_there_is_room(&More::Reload);
}

#[test]
fn a_relay_whose_month_is_used_up_says_until_when() {
    let operator = User::new();
    configure(&operator, "bytes_per_month", "1 GiB");
    let mut relay = Relay::start_with(operator, &["--config", "relay.toml"]);
    let owner = User::new();
    owner.write("share/film.mp4", &[7; 100_000]);
    let mut seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    appears(&friend, "film.mp4");
    configure(&relay.user, "bytes_per_month", "0 B");
    relay.program.signal(Signal::HUP);
    // It counts each second.
    relay.program.message("this month's bytes are used up");
    let refused = download(&friend, "film.mp4").expect(7);
    assert!(refused.says("all the bytes it may this month"), "{refused}");
    assert!(refused.says("first of next month"), "{refused}");
    owner.write("share/new.mp4", &[8; 100]);
    seeder.message("added share/new.mp4");
    // As soon as the relay has the new catalogue, it refuses to send it.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let unknown = friend.run("leecher", &["search", "new"]).expect(3);
        if unknown.says("the catalogue of ana could not be fetched: the relay has carried all") {
            break;
        }
        assert!(Instant::now() < deadline, "{unknown}");
    }
    configure(&relay.user, "bytes_per_month", "1 GiB");
    relay.program.signal(Signal::HUP);
    appears(&friend, "new.mp4");
    let _ = download(&friend, "film.mp4").expect(0);
}
