//! The real programs with real files, interrupted by real signals at chosen bytes of a download: killed, asked to end, frozen;
//! connections cut, silence. `interruptions.rs` does the same at far more moments on simulated machines.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sealift_tests::process::{PATIENCE, Running, User};
use sealift_tests::proxy::{Kind, Proxy, Setup, Way};
use sealift_tests::stage::{Relay, appears, fetched, join, seed};

const FILE: &str = "big.bin";
const CHUNK: u64 = 1 << 20;
const SIZE: u64 = 12 * CHUNK + 777;
/// What connecting and asking again may cost beside the content, bytes.
const TALK: u64 = 256 * 1024;
/// Bytes of a link after which something happens: before the first chunk, within one, at the last, after all.
const MOMENTS: [u64; 6] = [1, 40_000, 3 * CHUNK, 7 * CHUNK + 500_000, 12 * CHUNK - 9, SIZE];

/// A relay, a seeder, and a friend who reaches the relay through a proxy.
struct Stand {
    relay: Option<Relay>,
    owner: User,
    seeder: Option<Running>,
    friend: User,
    proxy: Proxy,
    content: Vec<u8>,
}

impl Stand {
    fn new() -> Self {
        let relay = Relay::start();
        let owner = User::new();
        let mut content = vec![0; usize::try_from(SIZE).unwrap()];
        blake3::Hasher::new_derive_key("content").finalize_xof().fill(&mut content);
        owner.write(&format!("share/{FILE}"), &content);
        let seeder = seed(&owner, &relay.place, "ana");
        let friend = join(&owner, "ben");
        appears(&friend, FILE);
        let proxy = Proxy::with(relay.address(), Setup::default());
        Self { relay: Some(relay), owner, seeder: Some(seeder), friend, proxy, content }
    }

    fn start(&self) -> Running {
        let place = format!("{}#{}", self.proxy.address(), self.relay.as_ref().unwrap().pin());
        let line = ["download", FILE, "--out", "out", "--wait=5m", "--relay", &place];
        self.friend.start("leecher", &line)
    }

    fn arrived(&self) -> u64 {
        self.proxy.passed(Kind::Link, Way::Down)
    }

    /// Downloads up to byte `at` of the link, lets `blow` fall, and ends the download: by the running command if that is given
    /// back, else by the same one again. At most two chunks may come twice.
    fn interrupt(&mut self, at: u64, blow: impl FnOnce(&mut Self, Running) -> Option<Running>) {
        println!("at byte {at}");
        let before = self.arrived();
        self.proxy.hold(Some(at));
        let running = self.start();
        until(|| self.arrived() - before >= at);
        // Every chunk that has come whole is written soon. A link carries a tag of 16 bytes with each 16 KiB, and some talk.
        let whole = at.saturating_sub(at / 1000 + 8192).min(SIZE) / CHUNK * CHUNK;
        until(|| written(&self.friend) >= whole);
        let out = self.friend.work().join("out").join(FILE);
        assert!(at >= SIZE || !out.exists(), "a part has its final name");
        let goes_on = blow(self, running);
        assert!(!out.exists() || fetched(&self.friend, FILE) == self.content);
        self.proxy.hold(None);
        let _ = goes_on.unwrap_or_else(|| self.start()).wait().expect(0);
        assert!(fetched(&self.friend, FILE) == self.content);
        let came = self.arrived() - before;
        assert!(came <= SIZE + 2 * CHUNK + TALK, "{came} bytes came, of {SIZE}");
        assert_eq!(files(&self.friend), [out], "nothing but the file");
        std::fs::remove_dir_all(self.friend.work().join("out")).unwrap();
    }
}

/// Bytes of the files in `out` that have been written; what is left out as a hole has not.
pub(super) fn written(user: &User) -> u64 {
    let Ok(entries) = std::fs::read_dir(user.work().join("out")) else { return 0 };
    // A file may get its final name in between.
    let files = entries.filter_map(|entry| entry.unwrap().metadata().ok());
    files.map(|file| std::os::unix::fs::MetadataExt::blocks(&file) * 512).sum()
}

fn files(user: &User) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(user.work().join("out")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

pub(super) fn until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "it does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_killed_leecher_goes_on_where_it_was() {
    let mut stand = Stand::new();
    for at in MOMENTS {
        stand.interrupt(at, |_, running| {
            running.kill();
            None
        });
    }
}

#[test]
fn a_leecher_that_is_told_to_end_says_so_and_goes_on_where_it_was() {
    let mut stand = Stand::new();
    let mut signals = vec![(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 143)];
    if hangups_are_ignored() {
        println!("skipped: these tests were started such that hangups are ignored");
        signals.pop();
    }
    for (at, (signal, code)) in MOMENTS[..5].iter().zip(signals.iter().cycle()) {
        stand.interrupt(*at, |_, running| {
            running.signal(*signal);
            let ended = running.wait().expect(*code);
            assert!(ended.says("goes on"), "{ended}");
            None
        });
    }
}

/// Whether programs that these tests start inherit, as under `nohup`, that a hangup means nothing.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 == 1)
}

#[test]
fn a_killed_relay_is_waited_for() {
    let mut stand = Stand::new();
    for at in &MOMENTS[1..5] {
        stand.interrupt(*at, |stand, running| {
            let relay = stand.relay.take().unwrap();
            stand.relay = Some(relay.restart());
            Some(running)
        });
    }
}

#[test]
fn a_killed_seeder_is_waited_for() {
    let mut stand = Stand::new();
    for at in &MOMENTS[1..5] {
        stand.interrupt(*at, |stand, running| {
            stand.seeder.take().unwrap().kill();
            stand.proxy.hold(None);
            let place = &stand.relay.as_ref().unwrap().place;
            stand.seeder = Some(seed(&stand.owner, place, "ana"));
            Some(running)
        });
    }
}

#[test]
fn frozen_programs_go_on_when_they_wake() {
    let mut stand = Stand::new();
    let asleep = Duration::from_millis(300);
    for at in &MOMENTS[1..5] {
        stand.interrupt(*at, |stand, running| {
            running.signal(Signal::STOP);
            stand.proxy.hold(None);
            std::thread::sleep(asleep);
            running.signal(Signal::CONT);
            Some(running)
        });
        stand.interrupt(*at, |stand, running| {
            let programs =
                [&stand.seeder.as_ref().unwrap(), &&stand.relay.as_ref().unwrap().program];
            programs.iter().for_each(|program| program.signal(Signal::STOP));
            stand.proxy.hold(None);
            std::thread::sleep(asleep);
            programs.iter().for_each(|program| program.signal(Signal::CONT));
            Some(running)
        });
    }
}

#[test]
fn cut_connections_and_blackouts_are_outlasted() {
    let mut stand = Stand::new();
    for at in &MOMENTS[1..] {
        stand.interrupt(*at, |stand, running| {
            stand.proxy.cut_kind(Kind::Link);
            Some(running)
        });
        stand.interrupt(*at, |stand, running| {
            stand.proxy.cut();
            Some(running)
        });
        stand.interrupt(*at, |stand, running| {
            stand.proxy.blackout(true);
            stand.proxy.hold(None);
            std::thread::sleep(Duration::from_millis(300));
            stand.proxy.blackout(false);
            Some(running)
        });
    }
}

/// The shell's limit on file sizes stands for a disk that fills up: writing fails in the middle.
#[test]
fn a_full_disk_keeps_what_has_come() {
    let stand = Stand::new();
    let limited = format!("trap '' XFSZ; ulimit -f 7000; leecher download {FILE} --out out");
    let full = stand.friend.type_line(&limited).wait().expect(8);
    assert!(!stand.friend.work().join("out").join(FILE).exists(), "{full}");
    let _ = stand.start().wait().expect(0);
    assert!(fetched(&stand.friend, FILE) == stand.content);
    assert_eq!(files(&stand.friend).len(), 1);
}

#[test]
fn two_downloads_into_one_folder_end_well() {
    let stand = Stand::new();
    stand.proxy.hold(Some(5 * CHUNK));
    let both = [stand.start(), stand.start()];
    until(|| stand.arrived() >= 10 * CHUNK);
    stand.proxy.hold(None);
    for one in both {
        let _ = one.wait().expect(0);
    }
    for file in files(&stand.friend) {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        assert!([FILE, "big (1).bin"].contains(&&*name), "{name}");
        assert!(std::fs::read(file).unwrap() == stand.content, "{name}");
    }
    assert!(fetched(&stand.friend, FILE) == stand.content);
}

/// A seeder whose file changes between two tries: the second gets the new content, whole.
#[test]
fn after_a_change_of_the_source_nothing_is_mixed() {
    let mut stand = Stand::new();
    stand.proxy.hold(Some(6 * CHUNK));
    let running = stand.start();
    until(|| stand.arrived() >= 6 * CHUNK);
    running.kill();
    stand.proxy.hold(None);
    stand.content.iter_mut().for_each(|byte| *byte ^= 0x55);
    stand.seeder.take().unwrap().kill();
    stand.owner.write(&format!("share/{FILE}"), &stand.content);
    let place = stand.relay.as_ref().unwrap().place.clone();
    let _seeder = seed(&stand.owner, &place, "ana");
    let _ = stand.start().wait().expect(0);
    assert!(fetched(&stand.friend, FILE) == stand.content);
}
