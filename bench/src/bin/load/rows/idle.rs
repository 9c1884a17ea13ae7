//! Ten thousand devices that are connected and say nothing but that they live (T060).

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{figure, scaled};
use crate::client::Space;
use crate::crowd::{Crowd, words};
use crate::host::{Relay, Start};
use crate::report::Report;
use crate::transfer::{FILE, KEPT, LIMIT_BYTES, Pair};

/// Most memory that the relay may have with all of them, MB.
const MEMORY: f64 = 300.0;
/// How long the crowd stays before it is looked at: signs of life have been asked for and given.
const STAY: Duration = Duration::from_secs(20);

pub(crate) async fn run(report: &mut Report, quick: bool) -> Result<()> {
    let relay = Relay::start(&Start::default())?;
    let mut pair = Pair::start(&relay, if quick { FILE.0 / 10 } else { FILE.0 })?;
    let alone = tokio::task::block_in_place(|| pair.best(FILE.1))?;
    let empty = relay.resident()?;
    let mut crowd = Crowd::new(relay.address, Space::new(1), 0);
    for count in [100, 1_000, scaled(10_000, quick)] {
        if count <= crowd.len() {
            continue;
        }
        grow_to(report, &relay, &mut crowd, count, empty).await?;
    }
    let (cpu, start) = (relay.cpu()?, Instant::now());
    tokio::time::sleep(STAY).await;
    let busy = (relay.cpu()? - cpu) / start.elapsed().as_secs_f64();
    report.tell("processor time with all of them idle", format!("{:.1} % of a core", busy * 100.0));
    let crowded = tokio::task::block_in_place(|| pair.best(FILE.1))?;
    let memory = figure(relay.resident()? * 1024) / 1e6;
    let count = crowd.len();
    report.at_most(format!("resident memory, {count} idle devices"), memory, MEMORY, "MB");
    report.tell("the transfer alone", format!("{:.0} MB/s", alone / 1e6));
    let least = alone.min(LIMIT_BYTES);
    report.at_least("the transfer beside them, of itself alone", crowded / least, KEPT, "");
    let wanted = scaled(10_000, quick);
    report.must("devices still connected", count, &wanted.to_string(), count == wanted);
    crowd.leave().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = figure(relay.resident()? - empty) / 1024.0;
    report.tell("memory kept when all have gone", format!("{after:.1} MiB"));
    let code = relay.stop()?;
    report.must("exit code of the relay", code, "0", code == 0);
    Ok(())
}

async fn grow_to(
    report: &mut Report,
    relay: &Relay,
    crowd: &mut Crowd,
    count: usize,
    empty: u64,
) -> Result<()> {
    let (more, start, cpu) = (count - crowd.len(), Instant::now(), relay.cpu()?);
    let rejected = crowd.grow(more).await;
    let took = start.elapsed().as_secs_f64();
    let each = (relay.cpu()? - cpu) / figure(more as u64) * 1e3;
    let memory = figure(relay.resident()? - empty) / figure(count as u64);
    let kernel = relay.in_sockets()?;
    report.tell(
        format!("memory of each of {count}"),
        format!(
            "{memory:.1} KiB, and {:.1} KiB of the kernel for each of {} sockets",
            figure(kernel.all()) / 1024.0 / figure(kernel.count),
            kernel.count
        ),
    );
    report.tell(
        format!("connecting {more} more"),
        format!(
            "{:.0} a second, {each:.2} ms of the relay's processor time each",
            figure(more as u64) / took
        ),
    );
    let refused: usize = rejected.values().sum();
    report.must("of them rejected", words(&rejected), "none", refused == 0);
    Ok(())
}
