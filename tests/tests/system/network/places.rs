//! Other ways in which two homes are connected, and changes while a download runs.

use std::time::{Duration, Instant};

use sealift_tests::lab::{Home, Lab, Line, Nat};
use sealift_tests::process::Running;

use super::scene::Scene;

/// A rate at which a download lasts long enough to be interrupted.
const SLOW: u64 = 40_000_000;
const SIZE: usize = 24 << 20;

/// The small internet; without one, says so.
fn lab(relay_rate: u64) -> Option<Lab> {
    Lab::new(Some(relay_rate)).map_err(|why| println!("skipped: {why}")).ok()
}

fn limited(nat: Option<Nat>) -> Line {
    Line { rate: Some(10 * SLOW), ..Line::new(nat) }
}

/// A download between two homes with slow lines, of which a direct link has just begun to carry a part.
fn going_directly(lab: &Lab, size: usize) -> ([Home; 2], Scene, (Instant, Running)) {
    let homes = [1, 2].map(|n| {
        let line = Line { rate: Some(SLOW), ..Line::new(Some(Nat::PortRestricted)) };
        lab.home(n, line, 1).unwrap()
    });
    let scene = Scene::set(lab, &homes[0].hosts[0], &homes[1].hosts[0], size);
    let (start, mut running) = scene.fetch(&[]);
    running.message_within("\"direct QUIC\"", Duration::from_secs(30));
    (homes, scene, (start, running))
}

#[test]
fn two_in_one_home_meet_there() {
    let Some(lab) = lab(SLOW) else { return };
    let home = lab.home(1, limited(Some(Nat::Symmetric)), 2).unwrap();
    let scene = Scene::set(&lab, &home.hosts[0], &home.hosts[1], SIZE);
    let told = scene.download(&[]);
    assert!(told.direct() > 0.5 && told.carried_by().contains("TCP"), "{told:?}");
}

#[test]
fn neighbours_need_no_relay() {
    let Some(lab) = lab(SLOW) else { return };
    let home = lab.home(1, limited(Some(Nat::Symmetric)), 2).unwrap();
    let scene = Scene::set_with(&lab, &home.hosts[0], &home.hosts[1], SIZE, &["--lan"]);
    lab.cut_relay().unwrap();
    let told = scene.download(&["--lan"]);
    assert!(told.direct() == 1.0 && told.carried_by() == "TCP", "{told:?}");
}

#[test]
fn neighbours_are_found_only_where_both_sides_want_it() {
    let Some(lab) = lab(SLOW) else { return };
    let home = lab.home(1, limited(Some(Nat::Symmetric)), 2).unwrap();
    let scene = Scene::set(&lab, &home.hosts[0], &home.hosts[1], 1000);
    lab.cut_relay().unwrap();
    let fetch = |more: &[&str]| {
        scene.friend.run("leecher", &[&["download", "big", "--out", "out"], more].concat())
    };
    let alone = fetch(&["--lan"]).expect(7);
    assert!(alone.says("seeder there with --lan"), "{alone}");
    let contradiction = fetch(&["--lan", "--path", "relay"]).expect(2);
    assert!(contradiction.says("exclude each other"), "{contradiction}");
}

#[test]
fn a_carrier_that_translates_once_more_is_no_obstacle() {
    let Some(lab) = lab(SLOW) else { return };
    let line = Line { carrier: Some(Nat::PortRestricted), ..limited(Some(Nat::PortRestricted)) };
    let homes = [lab.home(1, line, 1).unwrap(), lab.home(2, line, 1).unwrap()];
    let scene = Scene::set(&lab, &homes[0].hosts[0], &homes[1].hosts[0], SIZE);
    let told = scene.download(&[]);
    assert!(told.direct() > 0.5 && told.carried_by().contains("QUIC"), "{told:?}");
}

#[test]
fn without_udp_the_relay_carries_it() {
    let Some(lab) = lab(4 * SLOW) else { return };
    let closed = Line { udp: false, ..limited(Some(Nat::PortRestricted)) };
    let homes = [
        lab.home(1, closed, 1).unwrap(),
        lab.home(2, limited(Some(Nat::EndpointIndependent)), 1).unwrap(),
    ];
    let scene = Scene::set(&lab, &homes[0].hosts[0], &homes[1].hosts[0], SIZE);
    // Who insists learns why not; that takes as long as the attempts, so meanwhile the other one.
    let insists =
        scene.friend.start("leecher", &["download", "big", "--out", "other", "--path", "direct"]);
    let told = scene.download(&[]);
    assert!(told.direct() == 0.0, "{told:?}");
    let refused = insists.wait();
    assert!(refused.code != 0 && refused.says("direct"), "{refused}");
}

#[test]
fn ipv6_alone_is_enough() {
    let Some(lab) = lab(SLOW) else { return };
    let hosts = [1, 2].map(|number| lab.host_v6(number).unwrap());
    let scene = Scene::set_v6(&lab, &hosts[0], &hosts[1], SIZE);
    let told = scene.download(&[]);
    assert!(told.direct() > 0.5, "{told:?}");
}

#[test]
fn a_direct_path_outlives_the_relay() {
    let Some(lab) = lab(SLOW) else { return };
    let (_homes, scene, running) = going_directly(&lab, SIZE);
    lab.cut_relay().unwrap();
    let told = scene.fetched(running);
    assert!(told.direct() > 0.3, "{told:?}");
}

/// One of the two gets another address in the middle, and no link leads to it any more.
fn moves(side: usize) {
    let Some(lab) = lab(SLOW) else { return };
    let (homes, scene, (start, mut running)) = going_directly(&lab, 2 * SIZE);
    homes[side].renumber(0).unwrap();
    let moved = Instant::now();
    running.message_within("\"state\":\"down\"", Duration::from_secs(60));
    let again = "\"path\":\"direct QUIC\",\"seeder\":\"ana\",\"state\":\"up\"";
    running.message_within(again, Duration::from_secs(60));
    let took = moved.elapsed();
    println!("{} moves: directly again after {took:?}", ["seeder", "leecher"][side]);
    // Three seconds where nothing else runs; more than thirty where silence alone tells.
    assert!(took < Duration::from_secs(20), "{took:?}");
    let _ = scene.fetched((start, running));
}

#[test]
fn another_address_of_the_leecher_costs_a_moment() {
    moves(1);
}

#[test]
fn another_address_of_the_seeder_costs_a_moment() {
    moves(0);
}

#[test]
fn who_wants_the_relay_alone_shows_nobody_an_address() {
    let Some(lab) = lab(4 * SLOW) else { return };
    let homes = [1, 2].map(|n| lab.home(n, limited(None), 1).unwrap());
    let scene =
        Scene::set_with(&lab, &homes[0].hosts[0], &homes[1].hosts[0], SIZE, &["--path", "relay"]);
    // What comes from the seeder's home to the other one is counted where it would pass.
    homes[1]
        .gateway
        .shell(
            "nft 'add table ip watch; add chain ip watch pass { type filter hook forward priority 20; }; \
             add rule ip watch pass ip saddr 5.1.0.0/16 counter; add rule ip watch pass ip daddr 5.1.0.0/16 counter'",
        )
        .unwrap();
    let told = scene.download(&[]);
    assert!(told.direct() == 0.0, "{told:?}");
    let counted = homes[1].gateway.shell("nft list table ip watch").unwrap();
    assert_eq!(counted.matches("counter packets 0 bytes 0").count(), 2, "{counted}");
}
