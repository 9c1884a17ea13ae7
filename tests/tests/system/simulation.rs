//! One joining, one search and one download through the three libraries, with a virtual clock, a seed, a network with delay,
//! and disks that forget what was not synced; then the same with the power of each machine cut at one point after the other.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::path::Path;
use std::time::Duration;

use sealift_command::exit::Exit;
use sealift_tests::sim::disk::Fault;
use sealift_tests::sim::net;
use sealift_tests::sim::scene::{SHARE, Scene, in_virtual_time};
use sealift_tests::sim::{Loss, SimMachine, SimRandom};

const FILE: &str = "report.pdf";
const OUT: &str = "/out";
/// Virtual time that a whole scene may take, power cuts included.
const LONG: Duration = Duration::from_secs(3600);

/// Which machine loses its power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Relay,
    Owner,
    Friend,
}

struct Play {
    scene: Scene,
    content: Vec<u8>,
}

impl Play {
    fn new(seed: u64) -> Self {
        let random = SimRandom::new(seed);
        let loss = if seed.is_multiple_of(2) { Loss::All } else { Loss::Some(random.fork("loss")) };
        let scene = Scene::new(seed, loss);
        // Two chunks and a bit, so that there is a manifest.
        let mut content = vec![0; (2 << 20) + 12_345];
        sealift_platform::random::Random::fill(&random, &mut content);
        scene.owner.disk.put(Path::new(SHARE).join(FILE), &content).unwrap();
        scene.owner.disk.put(Path::new(SHARE).join("folder/note.txt"), b"a note").unwrap();
        Self { scene, content }
    }

    /// What a person does: get an invite, join, search, download.
    async fn person(&self) {
        let (scene, friend) = (&self.scene, &self.scene.friend);
        scene.join(friend, "ben").await;
        let found = scene.insist(|| scene.leecher(friend, &["search", "repo"])).await;
        assert!(found.results.iter().any(|line| line.contains(FILE)), "{:?}", found.results);
        let download = || async {
            let ended = scene.leecher(friend, &["download", FILE, "--out", OUT]).await;
            self.check_out();
            ended
        };
        let done = scene.insist(download).await;
        assert!(done.results.iter().any(|line| line.starts_with("verified")), "{:?}", done.results);
        assert!(friend.disk.get(Path::new(OUT).join(FILE)).is_ok());
        // What was said to be done lasts.
        friend.disk.restart(&Loss::All);
        assert!(friend.disk.get(Path::new(OUT).join(FILE)).unwrap() == self.content);
    }

    /// A file under its final name is whole, at every moment.
    fn check_out(&self) {
        if let Ok(there) = self.scene.friend.disk.get(Path::new(OUT).join(FILE)) {
            assert!(there == self.content, "a part of a file under its final name");
        }
    }

    fn victim(&self, victim: Victim) -> &SimMachine {
        match victim {
            Victim::Relay => &self.scene.relay,
            Victim::Owner => &self.scene.owner,
            Victim::Friend => &self.scene.friend,
        }
    }
}

/// Plays the scene of `seed` in a runtime of its own; the operations on each disk.
fn play(seed: u64, cut: Option<(Victim, u64)>) -> [u64; 3] {
    in_virtual_time(async {
        let play = Play::new(seed);
        if let Some((victim, at)) = cut {
            play.victim(victim).disk.fail_at(at, Fault::PowerCut);
        }
        println!("seed {seed}, power cut at {cut:?}");
        play.scene.play(LONG, play.person()).await;
        [Victim::Relay, Victim::Owner, Victim::Friend]
            .map(|victim| play.victim(victim).disk.operations())
    })
}

#[test]
fn join_search_and_download_in_virtual_time() {
    let operations = play(1, None);
    assert!(operations.iter().all(|count| *count > 0), "all three wrote: {operations:?}");
}

/// Cuts the power of `victim` at `points` operations spread over what a scene without a cut needs; with the variable
/// `SIMULATION_POINTS`, at so many.
fn cut_everywhere(victim: Victim, index: usize, points: u64) {
    let asked = std::env::var("SIMULATION_POINTS").ok().and_then(|number| number.parse().ok());
    let points = asked.unwrap_or(points);
    let total = play(2, None)[index];
    let step = (total / points).max(1);
    for (round, at) in (0..total).step_by(usize::try_from(step).unwrap()).enumerate() {
        play(100 + round as u64, Some((victim, at)));
    }
}

/// What a slow way may carry in a second, bytes, and how long a connection lives on it.
const SLOW: (u64, Duration) = (16 * 1024, Duration::from_secs(30));

/// Bytes of unfinished files at the friend.
fn kept(machine: &SimMachine) -> usize {
    let files = machine.disk.files(OUT);
    let starts = files.iter().filter(|(path, _)| path.to_string_lossy().contains("-start-"));
    starts.map(|(_, content)| content.len()).sum()
}

/// Downloads `name` over a slow way; every command, or every connection if `survives`, ends after half a minute. How
/// often that was.
async fn on_a_slow_way(play: &Play, name: &str, survives: bool) -> u32 {
    let (scene, friend) = (&play.scene, &play.scene.friend);
    let slow = net::Path { rate: Some(SLOW.0), ..net::Path::default() };
    scene.world.net.set_path(&scene.relay.host, &friend.host, slow);
    let line = ["download", name, "--out", OUT];
    let mut times = 0;
    let mut command = None;
    loop {
        let before = kept(friend);
        let mut running = command.take().unwrap_or_else(|| Box::pin(scene.leecher(friend, &line)));
        match tokio::time::timeout(SLOW.1, &mut running).await {
            Ok(ended) => {
                assert_eq!(ended.exit, Exit::Done, "{:?}", ended.said);
                return times;
            }
            Err(_) if survives => {
                command = Some(running);
                scene.world.net.drop_connections(&friend.host);
            }
            Err(_) => drop(running),
        }
        times += 1;
        let whole = kept(friend) < before;
        assert!(whole || kept(friend) >= before + 150_000, "{before}, then {}", kept(friend));
    }
}

/// Half a MiB comes in each half minute at best; a chunk, and the whole of a file of one, have twice that.
#[test]
fn every_connection_of_half_a_minute_counts_on_a_slow_way() {
    for survives in [false, true] {
        let times = in_virtual_time(async {
            let play = Play::new(1);
            play.scene
                .owner
                .disk
                .put(Path::new(SHARE).join("one"), &play.content[..1 << 20])
                .unwrap();
            let person = async {
                play.scene.set_pace(500);
                play.scene.join(&play.scene.friend, "ben").await;
                play.scene
                    .insist(|| play.scene.leecher(&play.scene.friend, &["search", "repo"]))
                    .await;
                let times = on_a_slow_way(&play, "one", survives).await;
                times + on_a_slow_way(&play, FILE, survives).await
            };
            play.scene.play(LONG, person).await
        });
        // 3.2 MB are 200 seconds at least.
        assert!((5..=11).contains(&times), "{times} connections, survives: {survives}");
    }
}

#[test]
fn the_relay_may_lose_its_power_anywhere() {
    cut_everywhere(Victim::Relay, 0, 12);
}

#[test]
fn the_seeder_may_lose_its_power_anywhere() {
    cut_everywhere(Victim::Owner, 1, 12);
}

#[test]
fn the_leecher_may_lose_its_power_anywhere() {
    cut_everywhere(Victim::Friend, 2, 24);
}
