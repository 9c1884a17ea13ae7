use super::*;
use crate::keys::{EpochSecret, FreshKey, Schedule};

const ID: SessionId = SessionId([0x5e; 16]);

fn schedule() -> Schedule {
    let psk = EpochSecret::new([1; 32]).keys().psk;
    Schedule::derive(&[1; 32], &[2; 32], &FreshKey::new([3; 32]), &psk)
}

fn sender(link: u32) -> LinkSender<ToLeecher> {
    LinkSender::new(schedule().seeder_to_leecher, ID, link)
}

fn receiver(link: u32) -> LinkReceiver<ToLeecher> {
    LinkReceiver::new(schedule().seeder_to_leecher, ID, link)
}

fn split(bytes: &[u8]) -> (MessageHead, &[u8]) {
    let (head, rest) = bytes.split_first_chunk().unwrap();
    (MessageHead::parse(*head).unwrap(), rest)
}

fn receive(receiver: &mut LinkReceiver<ToLeecher>, bytes: &[u8]) -> Result<Vec<u8>, LinkError> {
    let (head, sealed) = split(bytes);
    receiver.message(&head, sealed)
}

/// All bytes of a run.
fn run(sender: &mut LinkSender<ToLeecher>, content: &[u8]) -> Vec<u8> {
    let (mut sealer, head) = sender.run(content.len(), [4; 24]).unwrap();
    let mut bytes = head.to_vec();
    let mut rest = content;
    while let Some(len) = sealer.next_len() {
        let (piece, after) = rest.split_at(len);
        let mut piece = piece.to_vec();
        let tag = sealer.piece(&mut piece).unwrap();
        bytes.extend([&piece[..], &tag].concat());
        rest = after;
    }
    bytes
}

/// Opens a run as far as it opens.
fn open_run(receiver: &mut LinkReceiver<ToLeecher>, bytes: &[u8]) -> (Vec<u8>, Option<LinkError>) {
    let (head, rest) = split(bytes);
    let (header, mut rest) = rest.split_first_chunk().unwrap();
    let mut opener = match receiver.run(&head, header) {
        Ok(opener) => opener,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut content = Vec::new();
    while let Some(len) = opener.next_len() {
        let mut piece = rest[..len].to_vec();
        rest = &rest[len..];
        match opener.piece(&mut piece) {
            Ok(len) => content.extend_from_slice(&piece[..len]),
            Err(error) => return (content, Some(error)),
        }
    }
    (content, None)
}

#[test]
fn messages_and_runs_arrive_in_order() {
    let (mut sender, mut receiver) = (sender(0), receiver(0));
    for len in [0, 1, 5000, MESSAGE_MAX] {
        let bytes = sender.message(&vec![7; len], [1; 24]).unwrap();
        assert_eq!(receive(&mut receiver, &bytes), Ok(vec![7; len]));
        for len in [0, 1, PIECE_LEN - 1, PIECE_LEN, PIECE_LEN + 1, 100_000] {
            let bytes = run(&mut sender, &vec![9; len]);
            assert_eq!(open_run(&mut receiver, &bytes), (vec![9; len], None));
        }
    }
    assert_eq!(sender.message(&vec![0; MESSAGE_MAX * 2], [1; 24]), Err(LinkError::Length));
    assert!(sender.run(RUN_PLAIN_MAX + 1, [1; 24]).is_err());
}

#[test]
fn a_message_left_out_repeated_or_swapped_does_not_open() {
    let mut sender = sender(0);
    let first = sender.message(b"first", [1; 24]).unwrap();
    let second = sender.message(b"second", [2; 24]).unwrap();
    assert_eq!(receive(&mut receiver(0), &second), Err(LinkError::Sealed));
    let mut repeated = receiver(0);
    assert!(receive(&mut repeated, &first).is_ok());
    assert_eq!(receive(&mut repeated, &first), Err(LinkError::Sealed));
    assert_eq!(receive(&mut repeated, &second), Err(LinkError::Failed), "it stays failed");
}

#[test]
fn a_message_belongs_to_its_session_link_direction_and_kind() {
    let bytes = sender(0).message(b"hello", [1; 24]).unwrap();
    assert_eq!(receive(&mut receiver(1), &bytes), Err(LinkError::Sealed));
    let key = schedule().seeder_to_leecher;
    let mut other = LinkReceiver::<ToLeecher>::new(key, SessionId([0; 16]), 0);
    assert_eq!(receive(&mut other, &bytes), Err(LinkError::Sealed));
    let mut reflected = LinkReceiver::<ToSeeder>::new(schedule().leecher_to_seeder, ID, 0);
    let (head, sealed) = split(&bytes);
    assert_eq!(reflected.message(&head, sealed), Err(LinkError::Sealed));
    let mut as_run = bytes.clone();
    as_run[4] = 2;
    assert_eq!(open_run(&mut receiver(0), &as_run), (vec![], Some(LinkError::Sealed)));
    assert_eq!(receive(&mut receiver(0), &as_run), Err(LinkError::Failed));
}

#[test]
fn even_one_key_for_both_directions_would_not_let_a_message_back_in() {
    let key = LeecherToSeederKey(schedule().seeder_to_leecher.0.clone());
    let mut reflected = LinkReceiver::<ToSeeder>::new(key, ID, 0);
    let bytes = sender(0).message(b"hello", [1; 24]).unwrap();
    let (head, sealed) = split(&bytes);
    assert_eq!(reflected.message(&head, sealed), Err(LinkError::Sealed));
}

#[test]
fn every_flipped_bit_of_a_message_is_noticed() {
    let bytes = sender(0).message(b"some message", [1; 24]).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut altered = bytes.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        let (head, sealed) = altered.split_first_chunk().unwrap();
        let opened = MessageHead::parse(*head).and_then(|head| receiver(0).message(&head, sealed));
        assert!(opened.is_err(), "bit {bit}");
    }
}

#[test]
fn pieces_count_until_the_run_is_cut_or_altered() {
    let content: Vec<u8> = (0..5 * PIECE_LEN).map(|i| i.to_le_bytes()[1]).collect();
    let mut bytes = run(&mut sender(0), &content);
    let third = HEAD_LEN + HEADER_LEN + 2 * SEALED_PIECE_LEN;
    bytes[third + 7] ^= 1;
    let (opened, error) = open_run(&mut receiver(0), &bytes);
    assert_eq!(opened, content[..2 * PIECE_LEN]);
    assert_eq!(error, Some(LinkError::Sealed));
}

#[test]
fn lengths_are_refused_from_the_head_alone() {
    let parse = |len: u32, kind: u8| {
        let [a, b, c, d] = len.to_be_bytes();
        MessageHead::parse([a, b, c, d, kind])
    };
    for kind in [1, 2] {
        for len in [0, 1, 55, 71, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            assert_eq!(parse(len, kind), Err(LinkError::Length), "{len}");
        }
        assert!(parse(72, kind).is_ok());
    }
    let most = |kind: Kind| u32::try_from(seal::sealed_len(kind.plain_max())).unwrap();
    for kind in [Kind::Message, Kind::Run] {
        assert!(parse(most(kind), kind.number()).is_ok());
        assert_eq!(parse(most(kind) + 1, kind.number()), Err(LinkError::Length));
    }
    for kind in [0, 3, 255] {
        assert_eq!(parse(72, kind), Err(LinkError::Kind));
    }
}

#[test]
fn pieces_have_the_lengths_that_were_announced() {
    let (mut sealer, _) = sender(0).run(PIECE_LEN + 3, [1; 24]).unwrap();
    assert_eq!(sealer.piece(&mut [0; 3]), Err(LinkError::Length));
    sealer.piece(&mut vec![0; PIECE_LEN]).unwrap();
    assert_eq!(sealer.piece(&mut [0; 4]), Err(LinkError::Length));
    sealer.piece(&mut [0; 3]).unwrap();
    assert_eq!((sealer.next_len(), sealer.piece(&mut [])), (None, Err(LinkError::Length)));
}

#[test]
fn openings_round_trip() {
    let opening = Opening { session: ID, link: 0x0102_0304, proof: [8; 32] };
    assert_eq!(Opening::from_bytes(&opening.to_bytes()), opening);
}

#[test]
fn a_link_number_is_taken_once_and_not_far_behind_others() {
    const NO: Result<(), LinkError> = Err(LinkError::Number);
    let mut numbers = LinkNumbers::default();
    assert_eq!(numbers.take(1), NO);
    assert_eq!((numbers.take(0), numbers.take(0)), (Ok(()), NO));
    // Two links that open at once may overtake each other.
    assert_eq!((numbers.take(5), numbers.take(4), numbers.take(1)), (Ok(()), Ok(()), Ok(())));
    assert_eq!(
        (numbers.take(5), numbers.take(4), numbers.take(1), numbers.take(0)),
        (NO, NO, NO, NO)
    );
    assert_eq!((numbers.take(100), numbers.take(37), numbers.take(37)), (Ok(()), Ok(()), NO));
    assert_eq!((numbers.take(36), numbers.take(2)), (NO, NO));
    assert_eq!((numbers.take(u32::MAX), numbers.take(u32::MAX)), (Ok(()), NO));
    assert_eq!((numbers.take(u32::MAX - 63), numbers.take(u32::MAX - 64)), (Ok(()), NO));
}
