//! One download from several seeders: together, beside a slow one, and while one vanishes, stalls, changes its file, comes back
//! or lies. In virtual time, where a second of a path is a second, however busy this machine is.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::path::Path;
use std::time::Duration;

use sealift_command::event::Event;
use sealift_command::exit::Exit;
use sealift_platform::random::Random;
use sealift_tests::sim::scene::{Ended, SHARE, Scene, in_virtual_time};
use sealift_tests::sim::{Loss, SimMachine, SimRandom, net};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

const FILE: &str = "big.bin";
const OUT: &str = "/out";
const SIZE: usize = 48 << 20;
/// Bytes in a second that a usual seeder can send.
const RATE: u64 = 6 << 20;
const CHUNK: u64 = 1 << 20;
const LONG: Duration = Duration::from_secs(24 * 3600);

/// A seeder besides the owner's.
struct Source {
    name: &'static str,
    machine: SimMachine,
    up: watch::Sender<bool>,
}

struct Sources {
    scene: Scene,
    others: Vec<Source>,
    content: Vec<u8>,
}

/// How a download went.
struct Went {
    ended: Ended,
    took: Duration,
    /// Bytes that the friend received, and that each seeder sent, the owner's first.
    received: u64,
    sent: Vec<u64>,
}

impl Sources {
    fn new(names: &[&'static str]) -> Self {
        let scene = Scene::new(1, Loss::Nothing);
        let mut content = vec![0; SIZE];
        SimRandom::new(7).fill(&mut content);
        let source = |name: &&'static str| {
            let machine = scene.world.machine(name);
            Source { name, machine, up: watch::Sender::new(true) }
        };
        let others = names.iter().map(source).collect();
        let sources = Self { scene, others, content };
        for machine in sources.machines() {
            sources.offer(machine, &sources.content);
        }
        sources
    }

    fn machines(&self) -> impl Iterator<Item = &SimMachine> {
        std::iter::once(&self.scene.owner).chain(self.others.iter().map(|source| &source.machine))
    }

    fn offer(&self, machine: &SimMachine, content: &[u8]) {
        machine.disk.put(Path::new(SHARE).join(FILE), content).unwrap();
    }

    fn set_path(&self, machine: &SimMachine, rate: u64, open: bool) {
        let path = net::Path { rate: Some(rate), open, ..net::Path::default() };
        self.scene.world.net.set_path(&machine.host, &self.scene.relay.host, path);
    }

    /// Runs all programs until `person` is done, who begins when all seeders are found.
    async fn play(&self, person: impl AsyncFnOnce(&Self)) {
        let all = async {
            self.scene.join(&self.scene.friend, "ben").await;
            for source in &self.others {
                self.scene.join(&source.machine, source.name).await;
            }
            let serving = self.others.iter().map(|source| Box::pin(self.serve(source)));
            let mut serving: Vec<_> = serving.collect();
            let all_serve = std::future::poll_fn(|context| {
                for one in &mut serving {
                    let _ = one.as_mut().poll(context);
                }
                std::task::Poll::<()>::Pending
            });
            tokio::select! {
                () = all_serve => unreachable!("they go on"),
                done = async {
                    self.until_serving(1 + self.others.len()).await;
                    self.machines().for_each(|machine| self.set_path(machine, RATE, true));
                    person(self).await;
                } => done,
            }
        };
        self.scene.play(LONG, all).await;
    }

    /// Runs a seeder whenever it is to be up.
    async fn serve(&self, source: &Source) {
        let mut up = source.up.subscribe();
        loop {
            let _ = up.wait_for(|up| *up).await;
            tokio::select! {
                () = self.scene.run_seeder(&source.machine, source.name) => {}
                _ = up.wait_for(|up| !*up) => {}
            }
            // As a process that is killed: what it had open is closed, also on its disk.
            self.scene.world.net.drop_host(&source.machine.host);
            source.machine.disk.restart(&Loss::Nothing);
        }
    }

    /// Waits until so many online seeders are known to have the file.
    async fn until_serving(&self, count: usize) {
        loop {
            let found = self.scene.leecher(&self.scene.friend, &["search", FILE, "--json"]).await;
            let holders = found.results.iter().map(|line| serde_json::from_str(line).unwrap());
            let serving = holders
                .filter(|hit: &Value| hit["hash"].is_string())
                .flat_map(|hit| hit["holders"].as_array().cloned().unwrap_or_default())
                .filter(|holder| holder["serving"] == true)
                .count();
            if serving == count {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    async fn download(&self) -> Went {
        self.scene.friend.disk.clear(OUT);
        let sent = || -> Vec<u64> {
            self.machines().map(|machine| machine.host.traffic().borrow().sent).collect()
        };
        let received = || self.scene.friend.host.traffic().borrow().received;
        let (sent_before, received_before) = (sent(), received());
        let start = Instant::now();
        let line = ["download", FILE, "--out", OUT, "--json"];
        let ended = self.scene.leecher(&self.scene.friend, &line).await;
        let took = start.elapsed();
        let sent = sent().iter().zip(sent_before).map(|(now, before)| now - before).collect();
        let went = Went { ended, took, received: received() - received_before, sent };
        println!("{took:?}, {} received, {:?} sent", went.received, went.sent);
        went
    }

    /// Downloads, and does something once so many bytes have come.
    async fn download_and(&self, bytes: u64, then: impl Future<Output = ()>) -> Went {
        let mut traffic = self.scene.friend.host.traffic();
        let until = traffic.borrow().received + bytes;
        let wait = async {
            let _ = traffic.wait_for(|now| now.received >= until).await;
            then.await;
        };
        tokio::join!(self.download(), wait).0
    }

    /// The command ended well, and nothing but the whole file is there.
    fn check(&self, went: &Went) {
        assert_eq!(went.ended.exit, Exit::Done, "{:#?}", went.ended);
        let there = self.scene.friend.disk.files(OUT);
        let names: Vec<_> = there.iter().map(|(path, _)| path).collect();
        assert!(there.len() == 1 && there[0].1 == self.content, "{names:?}");
        assert!(there[0].0.ends_with(FILE));
    }
}

/// Time that `bytes` take at `rate`.
fn time(bytes: usize, rate: u64) -> f64 {
    bytes as f64 / rate as f64
}

fn events<'a>(ended: &'a Ended, kind: &'a str) -> impl Iterator<Item = Value> + 'a {
    let events = ended.said.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let events =
        events.inspect(|event| drop(Event::deserialize(event).expect("a type of its own")));
    events.filter(move |event| event["type"] == kind)
}

/// What is left of the file after `come`, at the rate of one seeder; what came before, at the rate of two; and a moment.
fn with_one_left(come: usize) -> f64 {
    time(come, 2 * RATE) + time(SIZE - come, RATE) + 2.0
}

/// Plays with the owner's seeder and those called `names`.
fn with(names: &[&'static str], person: impl AsyncFnOnce(&Sources)) {
    in_virtual_time(async { Sources::new(names).play(person).await });
}

#[test]
fn two_are_twice_as_fast_and_a_slow_third_does_no_harm() {
    with(&["cem", "dora"], async |sources| {
        let [cem, dora] = &sources.others[..] else { unreachable!("two") };
        cem.up.send_replace(false);
        dora.up.send_replace(false);
        sources.until_serving(1).await;
        let one = sources.download().await;
        sources.check(&one);
        assert!(
            one.took.as_secs_f64() >= time(SIZE, RATE),
            "the path is as narrow as it should be"
        );
        cem.up.send_replace(true);
        sources.until_serving(2).await;
        let two = sources.download().await;
        sources.check(&two);
        let ratio = one.took.as_secs_f64() / two.took.as_secs_f64();
        assert!(ratio >= 1.8, "{ratio}");
        assert!(two.sent[..2].iter().all(|sent| *sent > SIZE as u64 * 2 / 5), "{:?}", two.sent);
        dora.up.send_replace(true);
        sources.until_serving(3).await;
        sources.set_path(&dora.machine, RATE / 10, true);
        let three = sources.download().await;
        sources.check(&three);
        let ratio = two.took.as_secs_f64() / three.took.as_secs_f64();
        assert!(ratio >= 0.95, "{ratio}");
    });
}

#[test]
fn one_that_vanishes_costs_its_share() {
    with(&["cem"], async |sources| {
        let vanish = async { _ = sources.others[0].up.send_replace(false) };
        let went = sources.download_and(12 * CHUNK, vanish).await;
        sources.check(&went);
        assert!(went.took.as_secs_f64() < with_one_left(12 << 20), "{:?}", went.took);
        assert!(went.received < SIZE as u64 + 4 * CHUNK, "{}", went.received);
    });
}

#[test]
fn one_that_falls_silent_costs_its_share() {
    with(&["cem"], async |sources| {
        let stall = async { sources.set_path(&sources.others[0].machine, RATE, false) };
        let went = sources.download_and(12 * CHUNK, stall).await;
        sources.check(&went);
        assert!(went.took.as_secs_f64() < with_one_left(12 << 20), "{:?}", went.took);
    });
}

#[test]
fn one_that_changes_its_file_costs_its_share_and_versions_never_mix() {
    with(&["cem"], async |sources| {
        let mut other = sources.content.clone();
        other.iter_mut().for_each(|byte| *byte ^= 0x55);
        let cem = &sources.others[0].machine;
        let change = async { sources.offer(cem, &other) };
        let went = sources.download_and(12 * CHUNK, change).await;
        sources.check(&went);
        assert!(went.took.as_secs_f64() < with_one_left(12 << 20), "{:?}", went.took);
        assert_eq!(events(&went.ended, "tampering").count(), 0, "{:#?}", went.ended);
    });
}

#[test]
fn when_all_change_the_same_command_fetches_the_new_content() {
    with(&["cem"], async |sources| {
        let mut other = sources.content.clone();
        other.iter_mut().for_each(|byte| *byte ^= 0x55);
        let change = async {
            sources.machines().for_each(|machine| sources.offer(machine, &other));
        };
        let went = sources.download_and(12 * CHUNK, change).await;
        assert_eq!(went.ended.exit, Exit::Done, "{:#?}", went.ended);
        let landed = sources.scene.friend.disk.get(Path::new(OUT).join(FILE));
        assert!(landed.unwrap() == other, "the new content, and none of the old");
    });
}

#[test]
fn one_that_comes_in_the_middle_helps() {
    with(&["cem"], async |sources| {
        let cem = &sources.others[0];
        cem.up.send_replace(false);
        sources.until_serving(1).await;
        let come = async { _ = cem.up.send_replace(true) };
        let went = sources.download_and(12 * CHUNK, come).await;
        sources.check(&went);
        let best = time(12 << 20, RATE) + time(SIZE - (12 << 20), 2 * RATE);
        assert!(went.took.as_secs_f64() < best + 2.0, "{:?} and {best}", went.took);
        assert!(went.sent[1] > 12 * CHUNK, "{:?}", went.sent);
    });
}

/// Spoils every chunk of the file at `machine`, beneath what its seeder can see.
fn spoil(machine: &SimMachine) {
    for at in (5..SIZE).step_by(1 << 20) {
        machine.disk.rot(Path::new(SHARE).join(FILE), at).unwrap();
    }
}

#[test]
fn one_that_lies_is_named_and_dropped() {
    with(&["cem"], async |sources| {
        spoil(&sources.others[0].machine);
        let went = sources.download().await;
        sources.check(&went);
        let named: Vec<_> = events(&went.ended, "tampering").collect();
        assert_eq!(named.len(), 1, "{:#?}", went.ended);
        assert_eq!(named[0]["seeder"], "cem", "{named:?}");
        assert!(went.sent[1] < SIZE as u64 / 3, "nothing more is taken: {:?}", went.sent);
    });
}
#[test]
fn when_all_lie_nothing_lands() {
    with(&["cem"], async |sources| {
        sources.machines().for_each(spoil);
        let went = sources.download().await;
        assert_eq!(went.ended.exit, Exit::Tampered, "{:#?}", went.ended);
        let mut named: Vec<_> = events(&went.ended, "tampering")
            .map(|event| event["seeder"].as_str().unwrap().to_owned())
            .collect();
        named.sort();
        assert_eq!(named, ["ana", "cem"]);
        assert!(sources.scene.friend.disk.get(Path::new(OUT).join(FILE)).is_err());
    });
}
