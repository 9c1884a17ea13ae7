//! A relay that may have 256 MiB of memory, and a crowd, slow readers and a large catalogue that want more (T067).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::{entries, figure, scaled};
use crate::client::Space;
use crate::crowd::{Crowd, reasons, words};
use crate::host::{Relay, Start};
use crate::links;
use crate::report::Report;
use crate::transfer::Pair;

/// What the relay may have, bytes.
const MEMORY: u64 = 256 << 20;
/// Bytes of the honest transfer.
const FILE: u64 = 64 << 20;
/// What the relay may use of a core when the load stands.
const BUSY: f64 = 0.3;

pub(super) async fn run(report: &mut Report, quick: bool) -> Result<()> {
    let group = match Group::make(MEMORY) {
        Ok(group) => group,
        Err(error) => {
            report
                .skip(format!("no control group with a memory limit can be made here: {error:#}"));
            return Ok(());
        }
    };
    let mut relay = Relay::start(&Start { prefix: group.prefix(), ..Start::default() })?;
    let mut pair = Pair::start(&relay, FILE)?;
    entries::publish(report, &relay, &Space::new(1), scaled(1_000_000, quick)).await?;
    let wanted = scaled(600, quick);
    let links = links::open(relay.address, &Space::new(3), wanted).await;
    let mut tasks = JoinSet::new();
    if let Ok(links) = links {
        report.tell(
            format!("links opened of {wanted}"),
            format!("{}; refused: {}", links.open.len(), reasons(&links.refused)),
        );
        for link in links.open {
            let (mut near, mut far) = (link.near, link.far);
            tasks.spawn(async move { while near.write_all(&[7; 4096]).await.is_ok() {} });
            tasks.spawn(async move {
                while far.read_exact(&mut [0; 1024]).await.is_ok() {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            });
        }
    }
    let mut crowd = Crowd::new(relay.address, Space::new(2), 10_000);
    let wanted = scaled(12_000, quick);
    let rejected = crowd.grow(wanted).await;
    report.tell(
        format!("devices welcomed of {wanted}"),
        format!("{}; {}", crowd.len(), words(&rejected)),
    );
    let (start, cpu) = (Instant::now(), relay.cpu()?);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let busy = (relay.cpu()? - cpu) / start.elapsed().as_secs_f64();
    report.at_most("cores in use when all of it stands", busy, BUSY, "");
    report.tell("memory resident", format!("{:.0} MB", figure(relay.resident()? * 1024) / 1e6));
    report.tell("memory of the group", group.used().unwrap_or_default());
    crowd.leave().await;
    tasks.shutdown().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let killed = group.killed();
    report.must(
        "processes that the system ended for their memory",
        killed,
        "0",
        killed == 0 && relay.runs(),
    );
    let fetched = tokio::task::block_in_place(|| pair.fetch());
    report.must(
        "an honest transfer afterwards",
        fetched.as_ref().map_or_else(|error| format!("{error:#}"), |_| "whole".to_owned()),
        "whole",
        fetched.is_ok(),
    );
    drop(pair);
    let code = relay.stop()?;
    report.must("exit code of the relay", code, "0", code == 0);
    Ok(())
}

/// A control group of its own, removed when dropped.
struct Group {
    folder: PathBuf,
    second: bool,
}

impl Group {
    fn make(bytes: u64) -> Result<Self> {
        let unified = Path::new("/sys/fs/cgroup");
        let second = std::fs::read_to_string(unified.join("cgroup.controllers"))
            .is_ok_and(|controllers| controllers.contains("memory"));
        let base = if second { unified.to_owned() } else { unified.join("memory") };
        let folder = base.join(format!("sealift-load-{}", std::process::id()));
        std::fs::create_dir(&folder).with_context(|| folder.display().to_string())?;
        let group = Self { folder, second };
        let limit = if second { "memory.max" } else { "memory.limit_in_bytes" };
        std::fs::write(group.folder.join(limit), bytes.to_string()).context(limit)?;
        Ok(group)
    }

    fn prefix(&self) -> Vec<String> {
        let enter = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", self.folder.display());
        ["sh", "-c", &enter, "sh"].map(str::to_owned).to_vec()
    }

    fn used(&self) -> Result<String> {
        let name = if self.second { "memory.current" } else { "memory.usage_in_bytes" };
        let bytes: u64 = std::fs::read_to_string(self.folder.join(name))?.trim().parse()?;
        Ok(format!("{:.0} MB, pages of files included", figure(bytes) / 1e6))
    }

    fn killed(&self) -> u64 {
        let name = if self.second { "memory.events" } else { "memory.oom_control" };
        let text = std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The relay was ended before: it was made after the group.
        let _ = std::fs::remove_dir(&self.folder);
    }
}
