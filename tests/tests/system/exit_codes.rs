//! Each exit code, by the real programs. The numbers are part of the interface.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use rustix::process::Signal;
use sealift_tests::process::{Running, User};
use sealift_tests::proxy::Proxy;
use sealift_tests::stage::{Relay, download, fetched, invite, join, offered, seed};

struct Scene {
    relay: Relay,
    owner: User,
    seeder: Running,
}

fn scene() -> Scene {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/report.txt", b"a report");
    owner.write("share/folder/inner.txt", b"inside");
    let seeder = seed(&owner, &relay.place, "ana");
    Scene { relay, owner, seeder }
}

#[test]
fn done_is_0_usage_2_and_not_found_3() {
    let scene = scene();
    let friend = join(&scene.owner, "ben");
    let done = download(&friend, "report.txt").expect(0);
    assert!(done.stdout.iter().any(|line| line.starts_with("verified out/report.txt, ")), "{done}");
    assert_eq!(fetched(&friend, "report.txt"), b"a report");
    for line in [
        &["--no-such-flag"][..],
        &["download"],
        &["search"],
        &[],
        &["download", "x", "--wrap", "rot13"],
    ] {
        let _ = friend.run("leecher", line).expect(2);
    }
    let _ = friend.run("seeder", &["--watch"]).expect(2);
    let _ = friend.run("relay", &["--listen", "nowhere"]).expect(2);
    for line in [["download", "absent.txt"], ["search", "zzzzqqqq"], ["list", "absent"]] {
        let missing = friend.run("leecher", &line).expect(3);
        assert!(missing.stdout.is_empty(), "{missing}");
    }
    // A bad relay address is told before anything is made.
    let _ = friend.run("leecher", &["list", "--relay", "a b"]).expect(2);
}

#[test]
fn without_a_seeder_4() {
    let scene = scene();
    let friend = join(&scene.owner, "ben");
    scene.seeder.signal(Signal::TERM);
    let _ = scene.seeder.wait().expect(0);
    let offline = download(&friend, "report.txt").expect(4);
    assert!(offline.says("ana"), "who has it is named: {offline}");
    // Search goes on.
    let _ = friend.run("leecher", &["search", "report"]).expect(0);
    // With --wait it waits until somebody is there.
    let mut waiting =
        friend.start("leecher", &["download", "report.txt", "--out", "out", "--wait"]);
    let _ = waiting.message("wait");
    let _seeder = seed(&scene.owner, &scene.relay.place, "ana");
    let _ = waiting.wait().expect(0);
    assert_eq!(fetched(&friend, "report.txt"), b"a report");
}

#[test]
fn refused_is_5() {
    let scene = scene();
    // Somebody without a space.
    let stranger = User::new();
    let refused =
        stranger.run("leecher", &["search", "report", "--relay", &scene.relay.place]).expect(5);
    assert!(refused.says("leecher join"), "what to do next: {refused}");
    // A spent invite.
    let line = invite(&scene.owner);
    let _ = stranger.run("leecher", &["join", &line]).expect(0);
    let late = User::new().run("leecher", &["join", &line]).expect(5);
    assert!(late.says("seeder invite"), "{late}");
    // Another key than the pin says.
    let other = Relay::start();
    let pin = other.pin().to_owned();
    let wrong = format!("{}#{pin}", scene.relay.address());
    let refused = stranger.run("leecher", &["list", "--relay", &wrong]).expect(5);
    assert!(refused.says("key"), "{refused}");
}

#[test]
fn tampering_is_6() {
    let relay = Relay::start();
    let owner = User::new();
    let content = vec![7; 2 << 20];
    owner.write("share/report.bin", &content);
    let _seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    let proxy = Proxy::new(relay.address());
    let place = format!("{}#{}", proxy.address(), relay.pin());
    // Every run of the file is altered on its way, again and again.
    proxy.alter(Some(500_000));
    let arguments =
        ["download", "report.bin", "--out", "out", "--relay", &place, "--patience", "5s"];
    let tampered = friend.run("leecher", &arguments).expect(6);
    assert!(!friend.work().join("out/report.bin").exists(), "{tampered}");
    proxy.alter(None);
    let _ = friend.run("leecher", &arguments).expect(0);
    assert!(fetched(&friend, "report.bin") == content);
}

#[test]
fn without_a_relay_7() {
    let scene = scene();
    let friend = join(&scene.owner, "ben");
    let _ = friend.run("leecher", &["search", "report"]).expect(0);
    let Relay { user: _user, program, place } = scene.relay;
    program.kill();
    let start = std::time::Instant::now();
    let unreachable = download(&friend, "report.txt").expect(7);
    assert!(start.elapsed().as_secs() < 20, "one-shot commands give up after 10 s");
    let (address, _) = place.split_once('#').unwrap();
    assert!(unreachable.says(address), "which one: {unreachable}");
    let _ = friend
        .run(
            "leecher",
            &["join", "sealift:127.0.0.1:1/aaaaaaaaaaaaaaaaaaaaaaaaaa/aaaaaaaaaaaaaaaaaaaaaaaaaa"],
        )
        .expect(7);
    // What is known stays searchable.
    let _ = friend.run("leecher", &["search", "report", "--offline"]).expect(0);
}

#[test]
fn the_local_disk_is_8() {
    let scene = scene();
    let friend = join(&scene.owner, "ben");
    friend.write("taken", b"a file, no folder");
    for out in ["taken", "taken/inside", "/proc/nowhere"] {
        let refused = friend.run("leecher", &["download", "report.txt", "--out", out]).expect(8);
        assert!(refused.says(out), "{refused}");
    }
    assert_eq!(std::fs::read(friend.work().join("taken")).unwrap(), b"a file, no folder");
    let missing =
        friend.start("seeder", &["--watch", "absent", "--relay", &scene.relay.place]).wait();
    assert!(missing.code == 8 || missing.code == 2, "{missing}");
    assert!(missing.says("mkdir"), "{missing}");
}

#[test]
fn several_contents_are_9() {
    let scene = scene();
    let friend = join(&scene.owner, "ben");
    friend.write("share/report.txt", b"another report");
    let mut second = friend.start("seeder", &["--watch", "share", "--name", "ben"]);
    offered(&mut second);
    let reader = join(&scene.owner, "eva");
    let choose = download(&reader, "report.txt").expect(9);
    assert!(choose.says("ana") && choose.says("ben"), "{choose}");
    assert!(choose.says("--from") || choose.says("--hash"), "{choose}");
    let arguments = ["download", "report.txt", "--out", "out", "--from", "ben"];
    let _ = reader.run("leecher", &arguments).expect(0);
    assert_eq!(fetched(&reader, "report.txt"), b"another report");
}

#[test]
fn signals_are_130_and_143() {
    let scene = scene();
    let friend = join(&scene.owner, "ben");
    scene.seeder.signal(Signal::TERM);
    let _ = scene.seeder.wait().expect(0);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let arguments = ["download", "report.txt", "--out", "out", "--wait"];
        let mut waiting = friend.start("leecher", &arguments);
        let _ = waiting.message("wait");
        waiting.signal(signal);
        let ended = waiting.wait().expect(code);
        assert!(!friend.work().join("out/report.txt").exists(), "{ended}");
    }
    for signal in [Signal::INT, Signal::TERM] {
        let seeder = seed(&scene.owner, &scene.relay.place, "ana");
        seeder.signal(signal);
        let _ = seeder.wait().expect(0);
        let relay = Relay::start();
        relay.program.signal(signal);
        let _ = relay.program.wait().expect(0);
    }
}

#[test]
fn a_seeder_started_by_nohup_outlives_its_terminal() {
    let scene = scene();
    let user = User::new();
    user.write("share/other.txt", b"another");
    let line = format!("trap '' HUP; exec seeder --watch ./share --relay {}", scene.relay.place);
    let mut seeder = user.type_line(&line);
    offered(&mut seeder);
    seeder.signal(Signal::HUP);
    user.write("share/later.txt", b"later");
    sealift_tests::stage::appears(&user, "later.txt");
    assert!(seeder.runs());
    seeder.signal(Signal::TERM);
    let _ = seeder.wait().expect(0);
}
