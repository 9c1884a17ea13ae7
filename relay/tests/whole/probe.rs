//! The UDP service of a relay, on loopback: what it answers, and that nobody can have it send anything else.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use crate::common::{Client, Member, TestRelay, key};
use sealift_proto::control::{FromRelay, Refusal, ToRelay};
use sealift_proto::probe::{Answer, Ask, PROBE_LEN, ProbeKey, ProbeToken};
use sealift_relay::Limits;
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// Far above what an answer takes.
const LONG: Duration = Duration::from_secs(20);

struct Device {
    socket: UdpSocket,
    token: ProbeToken,
    key: ProbeKey,
}

impl Device {
    async fn new(relay: &TestRelay, client: &mut Client) -> Self {
        client.send(&ToRelay::GetProbe { request: 9 }).await;
        let Some(FromRelay::Probe { request: 9, port, token, key }) = client.receive().await else {
            panic!("no UDP service");
        };
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        socket.connect((relay.address.ip(), port)).await.unwrap();
        Self { socket, token, key }
    }

    async fn ask(&self, nonce: u8) {
        let ask = Ask { token: self.token, nonce: [nonce; 16] }.to_bytes(&self.key);
        self.socket.send(&ask).await.unwrap();
    }

    async fn answer(&self) -> Vec<u8> {
        let mut bytes = [0; 2048];
        let len = timeout(LONG, self.socket.recv(&mut bytes)).await.expect("an answer").unwrap();
        bytes[..len].to_vec()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_learns_the_address_of_its_socket() {
    let home = tempfile::tempdir().unwrap();
    let relay = TestRelay::start(home.path(), Limits::default()).await;
    let mut client = relay.connect(&Member::new(1, 2), false).await;
    let device = Device::new(&relay, &mut client).await;
    device.ask(7).await;
    let answer = Answer::from_bytes(&device.answer().await, &device.key).unwrap();
    assert_eq!((answer.nonce, answer.seen), ([7; 16], device.socket.local_addr().unwrap()));
    relay.stop().await;
}

/// What somebody sends who has no key, and what the relay sends because of it.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_amplified() {
    let home = tempfile::tempdir().unwrap();
    let relay = TestRelay::start(home.path(), Limits::default()).await;
    let mut client = relay.connect(&Member::new(1, 2), false).await;
    let device = Device::new(&relay, &mut client).await;
    let good = Ask { token: device.token, nonce: [1; 16] }.to_bytes(&device.key);
    let mut sent = 0;
    for len in [0, 1, 4, 20, 63, 64, 65, 200, 1200] {
        for start in [0x00, 0x01, 0x02, 0x16, 0x40, 0xc0, 0xff] {
            let mut noise = vec![start; len];
            // The start of an ask, with a token that is known.
            let shared = len.min(PROBE_LEN - 1).min(20);
            if start == 0x01 {
                noise[..shared].copy_from_slice(&good[..shared]);
            }
            sent += device.socket.send(&noise).await.unwrap();
        }
    }
    // Datagrams between two sockets on loopback keep their order: whatever the noise caused has come before this answer.
    device.ask(2).await;
    let answer = device.answer().await;
    assert_eq!(Answer::from_bytes(&answer, &device.key).unwrap().nonce, [2; 16]);
    assert!(sent > 0 && answer.len() == PROBE_LEN);
    // Nor does what the relay itself sends, sent back.
    device.socket.send(&answer).await.unwrap();
    device.ask(3).await;
    assert_eq!(Answer::from_bytes(&device.answer().await, &device.key).unwrap().nonce, [3; 16]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_together_have_a_rate() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { probes_total_per_second: 3, ..Limits::default() };
    let relay = TestRelay::start(home.path(), limits).await;
    let mut clients = [Member::new(1, 2), Member::new(1, 3)].map(|member| (member, None));
    let mut devices = Vec::new();
    for (member, client) in &mut clients {
        let client = client.insert(relay.connect(member, false).await);
        devices.push(Device::new(&relay, client).await);
    }
    let start = std::time::Instant::now();
    for nonce in 0..30 {
        for device in &devices {
            device.ask(nonce).await;
        }
    }
    let mut answers = 0;
    for device in &devices {
        let mut bytes = [0; 2048];
        let silence = Duration::from_millis(100);
        while timeout(silence, device.socket.recv(&mut bytes)).await.is_ok() {
            answers += 1;
        }
    }
    let most = 3 * (start.elapsed().as_secs() + 2);
    assert!((3..=most).contains(&answers), "{answers} of at most {most}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_its_connection() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { probes_per_second: 100_000, probe_burst: 100_000, ..Limits::default() };
    let relay = TestRelay::start(home.path(), limits).await;
    let mut first = relay.connect(&Member::new(1, 2), false).await;
    let old = Device::new(&relay, &mut first).await;
    old.ask(1).await;
    old.answer().await;
    first.send(&ToRelay::Bye).await;
    while first.receive().await.is_some() {}
    let mut second = relay.connect(&Member::new(1, 3), false).await;
    let new = Device::new(&relay, &mut second).await;
    // The end of a connection is its last act, but not one that the client sees.
    let forgotten = async {
        loop {
            old.ask(2).await;
            new.ask(2).await;
            new.answer().await;
            let mut bytes = [0; 128];
            if old.socket.try_recv(&mut bytes).is_err() {
                return;
            }
        }
    };
    timeout(LONG, forgotten).await.expect("forgotten");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_members_are_told_where_to_ask() {
    let home = tempfile::tempdir().unwrap();
    let relay = TestRelay::start(home.path(), Limits::default()).await;
    let mut guest = relay.join(&key(5)).await;
    guest.send(&ToRelay::GetProbe { request: 1 }).await;
    let answer = guest.receive().await;
    assert!(matches!(answer, Some(FromRelay::Refused(Refusal::NotAllowed))), "{answer:?}");
    relay.stop().await;
}
