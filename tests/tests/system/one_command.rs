//! `sealift` alone: every verb, what it tells people to type, and its exit codes.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use rustix::process::Signal;
use sealift_tests::process::{Finished, Running, User};
use sealift_tests::stage::{Relay, fetched, offered};

fn sealift(user: &User, line: &[&str]) -> Finished {
    user.run("sealift", line)
}

fn share(user: &User, line: &[&str]) -> Running {
    let mut sharing = user.start("sealift", &[&["share"], line].concat());
    offered(&mut sharing);
    sharing
}

/// No text tells of a program that whoever has `sealift` need not have.
fn names_no_other(finished: &Finished) {
    for line in finished.stdout.iter().chain(&finished.stderr) {
        for other in ["leecher ", "seeder --", "seeder invite", "`seeder"] {
            assert!(!line.contains(other), "{other} in: {line}");
        }
    }
}

#[test]
fn people_share_find_and_fetch_with_one_program() {
    let relay = Relay::start();
    let (ana, ben) = (User::new(), User::new());
    ana.write("share/report.txt", b"a report");
    ana.write("more/other.txt", b"another");
    let sharing = ["share", "N=more", "--relay", &relay.place, "--name", "ana"];
    let mut sharing = share(&ana, &sharing);
    assert!(sharing.message("new space").contains("sealift join INVITE"));

    let invite = sealift(&ana, &["invite"]).expect(0);
    let [line] = &invite.stdout[..] else { panic!("{invite}") };
    let joined =
        sealift(&ben, &["join", &format!("sealift join {line}"), "--name", "ben"]).expect(0);
    assert!(joined.says("next: sealift search NAME"), "{joined}");
    let found = sealift(&ben, &["search", "report"]).expect(0);
    assert!(found.says("share/report.txt"), "{found}");
    let listed = sealift(&ben, &["list"]).expect(0);
    assert!(listed.says("N") && listed.says("share"), "{listed}");
    for (verb, name) in [("get", "report.txt"), ("download", "other.txt")] {
        let got = sealift(&ben, &[verb, name, "-o", "out"]).expect(0);
        assert!(got.says(&format!("verified out/{name}")), "{got}");
    }
    assert_eq!(fetched(&ben, "report.txt"), b"a report");
    let _ = sealift(&ben, &["verify", "out"]).expect(0);
    ben.write("out/report.txt", b"no report");
    let _ = sealift(&ben, &["verify", "out"]).expect(1);
    let pinged = sealift(&ben, &["ping", "ana"]).expect(0);
    assert!(pinged.says("ms"), "{pinged}");
    let members = sealift(&ben, &["members"]).expect(0);
    assert!(members.says("ana") && members.says("ben"), "{members}");

    // Beside what shares for the same profile, every verb works, and its state is told.
    let status = sealift(&ana, &["status"]).expect(0);
    for told in ["owned by this device", "members  2", "seeder   process", "folder   N = "] {
        assert!(status.says(told), "{told}: {status}");
    }
    let status = sealift(&ben, &["status"]).expect(0);
    assert!(status.says("shares   ana: 2 files") && status.says("not running"), "{status}");
    let _ = sealift(&ana, &["list", "share"]).expect(0);

    sharing.signal(Signal::TERM);
    let _ = sharing.wait().expect(0);
    let again = share(&ana, &[]);
    let _ = sealift(&ben, &["get", "report.txt", "-o", "again"]).expect(0);
    drop(again);
}

#[test]
fn it_tells_what_to_type_and_ends_as_the_others_do() {
    let user = User::new();
    let alone = sealift(&user, &[]).expect(2);
    assert!(alone.says("share") && alone.says("Examples:"), "{alone}");
    let hinted = sealift(&user, &["watch", "x"]).expect(2);
    assert!(hinted.says("perhaps: sealift share FOLDER"), "{hinted}");
    for (line, code, next) in [
        (&["status"][..], 0, "the first `sealift share` makes them"),
        (&["search", "x"], 5, "sealift join INVITE"),
        (&["share"], 2, "sealift share ./share"),
        (&["share", "missing"], 2, "mkdir"),
        (&["service", "install"], 2, "sealift service install"),
        (&["get"], 2, "get"),
        (&["join", "rubbish"], 2, "sealift invite"),
    ] {
        let ended = sealift(&user, line).expect(code);
        assert!(ended.says(next), "{line:?}: {ended}");
        names_no_other(&ended);
    }
    let json = sealift(&user, &["status", "--json"]).expect(0);
    assert!(json.stdout.iter().all(|line| line.starts_with('{')), "{json}");
}
