//! The programs at work on simulated machines: a relay, seeders, and a friend who types commands. Programs whose machine loses
//! its power, or that are killed, start again as a service would; commands end.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use sealift_command::console::{Channel, Console, Lines};
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_platform::net::{Listener, Net};
use sealift_platform::sync::lock;
use sealift_proto::place::RelayPlace;
use sealift_seeder::invite::Terms;
use sealift_seeder::names::WatchArg;
use sealift_seeder::watch::Watching;
use sealift_space::home::Home;
use sealift_space::profile::Profile;

use super::{Loss, SimMachine, SimWorld};

/// Where each machine keeps its profile.
pub const HOME: &str = "/home/user";
/// What seeders share.
pub const SHARE: &str = "/share";
const RELAY: &str = "0.0.0.0:7743";
/// How long an ended program is away.
pub const AWAY: Duration = Duration::from_secs(2);

/// Three machines: one runs the relay, one the owner's seeder, on one the friend types commands.
pub struct Scene {
    /// What connects them.
    pub world: SimWorld,
    /// Runs the relay.
    pub relay: SimMachine,
    /// Runs the owner's seeder.
    pub owner: SimMachine,
    /// Runs commands.
    pub friend: SimMachine,
    loss: Mutex<Loss>,
    /// Virtual milliseconds for each real one.
    pace: AtomicU64,
}

impl Scene {
    /// Machines with empty disks; everything random follows from `seed`, ends take `loss`.
    #[must_use]
    pub fn new(seed: u64, loss: Loss) -> Self {
        let world = SimWorld::new(seed);
        let [relay, owner, friend] = ["relay", "owner", "friend"].map(|name| world.machine(name));
        let (loss, pace) = (Mutex::new(loss), AtomicU64::new(50));
        Self { world, relay, owner, friend, loss, pace }
    }

    /// What ends take from now on.
    pub fn set_loss(&self, loss: Loss) {
        *lock(&self.loss) = loss;
    }

    /// How fast virtual time may pass at most: so many milliseconds of it in a real one. Threads that do not belong to the
    /// runtime, such as those that hash, get their turn in real time; where none are at work, this may be much.
    pub fn set_pace(&self, milliseconds: u64) {
        self.pace.store(milliseconds, Ordering::Relaxed);
    }

    /// Runs the relay and the owner's seeder, and brings power back where it went, until `person` is done.
    ///
    /// # Panics
    /// When a program ends by itself, or `person` is not done within `limit` of virtual time.
    pub async fn play<F: Future>(&self, limit: Duration, person: F) -> F::Output {
        tokio::select! {
            () = self.run_relay() => unreachable!("it panics"),
            () = self.run_seeder(&self.owner, "ana") => unreachable!("it panics"),
            () = self.supply(&self.relay) => unreachable!("it goes on"),
            () = self.supply(&self.owner) => unreachable!("it goes on"),
            () = self.supply(&self.friend) => unreachable!("it goes on"),
            () = self.keep_pace() => unreachable!("it goes on"),
            done = tokio::time::timeout(limit, person) => done.expect("it comes to an end"),
        }
    }

    /// Brings the power of `machine` back some time after each cut.
    pub async fn supply(&self, machine: &SimMachine) {
        loop {
            machine.disk.power_gone().await;
            self.world.net.drop_host(&machine.host);
            tokio::time::sleep(AWAY).await;
            let loss = lock(&self.loss).clone();
            machine.disk.restart(&loss);
        }
    }

    async fn keep_pace(&self) {
        loop {
            let moment = || std::thread::sleep(Duration::from_millis(1));
            let _ = tokio::task::spawn_blocking(moment).await;
            tokio::time::sleep(Duration::from_millis(self.pace.load(Ordering::Relaxed))).await;
        }
    }

    /// What `start` makes, until it ends; `None` if its machine's power went first.
    pub async fn attempt<F: Future>(
        &self,
        machine: &SimMachine,
        start: impl FnOnce() -> F,
    ) -> Option<F::Output> {
        machine.disk.power_back().await;
        tokio::select! {
            () = machine.disk.power_gone() => None,
            // What a program says while its disk is gone counts for nothing.
            done = start() => machine.disk.has_power().then_some(done),
        }
    }

    /// Runs what `start` makes until it ends; after a power cut, again.
    pub async fn persist<F: Future>(
        &self,
        machine: &SimMachine,
        mut start: impl FnMut() -> F,
    ) -> F::Output {
        loop {
            if let Some(done) = self.attempt(machine, &mut start).await {
                return done;
            }
        }
    }

    async fn run_relay(&self) {
        let machine = &self.relay;
        let ended = self
            .persist(machine, || {
                let (platform, host) = (machine.platform.clone(), machine.host.clone());
                async move {
                    let address: SocketAddr = RELAY.parse().expect("an address");
                    let listener: Box<dyn Listener> = host.listen(address).await.expect("a port");
                    let home = HOME.into();
                    let config = sealift_relay::Config { home, ..Default::default() };
                    let never = std::future::pending();
                    sealift_relay::run(platform, config, vec![listener], never).await
                }
            })
            .await;
        panic!("the relay ended: {ended:?}");
    }

    /// Runs a seeder of [`SHARE`] on `machine`.
    ///
    /// # Panics
    /// When it ends by itself.
    pub async fn run_seeder(&self, machine: &SimMachine, name: &str) {
        let ended = self
            .persist(machine, || {
                let never = std::future::pending();
                let (platform, console) = (machine.platform.clone(), Console::captured(false).0);
                sealift_seeder::cli::share(platform, seeder_config(name), console, never)
            })
            .await;
        panic!("the seeder ended: {ended:?}");
    }

    /// `seeder invite`, beside the owner's running seeder.
    pub async fn invite(&self) -> Ended {
        let machine = &self.owner;
        self.persist(machine, || {
            let platform = machine.platform.clone();
            async move {
                let (console, lines) = Console::captured(false);
                let made = async {
                    let profile = Profile::open(&platform, &Home::beneath(Path::new(HOME)))?;
                    let speaker = Speaker::new(profile, console)?;
                    let terms = Terms::default();
                    sealift_seeder::cli::invite::run(&speaker, None, None, &terms).await?;
                    Ok(Exit::Done)
                };
                Ended::new(made.await, &lines)
            }
        })
        .await
    }

    /// A command of the leecher on `machine`, again after each power cut.
    pub async fn leecher(&self, machine: &SimMachine, line: &[&str]) -> Ended {
        self.persist(machine, || self.command(machine, line)).await
    }

    /// A command of the leecher on `machine`; `None` if it was killed.
    pub async fn leecher_once(&self, machine: &SimMachine, line: &[&str]) -> Option<Ended> {
        self.attempt(machine, || self.command(machine, line)).await
    }

    fn command(&self, machine: &SimMachine, line: &[&str]) -> impl Future<Output = Ended> + use<> {
        let arguments = [&["leecher"], line, &["--home", HOME]].concat();
        let arguments = sealift_leecher::cli::args::Arguments::parse_from(arguments);
        let (console, lines) = Console::captured(arguments.common.json);
        let running = sealift_leecher::cli::run(machine.platform.clone(), arguments, console);
        async move { Ended::new(running.await, &lines) }
    }

    /// The same command again until it ends well, as a person would.
    pub async fn insist<F: Future<Output = Ended>>(&self, mut command: impl FnMut() -> F) -> Ended {
        loop {
            let ended = command().await;
            if ended.exit == Exit::Done {
                return ended;
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }

    /// Makes whoever is at `machine` a member of the owner's space.
    ///
    /// # Panics
    /// When there is no invite.
    pub async fn join(&self, machine: &SimMachine, name: &str) {
        let invite = self.insist(|| self.invite()).await;
        let line = invite.results.last().expect("an invite");
        let join = ["join", line, "--name", name];
        self.insist(|| self.leecher(machine, &join)).await;
    }
}

fn seeder_config(name: &str) -> sealift_seeder::Config {
    sealift_seeder::Config {
        home: Home::beneath(Path::new(HOME)),
        watch: vec![WatchArg { name: None, dir: SHARE.into() }],
        remembered: false,
        relay: Some("relay:7743".parse::<RelayPlace>().expect("an address")),
        space: None,
        name: Some(name.to_owned()),
        watching: Watching::Poll(Duration::from_secs(2)),
        limit: None,
        path: sealift_transport::path::Allowed::Relay,
        invites: false,
        lan: false,
        answers_status: false,
    }
}

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit code.
    pub exit: Exit,
    /// What it printed as results.
    pub results: Vec<String>,
    /// Everything it said, for failures of tests.
    pub said: Vec<String>,
}

impl Ended {
    fn new(result: Result<Exit, Failure>, lines: &Lines) -> Self {
        let lines = lock(lines);
        let results = lines.iter().filter(|(channel, _)| *channel == Channel::Result);
        let results = results.map(|(_, text)| text.clone()).collect();
        let mut said: Vec<_> = lines.iter().map(|(_, text)| text.clone()).collect();
        let exit = result.unwrap_or_else(|failure| {
            said.push(failure.to_string());
            failure.exit
        });
        Self { exit, results, said }
    }
}

/// Runs `play` in a runtime of its own with paused time.
///
/// # Panics
/// Without a runtime.
pub fn in_virtual_time<F: Future>(play: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let output = runtime.block_on(play);
    runtime.shutdown_background();
    output
}
