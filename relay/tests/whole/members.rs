//! What members do with a relay, over real sockets.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use crate::common::*;
use sealift_proto::codec::{Bytes, List};
use sealift_proto::control::{FromRelay, LogHead, Purpose, Refusal, ToRelay};
use sealift_proto::space::{Role, SpaceId};
use sealift_relay::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn relay() -> (tempfile::TempDir, TestRelay) {
    relay_with(Limits::default()).await
}

async fn relay_with(limits: Limits) -> (tempfile::TempDir, TestRelay) {
    let home = tempfile::tempdir().unwrap();
    let relay = TestRelay::start(home.path(), limits).await;
    (home, relay)
}

fn ticket_of(message: FromRelay) -> [u8; 32] {
    match message {
        FromRelay::LinkTicket { ticket, tag: [9, ..], address: None, .. } => ticket,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn bodies_are_carried_between_members_of_one_space() {
    let (_home, relay) = relay().await;
    let (alice, bob, stranger) = (Member::new(1, 2), Member::new(1, 3), Member::new(4, 5));
    let mut seeder = relay.connect(&alice, true).await;
    let mut leecher = relay.connect(&bob, false).await;
    let mut other = relay.connect(&stranger, false).await;
    let own = bob.at(leecher.number());
    leecher.send(&forward(alice.at(0), b"offer")).await;
    assert_eq!(seeder.receive().await, Some(deliver(own, b"offer")));
    seeder.send(&forward(own, &[1; 48 * 1024])).await;
    assert_eq!(leecher.receive().await, Some(deliver(alice.at(0), &[1; 48 * 1024])));
    let nowhere = FromRelay::Undeliverable { to: alice.at(0), why: Refusal::Offline };
    assert_eq!(other.ask(&forward(alice.at(0), b"x")).await, nowhere);
    seeder.nothing_more().await;
    relay.stop().await;
}

#[tokio::test]
async fn the_newest_serving_connection_wins() {
    let (_home, relay) = relay().await;
    let (alice, bob) = (Member::new(1, 2), Member::new(1, 3));
    let mut old = relay.connect(&alice, true).await;
    let mut own_leecher = relay.connect(&alice, false).await;
    let mut leecher = relay.connect(&bob, false).await;
    leecher.send(&ToRelay::Peers).await;
    assert_eq!(leecher.receive().await, Some(FromRelay::PeerHere { device: alice.id() }));
    assert_eq!(leecher.receive().await, Some(FromRelay::PeersEnd));
    let mut new = relay.connect(&alice, true).await;
    old.ends_with(Refusal::Replaced).await;
    leecher.send(&forward(alice.at(0), b"offer")).await;
    assert_eq!(new.receive().await, Some(deliver(bob.at(leecher.number()), b"offer")));
    own_leecher.nothing_more().await;
    assert_eq!(leecher.receive().await, Some(FromRelay::PeerHere { device: alice.id() }));
    leecher.nothing_more().await;
    drop(new);
    assert_eq!(leecher.receive().await, Some(FromRelay::PeerGone { device: alice.id() }));
}

#[tokio::test]
async fn only_members_get_in() {
    let (_home, relay) = relay().await;
    let refused = async |member: Member, serving, why| {
        let (mut client, answer) = relay.hello(&member, serving).await;
        assert_eq!(answer, FromRelay::Refused(why));
        assert_eq!(client.receive().await, None);
    };
    refused(Member::with(1, 2, |c| c.not_after = 5), false, Refusal::Expired).await;
    refused(Member::with(1, 2, |c| c.version = 2), false, Refusal::Version).await;
    refused(Member::with(1, 2, |c| c.depth_left = 1), false, Refusal::NotMember).await;
    refused(
        Member::with(1, 2, |c| c.space = SpaceId::from_bytes([1; 32])),
        false,
        Refusal::NotMember,
    )
    .await;
    refused(Member::with(1, 2, |c| c.role = Role::FETCH), true, Refusal::NotAllowed).await;
    let stolen = Member { key: key(9), chain: Member::new(1, 2).chain };
    refused(stolen, false, Refusal::NotMember).await;
    let mut forged = Member::new(1, 2);
    forged.chain.owner = key(8).id();
    refused(forged, false, Refusal::NotMember).await;
    let empty = {
        let mut member = Member::new(1, 2);
        member.chain.certificates = List::default();
        member
    };
    refused(empty, false, Refusal::NotMember).await;
}

#[tokio::test]
async fn a_hello_holds_for_its_own_connection_and_version() {
    let (_home, relay) = relay().await;
    let alice = Member::new(1, 2);
    let first = Client { tls: relay.tls().await, welcome: None };
    let hello = first.sign_hello(alice.body(false), &alice.key);
    let mut replayed = Client { tls: relay.tls().await, welcome: None };
    replayed.send(&hello).await;
    replayed.ends_with(Refusal::NotMember).await;
    let mut later = Client { tls: relay.tls().await, welcome: None };
    let mut body = alice.body(false);
    body.versions = List::new(vec![0, 2, 255]).unwrap();
    let hello = later.sign_hello(body, &alice.key);
    later.send(&hello).await;
    later.ends_with(Refusal::Version).await;
    let mut again = relay.connect(&alice, false).await;
    let hello = again.sign_hello(alice.body(false), &alice.key);
    again.send(&hello).await;
    again.ends_with(Refusal::NotAllowed).await;
}

#[tokio::test]
async fn a_private_relay_carries_only_its_spaces() {
    let home = tempfile::tempdir().unwrap();
    let allowed = vec![space_of(1).short()];
    let relay = TestRelay::start_with(home.path(), Limits::default(), allowed, own_address()).await;
    relay.connect(&Member::new(1, 2), true).await;
    let (_, answer) = relay.hello(&Member::new(4, 2), true).await;
    assert_eq!(answer, FromRelay::Refused(Refusal::SpaceNotAllowed));
}

#[tokio::test]
async fn catalogues_are_published_pushed_fetched_and_back_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let relay = TestRelay::start(home.path(), Limits::default()).await;
    let (pin, address) = (relay.pin, relay.address);
    let (alice, bob) = (Member::new(1, 2), Member::new(1, 3));
    let mut seeder = relay.connect(&alice, true).await;
    let mut leecher = relay.connect(&bob, false).await;
    assert_eq!(leecher.ask(&ToRelay::Heads).await, FromRelay::HeadsEnd);
    let segments: Vec<Vec<u8>> = (0..20_u8).map(|n| vec![n; 60 * 1024]).collect();
    for (position, segment) in (0..).zip(&segments) {
        seeder.send(&put(position, segment)).await;
    }
    let head = head(2, &segments);
    let done = |request| FromRelay::Done { request };
    assert_eq!(seeder.ask(&publish(1, 0, None, &record(1, &[]))).await, done(1));
    assert_eq!(seeder.ask(&publish(2, 1, None, &card(2, 1))).await, done(2));
    assert_eq!(seeder.ask(&publish(3, 2, None, &head)).await, done(3));
    let failed = FromRelay::Failed { request: 4, why: Refusal::Stale };
    assert_eq!(seeder.ask(&publish(4, 2, None, &crate::common::head(2, &[]))).await, failed);
    let told = |device: u8, log, statement: &[u8]| {
        let statement = Bytes::new(statement.to_vec()).unwrap();
        FromRelay::Head(LogHead { device: key(device).id(), log, statement })
    };
    let all = [told(1, 0, &record(1, &[])), told(2, 1, &card(2, 1)), told(2, 2, &head)];
    for expected in &all {
        assert_eq!(leecher.receive().await.as_ref(), Some(expected));
    }
    relay.stop().await;
    leecher.is_left().await;

    let relay = TestRelay::start_with(home.path(), Limits::default(), Vec::new(), address).await;
    assert_eq!(relay.pin, pin);
    let mut leecher = relay.connect(&bob, false).await;
    // In one flight.
    leecher.send(&ToRelay::Heads).await;
    leecher.send(&fetch(5, 2, 0, 16)).await;
    leecher.send(&fetch(6, 2, 16, 20)).await;
    leecher.send(&fetch(7, 2, 16, 21)).await;
    leecher.send(&fetch(8, 2, 0, 17)).await;
    for expected in all {
        assert_eq!(leecher.receive().await, Some(expected));
    }
    assert_eq!(leecher.receive().await, Some(FromRelay::HeadsEnd));
    for (position, segment) in (0..).zip(&segments) {
        let request = if position < 16 { 5 } else { 6 };
        let segment = Bytes::new(segment.clone()).unwrap();
        let expected = FromRelay::Segment { request, position, segment };
        assert!(leecher.receive().await == Some(expected), "{position}");
        if [15, 19].contains(&position) {
            assert_eq!(leecher.receive().await, Some(done(request)));
        }
    }
    for request in [7, 8] {
        let missing = FromRelay::Failed { request, why: Refusal::NotFound };
        assert_eq!(leecher.receive().await, Some(missing));
    }
}

#[tokio::test]
async fn an_invite_is_all_that_a_joining_device_gets() {
    let (_home, relay) = relay().await;
    let alice = Member::new(1, 2);
    let mut seeder = relay.connect(&alice, true).await;
    let package = Bytes::new(vec![3; 900]).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let deadline = now + 60;
    let put =
        ToRelay::PutInvite { request: 1, id: [4; 16], deadline, uses: 1, package: package.clone() };
    assert_eq!(seeder.ask(&put).await, FromRelay::Done { request: 1 });
    let take = |request| ToRelay::TakeInvite { request, id: [4; 16] };
    for _ in 0..2 {
        let mut joining = relay.join(&key(9)).await;
        let got = joining.ask(&take(2)).await;
        assert_eq!(got, FromRelay::Invite { request: 2, package: package.clone() });
    }
    let mut late = relay.join(&key(10)).await;
    let spent = FromRelay::Failed { request: 3, why: Refusal::Spent };
    assert_eq!(late.ask(&take(3)).await, spent);
    let unknown = ToRelay::TakeInvite { request: 4, id: [5; 16] };
    let missing = FromRelay::Failed { request: 4, why: Refusal::NotFound };
    assert_eq!(late.ask(&unknown).await, missing);
    late.send(&ToRelay::Heads).await;
    late.ends_with(Refusal::NotAllowed).await;
    seeder.send(&take(5)).await;
    seeder.ends_with(Refusal::NotAllowed).await;
}

#[tokio::test]
async fn a_link_is_joined_by_its_two_tickets() {
    let (_home, relay) = relay().await;
    let (alice, bob) = (Member::new(1, 2), Member::new(1, 3));
    let mut seeder = relay.connect(&alice, true).await;
    let mut leecher = relay.connect(&bob, false).await;
    leecher.send(&ToRelay::OpenLink { to: alice.at(0), tag: [9; 16] }).await;
    let near = ticket_of(leecher.receive().await.unwrap());
    let far = ticket_of(seeder.receive().await.unwrap());
    let mut one = relay.link(near).await;
    // Sent before the other half is there.
    one.write_all(b"early").await.unwrap();
    let mut other = relay.link(far).await;
    let mut early = [0; 5];
    other.read_exact(&mut early).await.unwrap();
    assert_eq!(&early, b"early");
    // A ticket works once, and the link does not need the control connections.
    let mut again = relay.link(near).await;
    assert_eq!(again.read(&mut [0]).await.unwrap_or(0), 0);
    drop((seeder, leecher));
    let long = vec![7; 3 << 20];
    let (sent, got) = tokio::join!(
        async {
            other.write_all(&long).await.unwrap();
            other.shutdown().await.unwrap();
        },
        async {
            let mut got = Vec::new();
            one.read_to_end(&mut got).await.unwrap();
            got
        }
    );
    let () = sent;
    assert!(got == long);
    // The relay waits for links at work.
    drop((one, other));
    relay.stop().await;
}

#[tokio::test]
async fn a_removed_member_is_put_out_at_once_and_stays_out() {
    let (_home, relay) = relay().await;
    let (alice, bob) = (Member::new(1, 2), Member::new(1, 3));
    let mut seeder = relay.connect(&alice, true).await;
    let mut removed = relay.connect(&bob, false).await;
    removed.send(&ToRelay::OpenLink { to: alice.at(0), tag: [9; 16] }).await;
    let near = ticket_of(removed.receive().await.unwrap());
    let far = ticket_of(seeder.receive().await.unwrap());
    let (mut one, mut other) = (relay.link(near).await, relay.link(far).await);
    one.write_all(b"x").await.unwrap();
    other.read_exact(&mut [0]).await.unwrap();
    let done = FromRelay::Done { request: 1 };
    assert_eq!(seeder.ask(&publish(1, 0, None, &record(1, &[3]))).await, done);
    removed.ends_with(Refusal::Removed).await;
    assert_eq!(one.read(&mut [0]).await.unwrap_or(0), 0, "its link is cut");
    let (_, answer) = relay.hello(&bob, false).await;
    assert_eq!(answer, FromRelay::Refused(Refusal::Removed));
    seeder.nothing_more().await;
}

#[tokio::test]
async fn a_silent_device_is_asked_and_then_gone() {
    let limits = Limits {
        ping_after: Duration::from_millis(200),
        idle: Duration::from_millis(600),
        ..Limits::default()
    };
    let (_home, relay) = relay_with(limits).await;
    let (alice, bob) = (Member::new(1, 2), Member::new(1, 3));
    // Stays connected, but never reads nor writes again.
    let vanished = relay.connect(&alice, true).await;
    let mut leecher = relay.connect(&bob, false).await;
    leecher.send(&ToRelay::Peers).await;
    assert_eq!(leecher.receive().await, Some(FromRelay::PeerHere { device: alice.id() }));
    assert_eq!(leecher.receive().await, Some(FromRelay::PeersEnd));
    assert_eq!(leecher.receive().await, Some(FromRelay::PeerGone { device: alice.id() }));
    let nowhere = FromRelay::Undeliverable { to: alice.at(0), why: Refusal::Offline };
    assert_eq!(leecher.ask(&forward(alice.at(0), b"x")).await, nowhere);
    drop(vanished);
}

#[tokio::test]
async fn a_device_that_does_not_read_costs_little_and_hurts_nobody() {
    let (_home, relay) = relay().await;
    let (alice, bob, carol) = (Member::new(1, 2), Member::new(1, 3), Member::new(1, 4));
    let _deaf = relay.connect(&alice, true).await;
    let mut sender = relay.connect(&bob, false).await;
    let mut third = relay.connect(&carol, true).await;
    // Far more than the sockets and the queue hold.
    let mut busy = 0;
    for _ in 0..600 {
        sender.send(&forward(alice.at(0), &[1; 48 * 1024])).await;
    }
    sender.send(&ToRelay::Ping { nonce: 1 }).await;
    loop {
        match sender.receive().await {
            Some(FromRelay::Undeliverable { why: Refusal::Busy, .. }) => busy += 1,
            Some(FromRelay::Pong { .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(busy > 300, "{busy}");
    sender.send(&forward(carol.at(0), b"still here")).await;
    assert_eq!(third.receive().await, Some(deliver(bob.at(sender.number()), b"still here")));
}

#[tokio::test]
async fn a_device_that_never_reads_again_is_given_up_and_holds_no_farewell_up() {
    let limits = Limits {
        write_stall: Duration::from_millis(300),
        farewell: Duration::from_millis(500),
        ..Limits::default()
    };
    let (_home, relay) = relay_with(limits).await;
    let (alice, bob) = (Member::new(1, 2), Member::new(1, 3));
    let deaf = relay.connect(&alice, true).await;
    let mut sender = relay.connect(&bob, false).await;
    sender.send(&ToRelay::Peers).await;
    for _ in 0..600 {
        sender.send(&forward(alice.at(0), &[1; 48 * 1024])).await;
    }
    while sender.receive().await != Some(FromRelay::PeerGone { device: alice.id() }) {}
    let _deaf_again = relay.connect(&alice, true).await;
    for _ in 0..600 {
        sender.send(&forward(alice.at(0), &[1; 48 * 1024])).await;
    }
    let start = std::time::Instant::now();
    relay.stop().await;
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    drop(deaf);
}

#[tokio::test]
async fn segments_yield_to_messages() {
    let (_home, relay) = relay().await;
    let (alice, bob) = (Member::new(1, 2), Member::new(1, 3));
    let mut seeder = relay.connect(&alice, true).await;
    let mut leecher = relay.connect(&bob, false).await;
    let segments: Vec<Vec<u8>> = (0..16_u8).map(|n| vec![n; 60 * 1024]).collect();
    for (position, segment) in (0..).zip(&segments) {
        seeder.send(&put(position, segment)).await;
    }
    let done = FromRelay::Done { request: 1 };
    assert_eq!(seeder.ask(&publish(1, 2, None, &head(2, &segments))).await, done);
    for request in 0..40 {
        leecher.send(&fetch(request, 2, 0, 16)).await;
    }
    seeder.send(&forward(bob.at(leecher.number()), b"urgent")).await;
    let mut before = 0;
    while !matches!(leecher.receive().await, Some(FromRelay::Deliver { .. })) {
        before += 1;
    }
    assert!(before < 40 * 17 - 1, "after everything else");
    while leecher.receive().await != Some(FromRelay::Done { request: 39 }) {}
}

#[tokio::test]
async fn each_connection_has_its_bound_of_messages_and_none_is_lost() {
    let limits = Limits { messages_per_second: 200, message_burst: 10, ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    let mut client = relay.connect(&Member::new(1, 2), false).await;
    let start = std::time::Instant::now();
    for nonce in 0..110 {
        client.send(&ToRelay::Ping { nonce }).await;
    }
    for nonce in 0..110 {
        assert_eq!(client.receive().await, Some(FromRelay::Pong { nonce }));
    }
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
}

#[tokio::test]
async fn joining_connections_are_few_and_short() {
    let limits = Limits { joining: 1, join_time: Duration::from_millis(300), ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    let mut one = relay.join(&key(9)).await;
    let mut other = Client { tls: relay.tls().await, welcome: None };
    let hello = other.sign_hello(body(&key(10), Purpose::Join), &key(10));
    other.send(&hello).await;
    other.ends_with(Refusal::Busy).await;
    one.ends_with(Refusal::Idle).await;
}
