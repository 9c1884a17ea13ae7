//! Limits of connections, links and the store over real sockets: each is met, told in one word, and costs nobody else anything.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::{Duration, Instant};

use crate::common::*;
use sealift_proto::codec::{self, Bytes};
use sealift_proto::control::{Address, FromRelay, Refusal, ToRelay};
use sealift_proto::frame;
use sealift_relay::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn relay_with(limits: Limits) -> (tempfile::TempDir, TestRelay) {
    let home = tempfile::tempdir().unwrap();
    let relay = TestRelay::start(home.path(), limits).await;
    (home, relay)
}

async fn is_busy(relay: &TestRelay, who: &Member) {
    assert_eq!(relay.hello(who, false).await.1, FromRelay::Refused(Refusal::Busy));
}

#[tokio::test]
async fn connections_are_few_of_a_device_in_a_space_and_in_all() {
    let limits = Limits {
        connections_per_device: 2,
        connections_per_space: 3,
        connections: 4,
        ..Limits::default()
    };
    let (_home, relay) = relay_with(limits).await;
    let (alice, bob, stranger) = (Member::new(1, 2), Member::new(1, 3), Member::new(4, 5));
    let mut held = vec![relay.connect(&alice, true).await, relay.connect(&alice, false).await];
    is_busy(&relay, &alice).await;
    held.push(relay.connect(&bob, false).await);
    is_busy(&relay, &Member::new(1, 6)).await;
    held.push(relay.connect(&stranger, false).await);
    is_busy(&relay, &Member::new(7, 8)).await;
    for client in &mut held {
        client.nothing_more().await;
    }
}

/// Sends all but the last byte of a message, which would be answered.
async fn begin(client: &mut Client) -> [u8; 1] {
    let to = Member::new(1, 99).at(0);
    let frame = frame::frame(&codec::encode(&forward(to, &[1; 48 * 1024]))).unwrap();
    let (last, beginning) = frame.split_last().unwrap();
    client.tls.write_all(beginning).await.unwrap();
    client.tls.flush().await.unwrap();
    [*last]
}

#[tokio::test]
async fn a_message_that_does_not_come_whole_ends_its_connection_and_no_other() {
    let (_home, relay) = relay_with(Limits::default()).await;
    let mut slow = relay.connect(&Member::new(1, 2), false).await;
    let mut quiet = relay.connect(&Member::new(1, 3), false).await;
    let message_time = Duration::from_millis(100);
    relay.set_limits(Limits { message_time, ..Limits::default() });
    begin(&mut slow).await;
    slow.ends_with(Refusal::Idle).await;
    relay.set_limits(Limits::default());
    quiet.nothing_more().await;
}

#[tokio::test]
async fn messages_that_came_in_part_take_a_bounded_room() {
    let limits = Limits { partial_bytes_in_all: 130 << 10, ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    let mut one = relay.connect(&Member::new(1, 2), false).await;
    let mut two = relay.connect(&Member::new(1, 3), false).await;
    let mut three = relay.connect(&Member::new(1, 4), false).await;
    let rest = begin(&mut one).await;
    begin(&mut two).await;
    begin(&mut three).await;
    let (ended, answer, mut others) = tokio::select! {
        answer = one.receive() => (one, answer, [two, three]),
        answer = two.receive() => (two, answer, [one, three]),
        answer = three.receive() => (three, answer, [one, two]),
    };
    assert_eq!(answer, Some(FromRelay::Refused(Refusal::Busy)));
    drop(ended);
    for other in &mut others {
        other.tls.write_all(&rest).await.unwrap();
        other.tls.flush().await.unwrap();
        let to = Member::new(1, 99).at(0);
        let nowhere = FromRelay::Undeliverable { to, why: Refusal::Offline };
        assert_eq!(other.receive().await, Some(nowhere));
    }
}

#[tokio::test]
async fn bytes_of_a_member_are_read_more_slowly_over_all_its_connections() {
    let limits = Limits {
        member_bytes_per_second: 1 << 20,
        member_byte_burst: 64 << 10,
        ..Limits::default()
    };
    let (_home, relay) = relay_with(limits).await;
    let alice = Member::new(1, 2);
    let mut one = relay.connect(&alice, false).await;
    let mut other = relay.connect(&alice, false).await;
    let start = Instant::now();
    let nowhere = FromRelay::Undeliverable { to: alice.at(0), why: Refusal::Offline };
    for _ in 0..5 {
        assert_eq!(one.ask(&forward(alice.at(0), &[1; 48 * 1024])).await, nowhere);
        assert_eq!(other.ask(&forward(alice.at(0), &[1; 48 * 1024])).await, nowhere);
    }
    // 480 KiB, of which 64 pass at once and the last ones are not waited for.
    assert!(start.elapsed() >= Duration::from_millis(250), "{:?}", start.elapsed());
    let mut bob = relay.connect(&Member::new(1, 3), false).await;
    let start = Instant::now();
    bob.nothing_more().await;
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_device_that_does_not_read_is_busy_for_others_and_then_gone() {
    let limits = Limits { forward_bytes: 100_000, queue_bytes: 101_000, ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    let (alice, bob) = (Member::new(1, 2), Member::new(1, 3));
    let mut deaf = relay.connect(&alice, true).await;
    deaf.send(&ToRelay::Peers).await;
    let mut sender = relay.connect(&bob, false).await;
    sender.send(&ToRelay::Peers).await;
    let mut refused = 0;
    // What others forward stops at the first bound, what the relay itself has to say at the second.
    while refused < 3 {
        sender.send(&forward(alice.at(0), &[1; 48 * 1024])).await;
        sender.send(&ToRelay::Ping { nonce: 1 }).await;
        loop {
            match sender.receive().await.unwrap() {
                FromRelay::Undeliverable { why: Refusal::Busy, .. } => refused += 1,
                FromRelay::Pong { .. } => break,
                _ => {}
            }
        }
    }
    for _ in 0..60 {
        relay.connect(&Member::new(1, 4), true).await.nothing_more().await;
    }
    // Should it read after all, it finds out why.
    loop {
        match deaf.receive().await {
            Some(FromRelay::Refused(why)) => return assert_eq!(why, Refusal::Busy),
            Some(_) => {}
            None => panic!("no last word"),
        }
    }
}

#[tokio::test]
async fn with_few_jobs_at_once_all_are_done_in_turn() {
    let (_home, relay) = relay_with(Limits { jobs: 1, ..Limits::default() }).await;
    let mut seeder = relay.connect(&Member::new(1, 2), true).await;
    let segments = vec![vec![1; 1000]];
    seeder.send(&put(0, &segments[0])).await;
    let done = |request| FromRelay::Done { request };
    assert_eq!(seeder.ask(&publish(1, 2, None, &head(2, &segments))).await, done(1));
    for request in 0..20 {
        seeder.send(&fetch(request, 2, 0, 1)).await;
    }
    for request in 0..20 {
        assert!(matches!(seeder.receive().await, Some(FromRelay::Segment { .. })));
        assert_eq!(seeder.receive().await, Some(done(request)));
    }
}

fn ticket_of(message: FromRelay) -> [u8; 32] {
    match message {
        FromRelay::LinkTicket { ticket, .. } => ticket,
        other => panic!("{other:?}"),
    }
}

const fn open(to: Address) -> ToRelay {
    ToRelay::OpenLink { to, tag: [9; 16] }
}

#[tokio::test]
async fn tickets_are_few_of_a_device_and_the_greediest_loses_its_oldest() {
    let limits = Limits { tickets: 3, tickets_per_device: 2, ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    let (alice, bob, carol) = (Member::new(1, 2), Member::new(1, 3), Member::new(1, 4));
    let _seeder = relay.connect(&alice, true).await;
    let mut greedy = relay.connect(&bob, false).await;
    let first = ticket_of(greedy.ask(&open(alice.at(0))).await);
    ticket_of(greedy.ask(&open(alice.at(0))).await);
    let busy = FromRelay::Undeliverable { to: alice.at(0), why: Refusal::Busy };
    assert_eq!(greedy.ask(&open(alice.at(0))).await, busy);
    let mut honest = relay.connect(&carol, false).await;
    ticket_of(honest.ask(&open(alice.at(0))).await);
    // The fourth in all: the one with two of three loses one.
    ticket_of(honest.ask(&open(alice.at(0))).await);
    assert_eq!(greedy.receive().await, Some(busy));
    assert_eq!(relay.link(first).await.read(&mut [0]).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn links_are_few_by_a_device_and_to_a_device_and_silent_ones_end() {
    let limits = Limits {
        links_per_device: 1,
        links_to_device: 1,
        links: 5,
        ticket: Duration::from_secs(9),
        link_idle: Duration::from_millis(400),
        ..Limits::default()
    };
    let (_home, relay) = relay_with(limits).await;
    let members: Vec<Member> = (2..6).map(|seed| Member::new(1, seed)).collect();
    let mut alice = relay.connect(&members[0], true).await;
    let _ben = relay.connect(&members[1], true).await;
    let mut carol = relay.connect(&members[2], false).await;
    let mut dora = relay.connect(&members[3], false).await;
    let near = ticket_of(carol.ask(&open(members[0].at(0))).await);
    let far = ticket_of(alice.receive().await.unwrap());
    let busy = |to| FromRelay::Undeliverable { to, why: Refusal::Busy };
    let (to_alice, to_ben) = (members[0].at(0), members[1].at(0));
    assert_eq!(carol.ask(&open(to_ben)).await, busy(to_ben), "asked for by one device");
    assert_eq!(dora.ask(&open(to_alice)).await, busy(to_alice), "asked of one device");
    let (mut one, _other) = (relay.link(near).await, relay.link(far).await);
    let ended = tokio::time::timeout(PATIENCE, one.read(&mut [0])).await;
    assert_eq!(ended.unwrap().unwrap_or(0), 0, "nothing passes for too long");
    // The relay takes it off its books a moment after the socket is closed.
    while dora.ask(&open(to_alice)).await == busy(to_alice) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Publishes a catalogue of two segments.
async fn publish_two(client: &mut Client) -> FromRelay {
    let segments: Vec<Vec<u8>> = (0..2_u8).map(|n| vec![n; 5000]).collect();
    for (position, segment) in (0..).zip(&segments) {
        client.send(&put(position, segment)).await;
    }
    client.ask(&publish(1, 2, None, &head(2, &segments))).await
}

fn invite(uses: u32, seconds: u64) -> ToRelay {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let package = Bytes::new(vec![3; 900]).unwrap();
    ToRelay::PutInvite { request: 1, id: [4; 16], deadline: now.as_secs() + seconds, uses, package }
}

#[tokio::test]
async fn each_limit_of_the_store_has_its_word() {
    let other = Limits::default;
    let full = |limits| (limits, Refusal::Full);
    let catalogues = [
        full(Limits { space_bytes: 9000, ..other() }),
        full(Limits { device_bytes: 9000, ..other() }),
        full(Limits { total_bytes: 9000, ..other() }),
        full(Limits { disk_reserve: u64::MAX, ..other() }),
        (Limits { log_segments: 1, ..other() }, Refusal::Invalid),
        (Limits { logs: 2, ..other() }, Refusal::NotAllowed),
    ];
    let failed = |why| FromRelay::Failed { request: 1, why };
    for (limits, why) in catalogues {
        let (_home, relay) = relay_with(limits).await;
        let mut client = relay.connect(&Member::new(1, 2), true).await;
        assert_eq!(publish_two(&mut client).await, failed(why));
        client.nothing_more().await;
    }
    let invites = [
        full(Limits { invites: 0, ..other() }),
        full(Limits { space_invites: 0, ..other() }),
        (Limits { invite_uses: 1, ..other() }, Refusal::Invalid),
        (Limits { invite_life: Duration::from_secs(60), ..other() }, Refusal::Invalid),
    ];
    for (limits, why) in invites {
        let (_home, relay) = relay_with(limits).await;
        let mut client = relay.connect(&Member::new(1, 2), true).await;
        assert_eq!(client.ask(&invite(2, 3600)).await, failed(why));
        client.nothing_more().await;
    }
    let (_home, relay) = relay_with(Limits { space_statements: 1, ..other() }).await;
    let mut client = relay.connect(&Member::new(1, 2), true).await;
    let done = FromRelay::Done { request: 1 };
    assert_eq!(client.ask(&publish(1, 1, None, &card(2, 1))).await, done);
    assert_eq!(publish_two(&mut client).await, failed(Refusal::Full));
    let (_home, relay) = relay_with(Limits { spaces: 1, ..other() }).await;
    let mut first = relay.connect(&Member::new(1, 2), true).await;
    let second = relay.hello(&Member::new(4, 2), true).await.1;
    assert_eq!(second, FromRelay::Refused(Refusal::Full));
    first.nothing_more().await;
}

#[tokio::test]
async fn devices_that_do_not_read_do_not_fill_the_memory_together() {
    let limits = Limits { queue_bytes_in_all: 1 << 20, ..Limits::default() };
    let (_home, relay) = relay_with(limits).await;
    let deaf: Vec<Member> = (2..8).map(|seed| Member::new(1, seed)).collect();
    let mut held = Vec::new();
    for member in &deaf {
        held.push(relay.connect(member, true).await);
    }
    let (mut sender, carol) = (relay.connect(&Member::new(1, 9), false).await, Member::new(1, 10));
    let mut honest = relay.connect(&carol, true).await;
    // Each is refused what it could have alone: more than the sockets hold, and far less than six queues.
    for member in &deaf {
        let mut busy = false;
        while !busy {
            sender.send(&forward(member.at(0), &[1; 48 * 1024])).await;
            sender.send(&ToRelay::Ping { nonce: 1 }).await;
            while let Some(FromRelay::Undeliverable { why: Refusal::Busy, .. }) =
                sender.receive().await
            {
                busy = true;
            }
        }
    }
    sender.send(&forward(carol.at(0), b"still here")).await;
    assert_eq!(
        honest.receive().await,
        Some(deliver(Member::new(1, 9).at(sender.number()), b"still here"))
    );
}
