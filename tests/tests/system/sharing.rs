//! What a shared folder may be and become, with the real programs: links in its place, disks that go, folders nobody may read,
//! names that mean two things, files that the system makes up, a profile of which half is lost.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use sealift_tests::process::{Finished, PATIENCE, User};
use sealift_tests::stage::{Relay, appears, download, join, offered};

use crate::killed::until;

fn share(user: &User, folders: &[&str]) -> Finished {
    let line: Vec<&str> = folders.iter().flat_map(|folder| ["--watch", folder]).collect();
    user.run("seeder", &line)
}

#[test]
fn folders_that_mean_two_things_or_none_are_refused_with_what_to_type() {
    let user = User::new();
    user.write("2024/a", b"a");
    user.write("year=2024/b", b"b");
    let told = share(&user, &["year=2024"]).expect(2);
    assert!(told.says("--watch ./year=2024") && told.says("--watch year=./2024"), "{told}");
    for place in ["/proc", "/sys"] {
        let told = share(&user, &[place]).expect(2);
        assert!(told.says("makes up its files"), "{told}");
    }
    std::fs::create_dir(user.work().join("red\u{1b}[31m")).unwrap();
    for place in ["red\u{1b}[31m", "none\u{1b}[31m", "a\u{1b}=b"] {
        let told = share(&user, &[place]).expect(2);
        assert!(!told.says("\u{1b}") && told.says("\\u{1b}"), "{told}");
    }
}

#[test]
fn an_owner_key_without_its_space_starts_no_other() {
    let relay = Relay::start();
    let user = User::new();
    user.write("share/a", b"a");
    let line = ["--watch", "share", "--relay", &relay.place];
    let mut seeder = user.start("seeder", &line);
    offered(&mut seeder);
    seeder.kill();
    let status = user.run("seeder", &["status", "--json"]).expect(0);
    let told = status.stdout.iter().find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        Some(line["owner_key"].as_str()?.to_owned())
    });
    let key = std::path::PathBuf::from(told.unwrap());
    assert!(key.is_file());
    std::fs::remove_file(key.with_file_name("space.json")).unwrap();
    let refused = user.run("seeder", &line).expect(8);
    assert!(refused.says("space.json is missing") && refused.says("restore it"), "{refused}");
    let next = refused.stderr.iter().find_map(|line| line.split_once("this space: "));
    let mut moved = user.type_line(next.unwrap().1);
    assert!(moved.runs() || moved.wait().code == 0);
    until(|| !key.exists());
    let mut anew = user.start("seeder", &line);
    anew.message("new space");
    offered(&mut anew);
}

/// The system's limit of rights, for whoever has all.
fn without_rights(line: &str) -> String {
    match rustix::process::geteuid().is_root() {
        true => format!("exec setpriv --bounding-set -dac_override,-dac_read_search {line}"),
        false => format!("exec {line}"),
    }
}

/// As `lost+found` is at the top of every disk.
#[test]
fn a_folder_that_nobody_may_read_is_left_out_alone() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/lost+found/x", b"x");
    owner.write("share/sub/a", b"a");
    let locked = owner.work().join("share/lost+found");
    std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o000)).unwrap();
    owner.write("share/names only/x", b"x");
    let listed = owner.work().join("share/names only");
    std::fs::set_permissions(&listed, PermissionsExt::from_mode(0o444)).unwrap();
    let line = format!("seeder --watch share --relay '{}'", relay.place);
    let mut seeder = owner.type_line(&without_rights(&line));
    seeder.message("lost+found");
    let told = seeder.message("names only");
    assert!(told.contains("Permission denied"), "{told}");
    offered(&mut seeder);
    let friend = join(&owner, "ben");
    appears(&friend, "a");
    owner.write("share/sub/new/later", b"later");
    seeder.message("later");
    std::fs::set_permissions(&locked, PermissionsExt::from_mode(0o700)).unwrap();
    seeder.message("lost+found/x");
    seeder.signal(rustix::process::Signal::TERM);
    let told = seeder.wait();
    assert!(!told.says("every"), "nothing is walked again and again\n{told}");
}

fn run(program: &str, arguments: &[&str], place: &Path) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).arg(place).output().is_ok_and(|done| done.status.success())
}

/// Descriptors of the process that lead into `place`.
fn open_in(pid: u32, place: &Path) -> usize {
    let all = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = all.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.filter(|link| link.starts_with(place)).count()
}

#[test]
fn a_shared_disk_can_be_unmounted_and_a_link_in_its_place_is_not_followed() {
    let relay = Relay::start();
    let owner = User::new();
    let place = owner.work().join("share");
    std::fs::create_dir(&place).unwrap();
    let mounted = run("mount", &["-t", "tmpfs", "sealift-test"], &place);
    owner.write("share/a.txt", b"a");
    let mut seeder =
        owner.start("seeder", &["--watch", "share", "--relay", &relay.place, "--path", "relay"]);
    offered(&mut seeder);
    let friend = join(&owner, "ben");
    appears(&friend, "a.txt");
    let _ = download(&friend, "a.txt").expect(0);
    let deadline = Instant::now() + PATIENCE;
    while open_in(seeder.pid(), &place.canonicalize().unwrap()) > 0 {
        assert!(Instant::now() < deadline, "the folder is held open");
    }
    if mounted {
        until(|| run("umount", &[], &place));
    } else {
        println!("skipped: mounting is not permitted here");
        std::fs::remove_file(place.join("a.txt")).unwrap();
    }
    owner.write("other/secret", b"secret");
    let link = owner.work().join("link");
    symlink("other", &link).unwrap();
    renameat_with(CWD, &link, CWD, &place, RenameFlags::EXCHANGE).unwrap();
    seeder.message("a link has taken its place");
    std::fs::remove_file(&place).unwrap();
    owner.write("share/b.txt", b"b");
    appears(&friend, "b.txt");
    let _ = friend.run("leecher", &["search", "secret"]).expect(3);
}
