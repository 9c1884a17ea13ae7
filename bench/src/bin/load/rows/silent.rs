//! Ten thousand sockets that connect and say nothing, while honest devices connect (T061).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;

use super::{figure, scaled};
use crate::client::{Space, source, tcp};
use crate::crowd;
use crate::honest::Visits;
use crate::host::{Relay, Start};
use crate::report::Report;

/// When all of them must be closed, s after each was opened.
const CLOSED: f64 = 15.0;
/// What a 99th of a hundred honest devices may wait, s.
const WAIT: f64 = 1.0;

pub(crate) async fn run(report: &mut Report, quick: bool) -> Result<()> {
    let relay = Relay::start(&Start::default())?;
    let count = scaled(10_000, quick);
    let empty = relay.resident()?;
    let visits = Visits::start(relay.address, Space::new(7), Duration::from_millis(50));
    let (start, cpu) = (Instant::now(), relay.cpu()?);
    let address = relay.address;
    let opened = crowd::all(count, 256, move |number| open(address, number)).await;
    let opening = start.elapsed().as_secs_f64();
    let mut waiting = JoinSet::new();
    for mut stream in opened.into_iter().flatten() {
        waiting.spawn(async move {
            let mut byte = [0];
            let _ = stream.0.read(&mut byte).await;
            stream.1.elapsed()
        });
    }
    let reached = waiting.len();
    let peak = relay.resident()?.saturating_sub(empty);
    let longest = tokio::time::timeout(Duration::from_secs(60), waiting.join_all()).await;
    let longest = longest
        .map_or(f64::INFINITY, |all| all.into_iter().max().unwrap_or_default().as_secs_f64());
    let busy = (relay.cpu()? - cpu) / start.elapsed().as_secs_f64();
    report.tell("opened", format!("{reached} of {count} in {opening:.1} s"));
    report.at_most("closed after, the longest", longest, CLOSED, "s");
    let figures = visits.end().await;
    report.at_most("an honest device connects within, 99th of a hundred", figures.p99, WAIT, "s");
    report.must("honest devices rejected", figures.failed, "0", figures.failed == 0);
    report.tell(
        "honest devices",
        format!("{}, median {:.0} ms", figures.count, figures.median * 1e3),
    );
    report.tell("memory meanwhile", format!("{:.1} MiB", figure(peak) / 1024.0));
    report.tell("processor time meanwhile", format!("{:.1} % of a core", busy * 100.0));
    Ok(())
}

async fn open(relay: SocketAddr, number: usize) -> Option<(tokio::net::TcpStream, Instant)> {
    let start = Instant::now();
    Some((tcp(relay, source(number as u64)).await.ok()?, start))
}
