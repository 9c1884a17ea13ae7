//! Folders: empty ones come along, and of those that could not be shared whole both ends are told.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::Instant;

use sealift_tests::process::{Finished, PATIENCE, User};
use sealift_tests::stage::{Relay, download, fetched, join, offered, seed};

use super::partial::blind_seeder;

/// What there is in `folder`, folders with a `/`, without what Sealift keeps for itself.
fn tree(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(within) = open.pop() {
        for entry in fs::read_dir(&within).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            match path.is_dir() {
                true => {
                    found.push(format!("{name}/"));
                    open.push(path);
                }
                false => found.push(name),
            }
        }
    }
    found.retain(|name| !name.starts_with(".sealift"));
    found.sort();
    found
}

/// The same command again and again, until it ends with `code` and says `text`.
fn until(user: &User, line: &[&str], code: i32, text: &str) -> Finished {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let finished = user.run("leecher", line);
        if finished.code == code && finished.says(text) {
            return finished;
        }
        assert!(Instant::now() < deadline, "never {text}: {finished}");
    }
}

#[test]
fn empty_folders_come_along_as_they_come_and_go() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/full/a.txt", b"a");
    let share = owner.work().join("share");
    fs::create_dir_all(share.join("new/deep/er")).unwrap();
    fs::create_dir_all(share.join("full/drafts")).unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890);
    fs::File::open(share.join("new/deep/er")).unwrap().set_modified(old).unwrap();
    let _seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    let out = friend.work().join("out");

    let whole = download(&friend, "share").expect(0);
    assert!(whole.says("made 2 empty folders"), "{whole}");
    let expected = ["share/", "share/full/", "share/full/a.txt", "share/full/drafts/"];
    let deep = ["share/new/", "share/new/deep/", "share/new/deep/er/"];
    assert_eq!(tree(&out), [&expected[..], &deep].concat());
    let made = fs::metadata(out.join("share/new/deep/er")).unwrap();
    assert_eq!(made.modified().unwrap(), old);
    let again = friend.run("leecher", &["download", "share", "--out", "out", "--json"]).expect(0);
    let event = r#""type":"folders""#;
    let told = again.stdout.iter().chain(&again.stderr).find(|line| line.contains(event));
    assert!(told.is_none_or(|line| line.contains(r#""made":0"#)), "{again}");

    // One alone, by its name, and by what lists say of it.
    let alone = friend.run("leecher", &["download", "drafts", "--out", "alone"]).expect(0);
    assert!(alone.says("made 1 empty folder"), "{alone}");
    assert_eq!(tree(&friend.work().join("alone")), ["drafts/"]);
    let listed = friend.run("leecher", &["list", "share/full"]).expect(0);
    assert!(listed.says("drafts/  0 files"), "{listed}");
    assert!(friend.run("leecher", &["list", "share/full/drafts"]).expect(0).says("drafts/"));
    let found = friend.run("leecher", &["search", "drafts"]).expect(0);
    assert!(found.says("share/full/drafts/  empty"), "{found}");
    let sound = friend.run("leecher", &["verify", "out/share"]).expect(0);
    assert!(sound.says("3 same"), "{sound}");
    fs::remove_dir(out.join("share/full/drafts")).unwrap();
    let lacks = friend.run("leecher", &["verify", "out/share"]).expect(1);
    assert!(lacks.says("1 missing") && lacks.says("out/share/full/drafts/"), "{lacks}");

    // At run time it gets content and loses it again.
    owner.write("share/full/drafts/b.txt", b"b");
    let _ = until(&friend, &["search", "b.txt"], 0, "share/full/drafts/b.txt");
    let _ = until(&friend, &["list", "share/full"], 0, "drafts/  1 file");
    let _ = download(&friend, "drafts").expect(0);
    assert_eq!(fetched(&friend, "drafts/b.txt"), b"b");
    fs::remove_file(share.join("full/drafts/b.txt")).unwrap();
    let _ = until(&friend, &["list", "share/full"], 0, "drafts/  0 files");
    fs::remove_dir(share.join("full/drafts")).unwrap();
    let _ = until(&friend, &["list", "share/full/drafts"], 3, "nothing is shared");
}

#[test]
fn what_could_not_be_shared_is_told_at_both_ends() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/d/a.txt", b"a");
    owner.write("share/d/closed", b"c");
    let share = owner.work().join("share");
    fs::create_dir_all(share.join("empty")).unwrap();
    fs::create_dir_all(share.join("shut/in")).unwrap();
    let close = |path: &str| {
        fs::set_permissions(share.join(path), PermissionsExt::from_mode(0o000)).unwrap();
    };
    close("d/closed");
    close("shut");
    fs::write(share.join(std::ffi::OsStr::from_bytes(b"d/no\xfftext")), "no name").unwrap();
    symlink("a.txt", share.join("d/link")).unwrap();
    let socket = UnixListener::bind(share.join("socket")).unwrap();
    let Some(mut seeder) = blind_seeder(&owner, &relay.place, "") else {
        println!("skipped: nothing can be closed to root here");
        return;
    };
    offered(&mut seeder);
    let status = owner.run("seeder", &["status"]).expect(0);
    assert!(status.says("3 names in it cannot be shared: "), "{status}");
    assert!(status.says("2 names in it left out: links, sockets, pipes or devices"), "{status}");
    assert!(status.says("share/d/closed") && status.says("share/d/no\\xfftext"), "{status}");
    let status = owner.run("seeder", &["status", "--json"]).expect(0);
    assert!(status.says(r#""unshared":3"#) && status.says(r#""left_out":2"#), "{status}");

    let friend = join(&owner, "ben");
    let part = download(&friend, "share").expect(1);
    assert!(
        part.says("3 names in share could not be shared by ana; 2 names in share left out"),
        "{part}"
    );
    assert!(part.says("verified"), "what is offered has come: {part}");
    let out = tree(&friend.work().join("out"));
    assert_eq!(out, ["share/", "share/d/", "share/d/a.txt", "share/empty/"]);
    let part = friend.run("leecher", &["download", "share/d", "--out", "out", "--json"]).expect(1);
    let told = |line: &&String| line.contains(r#""type":"unshared""#);
    let event = part.stdout.iter().chain(&part.stderr).find(told).expect("it is told");
    for field in [r#""folder":"share/d""#, r#""names":2"#, r#""left_out":1"#, r#""seeder":"ana""#] {
        assert!(event.contains(field), "{event}");
    }
    let listed = friend.run("leecher", &["list"]).expect(0);
    assert!(
        listed.says("share/  1 file") && listed.says("[3 could not be shared]  [2 left out]"),
        "{listed}"
    );
    // Of what was named nothing is missing.
    let _ = download(&friend, "a.txt").expect(0);
    let _ = download(&friend, "empty").expect(0);

    // What can be shared again is no longer missed; what is left out on purpose never was.
    fs::remove_file(share.join(std::ffi::OsStr::from_bytes(b"d/no\xfftext"))).unwrap();
    fs::set_permissions(share.join("d/closed"), PermissionsExt::from_mode(0o644)).unwrap();
    let line = ["download", "share/d", "--out", "later"];
    let _ = until(&friend, &line, 0, "1 name in share/d left out by ana: links");
    fs::remove_file(share.join("d/link")).unwrap();
    let _ = until(&friend, &["list", "share"], 0, "d/  2 files, 2 B");
    drop(socket);
    fs::set_permissions(share.join("shut"), PermissionsExt::from_mode(0o755)).unwrap();
}
