//! The long run: honest transfers, devices that come and go, and hostile clients of every kind at once, while the relay's memory
//! and descriptors are looked at. `bench/soak.sh` an hour, `bench/soak.sh 2` in CI.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::client::Space;
use crate::host::{Relay, Start, descriptors, resident};
use crate::hostile;
use crate::report::Report;
use crate::rows::figure;
use crate::transfer::Pair;

/// Part of the time that passes before anything is compared: what is kept once and for all has been taken by then.
const WARM: f64 = 0.25;
/// How often memory is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Bytes of an honest transfer, and the pause behind it.
const FILE: u64 = 24 << 20;
const PAUSE: Duration = Duration::from_millis(1500);
/// Growth of memory in an hour at most, MB, where an hour can be told from less.
const SLOPE: f64 = 1.0;
/// From how long a run on the slope says something.
const LONG: Duration = Duration::from_secs(15 * 60);
/// What a short run may grow by between its second quarter and its last, MB.
const GROWTH: f64 = 5.0;
/// How long everybody has to be gone after the end.
const QUIET: Duration = Duration::from_secs(20);

/// What was seen at one moment.
#[derive(Debug, Clone, Copy)]
struct Look {
    at: f64,
    memory: f64,
    descriptors: f64,
}

/// Runs for `time`, or until it is interrupted, and tells how it went.
pub(crate) async fn run(report: &mut Report, time: Duration) -> Result<()> {
    let folder = tempfile::TempDir::with_prefix("sealift-load-")?;
    let relay = Relay::start(&small_cache(folder.path())?)?;
    // What it opens when it has said that it is ready is there by then; nothing but this comparison rests on it.
    tokio::time::sleep(LOOK).await;
    let quiet = relay.descriptors()?;
    let stop = Arc::new(AtomicBool::new(false));
    let honest = Arc::new(Honest::default());
    let pair = Pair::start(&relay, FILE)?;
    let seeder = pair.seeder();
    let seeder_memory = resident(seeder)?;
    let transfers = std::thread::spawn({
        let (stop, honest) = (Arc::clone(&stop), Arc::clone(&honest));
        move || transfer_on(pair, &stop, &honest)
    });
    let mut crowd = JoinSet::new();
    hostile::everybody(&mut crowd, relay.address, &Arc::new(Space::new(3)));
    let (looks, cpu) = watch(&relay, time).await?;
    let time = looks.last().map_or(time, |look| Duration::from_secs_f64(look.at));
    stop.store(true, Ordering::Relaxed);
    crowd.shutdown().await;
    let seeder_grown = figure(resident(seeder).unwrap_or(0)) - figure(seeder_memory);
    let seeder_descriptors = descriptors(seeder).unwrap_or(0);
    let last = tokio::task::spawn_blocking(move || transfers.join()).await?;
    judge(report, &looks, time);
    report.tell("processor time of the relay", format!("{:.1} % of a core", cpu * 100.0));
    let (good, bad) = (honest.good.load(Ordering::Relaxed), honest.bad.load(Ordering::Relaxed));
    report.must(
        "honest transfers that failed",
        format!("{bad} of {}", good + bad),
        "0 of some",
        bad == 0 && good > 0,
    );
    report.must(
        "the last words of the honest",
        if last.is_ok() { "none" } else { "a panic" },
        "none",
        last.is_ok(),
    );
    report.tell("the seeder", format!("{seeder_grown:+.0} KiB, {seeder_descriptors} descriptors"));
    tokio::time::sleep(QUIET).await;
    let left = relay.descriptors()?;
    report.must("descriptors when all have gone", left, &format!("≤ {quiet}"), left <= quiet);
    let code = relay.stop()?;
    report.must("exit code of the relay", code, "0", code == 0);
    Ok(())
}

/// A relay whose cache of the store is full from the start: filling it takes longer than most runs, and is no leak.
fn small_cache(folder: &std::path::Path) -> Result<Start> {
    let config = folder.join("relay.toml");
    std::fs::write(&config, "[limits]\nstore_cache = \"1 MiB\"\n")?;
    let arguments = vec!["--config".to_owned(), config.display().to_string()];
    Ok(Start { arguments, ..Start::default() })
}

#[derive(Default)]
struct Honest {
    good: AtomicU64,
    bad: AtomicU64,
}

fn transfer_on(mut pair: Pair, stop: &AtomicBool, honest: &Honest) {
    while !stop.load(Ordering::Relaxed) {
        match pair.fetch() {
            Ok(_) => honest.good.fetch_add(1, Ordering::Relaxed),
            Err(error) => {
                eprintln!("   an honest transfer failed: {error:#}");
                honest.bad.fetch_add(1, Ordering::Relaxed)
            }
        };
        std::thread::sleep(PAUSE);
    }
}

/// Looks once a second until `time` is over or somebody wants the end; and how much of a core the relay used.
async fn watch(relay: &Relay, time: Duration) -> Result<(Vec<Look>, f64)> {
    let (start, cpu) = (Instant::now(), relay.cpu()?);
    let mut looks = Vec::new();
    let mut next = tokio::time::interval(LOOK);
    let mut told = Instant::now();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    while start.elapsed() < time {
        tokio::select! {
            _ = next.tick() => {}
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
        let look = Look {
            at: start.elapsed().as_secs_f64(),
            memory: figure(relay.resident()? * 1024) / 1e6,
            descriptors: figure(relay.descriptors()? as u64),
        };
        looks.push(look);
        if told.elapsed() >= Duration::from_secs(60) {
            told = Instant::now();
            eprintln!(
                "   {:5.0} s  {:6.2} MB  {} descriptors",
                look.at, look.memory, look.descriptors
            );
        }
    }
    let busy = (relay.cpu()? - cpu) / start.elapsed().as_secs_f64();
    Ok((looks, busy))
}

fn judge(report: &mut Report, looks: &[Look], time: Duration) {
    let warm = time.as_secs_f64() * WARM;
    let late: Vec<Look> = looks.iter().copied().filter(|look| look.at >= warm).collect();
    let slope = slope(&late, |look| look.memory) * 3600.0;
    let of = |part: &[Look], value: fn(&Look) -> f64| {
        let mut values: Vec<f64> = part.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    let third = late.len() / 3;
    let (first, last) = (&late[..third], &late[late.len() - third..]);
    let grown = of(last, |look| look.memory) - of(first, |look| look.memory);
    let most = looks.iter().map(|look| look.memory).fold(0.0, f64::max);
    report.tell(
        "memory, middle of the last third, most",
        format!("{:.1} MB, {most:.1} MB", of(last, |look| look.memory)),
    );
    if time >= LONG {
        report.at_most("memory grows in an hour by", slope, SLOPE, "MB");
    } else {
        report.at_most("memory grew after the start by", grown, GROWTH, "MB");
    }
    let (before, after) = (of(first, |look| look.descriptors), of(last, |look| look.descriptors));
    let flat = after <= before * 1.1 + 10.0;
    report.must("descriptors, first and last third", format!("{before}, {after}"), "flat", flat);
}

/// Least squares: change of `value` in a second.
fn slope(looks: &[Look], value: impl Fn(&Look) -> f64) -> f64 {
    let count = figure(looks.len() as u64).max(1.0);
    let mean_at = looks.iter().map(|look| look.at).sum::<f64>() / count;
    let mean = looks.iter().map(&value).sum::<f64>() / count;
    let up: f64 = looks.iter().map(|look| (look.at - mean_at) * (value(look) - mean)).sum();
    let down: f64 = looks.iter().map(|look| (look.at - mean_at).powi(2)).sum();
    if down > 0.0 { up / down } else { 0.0 }
}
