//! What somebody sees and types who has never used the programs before.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use rustix::process::Signal;
use sealift_tests::process::User;
use sealift_tests::stage::{Relay, join, offered, seed};

use super::killed::{until, written};

#[test]
fn an_interrupted_download_says_what_is_kept_and_then_where_it_goes_on() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/film.mp4", &vec![3; 24 << 20]);
    let seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    let line = ["download", "film.mp4", "--out", "out"];
    let slowly = [&line[..], &["--limit", "8M"]].concat();
    let running = friend.start("leecher", &slowly);
    until(|| written(&friend) > 8 << 20);
    running.signal(Signal::INT);
    let goodbye = running.wait().expect(130);
    let [last] = &goodbye.stderr[..] else { panic!("one line\n{goodbye}") };
    assert!(last.starts_with("interrupted: ") && last.contains(" of film.mp4 kept; the same"));
    let again = friend.run("leecher", &line).expect(0);
    let said = again.stderr.iter().filter(|line| line.starts_with("going on at ")).count();
    assert_eq!(said, 1, "{again}");
    let [verified] = &again.stdout[..] else { panic!("one line\n{again}") };
    assert!(verified.starts_with("verified out/film.mp4, 24.0 MiB, "), "{again}");
    seeder.signal(Signal::TERM);
    assert!(seeder.wait().expect(0).says("nothing is lost"));
}

#[test]
fn a_seeder_that_is_away_is_waited_for_and_it_is_told_when_it_is_back() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/film.mp4", &vec![3; 24 << 20]);
    let seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    let line = ["download", "film.mp4", "--out", "out", "--limit", "8M"];
    let mut running = friend.start("leecher", &line);
    until(|| written(&friend) > 8 << 20);
    seeder.kill();
    running.message("trying again for ");
    let _seeder = seed(&owner, &relay.place, "ana");
    running.message("ana is back: going on at ");
    let _ = running.wait().expect(0);
}

#[test]
fn first_guesses_are_understood() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/report.pdf", b"a report");
    let sharing = ["./share", "--relay", &relay.place, "--name", "ana"];
    let mut seeder = owner.start("seeder", &sharing);
    offered(&mut seeder);
    let friend = join(&owner, "ben");
    for (line, place) in [
        (&["get", "report.pdf", "-o", "a"][..], "a/report.pdf"),
        (&["fetch", "report.pdf", "-ob"], "b/report.pdf"),
    ] {
        let got = friend.run("leecher", line).expect(0);
        assert!(got.says(&format!("verified {place}, 8 B, ")), "{got}");
    }
    assert!(friend.run("leecher", &["ls"]).expect(0).says("share"));
    assert!(friend.run("leecher", &["find", "report"]).expect(0).says("report.pdf"));
    let both = friend.run("leecher", &["search", "pdf", "REPORT"]).expect(0);
    assert!(both.says("share/report.pdf"), "{both}");
    for (program, word, hint) in [
        ("leecher", "share", "seeder ./FOLDER"),
        ("leecher", "invite", "seeder invite"),
        ("leecher", "serch", "search"),
        ("seeder", "download", "leecher download NAME"),
        ("seeder", "invit", "invite, join"),
    ] {
        let refused = friend.run(program, &[word]).expect(2);
        assert!(refused.says(hint), "{refused}");
    }
}
