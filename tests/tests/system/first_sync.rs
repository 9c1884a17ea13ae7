//! A device that has just joined takes nothing for everything before it has looked at all there is.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sealift_tests::process::User;
use sealift_tests::stage::{Relay, download, fetched, join, seed};

/// All files beneath `folder`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    listed.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Makes the programs of `user` forget the catalogues, as those of a device that has just joined; the lock of the only one.
fn forget(user: &User) -> std::fs::File {
    let named = |name: &str| {
        let all = files(&user.home());
        all.into_iter().filter(|path| path.file_name().unwrap() == name).collect::<Vec<_>>()
    };
    for path in [named("synced.json"), named("state")].concat() {
        std::fs::remove_file(path).unwrap();
    }
    let locks = named("lock");
    assert_eq!(locks.len(), 1, "{locks:?}");
    std::fs::File::open(&locks[0]).unwrap()
}

#[test]
fn two_first_commands_at_once_both_see_the_whole_catalogue() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/a.bin", b"a");
    let _seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    let _ = friend.run("leecher", &["search", "a.bin"]).expect(0);
    // Another program of the same user is fetching the catalogue.
    let other = forget(&friend);
    other.lock().unwrap();
    let (start, wait) = (Instant::now(), Duration::from_millis(700));
    let waiting = friend.start("leecher", &["download", "a.bin", "--out", "out"]);
    std::thread::sleep(wait);
    other.unlock().unwrap();
    let done = waiting.wait().expect(0);
    assert!(start.elapsed() > wait, "{done}");
    assert_eq!(fetched(&friend, "a.bin"), b"a");
}

#[test]
fn eight_downloads_right_after_joining_all_find_the_file() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/a.bin", b"a");
    let _seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    let line = |out: &str| friend.start("leecher", &["download", "a.bin", "--out", out]);
    let eight: Vec<_> = (0..8).map(|number| line(&format!("out{number}"))).collect();
    eight.into_iter().for_each(|running| drop(running.wait().expect(0)));
    let _ = download(&friend, "a.bin").expect(0);
}
