//! Five hundred links at once, all of which have more to carry than the machine can: nobody may be left behind.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::{figure, scaled};
use crate::client::Space;
use crate::crowd::reasons;
use crate::host::{Relay, Start};
use crate::links::{self, Link};
use crate::report::Report;

/// How long they carry before it counts, and how long it counts.
const WARM: Duration = Duration::from_secs(3);
const COUNTED: Duration = Duration::from_secs(15);
/// What the slowest must have of the mean.
const LEAST: f64 = 0.5;
/// A user who is not root, whom the kernel gives so many pipes and no more.
const NOBODY: &str = "65534";
/// Pipes that take all that a user is given, of 64 KiB each.
const HOGGED: u64 = 1100;

/// All have a pipe.
pub(crate) async fn run(report: &mut Report, quick: bool) -> Result<()> {
    let relay = Relay::start(&Start::default())?;
    measure(report, &relay, scaled(500, quick)).await
}

/// Another program of the relay's user has taken all the pipes there are.
pub(crate) async fn without_pipes(report: &mut Report, quick: bool) -> Result<()> {
    let root = rustix::process::geteuid().is_root();
    let own: &[&str] = if root {
        &["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]
    } else {
        &[]
    };
    let prefix: Vec<String> = own.iter().map(|word| (*word).to_owned()).collect();
    let _hog = hog(&prefix)?;
    let relay = Relay::start(&Start { prefix, everybody: true, ..Start::default() })?;
    measure(report, &relay, scaled(500, quick)).await
}

async fn measure(report: &mut Report, relay: &Relay, count: usize) -> Result<()> {
    let links = links::open(relay.address, &Space::new(1), count).await?;
    report.must("links refused", reasons(&links.refused), "none", links.refused.is_empty());
    let counters: Vec<_> = links.open.iter().map(|_| Arc::new(AtomicU64::new(0))).collect();
    let mut tasks = JoinSet::new();
    for (link, counter) in links.open.into_iter().zip(&counters) {
        flow(&mut tasks, link, Arc::clone(counter));
    }
    tokio::time::sleep(WARM).await;
    let before: Vec<u64> = counters.iter().map(|one| one.load(Ordering::Relaxed)).collect();
    let (start, cpu) = (Instant::now(), relay.cpu()?);
    tokio::time::sleep(COUNTED).await;
    let moved = counters.iter().zip(before).map(|(one, old)| one.load(Ordering::Relaxed) - old);
    let mut moved: Vec<u64> = moved.collect();
    let took = start.elapsed().as_secs_f64();
    let cpu = relay.cpu()? - cpu;
    moved.sort_unstable();
    let all = figure(moved.iter().sum());
    let mean = all / figure(moved.len() as u64);
    let share = |at: usize| moved.get(at).map_or(0.0, |bytes| figure(*bytes) / mean);
    let (_, pipes) = relay.in_pipes()?;
    report.tell(
        "together",
        format!(
            "{:.2} GB/s, {:.2} s of the relay's processor time a GB, {pipes} pipes",
            all / took / 1e9,
            cpu / all * 1e9
        ),
    );
    report.at_least("the slowest link, of the mean", share(0), LEAST, "");
    report.tell(
        "others, of the mean",
        format!(
            "5th of a hundred {:.2}, median {:.2}, fastest {:.2}",
            share(moved.len() / 20),
            share(moved.len() / 2),
            share(moved.len() - 1)
        ),
    );
    let memory = figure(relay.resident()?) / figure(moved.len() as u64);
    report.tell("resident memory for each link", format!("{memory:.0} KiB"));
    tasks.shutdown().await;
    Ok(())
}

fn flow(tasks: &mut JoinSet<()>, link: Link, counter: Arc<AtomicU64>) {
    let (mut near, mut far) = (link.near, link.far);
    tasks.spawn(async move {
        let block = vec![7; 64 << 10];
        // A turn for each here as well: what is measured is how fair the relay is.
        while near.write_all(&block).await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    tasks.spawn(async move {
        let mut block = vec![0; 64 << 10];
        while let Ok(count @ 1..) = far.read(&mut block).await {
            counter.fetch_add(count as u64, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
}

/// A process that holds pipes until it is dropped.
struct Hog(Child);

impl Drop for Hog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn hog(prefix: &[String]) -> Result<Hog> {
    let own = std::env::current_exe()?.display().to_string();
    let line: Vec<String> =
        prefix.iter().cloned().chain([own, "--hold-pipes".to_owned()]).collect();
    let child = Command::new(&line[0]).args(&line[1..]).stdout(Stdio::piped()).spawn();
    let mut hog = Hog(child.with_context(|| format!("cannot run {}", line.join(" ")))?);
    let mut said = [0];
    let out = hog.0.stdout.as_mut().context("standard output")?;
    std::io::Read::read_exact(out, &mut said).context("the pipes are not taken")?;
    Ok(hog)
}

/// Takes all pipes of the user, says so, and waits to be ended.
pub(crate) fn hold_pipes() -> Result<()> {
    let mut held = Vec::new();
    for _ in 0..HOGGED {
        held.push(rustix::pipe::pipe()?);
    }
    println!(".");
    loop {
        std::thread::park();
    }
}
