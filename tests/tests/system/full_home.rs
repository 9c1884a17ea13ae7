//! A seeder whose own files cannot be written: it goes on, forgets nothing that must count, and writes when it can.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use sealift_tests::process::{Running, User};
use sealift_tests::stage::{Relay, appears, download, fetched, invite, offered};

/// Bounds what `program` may write into any file from now on, which stands for a disk that is full.
fn most(program: &Running, bytes: Option<u64>) {
    let pid = Pid::from_raw(i32::try_from(program.pid()).unwrap()).unwrap();
    let limit = Rlimit { current: bytes, maximum: None };
    prlimit(Some(pid), Resource::Fsize, limit).unwrap();
}

#[test]
fn a_seeder_outlasts_a_full_disk_at_its_home() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/report.txt", b"a report");
    let place = &relay.place;
    let line = format!(
        "trap '' XFSZ; exec seeder --watch share --name ana --relay '{place}' --path relay"
    );
    let mut seeder = owner.type_line(&line);
    offered(&mut seeder);
    let lines = [invite(&owner), invite(&owner)];
    most(&seeder, Some(0));
    let friends = [("ben", &lines[0]), ("eva", &lines[1])].map(|(name, line)| {
        let friend = User::new();
        let _ = friend.run("leecher", &["join", line, "--name", name]).expect(0);
        friend
    });
    let told = seeder.message("going on without");
    assert!(told.contains("spaces/"), "the place is named: {told}");
    // Who came by which invite cannot be kept: nobody new is served until it can.
    let refused = download(&friends[0], "report.txt").expect(4);
    assert!(refused.says("its disk takes nothing"), "{refused}");
    owner.write("share/later.txt", b"later");
    seeder.message("others do not see what is new");
    assert!(seeder.runs());
    most(&seeder, None);
    seeder.message("what could not be written has been written now");
    for (friend, name) in friends.iter().zip(["ben", "eva"]) {
        seeder.message(&format!("{name} joined and is a member for good now"));
        appears(friend, "later.txt");
        let _ = download(friend, "report.txt").expect(0);
        assert_eq!(fetched(friend, "report.txt"), b"a report");
    }
    seeder.signal(Signal::TERM);
    let ended = seeder.wait().expect(0);
    let count = |text: &str| ended.stderr.iter().filter(|line| line.contains(text)).count();
    assert_eq!((count("going on without"), count("others do not see")), (1, 1), "{ended}");
}
