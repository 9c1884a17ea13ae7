//! Every limit over real sockets, from many addresses: what is refused, in which words, and that others go on.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::time::Duration;

use common::*;
use sealift_proto::frame::ALPN;
use sealift_relay::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn relay_with(limits: Limits) -> (tempfile::TempDir, TestRelay) {
    let home = tempfile::tempdir().unwrap();
    let relay = TestRelay::start(home.path(), limits).await;
    (home, relay)
}

/// Whether TLS was refused by the word that stands for Busy.
fn is_turned_away(result: std::io::Result<impl Sized>) -> bool {
    let Err(error) = result else { return false };
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::AlertReceived(rustls::AlertDescription::InternalError)))
}

#[tokio::test]
async fn handshakes_of_one_address_do_not_cost_those_of_others() {
    let limits = Limits {
        handshakes_per_second_per_source: 1,
        handshake_burst_per_source: 2,
        handshake_wait: Duration::ZERO,
        ..Limits::default()
    };
    let (_home, relay) = relay_with(limits).await;
    let member = Member::new(1, 2);
    let begin = async || TestRelay::tls_on(relay.tcp_from(2).await, &[ALPN]).await;
    let mut held = Vec::new();
    loop {
        match begin().await {
            Ok(stream) => held.push(stream),
            refused => {
                assert!(is_turned_away(refused));
                break;
            }
        }
        assert!(held.len() < 20, "never refused");
    }
    assert!(held.len() >= 2);
    let (mut other, _) = relay.hello_from(3, &member, false).await;
    other.nothing_more().await;
}

#[tokio::test]
async fn handshakes_in_all_are_bounded_and_wait_for_their_turn() {
    let limits = Limits { handshakes_per_second: 10, handshake_burst: 1, ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    let start = std::time::Instant::now();
    for source in 2..6 {
        TestRelay::tls_on(relay.tcp_from(source).await, &[ALPN]).await.unwrap();
    }
    assert!(start.elapsed() >= Duration::from_millis(290), "{:?}", start.elapsed());
}

#[tokio::test]
async fn strangers_of_one_address_lose_their_own_places() {
    let limits =
        Limits { unauthenticated: 100, unauthenticated_per_source: 3, ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    let mut early = relay.tcp_from(2).await;
    early.write_all(b"S").await.unwrap();
    let mut crowd = Vec::new();
    for _ in 0..5 {
        crowd.push(relay.tcp_from(3).await);
    }
    // The two oldest of the crowd are gone, whoever else waits stays.
    for stream in &mut crowd[..2] {
        assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    }
    for stream in crowd[2..].iter_mut().chain([&mut early]) {
        let mut byte = [0];
        let reading = tokio::time::timeout(Duration::from_millis(30), stream.read(&mut byte));
        assert!(reading.await.is_err(), "still open");
    }
}
