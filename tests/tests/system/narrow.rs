//! Where what was fetched goes: disks that take few names and cannot give them safely, and a standard output that takes nothing.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::path::PathBuf;
use std::process::Command;

use sealift_tests::process::{Finished, Running, User};
use sealift_tests::stage::{Relay, download, invite, join, names, seed};

const BIG: usize = (3 << 20) + 5;

struct World {
    _relay: Relay,
    _seeder: Running,
    owner: User,
    friend: User,
}

impl World {
    fn new() -> Self {
        let (relay, owner) = (Relay::start(), User::new());
        for name in ["d/a:b", "d/CON", "d/-rf", "d/e."] {
            owner.write(&format!("share/{name}"), name.as_bytes());
        }
        owner.write("share/d/big.bin", &vec![7; BIG]);
        let seeder = seed(&owner, &relay.place, "ana");
        let friend = join(&owner, "ben");
        Self { _relay: relay, _seeder: seeder, owner, friend }
    }

    fn says(&self, line: &str, code: i32, words: &str) {
        let finished = self.friend.type_line(line).wait().expect(code);
        assert!(finished.says(words), "{line}\n{finished}");
    }
}

#[test]
fn a_name_stays_what_it_is_from_one_machine_to_the_next() {
    let world = World::new();
    let all = ["-rf", "CON", "a:b", "big.bin", "e."];
    let _ = download(&world.friend, "d").expect(0);
    assert_eq!(names(&world.friend.work().join("out/d")), all);
    let _ = world.friend.run("leecher", &["verify", "out"]).expect(0);
    // Where a name was altered once, it is found again, and is not altered once more.
    let d = world.friend.work().join("out/d");
    std::fs::rename(d.join("a:b"), d.join("a%3Ab")).unwrap();
    let _ = world.friend.run("leecher", &["verify", "out"]).expect(0);

    world.says("leecher download big.bin --out - > /dev/full", 8, "No space left on device");
    world.says("leecher list > /dev/full", 8, "cannot use standard output");
    world.says("leecher list --json > /dev/full", 8, "No space left");
    world.says("leecher man > /dev/full", 8, "No space left");
    world.says("relay man > /dev/full", 8, "No space left");
    world.says("(leecher list; echo ended with $? >&2) | true", 0, "ended with 0");
    if world.friend.type_line("command -v script").wait().code == 0 {
        let line = "script -qec 'leecher download d/big.bin --out -' /dev/null < /dev/null";
        world.says(line, 2, "leecher download d/big.bin --out - > FILE");
    } else {
        eprintln!("skipped: there is no program called script");
    }
}

/// A disk with exFAT, which knows neither a safe rename nor links, nor many names; through FUSE.
struct Narrow {
    at: PathBuf,
    device: String,
}

fn command(line: &[&str]) -> Option<String> {
    let output = Command::new(line[0]).args(&line[1..]).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Narrow {
    fn mount(user: &User) -> Option<Self> {
        let (image, at) = (user.work().join("image"), user.work().join("disk"));
        std::fs::create_dir(&at).unwrap();
        std::fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
        command(&["mkfs.exfat", image.to_str()?])?;
        let device = command(&["losetup", "-f", "--show", image.to_str()?])?;
        let disk = Self { at, device };
        command(&["mount.exfat-fuse", &disk.device, disk.at.to_str()?])?;
        Some(disk)
    }
}

impl Drop for Narrow {
    fn drop(&mut self) {
        let at = self.at.to_string_lossy();
        let _ = (command(&["umount", &at]), command(&["losetup", "-d", &self.device]));
    }
}

#[test]
fn files_land_on_a_disk_that_cannot_give_names_safely() {
    let world = World::new();
    let Some(disk) = Narrow::mount(&world.friend) else {
        return eprintln!(
            "skipped: exFAT cannot be mounted here (mkfs.exfat, losetup, mount.exfat-fuse, root)"
        );
    };
    let into = |what: &str| world.friend.run("leecher", &["download", what, "--out", "disk"]);
    let fetched: Finished = into("d").expect(0);
    assert_eq!(fetched.stderr.iter().filter(|line| line.contains("in one step")).count(), 1);
    assert_eq!(names(&disk.at.join("d")), ["%43ON", "-rf", "a%3Ab", "big.bin", "e%2E"]);
    assert_eq!(std::fs::read(disk.at.join("d/big.bin")).unwrap(), vec![7; BIG]);
    let _ = world.friend.run("leecher", &["verify", "disk"]).expect(0);
    // Nothing is replaced there either.
    std::fs::write(disk.at.join("big.bin"), "another").unwrap();
    let _ = into("big.bin").expect(0);
    assert_eq!(std::fs::read(disk.at.join("big.bin")).unwrap(), b"another");
    assert_eq!(std::fs::read(disk.at.join("big (1).bin")).unwrap().len(), BIG);
    assert_eq!(names(&disk.at).len(), 3, "nothing is left: {:?}", names(&disk.at));
    let home = disk.at.join("home");
    let at_home = ["--home", home.to_str().unwrap()];
    let line = invite(&world.owner);
    let _ = world.friend.run("leecher", &[&["join", &line], &at_home[..]].concat()).expect(0);
    let _ = world.friend.run("leecher", &[&["search", "big"], &at_home[..]].concat()).expect(0);
}
