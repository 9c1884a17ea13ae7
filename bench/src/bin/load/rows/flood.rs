//! Members that send as many messages as they can, and frames that are none, beside an honest transfer (T074).

use std::time::Duration;

use anyhow::Result;
use sealift_proto::codec;
use sealift_proto::control::ToRelay;
use sealift_proto::frame::frame;
use tokio::task::JoinSet;

use crate::client::{Client, Failed, Space, source};
use crate::host::{Relay, Start};
use crate::report::Report;
use crate::transfer::{FILE, KEPT, LIMIT_BYTES, Pair};

/// How many flood.
const MEMBERS: u64 = 8;
/// Until the flood stands.
const SETTLE: Duration = Duration::from_secs(3);

pub(super) async fn run(report: &mut Report, quick: bool) -> Result<()> {
    let relay = Relay::start(&Start::default())?;
    let mut pair = Pair::start(&relay, if quick { FILE.0 / 10 } else { FILE.0 })?;
    let alone = tokio::task::block_in_place(|| pair.best(FILE.1))?;
    let space = Space::new(1);
    let mut tasks: JoinSet<Result<(), Failed>> = JoinSet::new();
    for number in 0..MEMBERS {
        let device = space.device(number);
        let mut client = Client::connect(relay.address, source(number), &device, true).await?;
        tasks.spawn(async move {
            let ping = frame(&codec::encode(&ToRelay::Ping { nonce: 1 })).unwrap_or_default();
            let many = ping.repeat(1000);
            loop {
                client.send_raw(&many).await?;
            }
        });
    }
    let oversize = tokio::spawn(impossible(relay.address, space.device(MEMBERS)));
    tokio::time::sleep(SETTLE).await;
    let beside = tokio::task::block_in_place(|| pair.best(FILE.1))?;
    report.at_least(
        "the transfer beside them, of itself alone",
        beside / alone.min(LIMIT_BYTES),
        KEPT,
        "",
    );
    let ended = oversize.await?;
    report.must(
        "who sends impossible lengths",
        if ended { "is refused" } else { "stays" },
        "is refused",
        ended,
    );
    tasks.shutdown().await;
    Ok(())
}

/// Whether the connection of a member ends that claims a frame of four gigabytes.
async fn impossible(relay: std::net::SocketAddr, device: crate::client::Device) -> bool {
    let Ok(mut client) = Client::connect(relay, source(MEMBERS), &device, false).await else {
        return false;
    };
    let _ = client.send_raw(&u32::MAX.to_be_bytes()).await;
    loop {
        match client.receive().await {
            Ok(_) => {}
            Err(Failed::Slow) => return false,
            Err(_) => return true,
        }
    }
}
