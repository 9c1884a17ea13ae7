//! A relay, somebody who shares and somebody who fetches, each at a place of the small internet.

use std::time::{Duration, Instant};

use sealift_tests::lab::{Lab, RELAY, RELAY_V6};
use sealift_tests::process::{Finished, Namespace, Running, User};
use sealift_tests::stage::{appears, invite, offered};
use serde_json::Value;

/// The programs at their places.
pub(crate) struct Scene {
    _programs: [Running; 2],
    _others: [User; 2],
    pub(crate) friend: User,
    content: Vec<u8>,
}

/// What a download told of itself.
#[derive(Debug)]
pub(crate) struct Told {
    /// Bytes by path: `direct TCP`, `direct QUIC`, `relay`.
    pub(crate) paths: Vec<(String, u64)>,
    /// When the first direct path stood, since the start of the program.
    pub(crate) direct_after: Option<Duration>,
    pub(crate) took: Duration,
}

impl Told {
    /// How much of it did not go through the relay, from 0 to 1.
    pub(crate) fn direct(&self) -> f64 {
        let sum = |all: bool| -> u64 {
            let paths = self.paths.iter().filter(|(path, _)| all || path != "relay");
            paths.map(|(_, bytes)| bytes).sum()
        };
        sum(false) as f64 / sum(true) as f64
    }

    /// Paths that carried something, the direct ones without `direct `.
    pub(crate) fn carried_by(&self) -> String {
        let paths = self.paths.iter().filter(|(_, bytes)| *bytes > 0);
        paths.map(|(path, _)| path.trim_start_matches("direct ")).collect::<Vec<_>>().join(", ")
    }
}

impl Scene {
    /// The owner at `here` shares `big` with `bytes` bytes, the friend at `there` knows of it.
    pub(crate) fn set(lab: &Lab, here: &Namespace, there: &Namespace, bytes: usize) -> Self {
        Self::set_at(lab, here, there, bytes, &format!("{RELAY}:7743"), &[])
    }

    /// As [`Scene::set`], with everything over IPv6.
    pub(crate) fn set_v6(lab: &Lab, here: &Namespace, there: &Namespace, bytes: usize) -> Self {
        Self::set_at(lab, here, there, bytes, &format!("[{RELAY_V6}]:7743"), &[])
    }

    /// As [`Scene::set`], with these arguments more for the seeder.
    pub(crate) fn set_with(
        lab: &Lab,
        here: &Namespace,
        there: &Namespace,
        bytes: usize,
        more: &[&str],
    ) -> Self {
        Self::set_at(lab, here, there, bytes, &format!("{RELAY}:7743"), more)
    }

    fn set_at(
        lab: &Lab,
        here: &Namespace,
        there: &Namespace,
        bytes: usize,
        address: &str,
        more: &[&str],
    ) -> Self {
        let operator = User::within(lab.relay());
        let mut relay = operator.start("relay", &["--listen", address]);
        let line = relay.line("relay ready: ");
        let place = line.strip_prefix("relay ready: ").unwrap().to_owned();
        let owner = User::within(here);
        let mut state = 1_u64;
        let content: Vec<u8> = (0..bytes.div_ceil(8))
            .flat_map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_le_bytes()
            })
            .collect();
        owner.write("share/big", &content);
        let arguments = [&["--watch", "share", "--relay", &place, "--name", "ana"], more].concat();
        let mut seeder = owner.start("seeder", &arguments);
        offered(&mut seeder);
        let friend = User::within(there);
        let _ = friend.run("leecher", &["join", &invite(&owner), "--name", "ben"]).expect(0);
        appears(&friend, "big");
        Self { _programs: [relay, seeder], _others: [operator, owner], friend, content }
    }

    /// Begins to fetch the file.
    pub(crate) fn fetch(&self, more: &[&str]) -> (Instant, Running) {
        let arguments = [&["download", "big", "--out", "out", "--json"], more].concat();
        (Instant::now(), self.friend.start("leecher", &arguments))
    }

    /// What it told, once it has ended; the file must be there.
    pub(crate) fn fetched(&self, (start, running): (Instant, Running)) -> Told {
        let finished = running.wait().expect(0);
        let took = start.elapsed();
        let fetched = std::fs::read(self.friend.work().join("out/big")).unwrap();
        assert!(fetched == self.content, "another file\n{finished}");
        told(&finished, took)
    }

    /// Fetches the file to its end.
    pub(crate) fn download(&self, more: &[&str]) -> Told {
        self.fetched(self.fetch(more))
    }
}

fn told(finished: &Finished, took: Duration) -> Told {
    let events = |lines: &[String]| -> Vec<Value> {
        lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let (out, err) = (events(&finished.stdout), events(&finished.stderr));
    let last = out.iter().find(|event| event["type"] == "verified").expect("the last line");
    let paths =
        last["paths"].as_array().expect("how it went").iter().map(|path| {
            (path["path"].as_str().unwrap().to_owned(), path["bytes"].as_u64().unwrap())
        });
    let is_direct = |event: &&Value| {
        let path = event["path"].as_str().unwrap_or_default();
        event["type"] == "path" && event["state"] == "up" && path.starts_with("direct")
    };
    let first = err.iter().find(is_direct);
    let after = first.map(|event| event["after_ms"].as_u64().expect("a time"));
    Told { paths: paths.collect(), direct_after: after.map(Duration::from_millis), took }
}
