//! Those who fetch the same file give each other what has come. 24 MB every day, 200 MB with `SEALIFT_LONG`.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use sealift_tests::process::{Finished, PATIENCE, Running, User};
use sealift_tests::proxy::{Kind, Proxy, Setup, Way};
use sealift_tests::stage::{Relay, appears, fetched, join, names, offered};
use serde_json::Value;

use super::killed::until;

const FILE: &str = "film.mkv";

/// How large the file is, and what the seeder sends in a second.
fn scale() -> (usize, &'static str) {
    if std::env::var_os("SEALIFT_LONG").is_some() {
        (200_000_000, "20M")
    } else {
        (24_000_000, "4M")
    }
}

/// A file at a seeder that is limited, and who is to fetch it.
struct Stage {
    relay: Relay,
    owner: User,
    /// The seeder's way to the relay: what it sends passes here.
    proxy: Proxy,
    content: Vec<u8>,
    limit: &'static str,
}

impl Stage {
    fn new() -> Self {
        let (size, limit) = scale();
        let mut content = vec![0; size];
        blake3::Hasher::new_derive_key("content").finalize_xof().fill(&mut content);
        let (relay, owner) = (Relay::start(), User::new());
        owner.write(&format!("share/{FILE}"), &content);
        let proxy = Proxy::with(relay.address(), Setup::default());
        Self { relay, owner, proxy, content, limit }
    }

    /// Starts the seeder, whose content goes through the relay.
    fn seed(&self) -> Running {
        let place = format!("{}#{}", self.proxy.address(), self.relay.pin());
        let line = ["--watch", "share", "--relay", &place, "--name", "ana", "--path", "relay"];
        let mut seeder =
            self.owner.start("seeder", &[&line[..], &["--limit", self.limit]].concat());
        offered(&mut seeder);
        seeder
    }

    fn join(&self, name: &str) -> User {
        join(&self.owner, name)
    }

    fn download(&self, user: &User, more: &[&str]) -> Running {
        let line = ["download", FILE, "--out", "out", "--relay", &self.relay.place, "--json"];
        user.start("leecher", &[&line[..], more].concat())
    }

    /// Bytes that the seeder has sent.
    fn sent(&self) -> u64 {
        self.proxy.passed(Kind::Link, Way::Up)
    }
}

/// Bytes that are there of the file, under whatever name.
fn there(user: &User) -> u64 {
    let out = user.work().join("out");
    let files = std::fs::read_dir(out).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|file| file.blocks() * 512).max().unwrap_or(0)
}

/// Whole MiB that are there.
fn chunks(user: &User) -> u64 {
    there(user) >> 20
}

/// Bytes of a download that came directly.
fn directly(done: &Finished) -> u64 {
    let mut verified =
        done.stdout.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let verified = verified.rfind(|line| line["type"] == "verified").expect("its end");
    let paths = verified["paths"].as_array().unwrap();
    let direct = paths.iter().filter(|part| part["path"] != "relay");
    direct.map(|part| part["bytes"].as_u64().unwrap()).sum()
}

#[test]
fn those_who_fetch_one_file_finish_it_together_when_its_seeder_is_away_for_a_while() {
    let stage = Stage::new();
    let size = stage.content.len() as u64;
    let seeder = stage.seed();
    let [ben, cem] = ["ben", "cem"].map(|name| stage.join(name));
    [&ben, &cem].iter().for_each(|user| appears(user, FILE));
    let mut first = stage.download(&ben, &["--seed-for", "1m"]);
    let second = stage.download(&cem, &[]);
    until(|| there(&ben) >= size * 6 / 10);
    seeder.kill();
    let sent = stage.sent();
    // What came to one of them comes to the other.
    let mut since = Instant::now();
    let mut last = (0, 0);
    let deadline = Instant::now() + PATIENCE;
    while last.0 != last.1 || since.elapsed() < Duration::from_secs(3) {
        let now = (chunks(&ben), chunks(&cem));
        if now != last {
            (last, since) = (now, Instant::now());
        }
        assert!(Instant::now() < deadline, "{last:?} of {}", size >> 20);
        std::thread::sleep(Duration::from_millis(50));
    }
    println!("{last:?} MiB of {} with {} sent", size >> 20, sent >> 20);
    assert!(last.0 << 20 < size, "the seeder was away before the end");
    let _seeder = stage.seed();
    let done = second.wait().expect(0);
    first.message(r#""state":"begun""#);
    first.signal(Signal::INT);
    let gave = first.wait().expect(0);
    assert!(gave.says(r#""state":"ended""#), "{gave}");
    assert!(fetched(&ben, FILE) == stage.content && fetched(&cem, FILE) == stage.content);
    assert_eq!(names(&cem.work().join("out")), [FILE]);
    // The links to the seeder led through the relay, those between the two did not.
    assert!(directly(&done) > 0, "{done}");
    println!("{} sent of {} in all", stage.sent() >> 20, size >> 20);
}

#[test]
fn one_that_comes_later_takes_from_one_that_stays() {
    let stage = Stage::new();
    let _seeder = stage.seed();
    let [ben, cem] = ["ben", "cem"].map(|name| stage.join(name));
    let mut first = stage.download(&ben, &["--seed-for", "1h"]);
    first.message(r#""state":"begun""#);
    let before = stage.sent();
    let done = stage.download(&cem, &[]).wait().expect(0);
    assert!(fetched(&cem, FILE) == stage.content);
    let sent = stage.sent() - before;
    assert!(sent < stage.content.len() as u64 / 2, "{sent} came from the seeder\n{done}");
    first.signal(Signal::TERM);
    let _ = first.wait().expect(0);
}

#[test]
fn whoever_wants_none_of_it_is_left_alone() {
    let stage = Stage::new();
    let _seeder = stage.seed();
    let [ben, cem] = ["ben", "cem"].map(|name| stage.join(name));
    let mut first = stage.download(&ben, &["--seed-for", "1h"]);
    first.message(r#""state":"begun""#);
    let done = stage.download(&cem, &["--no-swarm"]).wait().expect(0);
    assert!(fetched(&cem, FILE) == stage.content);
    assert_eq!(directly(&done), 0, "{done}");
}
