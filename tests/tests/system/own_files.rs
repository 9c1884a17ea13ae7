//! Keys in the share: what the programs keep is never offered, wherever it lies and whenever it was made.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use sealift_tests::process::{Finished, User};
use sealift_tests::stage::{Relay, appears, offered};

/// All that is offered, by path.
fn all(user: &User) -> Vec<String> {
    let found = user.run("leecher", &["search", "*", "--json"]).expect(0);
    let lines = found.stdout.iter().map(|line| serde_json::from_str(line).unwrap());
    let paths = lines.filter_map(|line: serde_json::Value| Some(line["path"].as_str()?.to_owned()));
    let mut paths: Vec<String> = paths.collect();
    paths.sort();
    paths
}

fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    std::fs::read_dir(folder).unwrap().find_map(|entry| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => find(&path, name),
            false => path.ends_with(name).then_some(path),
        }
    })
}

fn refused(user: &User, folder: &str, home: &str) {
    let line = ["--watch", folder, "--home", home];
    let told: Finished = user.run("seeder", &line).expect(2);
    assert!(told.says("Sealift's own"), "{told}");
}

#[test]
fn no_program_of_sealift_is_shared_with_its_keys() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/report.txt", b"a report");
    let inside = owner.work().join("share/inside");
    let line = ["--watch", "share", "--home", "share/inside", "--relay", &relay.place];
    let mut seeder = owner.start("seeder", &line);
    offered(&mut seeder);
    let invite = |uses| {
        let line = ["invite", "--home", "share/inside", "--uses", uses];
        owner.run("seeder", &line).expect(0).stdout[0].clone()
    };
    let friend = User::new();
    let invited = invite("2");
    let _ = friend.run("leecher", &["join", &invited, "--name", "ben"]).expect(0);
    appears(&friend, "report.txt");
    assert_eq!(all(&friend), ["share/report.txt"]);

    // Other programs move in while it runs, and somebody makes a backup.
    let mut other = owner.start("relay", &["--home", "share/r", "--listen", "127.0.0.1:0"]);
    other.line("relay ready");
    let _ =
        owner.run("leecher", &["join", &invited, "--home", "share/x", "--name", "eva"]).expect(0);
    let _ = owner.run("leecher", &["search", "report", "--home", "share/x"]).expect(0);
    let key = find(&inside, "owner.key").unwrap();
    std::fs::copy(&key, owner.work().join("share/backup-of-owner.key")).unwrap();
    owner.write("share/last.txt", b"the last");
    appears(&friend, "last.txt");
    seeder.message("backup-of-owner.key");
    // Of the folders in which they keep theirs, nothing but that they are there.
    let expected = ["share/last.txt", "share/r", "share/report.txt", "share/x"];
    crate::killed::until(|| all(&friend) == expected);
    for name in ["owner.key", "backup-of-owner.key", "device.key", "relay.key", "space.json"] {
        let _ = friend.run("leecher", &["download", name, "--out", "out"]).expect(3);
    }

    // What it writes itself is no news to it.
    let head = find(&inside, "catalogue-head.json").unwrap();
    let rests = || {
        let before = std::fs::read(&head).unwrap();
        std::thread::sleep(Duration::from_millis(1700));
        std::fs::read(&head).unwrap() == before
    };
    assert!((0..5).any(|_| rests()), "the catalogue grows by itself, each second");

    for folder in ["share/r/relay", "share/x/profile/spaces", "share/inside", "share/inside/cache"]
    {
        refused(&owner, folder, if folder.contains("inside") { "share/inside" } else { "home" });
    }
}
