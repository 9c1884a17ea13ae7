//! A relay that may have 256 descriptors, and a thousand sockets that want one (T066).

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::client::{Client, Space, source, tcp};
use crate::crowd::{self, Crowd, words};
use crate::host::{Relay, Start};
use crate::links::{self, Link};
use crate::report::Report;

/// What the relay may have.
const DESCRIPTORS: u32 = 256;
/// Who wants one.
const WANTED: usize = 1000;
/// How long they stay.
const STAY: Duration = Duration::from_secs(10);
/// What the relay may use of a core meanwhile.
const BUSY: f64 = 0.1;
/// Devices that are there before.
const THERE: usize = 20;

pub(super) async fn run(report: &mut Report, _quick: bool) -> Result<()> {
    let prefix = ["prlimit".to_owned(), format!("--nofile={DESCRIPTORS}:{DESCRIPTORS}")];
    let relay = Relay::start(&Start { prefix: prefix.to_vec(), ..Start::default() })?;
    let mut there = Crowd::new(relay.address, Space::new(1), 1000);
    there.grow(THERE).await;
    let mut links = links::open(relay.address, &Space::new(2), 1).await?;
    let link = links.open.pop().context("a link")?;
    let carrying = carry(link);

    let address = relay.address;
    let sockets =
        crowd::all(WANTED, WANTED, move |number| tcp(address, source(number as u64))).await;
    stay(report, &relay, "silent sockets").await?;
    let held = relay.descriptors()?;
    report.tell("descriptors of the relay meanwhile", held);
    drop(sockets);
    let mut crowd = Crowd::new(relay.address, Space::new(3), 5000);
    let rejected = crowd.grow(WANTED / 2).await;
    report.tell(
        format!("members welcomed of {}", WANTED / 2),
        format!("{}; {}", crowd.len(), words(&rejected)),
    );
    stay(report, &relay, "members").await?;
    crowd.leave().await;

    let start = Instant::now();
    let late = Client::connect(relay.address, source(9), &Space::new(4).device(1), false).await;
    let took = start.elapsed();
    report.must(
        "a device connects when they have gone",
        late.as_ref()
            .map_or_else(ToString::to_string, |_| format!("within {:.2} s", took.as_secs_f64())),
        "at once",
        late.is_ok() && took < Duration::from_secs(3),
    );
    report.must(
        "devices that were there before",
        there.len(),
        &THERE.to_string(),
        there.len() == THERE,
    );
    let carried = carrying.is_finished();
    report.must("their link", if carried { "broken" } else { "at work" }, "at work", !carried);
    carrying.abort();
    let code = relay.stop()?;
    report.must("exit code of the relay", code, "0", code == 0);
    Ok(())
}

async fn stay(report: &mut Report, relay: &Relay, whom: &str) -> Result<()> {
    let (start, cpu) = (Instant::now(), relay.cpu()?);
    tokio::time::sleep(STAY).await;
    let busy = (relay.cpu()? - cpu) / start.elapsed().as_secs_f64();
    report.at_most(format!("cores in use beside {WANTED} {whom}"), busy, BUSY, "");
    Ok(())
}

/// Bytes go there and come back, twenty times a second; ends when one does not within five seconds.
fn carry(link: Link) -> JoinHandle<Option<()>> {
    async fn round(near: &mut TcpStream, far: &mut TcpStream) -> std::io::Result<()> {
        let mut bytes = [0; 512];
        near.write_all(&[7; 512]).await?;
        far.read_exact(&mut bytes).await?;
        far.write_all(&bytes).await?;
        near.read_exact(&mut bytes).await.map(drop)
    }
    tokio::spawn(async move {
        let (mut near, mut far) = (link.near, link.far);
        loop {
            let patience = Duration::from_secs(5);
            tokio::time::timeout(patience, round(&mut near, &mut far)).await.ok()?.ok()?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
}
