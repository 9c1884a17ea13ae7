//! What strangers, scanners and broken clients send.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::{Duration, Instant};

use crate::common::*;
use sealift_proto::codec;
use sealift_proto::control::{FromRelay, Refusal, ToRelay};
use sealift_proto::frame::{self, LinkKind, Preamble};
use sealift_relay::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn relay() -> (tempfile::TempDir, TestRelay) {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { handshake: Duration::from_millis(1500), ..Limits::default() };
    let relay = TestRelay::start(home.path(), limits).await;
    (home, relay)
}

/// Sends `bytes`, perhaps ends, and expects to be closed within 5 s.
async fn is_closed(relay: &TestRelay, bytes: &[u8], end: bool) {
    let mut stream = relay.tcp().await;
    let _ = stream.write_all(bytes).await;
    if end {
        let _ = stream.shutdown().await;
    }
    let mut rest = Vec::new();
    let reading = stream.read_to_end(&mut rest);
    let closed = tokio::time::timeout(Duration::from_secs(5), reading).await;
    assert!(closed.is_ok(), "open after {} bytes", bytes.len());
}

async fn still_serves(relay: &TestRelay) {
    relay.connect(&Member::new(1, 2), false).await.nothing_more().await;
}

/// A TLS client's first flight.
async fn client_hello() -> Vec<u8> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dialling = tokio::spawn(async move {
        let fake = TestRelay::unserved(address);
        let _ = fake.tls_with(&[b"sealift/1"]).await;
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut hello = vec![0; 4096];
    let count = stream.read(&mut hello).await.unwrap();
    hello.truncate(count);
    drop(stream);
    dialling.await.unwrap();
    hello
}

#[tokio::test]
async fn foreign_bytes_are_closed_in_time() {
    let (_home, relay) = relay().await;
    let noise: Vec<u8> =
        (0..1_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let preamble = |kind, version| {
        let mut bytes = Preamble { kind, value: [3; 32] }.to_bytes().to_vec();
        bytes[2] = version;
        bytes
    };
    let inputs: Vec<Vec<u8>> = vec![
        Vec::new(),
        vec![0],
        b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n".to_vec(),
        b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(),
        vec![0x16; 70_000],
        vec![b'S'; 70_000],
        [&[0x16, 3, 1, 0xff, 0xff][..], &[0; 1000]].concat(),
        noise,
        preamble(LinkKind::Relay, 1),
        preamble(LinkKind::Relay, 0),
        preamble(LinkKind::Relay, 2),
        preamble(LinkKind::Relay, 255),
        preamble(LinkKind::Direct, 1),
        preamble(LinkKind::Lan, 1),
    ];
    for input in &inputs {
        is_closed(&relay, input, true).await;
        is_closed(&relay, input, false).await;
    }
    still_serves(&relay).await;
}

#[tokio::test]
async fn every_prefix_of_an_opening_is_closed_in_time() {
    let (_home, relay) = relay().await;
    let preamble = Preamble { kind: LinkKind::Relay, value: [3; 32] }.to_bytes().to_vec();
    let hello = client_hello().await;
    assert_eq!(hello[0], 0x16);
    for opening in [preamble, hello] {
        for end in (0..opening.len()).step_by(1 + opening.len() / 100) {
            is_closed(&relay, &opening[..end], true).await;
        }
    }
    still_serves(&relay).await;
}

#[tokio::test]
async fn a_stranger_who_says_nothing_is_closed_by_the_deadline() {
    let (_home, relay) = relay().await;
    let start = Instant::now();
    let mut silent = relay.tcp().await;
    let mut drips = relay.tcp().await;
    let dripping = async {
        // Each byte in time, the whole never.
        for byte in client_hello().await {
            if drips.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let mut mute_tls = relay.tls().await;
    let ended = async {
        assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);
        assert_eq!(mute_tls.read(&mut [0]).await.unwrap_or(0), 0);
    };
    tokio::join!(dripping, ended);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[tokio::test]
async fn tls_without_the_protocols_name_is_closed() {
    let (_home, relay) = relay().await;
    assert!(relay.tls_with(&[b"h2", b"http/1.1"]).await.is_err());
    if let Ok(mut unnamed) = relay.tls_with(&[]).await {
        assert_eq!(unnamed.read(&mut [0]).await.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn impossible_lengths_end_the_connection_before_and_after_the_hello() {
    let (_home, relay) = relay().await;
    let headers = [[0; 4], [0, 1, 0, 1], [0x7f, 255, 255, 255], [0x80, 0, 0, 0], [255; 4]];
    for header in headers {
        let mut stranger = Client { tls: relay.tls().await, welcome: None };
        stranger.tls.write_all(&header).await.unwrap();
        assert_eq!(stranger.receive().await, None);
        let mut member = relay.connect(&Member::new(1, 2), false).await;
        member.tls.write_all(&header).await.unwrap();
        member.ends_with(Refusal::Malformed).await;
    }
}

#[tokio::test]
async fn malformed_messages_end_the_connection_with_a_word() {
    let (_home, relay) = relay().await;
    let good = codec::encode(&ToRelay::Ping { nonce: 5 });
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    let forward = codec::encode(&forward(Member::new(1, 2).at(0), b"x"));
    let bad: Vec<Vec<u8>> = vec![
        [&good[..], &[0]].concat(),
        vec![200],
        vec![0xff; 10],
        [&good[..1], &[0x85, 0]].concat(),
        [&forward[..forward.len() - 2], &huge].concat(),
        vec![0; 64 * 1024],
    ];
    for body in &bad {
        let mut stranger = Client { tls: relay.tls().await, welcome: None };
        stranger.send_body(body).await;
        stranger.ends_with(Refusal::Malformed).await;
        let mut member = relay.connect(&Member::new(1, 2), false).await;
        member.send_body(body).await;
        member.ends_with(Refusal::Malformed).await;
    }
    let mut early = Client { tls: relay.tls().await, welcome: None };
    early.send(&ToRelay::Ping { nonce: 5 }).await;
    early.ends_with(Refusal::NotAllowed).await;
}

#[tokio::test]
async fn a_changed_hello_opens_nothing() {
    let (_home, relay) = relay().await;
    let alice = Member::new(1, 2);
    let length = {
        let client = Client { tls: relay.tls().await, welcome: None };
        codec::encode(&client.sign_hello(alice.body(false), &alice.key)).len()
    };
    for bit in (0..length * 8).step_by(37) {
        let mut client = Client { tls: relay.tls().await, welcome: None };
        let mut hello = codec::encode(&client.sign_hello(alice.body(false), &alice.key));
        hello[bit / 8] ^= 1 << (bit % 8);
        client.send_body(&hello).await;
        let answer = client.receive().await;
        assert!(matches!(answer, Some(FromRelay::Refused(_))), "bit {bit}: {answer:?}");
    }
}

#[tokio::test]
async fn frames_may_come_cut_anywhere_or_all_at_once() {
    let (_home, relay) = relay().await;
    let alice = Member::new(1, 2);
    let mut client = Client { tls: relay.tls().await, welcome: None };
    let hello = client.sign_hello(alice.body(false), &alice.key);
    let mut bytes = frame::frame(&codec::encode(&hello)).unwrap();
    for nonce in 0..100 {
        bytes.extend(frame::frame(&codec::encode(&ToRelay::Ping { nonce })).unwrap());
    }
    let expect = async |client: &mut Client| {
        assert!(matches!(client.receive().await, Some(FromRelay::Welcome(_))));
        for nonce in 0..100 {
            assert_eq!(client.receive().await, Some(FromRelay::Pong { nonce }));
        }
    };
    for byte in &bytes {
        client.tls.write_all(&[*byte]).await.unwrap();
        client.tls.flush().await.unwrap();
    }
    expect(&mut client).await;
    let mut client = Client { tls: relay.tls().await, welcome: None };
    let hello = client.sign_hello(alice.body(false), &alice.key);
    let hello = frame::frame(&codec::encode(&hello)).unwrap();
    let rest = bytes.split_off(hello.len());
    client.tls.write_all(&[hello, rest].concat()).await.unwrap();
    expect(&mut client).await;
}

#[tokio::test]
async fn a_crowd_of_strangers_does_not_keep_members_out() {
    let home = tempfile::tempdir().unwrap();
    let limits =
        Limits { unauthenticated: 40, unauthenticated_per_source: 20, ..Limits::default() };
    let relay = TestRelay::start(home.path(), limits).await;
    let mut crowd = Vec::new();
    for _ in 0..60 {
        crowd.push(relay.tcp().await);
    }
    let start = Instant::now();
    still_serves(&relay).await;
    assert!(start.elapsed() < Duration::from_secs(1));
    let mut closed = 0;
    for stream in &mut crowd {
        let read = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut [0])).await;
        closed += usize::from(read.is_ok());
    }
    assert!((40..60).contains(&closed), "{closed} of 60 are closed");
}
