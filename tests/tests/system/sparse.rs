//! Files so large that only holes make them possible here, by the real programs: several pages of a manifest, a record of many
//! chunks, sizes above 32 bits. Minutes each, and built with optimisation: `SEALIFT_LONG=1 cargo test --release -p
//! sealift-tests --test system sparse`.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Duration;

use sealift_tests::process::User;
use sealift_tests::proxy::{Kind, Proxy, Setup, Way};
use sealift_tests::stage::{Relay, appears, join};

const FILE: &str = "huge.img";
/// A whole download may take so long, in seconds for each GiB.
const SECONDS: u64 = 30;

/// A file of `gib` GiB and some bytes: holes, with a word at its beginning, its end, and around each 4 GiB.
fn make(user: &User, gib: u64) -> Vec<u64> {
    let size = (gib << 30) + 4321;
    user.write(&format!("share/{FILE}"), b"");
    let path = user.work().join("share").join(FILE);
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(size).unwrap();
    let edges = (1..=gib / 4).map(|number| (number << 32) - 3);
    let marked: Vec<_> = std::iter::once(0).chain(edges).chain([size - 8]).collect();
    for at in &marked {
        file.write_all_at(&at.to_le_bytes(), *at).unwrap();
    }
    marked
}

/// Downloads a file of `gib` GiB, killed once in the middle.
fn transfer(gib: u64) {
    if std::env::var_os("SEALIFT_LONG").is_none() {
        println!("skipped: {gib} GiB take minutes; set SEALIFT_LONG to try");
        return;
    }
    let time = Duration::from_secs(SECONDS * gib);
    let relay = Relay::start();
    let owner = User::new();
    let marked = make(&owner, gib);
    let by_relay = ["--name", "ana", "--path", "relay"];
    let watch = ["--watch", "share", "--relay", &relay.place];
    let mut seeder = owner.start("seeder", &[&watch[..], &by_relay].concat());
    seeder.message_within("offering", time);
    let friend = join(&owner, "ben");
    appears(&friend, FILE);
    let proxy = Proxy::with(([127, 0, 0, 1], relay.port()).into(), Setup::default());
    let place = format!("{}#{}", proxy.address(), relay.pin());
    let line = ["download", FILE, "--out", "out", "--relay", &place];
    let mut first = friend.start("leecher", &line);
    let half = gib << 29;
    while proxy.passed(Kind::Link, Way::Down) < half {
        assert!(first.runs(), "it ended early");
        std::thread::sleep(Duration::from_millis(20));
    }
    first.kill();
    let before = proxy.passed(Kind::Link, Way::Down);
    let _ = friend.start("leecher", &line).wait_within(time).expect(0);
    let again = proxy.passed(Kind::Link, Way::Down) - before;
    // What was on its way when it was killed is all that comes twice.
    assert!(again < half + (half >> 2), "{again} bytes for the second half");

    let path = friend.work().join("out").join(FILE);
    let (file, meta) = (std::fs::File::open(&path).unwrap(), std::fs::metadata(&path).unwrap());
    assert_eq!(meta.len(), (gib << 30) + 4321);
    assert!(meta.blocks() * 512 < 1 << 30, "holes stay holes: {} blocks", meta.blocks());
    for at in marked {
        let mut word = [0; 8];
        file.read_exact_at(&mut word, at).unwrap();
        assert_eq!(u64::from_le_bytes(word), at);
    }
    assert_eq!(std::fs::read_dir(friend.work().join("out")).unwrap().count(), 1);
}

#[test]
fn five_gib_in_two_pages() {
    transfer(5);
}

#[test]
fn sixty_four_gib() {
    transfer(64);
}
