//! Several links to one seeder against the best of them alone. Medians of five runs, which take minutes: with
//! `SEALIFT_LONG=1` only.

use sealift_tests::lab::{Lab, Line};

use super::scene::Scene;

const RUNS: usize = 5;
/// Bits in a megabit.
const MBIT: u64 = 1_000_000;
/// Seconds that a transfer lasts about: what it takes to find each other is little of it.
const SECONDS: u64 = 12;

/// The small internet, if there is one and time for this.
fn lab(relay_rate: u64) -> Option<Lab> {
    if std::env::var_os("SEALIFT_LONG").is_none() {
        println!("skipped: minutes; set SEALIFT_LONG to try");
        return None;
    }
    Lab::new(Some(relay_rate)).map_err(|why| println!("skipped: {why}")).ok()
}

/// Bytes per second over a path, the median of some runs.
fn speed(scene: &Scene, bytes: usize, path: &str) -> f64 {
    let run = || {
        let told = scene.download(&["--path", path]);
        std::fs::remove_dir_all(scene.friend.work().join("out")).unwrap();
        bytes as f64 / told.took.as_secs_f64()
    };
    let mut speeds: Vec<_> = (0..RUNS).map(|_| run()).collect();
    speeds.sort_by(f64::total_cmp);
    speeds[RUNS / 2]
}

/// Two hosts with public addresses, lines of `home`, a relay's line of `relay`; `narrow` is what a direct path takes, if it is
/// less than the lines.
fn never_slower(relay: u64, home: u64, narrow: Option<u64>) {
    let Some(lab) = lab(relay) else { return };
    let line = Line { rate: Some(home), ..Line::new(None) };
    let homes = [1, 2].map(|n| lab.home(n, line, 1).unwrap());
    if let Some(narrow) = narrow {
        // A class of its own for what comes straight from the other home.
        let script = format!(
            "tc qdisc replace dev lan root handle 1: htb default 2; \
             tc class add dev lan parent 1: classid 1:1 htb rate {narrow}bit; \
             tc class add dev lan parent 1: classid 1:2 htb rate 1gbit; \
             tc filter add dev lan parent 1: protocol ip u32 match ip src 5.1.0.0/16 flowid 1:1"
        );
        homes[1].gateway.shell(&script).unwrap();
    }
    let best = relay.max(narrow.unwrap_or(home)).min(home);
    let bytes = usize::try_from(best / 8 * SECONDS).unwrap();
    let scene = Scene::set(&lab, &homes[0].hosts[0], &homes[1].hosts[0], bytes);
    let [by_relay, direct, any] = ["relay", "direct", "any"].map(|path| speed(&scene, bytes, path));
    println!("relay {by_relay:.0}, direct {direct:.0}, together {any:.0} bytes/s");
    assert!(any >= 0.98 * by_relay.max(direct), "{any:.0} of {by_relay:.0} and {direct:.0}");
}

#[test]
fn a_direct_path_wider_than_the_relays_is_all_that_is_needed() {
    never_slower(80 * MBIT, 200 * MBIT, None);
}

#[test]
fn a_direct_path_as_wide_as_the_relays_is_no_slower() {
    never_slower(100 * MBIT, 100 * MBIT, None);
}

#[test]
fn a_direct_path_narrower_than_the_relays_only_helps() {
    never_slower(100 * MBIT, 200 * MBIT, Some(40 * MBIT));
}

#[test]
fn two_direct_paths_are_added_up() {
    let Some(lab) = lab(20 * MBIT) else { return };
    let line = Line { rate: Some(80 * MBIT), ..Line::new(None) };
    let homes = [1, 2].map(|n| lab.home(n, line, 1).unwrap());
    for (number, home) in [(3, &homes[0]), (4, &homes[1])] {
        lab.second_line(number, &home.hosts[0], 50 * MBIT).unwrap();
    }
    let bytes = usize::try_from(130 * MBIT / 8 * SECONDS).unwrap();
    let scene = Scene::set(&lab, &homes[0].hosts[0], &homes[1].hosts[0], bytes);
    let any = speed(&scene, bytes, "direct");
    // What TCP and the seals take of a line, as one alone shows it.
    let lines = 130.0 * MBIT as f64 / 8.0 * 0.95;
    println!("together {any:.0} of {lines:.0} bytes/s");
    assert!(any >= 0.9 * lines, "{any:.0} of {lines:.0}");
}
