//! Several links to one device.

use super::*;

/// A device with a link by the relay and another that is direct; the rates of both.
fn with_direct(size: u64, relay: f64, direct: f64) -> Play {
    let mut play = Play::with(&[size], &[relay]);
    play.link(0, Way::Tcp, direct);
    play
}

#[test]
fn a_direct_link_relieves_the_relay_and_one_that_dies_brings_it_back() {
    let mut play = with_direct(400 * CHUNK, 20.0 * MB, 30.0 * MB);
    while play.schedule.is_resting(device(0)) == Some(false) {
        play.step();
    }
    assert!(play.now - play.start < Duration::from_secs(3));
    let before = play.seeders[0].sent;
    for _ in 0..300 {
        play.step();
    }
    assert_eq!(play.seeders[0].sent, before, "nothing more by the relay");
    play.leave(1);
    play.run();
    assert!(play.all_done());
    assert_eq!(play.taken, 400 * CHUNK);
}

#[test]
fn a_direct_link_that_falls_silent_costs_a_moment() {
    let mut play = with_direct(200 * CHUNK, 20.0 * MB, 30.0 * MB);
    for _ in 0..250 {
        play.step();
    }
    assert_eq!(play.schedule.is_resting(device(0)), Some(true));
    play.seeders[1].rate = 0.0;
    let (left, since) = (200 * CHUNK - play.taken, play.now);
    play.run();
    let took = (play.now - since).as_secs_f64();
    assert!(play.all_done() && took < left as f64 / (20.0 * MB) + 3.0, "{took} s");
}

#[test]
fn links_of_one_device_are_added_up_and_where_no_relay_may_carry_it_does_not() {
    let mut play = with_direct(300 * CHUNK, 20.0 * MB, 15.0 * MB);
    play.link(0, Way::Quic, 4.0 * MB);
    let time = play.run().as_secs_f64();
    assert!(time < 300.0 * CHUNK as f64 / (39.0 * MB) * 1.1 + 0.3, "{time} s");
    let mut play = with_direct(50 * CHUNK, 20.0 * MB, 5.0 * MB);
    play.schedule.let_relay_carry(false);
    play.run();
    assert!(play.all_done());
    assert_eq!(play.seeders[0].sent, 0);
}

#[test]
fn several_links_are_never_slower_than_the_best_of_them() {
    const SIZE: u64 = 900 * CHUNK;
    let infinite = f64::INFINITY;
    let cases = [
        // Bottlenecks of their own.
        (20.0, 8.0, infinite),
        (20.0, 19.0, infinite),
        (20.0, 21.0, infinite),
        (8.0, 20.0, infinite),
        // One for both, wider or narrower than either.
        (20.0, 20.0, 20.0),
        (100.0, 20.0, 20.0),
        (20.0, 100.0, 20.0),
        (20.0, 18.0, 25.0),
        (20.0, 15.0, 20.0),
    ];
    for (relay, direct, common) in cases {
        let mut play = with_direct(SIZE, relay * MB, direct * MB);
        play.common = common * MB;
        let time = play.run().as_secs_f64();
        let best = f64::max(relay, direct).min(common) * MB;
        // What little it takes to begin counts for nothing in a long transfer.
        let alone = SIZE as f64 / best;
        assert!(time < alone / 0.98 + 0.3, "{relay} {direct} {common}: {time} s, {alone} s alone");
    }
}

#[test]
fn two_direct_links_with_bottlenecks_of_their_own_are_added_up() {
    const SIZE: u64 = 900 * CHUNK;
    for (one, other) in [(20.0, 20.0), (30.0, 10.0), (50.0, 5.0)] {
        let mut play = with_direct(SIZE, 10.0 * MB, one * MB);
        play.link(0, Way::Quic, other * MB);
        let time = play.run().as_secs_f64();
        let together = SIZE as f64 / ((one + other) * MB);
        assert!(time < together / 0.9 + 0.3, "{one} {other}: {time} s, not {together} s");
    }
}
