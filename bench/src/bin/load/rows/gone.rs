//! A device that serves and vanishes, without its connection being closed (T063): once as if its process stood still, once as if
//! its network were gone.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sealift_proto::control::{FromRelay, Refusal, ToRelay};

use crate::client::{Client, Failed, Space, source};
use crate::host::{Relay, Start};
use crate::report::Report;

/// Within this everybody knows that it is gone, s.
const NOTICED: f64 = 60.0;
/// Says that the firewall may be changed: this network is nobody else's.
const OWN_NETWORK: &str = "SEALIFT_OWN_NETWORK";

pub(super) async fn run(report: &mut Report, _quick: bool) -> Result<()> {
    let took = vanish(|_| Ok(())).await?;
    report.at_most("a process that stands still is noticed after", took, NOTICED, "s");
    if std::env::var_os(OWN_NETWORK).is_none() {
        report
            .skip("packets cannot be dropped here: bench/load.sh as root has a network of its own");
        return Ok(());
    }
    let took = vanish(drop_packets).await?;
    report.at_most("a network that is gone is noticed after", took, NOTICED, "s");
    Ok(())
}

/// Lets a serving device vanish and waits until a member is told; seconds.
async fn vanish(how: impl Fn(Ipv4Addr) -> Result<()>) -> Result<f64> {
    let relay = Relay::start(&Start::default())?;
    let space = Space::new(1);
    let server = Client::connect(relay.address, source(77), &space.device(1), true).await?;
    let gone = server.address();
    let mut member = Client::connect(relay.address, source(78), &space.device(2), false).await?;
    member.send(&ToRelay::Peers).await?;
    let _silent = server.into_silence();
    how(source(77))?;
    let start = Instant::now();
    let wait = async {
        loop {
            match member.receive().await {
                Ok(FromRelay::PeerGone { device }) if device == gone.device => return Ok(()),
                Ok(_) | Err(Failed::Slow) => {}
                Err(other) => return Err(other),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(90), wait).await.context("it is never noticed")??;
    let took = start.elapsed().as_secs_f64();
    // And whoever wants a link to it learns so at once.
    member.ask_link(gone, 1).await?;
    let answer = member.ticket().await;
    ensure!(matches!(answer, Err(Failed::Refused(Refusal::Offline))), "the answer is another");
    Ok(took)
}

/// Nothing goes to or from the address any more. The table goes away with the network namespace.
fn drop_packets(address: Ipv4Addr) -> Result<()> {
    let rules = format!(
        "table ip sealift_load {{ chain in {{ type filter hook input priority 0; ip saddr {address} drop; ip daddr {address} drop; }}; }}"
    );
    let status = Command::new("nft").arg(rules).status().context("no nft")?;
    ensure!(status.success(), "nft refuses");
    Ok(())
}
