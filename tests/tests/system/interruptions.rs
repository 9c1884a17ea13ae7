//! A download that is interrupted: each side killed or without power, connections cut, silence; at one moment after the other,
//! from the first byte of the first connection to the last of the last. Whatever happens, a name stands for a whole file or
//! does not exist, and the running command, or the same one again, goes on where it was.
//!
//! A moment is a piece of bytes that reaches the friend's machine or leaves it. Every day a spread of moments is tried; with
//! the variable `SEALIFT_LONG`, each of them, for as many seeds as it says.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sealift_command::exit::Exit;
use sealift_platform::random::Random;
use sealift_tests::sim::net;
use sealift_tests::sim::scene::{Ended, SHARE, Scene, in_virtual_time};
use sealift_tests::sim::{Loss, SimMachine, SimRandom};
use tokio::sync::watch;

const CHUNK: u64 = 1 << 20;
const OUT: &str = "/out";
const DOWNLOAD: [&str; 6] = ["download", "big.bin", "many", "--out", OUT, "--wait=1h"];
/// Virtual time for all moments of a test.
const LONG: Duration = Duration::from_secs(100 * 24 * 3600);
/// Virtual time for one of them.
const MOMENT: Duration = Duration::from_secs(4 * 3600);
/// What connecting and asking again may cost, beside the content, bytes.
const TALK: u64 = 256 * 1024;
/// Moments that a test tries every day.
const DAILY: u64 = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Relay,
    Seeder,
    Leecher,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blow {
    /// A process ends at once; its machine goes on.
    Kill(Side),
    /// A machine ends at once, and forgets what was not synced.
    PowerCut(Side),
    /// Each connection of the friend ends.
    Cut,
    /// Nothing passes between the relay and this side, for so many seconds.
    Silence(Side, u64),
}

impl Blow {
    /// Whether the leecher lives through it.
    const fn spares_the_leecher(self) -> bool {
        !matches!(self, Self::Kill(Side::Leecher) | Self::PowerCut(Side::Leecher))
    }
}

struct Matrix {
    scene: Scene,
    blow: Blow,
    files: BTreeMap<PathBuf, Vec<u8>>,
}

impl Matrix {
    fn new(seed: u64, blow: Blow) -> Self {
        let random = SimRandom::new(seed);
        let loss = match blow {
            Blow::PowerCut(_) if seed.is_multiple_of(2) => Loss::All,
            Blow::PowerCut(_) => Loss::Some(random.fork("loss")),
            _ => Loss::Nothing,
        };
        let scene = Scene::new(seed, loss);
        let mut files = BTreeMap::from([(PathBuf::from("empty"), Vec::new())]);
        let mut big = vec![0; (4 << 20) + 12_345];
        random.fill(&mut big);
        files.insert("big.bin".into(), big);
        for number in 0..40 {
            let mut content = vec![0; 3000 + number];
            random.fill(&mut content);
            files.insert(format!("many/{number}").into(), content);
        }
        for (path, content) in &files {
            scene.owner.disk.put(Path::new(SHARE).join(path), content).unwrap();
        }
        files.remove(Path::new("empty"));
        Self { scene, blow, files }
    }

    fn machine(&self, side: Side) -> &SimMachine {
        match side {
            Side::Relay => &self.scene.relay,
            Side::Seeder => &self.scene.owner,
            Side::Leecher => &self.scene.friend,
        }
    }

    fn size(&self) -> u64 {
        self.files.values().map(|content| content.len() as u64).sum()
    }

    /// Joins, then downloads once without a blow and once for each moment; how many moments there were.
    async fn play(&self, moments: impl Fn(u64) -> Vec<u64>) -> usize {
        self.scene.join(&self.scene.friend, "ben").await;
        // Until all is hashed and found.
        let ready = || self.scene.leecher(&self.scene.friend, &DOWNLOAD);
        self.scene.insist(ready).await;
        self.scene.set_pace(1000);
        let traffic = self.scene.friend.host.traffic();
        self.scene.friend.disk.clear(OUT);
        let before = traffic.borrow().pieces;
        let ended = self.scene.leecher(&self.scene.friend, &DOWNLOAD).await;
        self.check_done(&ended, "no blow");
        let moments = moments(traffic.borrow().pieces - before);
        for at in &moments {
            let tried = tokio::time::timeout(MOMENT, self.try_moment(*at)).await;
            tried.unwrap_or_else(|_| panic!("{:?} at piece {at}: it does not end", self.blow));
        }
        moments.len()
    }

    async fn try_moment(&self, at: u64) {
        let which = format!("{:?} at piece {at}", self.blow);
        println!("{which}");
        let friend = &self.scene.friend;
        friend.disk.clear(OUT);
        let mut traffic = friend.host.traffic();
        let before = *traffic.borrow();
        let over = watch::Sender::new(false);
        let strike = async {
            let mut over = over.subscribe();
            // The last moments may not come: what comes in how many pieces is not the same each time.
            tokio::select! {
                _ = traffic.wait_for(|now| now.pieces >= before.pieces + at) => {}
                _ = over.wait_for(|over| *over) => {}
            }
            let received = friend.host.traffic().borrow().received - before.received;
            self.strike().await;
            received
        };
        let commands = async {
            let commands = self.until_done(&which).await;
            over.send_replace(true);
            commands
        };
        let (received, commands) = tokio::join!(strike, commands);
        let whole = friend.host.traffic().borrow().received - before.received;
        if self.blow.spares_the_leecher() {
            let most = self.size() + 2 * CHUNK + TALK;
            assert!(whole <= most, "{which}: {whole} bytes came, of {}", self.size());
            // Once bytes have come, it goes on by itself.
            assert!(commands == 1 || received < CHUNK, "{which}: {commands} commands");
        } else {
            assert!(whole <= self.size() + received + TALK, "{which}: {whole} bytes came");
            assert!(commands <= 2, "{which}: {commands} commands");
        }
    }

    /// The same command until it ends well; how many it took.
    async fn until_done(&self, which: &str) -> u32 {
        let mut commands = 0;
        loop {
            commands += 1;
            let ended = self.scene.leecher_once(&self.scene.friend, &DOWNLOAD).await;
            self.check_out(which);
            match ended {
                None => {}
                Some(ended) if ended.exit == Exit::Done => {
                    self.check_done(&ended, which);
                    return commands;
                }
                Some(ended) => {
                    let passing = matches!(ended.exit, Exit::Relay | Exit::Offline);
                    assert!(passing && commands < 20, "{which}: {ended:#?}");
                    tokio::time::sleep(Duration::from_secs(5)).await;
                }
            }
        }
    }

    async fn strike(&self) {
        match self.blow {
            Blow::Kill(side) | Blow::PowerCut(side) => self.machine(side).disk.cut_power(),
            Blow::Cut => self.scene.world.net.drop_connections(&self.scene.friend.host),
            Blow::Silence(side, seconds) => {
                let path = |open| net::Path { open, ..net::Path::default() };
                let (one, other) = (&self.scene.relay.host, &self.machine(side).host);
                self.scene.world.net.set_both(one, other, path(false));
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                self.scene.world.net.set_both(one, other, path(true));
            }
        }
    }

    /// A file under its final name is whole, and nothing else but parts is there, at every moment.
    fn check_out(&self, which: &str) {
        for (path, content) in self.scene.friend.disk.files(OUT) {
            let name = path.strip_prefix(OUT).unwrap();
            let hidden = |part: &OsStr| part.to_str().unwrap().starts_with(".sealift-part-");
            let part = name.iter().any(hidden);
            assert!(part || self.files.get(name) == Some(&content), "{which}: {}", name.display());
        }
    }

    fn check_done(&self, ended: &Ended, which: &str) {
        assert_eq!(ended.exit, Exit::Done, "{which}: {ended:#?}");
        let there = self.scene.friend.disk.files(OUT).into_iter();
        let there: BTreeMap<_, _> = there
            .map(|(path, content)| (path.strip_prefix(OUT).unwrap().to_owned(), content))
            .collect();
        let names: Vec<_> = there.keys().collect();
        assert!(there == self.files, "{which}: {names:?} are there");
    }
}

/// Tries `blow` at a spread of moments, or at each.
fn everywhere(blow: Blow) {
    let long = std::env::var("SEALIFT_LONG").ok();
    let seeds = long.as_ref().map_or(1, |seeds| seeds.parse().expect("SEALIFT_LONG is a number"));
    let mut tried = 0;
    for seed in 1..=seeds {
        let spread = |count: u64| -> Vec<u64> {
            if long.is_some() {
                return (0..=count).collect();
            }
            // Up to the first chunk each piece is a step of its own; of those that follow many are alike.
            let early = (0..DAILY / 2).map(|number| number * count / 2 / (DAILY / 2));
            let late =
                (0..DAILY / 2).map(|number| count / 2 + number * count / 2 / (DAILY / 2 - 1));
            early.chain(late).collect()
        };
        tried += in_virtual_time(async {
            let matrix = Matrix::new(seed, blow);
            matrix.scene.play(LONG, matrix.play(spread)).await
        });
    }
    println!("{tried} moments of {blow:?}");
    assert!(tried >= 24);
}

#[test]
fn the_relay_may_be_killed_anywhere() {
    everywhere(Blow::Kill(Side::Relay));
}

#[test]
fn the_seeder_may_be_killed_anywhere() {
    everywhere(Blow::Kill(Side::Seeder));
}

#[test]
fn the_leecher_may_be_killed_anywhere() {
    everywhere(Blow::Kill(Side::Leecher));
}

#[test]
fn the_relay_may_lose_its_power_during_a_download() {
    everywhere(Blow::PowerCut(Side::Relay));
}

#[test]
fn the_seeder_may_lose_its_power_during_a_download() {
    everywhere(Blow::PowerCut(Side::Seeder));
}

#[test]
fn the_leecher_may_lose_its_power_during_a_download() {
    everywhere(Blow::PowerCut(Side::Leecher));
}

#[test]
fn connections_may_be_cut_anywhere() {
    everywhere(Blow::Cut);
}

#[test]
fn half_a_minute_of_silence_costs_half_a_minute() {
    everywhere(Blow::Silence(Side::Leecher, 30));
}

#[test]
fn a_seeder_may_fall_asleep_anywhere() {
    everywhere(Blow::Silence(Side::Seeder, 200));
}
