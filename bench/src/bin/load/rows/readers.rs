//! A thousand readers that take 1 KiB a second of what is sent as fast as it goes (T065).

use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{figure, scaled};
use crate::client::Space;
use crate::crowd::reasons;
use crate::host::{Relay, Start};
use crate::links;
use crate::report::Report;
use crate::transfer::{FILE, KEPT, LIMIT_BYTES, Pair};

/// Most resident memory for each, KiB.
const RESIDENT: f64 = 64.0;
/// Most memory for each with what the kernel keeps for it, KiB.
const ALL: f64 = 1024.0;
/// Until everything that fits has been filled.
const FILL: Duration = Duration::from_secs(10);

pub(crate) async fn run(report: &mut Report, quick: bool) -> Result<()> {
    for count in [scaled(100, quick), scaled(1_000, quick)] {
        readers(report, count, quick).await?;
    }
    Ok(())
}

async fn readers(report: &mut Report, count: usize, quick: bool) -> Result<()> {
    let relay = Relay::start(&Start::default())?;
    let mut pair = Pair::start(&relay, if quick { FILE.0 / 10 } else { FILE.0 })?;
    let alone = tokio::task::block_in_place(|| pair.best(FILE.1))?;
    let empty = relay.resident()?;
    let links = links::open(relay.address, &Space::new(1), count).await?;
    report.must("links refused", reasons(&links.refused), "none", links.refused.is_empty());
    let mut tasks = JoinSet::new();
    for link in links.open {
        tasks.spawn(push(link.near));
        tasks.spawn(sip(link.far));
    }
    tokio::time::sleep(FILL).await;
    let resident = figure(relay.resident()?.saturating_sub(empty)) / figure(count as u64);
    let (sockets, (pipes, of_them)) = (relay.in_sockets()?, relay.in_pipes()?);
    let each = |bytes: u64| figure(bytes) / 1024.0 / figure(count as u64);
    let kernel = each(sockets.all() + pipes);
    report.at_most(format!("resident memory of each of {count}"), resident, RESIDENT, "KiB");
    report.at_most(format!("with the kernel's, of each of {count}"), resident + kernel, ALL, "KiB");
    report.tell(
        "of it",
        format!(
            "received {:.0}, to be sent {:.0}, other {:.0}, {of_them} pipes {:.0} KiB",
            each(sockets.received),
            each(sockets.unsent),
            each(sockets.other),
            each(pipes)
        ),
    );
    let beside = tokio::task::block_in_place(|| pair.best(FILE.1))?;
    report.tell("the transfer alone", format!("{:.0} MB/s", alone / 1e6));
    let kept = beside / alone.min(LIMIT_BYTES);
    report.at_least("the transfer beside them, of itself alone", kept, KEPT, "");
    tasks.shutdown().await;
    Ok(())
}

/// What the two ends may keep in their own buffers, bytes: they stand for other machines, and this one has to hold all.
const OWN: usize = 64 << 10;

async fn push(mut to: TcpStream) {
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&to, OWN);
    let block = vec![7; 64 << 10];
    while to.write_all(&block).await.is_ok() {}
}

async fn sip(mut from: TcpStream) {
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&from, OWN);
    let mut block = [0; 1024];
    while from.read_exact(&mut block).await.is_ok() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}
