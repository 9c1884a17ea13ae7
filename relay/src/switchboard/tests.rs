use std::time::Duration;

use sealift_proto::identity::SecretKey;
use sealift_proto::space::InviteUse;

use super::*;
use crate::limits::{InForce, Limits};

fn board() -> Switchboard {
    Switchboard::new(InForce::new(Limits::default()), 100)
}

fn member(space: u8, device: u8) -> Membership {
    Membership {
        device: SecretKey::from_seed([device; 32]).id(),
        space: SpaceId::from_bytes([space; 32]),
        role: Role::BOTH,
        not_after: 1000,
        serial: [device; 16],
        invite: None,
    }
}

fn at(device: u8, connection: u32) -> Address {
    Address { device: member(0, device).device, connection }
}

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn linked(board: &mut Switchboard, from: Key, to: Address, first: u8) -> [[u8; 32]; 2] {
    let tickets = [[first; 32], [first + 1; 32]];
    board.open_link(from, to, [9; 16], tickets, secs(0)).unwrap();
    tickets
}

#[test]
fn a_body_reaches_the_address_and_says_who_sent_it() {
    let mut board = board();
    let (seeder, address, _) = board.connect(member(1, 1), true).unwrap();
    assert_eq!(address, at(1, 0));
    let (leecher, from, _) = board.connect(member(1, 2), false).unwrap();
    assert_eq!(from, at(2, 101));
    assert_eq!(board.route(leecher, at(1, 0)), Ok((seeder, from)));
    assert_eq!(board.route(seeder, from), Ok((leecher, at(1, 0))));
    assert_eq!(board.route(leecher, at(1, 7)), Err(Refusal::Offline));
    assert_eq!(board.route(leecher, at(3, 0)), Err(Refusal::Offline));
    assert_eq!(board.route(99, at(1, 0)), Err(Refusal::NotAllowed));
}

#[test]
fn spaces_do_not_see_one_another() {
    let mut board = board();
    let (one, _, _) = board.connect(member(1, 1), true).unwrap();
    let (other, _, _) = board.connect(member(2, 2), true).unwrap();
    assert_eq!(board.route(one, at(2, 0)), Err(Refusal::Offline));
    assert_eq!(board.watch_peers(other), [member(0, 2).device]);
    assert!(board.open_link(one, at(2, 0), [0; 16], [[0; 32], [1; 32]], secs(0)).is_err());
    let (again, _, effects) = board.connect(member(2, 1), true).unwrap();
    assert!(board.route(one, at(1, 0)).is_ok_and(|(key, _)| key == one));
    assert_eq!(effects, [Effect::Send(other, FromRelay::PeerHere { device: at(1, 0).device })]);
    assert!(board.route(other, at(1, 0)).is_ok_and(|(key, _)| key == again));
}

#[test]
fn the_newest_serving_connection_wins_and_the_old_one_is_told() {
    let mut board = board();
    let (old, _, _) = board.connect(member(1, 1), true).unwrap();
    let (leecher, own, _) = board.connect(member(1, 1), false).unwrap();
    board.watch_peers(leecher);
    let (new, address, effects) = board.connect(member(1, 1), true).unwrap();
    assert_eq!(address, at(1, 0));
    let here = FromRelay::PeerHere { device: at(1, 0).device };
    assert_eq!(effects, [Effect::Close(old, Refusal::Replaced), Effect::Send(leecher, here)]);
    // A session of a device with itself.
    assert_eq!(board.route(leecher, at(1, 0)), Ok((new, own)));
    assert_eq!(board.route(old, own), Err(Refusal::NotAllowed));
    // The late end of the old one does not take the new one away.
    assert_eq!(board.disconnect(old), []);
    assert_eq!(board.route(leecher, at(1, 0)), Ok((new, own)));
    let gone = FromRelay::PeerGone { device: at(1, 0).device };
    assert_eq!(board.disconnect(new), [Effect::Send(leecher, gone)]);
    assert_eq!(board.route(leecher, at(1, 0)), Err(Refusal::Offline));
}

#[test]
fn serving_takes_the_right_to_offer() {
    let mut board = board();
    let only_fetching = Membership { role: Role::FETCH, ..member(1, 1) };
    assert_eq!(board.connect(only_fetching, true).err(), Some(Refusal::NotAllowed));
    assert!(board.connect(only_fetching, false).is_ok());
}

#[test]
fn presence_is_told_to_those_who_asked() {
    let mut board = board();
    let (watching, _, _) = board.connect(member(1, 1), false).unwrap();
    let (_silent, _, _) = board.connect(member(1, 2), false).unwrap();
    assert_eq!(board.watch_peers(watching), []);
    let device = member(1, 3).device;
    let (seeder, _, effects) = board.connect(member(1, 3), true).unwrap();
    assert_eq!(effects, [Effect::Send(watching, FromRelay::PeerHere { device })]);
    assert_eq!(board.watch_peers(watching), [device]);
    let effects = board.disconnect(seeder);
    assert_eq!(effects, [Effect::Send(watching, FromRelay::PeerGone { device })]);
    assert_eq!(board.disconnect(seeder), []);
}

#[test]
fn heads_go_to_those_who_asked_in_the_space() {
    let mut board = board();
    let (one, _, _) = board.connect(member(1, 1), false).unwrap();
    let (_two, _, _) = board.connect(member(1, 2), false).unwrap();
    let (three, _, _) = board.connect(member(2, 3), false).unwrap();
    board.watch_heads(one);
    board.watch_heads(three);
    assert_eq!(board.head_watchers(&member(1, 0).space), [one]);
    board.disconnect(one);
    assert!(board.head_watchers(&member(1, 0).space).is_empty());
}

#[test]
fn both_sides_get_a_ticket_and_each_works_once() {
    let mut board = board();
    let (seeder, _, _) = board.connect(member(1, 1), true).unwrap();
    let (leecher, own, _) = board.connect(member(1, 2), false).unwrap();
    let tickets = [[1; 32], [2; 32]];
    let effects = board.open_link(leecher, at(1, 0), [9; 16], tickets, secs(0)).unwrap();
    let ticket = |ticket, peer| FromRelay::LinkTicket {
        ticket,
        tag: [9; 16],
        peer,
        address: None,
        extensions: sealift_proto::codec::Extensions::default(),
    };
    assert_eq!(
        effects,
        [
            Effect::Send(leecher, ticket([1; 32], at(1, 0))),
            Effect::Send(seeder, ticket([2; 32], own)),
        ]
    );
    let first = board.redeem(&[2; 32], secs(14)).unwrap();
    assert_eq!(first.side, Side::First { deadline: secs(15) });
    assert_eq!(board.redeem(&[2; 32], secs(14)), None);
    assert_eq!(board.redeem(&[3; 32], secs(14)), None);
    let second = board.redeem(&[1; 32], secs(14)).unwrap();
    assert_eq!((second.pair, second.side), (first.pair, Side::Second));
    assert_eq!(board.redeem(&[1; 32], secs(14)), None);
    // At work, it outlives tickets and control connections.
    assert_eq!(board.expire_tickets(secs(99)), []);
    assert_eq!(board.disconnect(leecher), []);
    board.link_ended(first.pair);
    assert_eq!(board.link_count(), 0);
}

#[test]
fn tickets_end_after_fifteen_seconds() {
    let mut board = board();
    board.connect(member(1, 1), true).unwrap();
    let (leecher, _, _) = board.connect(member(1, 2), false).unwrap();
    let tickets = linked(&mut board, leecher, at(1, 0), 1);
    let half = board.redeem(&tickets[0], secs(3)).unwrap();
    assert_eq!(board.expire_tickets(secs(14)), []);
    assert_eq!(board.redeem(&tickets[1], secs(15)), None);
    assert_eq!(board.expire_tickets(secs(15)), [Effect::Cut(half.pair)]);
    assert_eq!(board.link_count(), 0);
}

#[test]
fn a_vanished_side_gives_its_pending_links_up() {
    let mut board = board();
    let (seeder, _, _) = board.connect(member(1, 1), true).unwrap();
    let (leecher, _, _) = board.connect(member(1, 2), false).unwrap();
    let tickets = linked(&mut board, leecher, at(1, 0), 1);
    let half = board.redeem(&tickets[0], secs(1)).unwrap();
    assert_eq!(board.disconnect(seeder), [Effect::Cut(half.pair)]);
    assert_eq!(board.redeem(&tickets[1], secs(1)), None);
}

#[test]
fn a_removed_member_loses_connections_and_links() {
    let mut board = board();
    let (_seeder, _, _) = board.connect(member(1, 1), true).unwrap();
    let invited =
        Membership { invite: Some(InviteUse { serial: [77; 16], uses: 1 }), ..member(1, 2) };
    let (leecher, _, _) = board.connect(invited, false).unwrap();
    let (elsewhere, _, _) = board.connect(Membership { ..member(2, 2) }, false).unwrap();
    let tickets = linked(&mut board, leecher, at(1, 0), 1);
    let pair = board.redeem(&tickets[0], secs(1)).unwrap().pair;
    board.redeem(&tickets[1], secs(1)).unwrap();
    assert_eq!(board.remove_serials(&member(1, 0).space, &[[88; 16]]), []);
    let effects = board.remove_serials(&member(1, 0).space, &[[77; 16]]);
    assert_eq!(effects, [Effect::Close(leecher, Refusal::Removed), Effect::Cut(pair)]);
    assert!(board.remove_serials(&member(2, 0).space, &[[2; 16]]).len() == 1);
    assert_eq!(board.route(elsewhere, at(2, 0)), Err(Refusal::NotAllowed));
}

#[test]
fn certificates_end_while_connected() {
    let mut board = board();
    let (key, _, _) = board.connect(member(1, 1), false).unwrap();
    let skew = sealift_proto::space::CLOCK_SKEW;
    assert_eq!(board.expire_members(1000 + skew), []);
    let effects = board.expire_members(1001 + skew);
    assert_eq!(effects, [Effect::Close(key, Refusal::Expired)]);
    assert_eq!(board.len(), 0);
}

#[test]
fn connections_are_bounded() {
    let limits = Limits {
        connections: 5,
        connections_per_space: 4,
        connections_per_device: 2,
        ..Limits::default()
    };
    let mut board = Switchboard::new(InForce::new(limits), 0);
    let mut connect = |space, device, serving| board.connect(member(space, device), serving);
    connect(1, 1, true).unwrap();
    connect(1, 1, false).unwrap();
    assert_eq!(connect(1, 1, false).err(), Some(Refusal::Busy));
    // Taking one's own place needs no room.
    connect(1, 1, true).unwrap();
    connect(1, 2, false).unwrap();
    connect(1, 3, false).unwrap();
    assert_eq!(connect(1, 4, false).err(), Some(Refusal::Busy));
    connect(2, 4, false).unwrap();
    assert_eq!(connect(3, 5, false).err(), Some(Refusal::Busy));
}

fn open(board: &mut Switchboard, from: Key, to: Address, n: u8) -> Result<Vec<Effect>, Refusal> {
    board.open_link(from, to, [0; 16], [[n; 32], [n + 1; 32]], secs(0))
}

#[test]
fn links_are_bounded() {
    let limits = Limits { links_per_device: 2, links_to_device: 3, links: 5, ..Limits::default() };
    let mut board = Switchboard::new(InForce::new(limits), 0);
    let mut keys = Vec::new();
    for device in 1..7 {
        keys.push(board.connect(member(1, device), device < 4).unwrap().0);
    }
    open(&mut board, keys[3], at(1, 0), 1).unwrap();
    open(&mut board, keys[3], at(2, 0), 3).unwrap();
    assert_eq!(
        open(&mut board, keys[3], at(3, 0), 5),
        Err(Refusal::Busy),
        "asked for by one device"
    );
    open(&mut board, keys[4], at(1, 0), 5).unwrap();
    open(&mut board, keys[5], at(1, 0), 7).unwrap();
    assert_eq!(open(&mut board, keys[4], at(1, 0), 9), Err(Refusal::Busy), "asked of one device");
    // The one that others ask so much may still ask itself.
    open(&mut board, keys[0], at(2, 0), 9).unwrap();
    assert_eq!(open(&mut board, keys[5], at(3, 0), 11), Err(Refusal::Busy), "links in all");
    board.expire_tickets(secs(15));
    open(&mut board, keys[3], at(1, 0), 13).unwrap();
}

#[test]
fn a_device_has_few_tickets_that_nobody_showed() {
    let limits = Limits { tickets_per_device: 2, ..Limits::default() };
    let mut board = Switchboard::new(InForce::new(limits), 0);
    board.connect(member(1, 1), true).unwrap();
    let (two, _, _) = board.connect(member(1, 2), false).unwrap();
    let (again, _, _) = board.connect(member(1, 2), false).unwrap();
    open(&mut board, two, at(1, 0), 1).unwrap();
    open(&mut board, again, at(1, 0), 3).unwrap();
    assert_eq!(open(&mut board, two, at(1, 0), 5), Err(Refusal::Busy));
    board.redeem(&[1; 32], secs(1)).unwrap();
    assert_eq!(open(&mut board, two, at(1, 0), 5), Err(Refusal::Busy));
    board.redeem(&[2; 32], secs(1)).unwrap();
    open(&mut board, two, at(1, 0), 5).unwrap();
}

#[test]
fn with_too_many_tickets_the_oldest_of_the_greediest_goes() {
    let limits = Limits { tickets: 4, ..Limits::default() };
    let mut board = Switchboard::new(InForce::new(limits), 0);
    board.connect(member(1, 1), true).unwrap();
    let (greedy, _, _) = board.connect(member(1, 2), false).unwrap();
    let (honest, _, _) = board.connect(member(1, 3), false).unwrap();
    open(&mut board, honest, at(1, 0), 1).unwrap();
    for n in [3, 5, 7] {
        open(&mut board, greedy, at(1, 0), n).unwrap();
    }
    // Ten thousand more cost nobody else anything.
    for _ in 0..10_000 {
        let effects = open(&mut board, greedy, at(1, 0), 9).unwrap();
        let told = FromRelay::Undeliverable { to: at(1, 0), why: Refusal::Busy };
        assert_eq!(effects[0], Effect::Send(greedy, told));
        assert!(matches!(effects[1], Effect::Cut(_)) && effects.len() == 4);
        assert_eq!(board.link_count(), 4);
    }
    assert_eq!(board.redeem(&[3; 32], secs(1)), None);
    assert!(board.redeem(&[1; 32], secs(1)).is_some() && board.redeem(&[2; 32], secs(1)).is_some());
}

#[test]
fn devices_that_join_are_bounded() {
    let limits = Limits { joining: 2, ..Limits::default() };
    let mut board = Switchboard::new(InForce::new(limits), 0);
    board.begin_join().unwrap();
    board.begin_join().unwrap();
    assert_eq!(board.begin_join(), Err(Refusal::Busy));
    board.end_join();
    board.begin_join().unwrap();
}

#[test]
fn all_connections_of_a_member_have_one_pace_which_outlasts_them() {
    let limits = Limits { messages_per_second: 10, message_burst: 1, ..Limits::default() };
    let mut board = Switchboard::new(InForce::new(limits), 0);
    let one = board.pace(&member(1, 1), secs(0));
    let other = board.pace(&member(1, 1), secs(0));
    assert_eq!(one.take(1, 0, secs(0)), secs(0));
    assert_eq!(other.take(1, 0, secs(0)), Duration::from_millis(100));
    assert_eq!(board.pace(&member(1, 2), secs(0)).take(1, 0, secs(0)), secs(0));
    drop((one, other));
    board.forget_paces(secs(0));
    assert!(!board.pace(&member(1, 1), secs(0)).take(1, 0, secs(0)).is_zero());
    board.forget_paces(secs(9));
    assert!(board.paces.is_empty());
}

#[test]
fn numbers_never_name_a_serving_connection_and_wrap() {
    let mut board = Switchboard::new(InForce::new(Limits::default()), u32::MAX - 1);
    let numbers: Vec<u32> =
        (0..3).map(|_| board.connect(member(1, 1), false).unwrap().1.connection).collect();
    assert_eq!(numbers, [u32::MAX, 1, 2]);
}
