//! Files that change at the seeder, or seem to, while they are fetched; and one that many fetch into one folder at once.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::path::Path;
use std::time::{Duration, Instant};

use sealift_tests::process::{PATIENCE, Running, User};
use sealift_tests::stage::{Relay, fetched, join, names, seed};

const BIG: usize = (8 << 20) + 5;

fn content(of: u8) -> Vec<u8> {
    (0..BIG).map(|at| of.wrapping_add(u8::try_from(at / 4096 % 250).unwrap())).collect()
}

struct World {
    _relay: Relay,
    _seeder: Running,
    owner: User,
    friend: User,
}

impl World {
    fn new() -> Self {
        let (relay, owner) = (Relay::start(), User::new());
        owner.write("share/d/big.bin", &content(0));
        let seeder = seed(&owner, &relay.place, "ana");
        let friend = join(&owner, "ben");
        Self { _relay: relay, _seeder: seeder, owner, friend }
    }

    /// Has `happen` happen to the file at the seeder once something of it has come.
    fn meanwhile(&self, name: &str, happen: impl FnOnce(&Path)) {
        let line = ["download", name, "--out", "out", "--limit", "4M"];
        let running = self.friend.start("leecher", &line);
        let out = self.friend.work().join("out");
        let deadline = Instant::now() + PATIENCE;
        while !begun(&out) {
            assert!(Instant::now() < deadline, "it does not begin");
            std::thread::sleep(Duration::from_millis(20));
        }
        happen(&self.owner.work().join("share"));
        let whole = name.rsplit('/').next().unwrap();
        assert!(!out.join(whole).exists(), "it was whole before anything happened");
        let _ = running.wait().expect(0);
    }
}

/// Whether a record says that a chunk is there.
fn begun(out: &Path) -> bool {
    let listed = std::fs::read_dir(out).into_iter().flatten().flatten();
    let mut names = listed.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.any(|name| name.ends_with(".record"))
}

#[test]
fn what_changes_at_the_seeder_ends_no_download() {
    let world = World::new();
    let out = world.friend.work().join("out");
    let clean = || std::fs::remove_dir_all(&out).unwrap();
    // The same content, in a new state.
    world.meanwhile("big.bin", |share| {
        use std::os::unix::fs::PermissionsExt;
        let rights = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(share.join("d/big.bin"), rights).unwrap();
    });
    assert_eq!(fetched(&world.friend, "big.bin"), content(0));
    clean();
    // The same content, elsewhere.
    world.meanwhile("d/big.bin", |share| {
        std::fs::rename(share.join("d/big.bin"), share.join("moved.bin")).unwrap();
    });
    assert_eq!(fetched(&world.friend, "big.bin"), content(0));
    clean();
    // Another content: that is what is fetched then, and nothing is left of the old one.
    world.meanwhile("moved.bin", |share| {
        std::fs::write(share.join("moved.bin"), content(9)).unwrap()
    });
    assert_eq!(fetched(&world.friend, "moved.bin"), content(9));
    assert_eq!(names(&out), ["moved.bin"]);
    clean();
    many_at_once(&world);
}

/// Of many commands that fetch one file at once, one lands it, and the others find it there.
fn many_at_once(world: &World) {
    let start = |_| world.friend.start("leecher", &["download", "moved.bin", "--out", "out"]);
    let running: Vec<_> = (0..4).map(start).collect();
    for running in running {
        let _ = running.wait().expect(0);
    }
    assert_eq!(names(&world.friend.work().join("out")), ["moved.bin"]);
}
