//! Folders of which not every file can be fetched: the others land, and those are named at the end.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sealift_tests::process::{Running, User};
use sealift_tests::stage::{Relay, download, fetched, join, offered, seed};

/// Starts a seeder that may not read what is closed to it, even if the tests run as root, with the flags `more`. `None` where
/// that cannot be had.
pub(crate) fn blind_seeder(user: &User, relay: &str, more: &str) -> Option<Running> {
    let line = format!("seeder --watch share {more} --name ana --relay '{relay}'");
    let probe = user.type_line("id -u; command -v setpriv").wait();
    let line = match (probe.stdout.first().map(String::as_str), probe.stdout.len()) {
        (Some("0"), 1) => return None,
        (Some("0"), _) => {
            format!("exec setpriv --bounding-set -dac_override,-dac_read_search {line}")
        }
        _ => format!("exec {line}"),
    };
    Some(user.type_line(&line))
}

fn close(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o000)).unwrap();
}

/// Forty small files and a large one in `share/d`.
fn pile(owner: &User) -> Vec<u8> {
    for number in 0..40 {
        owner.write(&format!("share/d/f{number}"), format!("content {number}").as_bytes());
    }
    let big = vec![3; (2 << 20) + 5];
    owner.write("share/d/big.bin", &big);
    big
}

/// Whether all of the pile has landed.
fn has_pile(friend: &User, big: &[u8]) -> bool {
    let small = |number| fetched(friend, &format!("d/f{number}"));
    (0..40).all(|number| small(number) == format!("content {number}").as_bytes())
        && fetched(friend, "d/big.bin") == big
}

#[test]
fn what_the_seeder_cannot_give_is_named_and_stops_nothing() {
    let relay = Relay::start();
    let owner = User::new();
    let big = pile(&owner);
    let closed_big = vec![4; (3 << 20) + 7];
    for (name, content) in
        [("closed", &b"c"[..]), ("closed-big", &closed_big), ("gone", b"g"), ("never", b"n")]
    {
        owner.write(&format!("share/d/{name}"), content);
    }
    let share = owner.work().join("share/d");
    close(&share.join("never"));
    std::fs::write(share.join("a\u{1b}[31m\nb"), "a name that no terminal should see").unwrap();
    std::fs::write(share.join(std::ffi::OsStr::from_bytes(b"no\xfftext")), "no name").unwrap();
    // It does not look for changes by itself, so that its catalogue is behind.
    let Some(mut seeder) = blind_seeder(&owner, &relay.place, "--poll=3600") else {
        println!("skipped: nothing can be closed to root here");
        return;
    };
    offered(&mut seeder);
    // What cannot be offered is named there, and not listed.
    for told in ["never", "\\u{1b}[31m\\u{a}b", "no\\xfftext"] {
        let _ = seeder.message(told);
    }
    let friend = join(&owner, "ben");
    for name in ["closed", "closed-big"] {
        close(&share.join(name));
    }
    std::fs::remove_file(share.join("gone")).unwrap();

    let part = download(&friend, "d/");
    assert!(part.code != 0 && has_pile(&friend, &big), "{part}");
    for name in ["closed", "closed-big", "gone"] {
        let told = |line: &&String| line.contains(&format!("{name} is missing"));
        assert_eq!(part.stderr.iter().filter(told).count(), 1, "{name}: {part}");
    }
    assert!(part.says("41 of 44 files") && part.says("3 of 44 files are missing"), "{part}");
    let out = std::fs::read_dir(friend.work().join("out/d")).unwrap();
    let names: Vec<_> =
        out.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let shown = names.iter().filter(|name| !name.starts_with(".sealift-"));
    assert_eq!(shown.count(), 41, "nothing half has its name: {names:?}");
}

#[test]
fn what_this_disk_cannot_take_is_named_and_stops_nothing() {
    let relay = Relay::start();
    let owner = User::new();
    let big = pile(&owner);
    owner.write("share/d/sub/x", b"in a folder");
    // Too long a way, once what turns the direction of text is written in another way.
    let long = [&[&"\u{202e}".repeat(28)[..]; 17][..].join("/"), "/far"].concat();
    owner.write(&format!("share/d/{long}"), b"far away");
    let _seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    friend.write("out/d/sub", b"a file where a folder should be");
    let part = download(&friend, "d/").expect(8);
    assert!(has_pile(&friend, &big), "{part}");
    assert!(part.says("far is missing") && part.says("too long"), "{part}");
    assert!(part.says("x is missing") && part.says("is in the way"), "{part}");
    assert!(part.says("2 of 43 files are missing"), "{part}");
    assert_eq!(fetched(&friend, "d/sub"), b"a file where a folder should be");
    std::fs::remove_file(friend.work().join("out/d/sub")).unwrap();
    let rest = download(&friend, "d/").expect(8);
    assert!(rest.says("1 of 43 files are missing"), "{rest}");
    assert_eq!(fetched(&friend, "d/sub/x"), b"in a folder");
}
