//! A relay that ends while links are at work.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::common::{Client, Member, PATIENCE, TestRelay};
use sealift_proto::control::{FromRelay, ToRelay};
use sealift_relay::Limits;

/// Two devices, and the two ends of a link between them.
struct Pair {
    seeder: Client,
    leecher: Client,
    near: TcpStream,
    far: TcpStream,
}

async fn pair(relay: &TestRelay) -> Pair {
    let (alice, bob) = (Member::new(1, 2), Member::new(1, 3));
    let mut seeder = relay.connect(&alice, true).await;
    let mut leecher = relay.connect(&bob, false).await;
    leecher.send(&ToRelay::OpenLink { to: alice.at(0), tag: [9; 16] }).await;
    let near = relay.link(ticket(leecher.receive().await)).await;
    let mut far = relay.link(ticket(seeder.receive().await)).await;
    let mut near = near;
    near.write_all(b"hello").await.unwrap();
    far.read_exact(&mut [0; 5]).await.unwrap();
    Pair { seeder, leecher, near, far }
}

fn ticket(message: Option<FromRelay>) -> [u8; 32] {
    match message {
        Some(FromRelay::LinkTicket { ticket, .. }) => ticket,
        other => panic!("no ticket but {other:?}"),
    }
}

async fn relay(drain: Duration) -> (tempfile::TempDir, TestRelay) {
    let home = tempfile::tempdir().unwrap();
    // None of these clients reads to the end.
    let farewell = Duration::from_millis(200);
    let limits = Limits { drain, farewell, ..Limits::default() };
    let relay = TestRelay::start(home.path(), limits).await;
    (home, relay)
}

#[tokio::test]
async fn links_at_work_finish_while_members_are_told() {
    let (_home, relay) = relay(Duration::from_secs(60)).await;
    let mut pair = pair(&relay).await;
    let (address, half_open) = (relay.address, relay.tcp().await);
    let start = Instant::now();
    let stopping = tokio::spawn(relay.stop());
    pair.seeder.is_left().await;
    pair.leecher.is_left().await;
    // Nobody comes in any more.
    assert!(TcpStream::connect(address).await.is_err());
    for _ in 0..20 {
        pair.far.write_all(&[5; 100_000]).await.unwrap();
        pair.near.read_exact(&mut [0; 100_000]).await.unwrap();
    }
    assert!(!stopping.is_finished());
    pair.far.shutdown().await.unwrap();
    assert_eq!(pair.near.read(&mut [0]).await.unwrap(), 0);
    drop((pair, half_open));
    stopping.await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[tokio::test]
async fn the_deadline_holds_for_links_that_do_not_finish() {
    let (_home, relay) = relay(Duration::from_secs(1)).await;
    let pair = pair(&relay).await;
    let (mut source, mut sink) = (pair.far, pair.near);
    let endless =
        tokio::spawn(async move { while source.write_all(&[5; 10_000]).await.is_ok() {} });
    let reading = tokio::spawn(async move {
        let mut buffer = [0; 10_000];
        while !matches!(sink.read(&mut buffer).await, Ok(0) | Err(_)) {}
    });
    tokio::time::timeout(PATIENCE, relay.stop()).await.unwrap();
    tokio::time::timeout(PATIENCE, async { tokio::join!(endless, reading) })
        .await
        .unwrap()
        .0
        .unwrap();
}

#[tokio::test]
async fn a_link_that_rests_is_not_waited_for() {
    let (_home, relay) = relay(Duration::from_secs(600)).await;
    let pair = pair(&relay).await;
    tokio::time::timeout(PATIENCE * 2, relay.stop()).await.unwrap();
    drop(pair);
}
