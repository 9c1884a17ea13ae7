//! Every limit over real sockets, from many addresses: what is refused, in which words, and that others go on.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use crate::common::*;
use sealift_proto::codec::{Bytes, Extensions, List};
use sealift_proto::control::{Address, FromRelay, Refusal, TOKEN, ToRelay};
use sealift_proto::frame::ALPN;
use sealift_relay::{Allowed, Config, Limits, Tokens};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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

async fn refused_from(relay: &TestRelay, last: u8, who: &Member, why: Refusal) {
    let (mut client, answer) = relay.hello_from(last, who, false).await;
    assert_eq!(answer, FromRelay::Refused(why));
    assert_eq!(client.receive().await, None);
}

#[tokio::test]
async fn an_address_brings_few_new_spaces() {
    let limits = Limits { new_spaces_per_day: 2, ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    for owner in [1, 4] {
        relay.hello_from(2, &Member::new(owner, 2), false).await.0.nothing_more().await;
    }
    refused_from(&relay, 2, &Member::new(5, 2), Refusal::NewSpaces).await;
    // Known spaces and other addresses are not concerned.
    relay.hello_from(2, &Member::new(1, 3), false).await.0.nothing_more().await;
    relay.hello_from(3, &Member::new(5, 2), false).await.0.nothing_more().await;
    relay.hello_from(2, &Member::new(5, 3), false).await.0.nothing_more().await;
}

#[tokio::test]
async fn who_brought_most_is_remembered_however_many_addresses_come_after() {
    let limits = Limits { new_spaces_per_day: 2, sources: 2, ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    for (owner, last) in [(1, 2), (4, 2), (5, 3), (6, 4), (7, 5)] {
        let member = Member::new(owner, 2);
        relay.hello_from(last, &member, false).await.0.nothing_more().await;
    }
    refused_from(&relay, 2, &Member::new(8, 2), Refusal::NewSpaces).await;
}

#[tokio::test]
async fn a_full_store_drops_a_space_without_devices_and_never_one_with() {
    let limits = Limits { total_bytes: 200_000, ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    let done = |request| FromRelay::Done { request };
    let segments: Vec<Vec<u8>> = (0..2_u8).map(|n| vec![n; 50_000]).collect();
    let publish_all = async |client: &mut Client, owner| {
        for (position, segment) in (0..).zip(&segments) {
            client.send(&put(position, segment)).await;
        }
        client.ask(&publish(1, 2, None, &head_in(owner, 2, &segments))).await
    };
    let mut gone = relay.connect(&Member::new(1, 2), true).await;
    assert_eq!(publish_all(&mut gone, 1).await, done(1));
    // While it is connected, nobody takes its place.
    let mut other = relay.connect(&Member::new(4, 2), true).await;
    let full = FromRelay::Failed { request: 1, why: Refusal::Full };
    assert_eq!(publish_all(&mut other, 4).await, full);
    gone.send(&ToRelay::Bye).await;
    while gone.receive().await.is_some() {}
    // The relay may notice its end a little later than the client.
    while publish_all(&mut other, 4).await != done(1) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut back = relay.connect(&Member::new(1, 2), true).await;
    assert_eq!(back.ask(&ToRelay::Heads).await, FromRelay::HeadsEnd);
    assert_eq!(publish_all(&mut back, 1).await, full);
}

#[tokio::test]
async fn a_token_admits_a_space_once_and_for_all_its_members() {
    let home = tempfile::tempdir().unwrap();
    let tokens = Tokens::parse(b"a token that is good").unwrap();
    let allowed = Allowed { spaces: vec![space_of(4).short()], tokens };
    let limits = Limits { wrong_tokens_per_hour: 2, ..Limits::default() };
    let config = Config { home: home.path().to_owned(), limits, allowed };
    let relay = TestRelay::start_config(config.clone(), own_address()).await;
    let (address, member) = (relay.address, Member::new(1, 2));
    let show = async |relay: &TestRelay, last, token: &[u8]| {
        let mut body = member.body(true);
        let list = List::new(vec![(TOKEN, Bytes::new(token.to_vec()).unwrap())]).unwrap();
        body.extensions = Extensions::new(list).unwrap();
        let tls = TestRelay::tls_on(relay.tcp_from(last).await, &[ALPN]).await.unwrap();
        Client { tls, welcome: None }.say_hello(&member, body).await.1
    };
    relay.hello_from(2, &Member::new(4, 2), false).await.0.nothing_more().await;
    refused_from(&relay, 2, &member, Refusal::SpaceNotAllowed).await;
    for _ in 0..2 {
        let answer = show(&relay, 2, b"a token that is bad!").await;
        assert_eq!(answer, FromRelay::Refused(Refusal::Token));
    }
    let answer = show(&relay, 2, b"a token that is good").await;
    assert_eq!(answer, FromRelay::Refused(Refusal::Busy), "too many guesses from there");
    assert!(matches!(show(&relay, 3, b"a token that is good").await, FromRelay::Welcome(_)));
    relay.hello_from(2, &Member::new(1, 3), false).await.0.nothing_more().await;
    relay.stop().await;
    let relay = TestRelay::start_config(config.clone(), address).await;
    relay.hello_from(2, &Member::new(1, 3), false).await.0.nothing_more().await;
    relay.stop().await;
    // The operator takes the token back, and with it what it admitted.
    let tokens = Tokens::parse(b"a token for somebody else").unwrap();
    let allowed = Allowed { tokens, ..config.allowed };
    let relay = TestRelay::start_config(Config { allowed, ..config }, address).await;
    refused_from(&relay, 2, &Member::new(1, 3), Refusal::SpaceNotAllowed).await;
    relay.hello_from(2, &Member::new(4, 2), false).await.0.nothing_more().await;
}

#[tokio::test]
async fn catalogues_count_for_the_month_too() {
    let limits = Limits { bytes_per_month: Some(1 << 20), ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    let mut seeder = relay.connect(&Member::new(1, 2), true).await;
    let segments = [vec![1; 50_000]];
    seeder.send(&put(0, &segments[0])).await;
    seeder.ask(&publish(1, 2, None, &head_in(1, 2, &segments))).await;
    let mut leecher = relay.connect(&Member::new(1, 3), false).await;
    let refused = FromRelay::Failed { request: 5, why: Refusal::Traffic };
    let mut sent = 0;
    // The relay counts each second; until then it sends on.
    loop {
        match leecher.ask(&fetch(5, 2, 0, 1)).await {
            FromRelay::Segment { .. } => sent += segments[0].len(),
            answer => {
                assert_eq!(answer, refused);
                break;
            }
        }
        assert_eq!(leecher.receive().await, Some(FromRelay::Done { request: 5 }));
    }
    assert!(sent > 900_000, "{sent}");
    assert!(matches!(leecher.ask(&ToRelay::Heads).await, FromRelay::Head(_)));
}

/// A link between two members, both ends.
async fn link(
    relay: &TestRelay,
    seeder: &mut Client,
    leecher: &mut Client,
    to: Address,
) -> [TcpStream; 2] {
    leecher.send(&ToRelay::OpenLink { to, tag: [9; 16] }).await;
    let near = ticket_of(leecher.receive().await.unwrap());
    let far = ticket_of(seeder.receive().await.unwrap());
    [relay.link(near).await, relay.link(far).await]
}

fn ticket_of(message: FromRelay) -> [u8; 32] {
    match message {
        FromRelay::LinkTicket { ticket, .. } => ticket,
        other => panic!("{other:?}"),
    }
}

/// How long it takes to move `bytes` over a link, both ends of which are here.
async fn time_to_move(link: &mut [TcpStream; 2], bytes: usize) -> Duration {
    let start = std::time::Instant::now();
    let [one, other] = link;
    let (data, mut got) = (vec![1; bytes], vec![0; bytes]);
    let (sent, received) = tokio::join!(one.write_all(&data), other.read_exact(&mut got));
    assert!(sent.is_ok() && received.is_ok());
    start.elapsed()
}

#[tokio::test]
async fn links_are_as_fast_as_all_and_a_space_may_be() {
    let (alice, bob) = (Member::new(1, 2), Member::new(1, 3));
    let slow = Some(4 << 20);
    for (all, space, copy_first) in [(slow, None, 0), (None, slow, u64::MAX)] {
        let limits = Limits {
            bytes_per_second: all,
            space_bytes_per_second: space,
            copy_first,
            ..Limits::default()
        };
        let (_home, relay) = relay_with(limits).await;
        let mut seeder = relay.connect(&alice, true).await;
        let mut leecher = relay.connect(&bob, false).await;
        let mut first = link(&relay, &mut seeder, &mut leecher, alice.at(0)).await;
        let mut second = link(&relay, &mut seeder, &mut leecher, alice.at(0)).await;
        let (one, other) =
            tokio::join!(time_to_move(&mut first, 1 << 20), time_to_move(&mut second, 1 << 20));
        // 2 MiB at 4 MiB/s, of which a quarter of a second's worth and the last turn may pass at once.
        assert!(one.max(other) >= Duration::from_millis(200), "{one:?} {other:?}");
    }
}

#[tokio::test]
async fn links_go_on_without_any_pipe() {
    let limits = Limits { pipe_bytes: 0, copy_first: 0, ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    let (alice, bob) = (Member::new(1, 2), Member::new(1, 3));
    let mut seeder = relay.connect(&alice, true).await;
    let mut leecher = relay.connect(&bob, false).await;
    let [mut one, mut other] = link(&relay, &mut seeder, &mut leecher, alice.at(0)).await;
    let data: Vec<u8> = (0..4 << 20).map(|at: u32| at.to_le_bytes()[(at % 3) as usize]).collect();
    let (there, back) = (data.clone(), data.clone());
    let (mut got, mut returned) = (vec![0; data.len()], vec![0; data.len()]);
    let (mut one_in, mut one_out) = one.split();
    let (mut other_in, mut other_out) = other.split();
    let (a, b, c, d) = tokio::join!(
        one_out.write_all(&there),
        other_in.read_exact(&mut got),
        other_out.write_all(&back),
        one_in.read_exact(&mut returned)
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok() && d.is_ok());
    assert!(got == data && returned == data);
}

#[tokio::test]
async fn a_month_s_bytes_end_links_and_outlive_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let limits = Limits { bytes_per_month: Some(1 << 20), ..Limits::default() };
    let relay = TestRelay::start(home.path(), limits.clone()).await;
    let (alice, bob) = (Member::new(1, 2), Member::new(1, 3));
    let mut seeder = relay.connect(&alice, true).await;
    let mut leecher = relay.connect(&bob, false).await;
    let mut ends = link(&relay, &mut seeder, &mut leecher, alice.at(0)).await;
    time_to_move(&mut ends, 1 << 20).await;
    // The relay counts each second, and then ends it.
    let ended = tokio::time::timeout(PATIENCE, ends[0].read(&mut [0])).await.unwrap();
    assert_eq!(ended.unwrap_or(0), 0);
    let spent = FromRelay::Undeliverable { to: alice.at(0), why: Refusal::Traffic };
    let ask = ToRelay::OpenLink { to: alice.at(0), tag: [9; 16] };
    assert_eq!(leecher.ask(&ask).await, spent);
    let refused = FromRelay::Failed { request: 3, why: Refusal::Traffic };
    assert_eq!(leecher.ask(&fetch(3, 2, 0, 1)).await, refused);
    leecher.nothing_more().await;
    relay.stop().await;
    let relay = TestRelay::start(home.path(), limits).await;
    let _seeder = relay.connect(&alice, true).await;
    let mut leecher = relay.connect(&bob, false).await;
    assert_eq!(leecher.ask(&ask).await, spent);
    relay.stop().await;
    // The operator gives more.
    let relay = TestRelay::start(home.path(), Limits::default()).await;
    let mut seeder = relay.connect(&alice, true).await;
    let mut leecher = relay.connect(&bob, false).await;
    let mut ends = link(&relay, &mut seeder, &mut leecher, alice.at(0)).await;
    time_to_move(&mut ends, 1 << 20).await;
}
