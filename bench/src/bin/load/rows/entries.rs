//! A million catalogue entries in one space, published and then fetched by many at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sealift_proto::catalogue::{self, Change, Entry, Root};
use sealift_proto::codec::{Bytes, Extensions};
use sealift_proto::control::{FETCH_MAX, FromRelay, ToRelay};
use sealift_proto::identity::Signed;
use sealift_proto::log::{FIRST_CATALOGUE, Head, chain_next, chain_start};
use sealift_proto::path::RelativePath;
use tokio::task::JoinSet;

use super::{figure, scaled};
use crate::client::{Client, Device, Space, source};
use crate::host::{Relay, Start};
use crate::report::Report;

/// Names the log.
const LOG_ID: [u8; 16] = [7; 16];
/// Devices that fetch all of it at once.
const READERS: u64 = 20;
/// Most memory of the relay meanwhile, MB: its limit for pages of the store (32 MiB), a MiB for each reader that is slow to take
/// what it asked for, and 64 for everything else.
const MEMORY: f64 = 125.0;

pub(super) async fn run(report: &mut Report, quick: bool) -> Result<()> {
    for count in [scaled(10_000, quick), scaled(100_000, quick), scaled(1_000_000, quick)] {
        let relay = Relay::start(&Start::default())?;
        let before = relay.resident()?;
        let space = Arc::new(Space::new(1));
        let segments = publish(report, &relay, &space, count).await?;
        let grown = figure(relay.peak()?.saturating_sub(before)) * 1024.0 / figure(count as u64);
        report.tell(format!("memory for each of {count} entries"), format!("{grown:.1} bytes"));
        report.tell("its store on disk", format!("{:.0} MB", figure(relay.stored()?) / 1e6));
        if count == scaled(1_000_000, quick) {
            fetch_all(report, &relay, &space, segments).await?;
            report.at_most(
                "memory of the relay, at most",
                figure(relay.peak()? * 1024) / 1e6,
                MEMORY,
                "MB",
            );
        }
    }
    Ok(())
}

/// Publishes so many entries; how many segments they are.
pub(super) async fn publish(
    report: &mut Report,
    relay: &Relay,
    space: &Space,
    count: usize,
) -> Result<u64> {
    let folded = tokio::task::block_in_place(|| catalogue::fold_all(&changes(count)))?;
    let device = space.device(0);
    let mut client = Client::connect(relay.address, source(0), &device, true).await?;
    let (start, mut bytes) = (Instant::now(), 0);
    let mut chain = chain_start(&LOG_ID, 0);
    for (position, segment) in folded.iter().enumerate() {
        chain = chain_next(&chain, segment);
        bytes += segment.len();
        let segment = Bytes::new(segment.clone())?;
        let position = position as u64;
        client
            .send(&ToRelay::PutSegment { log: FIRST_CATALOGUE, log_id: LOG_ID, position, segment })
            .await?;
    }
    let statement = head(space, &device, folded.len() as u64, chain)?;
    client
        .send(&ToRelay::Publish { request: 1, log: FIRST_CATALOGUE, follows: None, statement })
        .await?;
    match client.receive().await? {
        FromRelay::Done { .. } => {}
        other => bail!("the catalogue was not taken: {other:?}"),
    }
    let took = start.elapsed().as_secs_f64();
    report.tell(
        format!("publishing {count} entries"),
        format!("{:.1} MB in {} segments, {took:.2} s", figure(bytes as u64) / 1e6, folded.len()),
    );
    Ok(folded.len() as u64)
}

fn changes(count: usize) -> Vec<Change> {
    let entry = |number: usize| {
        let path = format!(
            "share/photos/{:04}/holiday {:03}/DSC_{number:07}.jpg",
            number / 2000,
            number / 100
        );
        Change::Put(Entry {
            path: RelativePath::new(path).expect("a plain path"),
            size: 3_000_000 + number as u64 * 977,
            modified: 1_700_000_000_000,
            flags: 0,
            root: Some(Root(blake3::hash(&number.to_be_bytes()).into())),
        })
    };
    (0..count).map(entry).collect()
}

fn head(
    space: &Space,
    device: &Device,
    position: u64,
    chain: [u8; 32],
) -> Result<Bytes<{ sealift_proto::identity::SIGNED_MAX + 80 }>> {
    let head = Head {
        version: 1,
        space: space.id(),
        device: device.id(),
        log: FIRST_CATALOGUE,
        log_id: LOG_ID,
        base: 0,
        position,
        chain,
        epoch: 0,
        time: 1,
        status: Bytes::default(),
        extensions: Extensions::default(),
    };
    Ok(Bytes::new(Signed::sign(head, device.key())?.to_bytes())?)
}

async fn fetch_all(
    report: &mut Report,
    relay: &Relay,
    space: &Arc<Space>,
    segments: u64,
) -> Result<()> {
    let start = Instant::now();
    let mut readers = JoinSet::new();
    for number in 1..=READERS {
        let (address, space) = (relay.address, Arc::clone(space));
        readers.spawn(async move {
            let device = space.device(number);
            let client = Client::connect(address, source(number), &device, false).await?;
            read_log(client, space.device(0).id(), segments).await
        });
    }
    let mut bytes = 0;
    while let Some(read) = readers.join_next().await {
        bytes += read?.context("a reader")?;
    }
    let took = start.elapsed().as_secs_f64();
    report.tell(
        format!("{READERS} devices fetch all of them at once"),
        format!("{:.0} MB in {took:.1} s", figure(bytes) / 1e6),
    );
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(())
}

async fn read_log(
    mut client: Client,
    device: sealift_proto::identity::DeviceId,
    segments: u64,
) -> Result<u64> {
    let mut bytes = 0;
    let mut from = 0;
    while from < segments {
        let to = (from + FETCH_MAX).min(segments);
        let request = u32::try_from(from)?;
        client
            .send(&ToRelay::Fetch {
                request,
                device,
                log: FIRST_CATALOGUE,
                log_id: LOG_ID,
                from,
                to,
            })
            .await?;
        loop {
            match client.receive().await? {
                FromRelay::Segment { segment, .. } => bytes += segment.len() as u64,
                FromRelay::Done { .. } => break,
                FromRelay::Failed { why, .. } => bail!("a segment was refused: {why}"),
                _ => {}
            }
        }
        from = to;
    }
    Ok(bytes)
}
