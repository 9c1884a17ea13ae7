//! Connections that break off in the middle of their TLS handshake, hundreds and then as many as there can be in a second (T072).

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::figure;
use crate::client::{Space, client_config, source, tcp};
use crate::honest::Visits;
use crate::host::{Relay, Start};
use crate::report::Report;

/// So many begin in a second, and for how long.
const RATE: u32 = 500;
/// What the relay may use of a core meanwhile.
const BUSY: f64 = 0.5;
/// The same for as many as the machine can make.
const BUSY_AT_MOST: f64 = 1.2;
/// Most that an honest device may wait, s.
const WAIT: f64 = 1.0;
/// Most memory that stays, MiB.
const KEPT: f64 = 16.0;
/// How many are under way at once when they are not paced.
const AT_ONCE: usize = 128;

pub(crate) async fn run(report: &mut Report, quick: bool) -> Result<()> {
    let time = Duration::from_secs(if quick { 6 } else { 60 });
    let relay = Relay::start(&Start::default())?;
    // What it keeps once and for all.
    churn(relay.address, Duration::from_secs(3), Some(RATE)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (memory, descriptors) = (relay.resident()?, relay.descriptors()?);
    round(report, &relay, time, Some(RATE)).await?;
    round(report, &relay, time / 3, None).await?;
    tokio::time::sleep(Duration::from_secs(12)).await;
    let grown = figure(relay.resident()?.saturating_sub(memory)) / 1024.0;
    report.at_most("memory kept afterwards", grown, KEPT, "MiB");
    let left = relay.descriptors()?;
    report.must("descriptors afterwards", left, &format!("≤ {descriptors}"), left <= descriptors);
    Ok(())
}

async fn round(
    report: &mut Report,
    relay: &Relay,
    time: Duration,
    rate: Option<u32>,
) -> Result<()> {
    let visits = Visits::start(relay.address, Space::new(7), Duration::from_millis(100));
    let (start, cpu) = (Instant::now(), relay.cpu()?);
    let made = churn(relay.address, time, rate).await;
    let took = start.elapsed().as_secs_f64();
    let busy = (relay.cpu()? - cpu) / took;
    let figures = visits.end().await;
    let each_second = figure(made) / took;
    let most = if rate.is_some() { BUSY } else { BUSY_AT_MOST };
    report.at_most(format!("cores in use at {each_second:.0} a second"), busy, most, "");
    report.at_most("an honest device connects within, 99th of a hundred", figures.p99, WAIT, "s");
    report.must("honest devices rejected", figures.failed, "0", figures.failed == 0);
    Ok(())
}

/// Begins connections and breaks them off; how many.
pub(crate) async fn churn(relay: SocketAddr, time: Duration, rate: Option<u32>) -> u64 {
    let end = Instant::now() + time;
    let mut next = rate.map(|rate| tokio::time::interval(Duration::from_secs(1) / rate));
    let (mut made, mut open) = (0_u64, JoinSet::new());
    while Instant::now() < end {
        if let Some(next) = &mut next {
            next.tick().await;
        }
        while open.len() >= AT_ONCE * if next.is_some() { 8 } else { 1 } {
            open.join_next().await;
        }
        while open.try_join_next().is_some() {}
        made += 1;
        open.spawn(abort(relay, made));
    }
    open.join_all().await;
    made
}

/// Breaks off at one of four places: within the first message, behind it, within the answer, behind the answer.
pub(crate) async fn abort(relay: SocketAddr, number: u64) -> io::Result<()> {
    let mut stream = tcp(relay, source(number)).await?;
    let mut hello = Vec::new();
    let mut session = ClientConnection::new(client_config(), ServerName::from(relay.ip()))
        .map_err(io::Error::other)?;
    session.write_tls(&mut hello)?;
    if number.is_multiple_of(4) {
        return stream.write_all(&hello[..hello.len() / 2]).await;
    }
    stream.write_all(&hello).await?;
    let patience = Duration::from_secs(5);
    match number % 4 {
        1 => {}
        2 => drop(tokio::time::timeout(patience, stream.read(&mut [0; 40])).await),
        _ => drop(tokio::time::timeout(patience, stream.read(&mut [0; 4096])).await),
    }
    Ok(())
}
