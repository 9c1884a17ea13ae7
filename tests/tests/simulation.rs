//! One joining, one search and one download through the three libraries, with a virtual clock, a seed, a network with delay,
//! and disks that forget what was not synced; then the same with the power of each machine cut at one point after the other.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::PoisonError;
use std::time::Duration;

use clap::Parser;
use sealift_peer::args::parse_relay;
use sealift_peer::connect::Speaker;
use sealift_peer::console::{Channel, Console};
use sealift_peer::exit::Exit;
use sealift_peer::home::Home;
use sealift_peer::profile::Profile;
use sealift_platform::net::{Listener, Net};
use sealift_seeder::invite::Terms;
use sealift_seeder::names::WatchArg;
use sealift_seeder::watch::Watching;
use sealift_tests::sim::disk::Fault;
use sealift_tests::sim::{Loss, SimMachine, SimRandom, SimWorld};

const RELAY: &str = "0.0.0.0:7743";
const HOME: &str = "/home/user";
const FILE: &str = "report.pdf";
const SHARE: &str = "/share";
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

struct Scene {
    world: SimWorld,
    relay: SimMachine,
    owner: SimMachine,
    friend: SimMachine,
    loss: Loss,
    content: Vec<u8>,
}

impl Scene {
    fn new(seed: u64) -> Self {
        let world = SimWorld::new(seed);
        let [relay, owner, friend] = ["relay", "owner", "friend"].map(|name| world.machine(name));
        let random = SimRandom::new(seed);
        // Two chunks and a bit, so that there is a manifest.
        let mut content = vec![0; (2 << 20) + 12_345];
        sealift_platform::random::Random::fill(&random, &mut content);
        owner.disk.put(Path::new(SHARE).join(FILE), &content).unwrap();
        owner.disk.put(Path::new(SHARE).join("folder/note.txt"), b"a note").unwrap();
        let loss = if seed.is_multiple_of(2) { Loss::All } else { Loss::Some(random.fork("loss")) };
        Self { world, relay, owner, friend, loss, content }
    }

    /// Brings the power of `machine` back some time after each cut.
    async fn supply(&self, machine: &SimMachine) {
        loop {
            machine.disk.power_gone().await;
            self.world.net.drop_host(&machine.host);
            tokio::time::sleep(Duration::from_secs(2)).await;
            machine.disk.restart(&self.loss);
        }
    }

    /// Runs what `start` makes until it ends; after a power cut, again.
    async fn persist<F: Future>(
        &self,
        machine: &SimMachine,
        mut start: impl FnMut() -> F,
    ) -> F::Output {
        loop {
            machine.disk.power_back().await;
            tokio::select! {
                () = machine.disk.power_gone() => {}
                // What a program says while its disk is gone counts for nothing.
                done = start() => if machine.disk.has_power() {
                    return done;
                },
            }
        }
    }

    async fn run_relay(&self) {
        let machine = &self.relay;
        let ended = self
            .persist(machine, || {
                let (platform, host) = (machine.platform.clone(), machine.host.clone());
                async move {
                    let address: SocketAddr = RELAY.parse().unwrap();
                    let listener: Box<dyn Listener> = host.listen(address).await.unwrap();
                    let home = HOME.into();
                    let config = sealift_relay::Config { home, ..Default::default() };
                    let never = std::future::pending();
                    sealift_relay::run(platform, config, vec![listener], never).await
                }
            })
            .await;
        panic!("the relay ended: {ended:?}");
    }

    async fn run_seeder(&self) {
        let machine = &self.owner;
        let ended = self
            .persist(machine, || {
                let config = seeder_config();
                let never = std::future::pending();
                sealift_seeder::run(machine.platform.clone(), config, never)
            })
            .await;
        panic!("the seeder ended: {ended:?}");
    }

    /// `seeder invite`, beside the running seeder.
    async fn invite(&self) -> Ended {
        let machine = &self.owner;
        self.persist(machine, || {
            let platform = machine.platform.clone();
            async move {
                let (console, lines) = Console::captured(false);
                let made = async {
                    let profile = Profile::open(&platform, &Home::beneath(Path::new(HOME)))?;
                    let speaker = Speaker::new(profile, console)?;
                    let terms = Terms::default();
                    sealift_seeder::invite::command(&speaker, None, None, &terms).await?;
                    Ok(Exit::Done)
                };
                Ended::new(made.await, &lines)
            }
        })
        .await
    }

    async fn leecher(&self, line: &[&str]) -> Ended {
        let machine = &self.friend;
        self.persist(machine, || {
            let arguments = [&["leecher"], line, &["--home", HOME]].concat();
            let arguments = sealift_leecher::args::Arguments::parse_from(arguments);
            let (console, lines) = Console::captured(false);
            let running = sealift_leecher::run(machine.platform.clone(), arguments, console);
            async move { Ended::new(running.await, &lines) }
        })
        .await
    }

    /// The same command again until it ends well, as a person would.
    async fn insist<F: Future<Output = Ended>>(&self, mut command: impl FnMut() -> F) -> Ended {
        loop {
            let ended = command().await;
            if ended.exit == Exit::Done {
                return ended;
            }
            self.check_out();
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    /// What a person does: get an invite, join, search, download.
    async fn person(&self) {
        let invite = self.insist(|| self.invite()).await;
        let line = invite.results.last().expect("an invite");
        let join = ["join", line, "--name", "ben"];
        self.insist(|| self.leecher(&join)).await;
        let found = self.insist(|| self.leecher(&["search", "repo"])).await;
        assert!(found.results.iter().any(|line| line.contains(FILE)), "{:?}", found.results);
        let done = self.insist(|| self.leecher(&["download", FILE, "--out", OUT])).await;
        assert!(done.results.iter().any(|line| line.starts_with("verified")), "{:?}", done.results);
        self.check_out();
        assert!(self.friend.disk.get(Path::new(OUT).join(FILE)).is_ok());
        // What was said to be done lasts.
        self.friend.disk.restart(&Loss::All);
        assert!(self.friend.disk.get(Path::new(OUT).join(FILE)).unwrap() == self.content);
    }

    /// A file under its final name is whole, at every moment.
    fn check_out(&self) {
        if let Ok(there) = self.friend.disk.get(Path::new(OUT).join(FILE)) {
            assert!(there == self.content, "a part of a file under its final name");
        }
    }

    async fn play(&self) {
        tokio::select! {
            () = self.run_relay() => {}
            () = self.run_seeder() => {}
            () = self.supply(&self.relay) => {}
            () = self.supply(&self.owner) => {}
            () = self.supply(&self.friend) => {}
            () = pace() => {}
            done = tokio::time::timeout(LONG, self.person()) => done.expect("it comes to an end"),
        }
    }

    fn victim(&self, victim: Victim) -> &SimMachine {
        match victim {
            Victim::Relay => &self.relay,
            Victim::Owner => &self.owner,
            Victim::Friend => &self.friend,
        }
    }
}

fn seeder_config() -> sealift_seeder::Config {
    sealift_seeder::Config {
        home: Home::beneath(Path::new(HOME)),
        watch: vec![WatchArg { name: None, dir: SHARE.into() }],
        relay: Some(parse_relay("relay:7743").expect("an address")),
        space: None,
        name: Some("ana".to_owned()),
        watching: Watching::Poll(Duration::from_secs(2)),
        console: Console::captured(false).0,
        answers_status: false,
    }
}

struct Ended {
    exit: Exit,
    results: Vec<String>,
}

impl Ended {
    fn new(
        result: Result<Exit, sealift_peer::exit::Failure>,
        lines: &sealift_peer::console::Lines,
    ) -> Self {
        let exit = result.unwrap_or_else(|failure| failure.exit);
        let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        let results = lines
            .iter()
            .filter(|(channel, _)| *channel == Channel::Result)
            .map(|(_, text)| text.clone())
            .collect();
        Self { exit, results }
    }
}

/// Lets at least a millisecond of real time pass for each step of virtual time: threads that do not belong to the runtime,
/// such as those that hash, get their turn.
async fn pace() {
    loop {
        let _ = tokio::task::spawn_blocking(|| std::thread::sleep(Duration::from_millis(1))).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Plays the scene of `seed` in a runtime of its own; the operations on each disk.
fn play(seed: u64, cut: Option<(Victim, u64)>) -> [u64; 3] {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    let operations = runtime.block_on(async {
        let scene = Scene::new(seed);
        if let Some((victim, at)) = cut {
            scene.victim(victim).disk.fail_at(at, Fault::PowerCut);
        }
        println!("seed {seed}, power cut at {cut:?}");
        scene.play().await;
        [Victim::Relay, Victim::Owner, Victim::Friend]
            .map(|victim| scene.victim(victim).disk.operations())
    });
    runtime.shutdown_background();
    operations
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
