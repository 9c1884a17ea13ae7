//! Files so large that only holes make them possible here, by the real programs: several pages of a manifest, a record of many
//! chunks, sizes above 32 bits. But for the smallest minutes each, and built with optimisation: `SEALIFT_LONG=1 cargo test --release -p
//! sealift-tests --test system sparse`.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, Instant};

use sealift_tests::process::User;
use sealift_tests::proxy::{Kind, Proxy, Setup, Way};
use sealift_tests::stage::{Relay, appears, join};

use super::killed::until;

const FILE: &str = "huge.img";
const CHUNK: u64 = 1 << 20;
/// A whole download may take so long, in seconds for each GiB.
const SECONDS: u64 = 30;

/// New bytes are to come a second after a killed download was started again, whatever its size; tests may be slow threefold.
const RESUMED: Duration = Duration::from_secs(3);

/// A file of `mib` MiB and some bytes: holes, with a word at its beginning, its end, and around each 4 GiB.
fn make(user: &User, mib: u64) -> Vec<u64> {
    let size = (mib << 20) + 4321;
    user.write(&format!("share/{FILE}"), b"");
    let path = user.work().join("share").join(FILE);
    let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(size).unwrap();
    let edges = (1..=mib >> 12).map(|number| (number << 32) - 3);
    let marked: Vec<_> = std::iter::once(0).chain(edges).chain([size - 8]).collect();
    for at in &marked {
        file.write_all_at(&at.to_le_bytes(), *at).unwrap();
    }
    marked
}

/// Whether files that take minutes are wanted.
fn long() -> bool {
    let long = std::env::var_os("SEALIFT_LONG").is_some();
    if !long {
        println!("skipped: it takes minutes; set SEALIFT_LONG to try");
    }
    long
}

/// Downloads a file of `mib` MiB, killed once in the middle.
fn transfer(mib: u64) {
    let time = Duration::from_secs(60 + SECONDS * mib / 1024);
    let relay = Relay::start();
    let owner = User::new();
    let marked = make(&owner, mib);
    let by_relay = ["--name", "ana", "--path", "relay"];
    let watch = ["--watch", "share", "--relay", &relay.place];
    let mut seeder = owner.start("seeder", &[&watch[..], &by_relay].concat());
    seeder.message_within("offering", time);
    let friend = join(&owner, "ben");
    appears(&friend, FILE);
    let proxy = Proxy::with(relay.address(), Setup::default());
    let place = format!("{}#{}", proxy.address(), relay.pin());
    let line = ["download", FILE, "--out", "out", "--relay", &place];
    let mut first = friend.start("leecher", &line);
    let half = mib << 19;
    while proxy.passed(Kind::Link, Way::Down) < half {
        assert!(first.runs(), "it ended early");
        std::thread::sleep(Duration::from_millis(2));
    }
    first.kill();
    let before = proxy.passed(Kind::Link, Way::Down);
    let start = Instant::now();
    let second = friend.start("leecher", &line);
    until(|| proxy.passed(Kind::Link, Way::Down) > before + CHUNK);
    let resumed = start.elapsed();
    println!("new bytes came after {resumed:?}");
    assert!(resumed < RESUMED, "{resumed:?}");
    let _ = second.wait_within(time).expect(0);
    let again = proxy.passed(Kind::Link, Way::Down) - before;
    // What was on its way when it was killed is all that comes twice.
    assert!(again < half + (half >> 2), "{again} bytes for the second half");

    let path = friend.work().join("out").join(FILE);
    let (file, meta) = (std::fs::File::open(&path).unwrap(), std::fs::metadata(&path).unwrap());
    assert_eq!(meta.len(), (mib << 20) + 4321);
    assert!(meta.blocks() * 512 < meta.len() / 4, "holes stay holes: {} blocks", meta.blocks());
    for at in marked {
        let mut word = [0; 8];
        file.read_exact_at(&mut word, at).unwrap();
        assert_eq!(u64::from_le_bytes(word), at);
    }
    assert_eq!(std::fs::read_dir(friend.work().join("out")).unwrap().count(), 1);
}

#[test]
fn a_moderate_one_goes_on_at_once() {
    transfer(160);
}

#[test]
fn five_gib_in_two_pages() {
    if long() {
        transfer(5 << 10);
    }
}

#[test]
fn sixty_four_gib() {
    if long() {
        transfer(64 << 10);
    }
}
