mod published;

use proptest::prelude::*;

use super::*;

const KEY: [u8; 32] = *b"YELLOW SUBMARINE YELLOW SUBMARIN";

fn key() -> SealKey {
    SealKey::new(KEY)
}

/// Around every edge of the piece structure.
const LENGTHS: [usize; 12] =
    [0, 1, 15, 16, 17, 16_383, 16_384, 16_385, 32_767, 32_768, 32_769, 70_000];

fn seal_by(backend: Backend, plaintext: &[u8]) -> Vec<u8> {
    let (mut sealer, header) = Sealer::with_backend(backend, &key(), b"here", [3; 24]);
    let mut message = header.to_vec();
    let mut rest = plaintext;
    while !sealer.ended() {
        let (piece, after) = rest.split_at(rest.len().min(PIECE_LEN));
        let mut piece = piece.to_vec();
        let tag = sealer.seal_piece(&mut piece).unwrap();
        message.extend_from_slice(&piece);
        message.extend_from_slice(&tag);
        rest = after;
    }
    message
}

#[test]
fn every_length_comes_back() {
    for len in LENGTHS {
        let plaintext: Vec<u8> = (0..len).map(|i| i.to_le_bytes()[0]).collect();
        let message = seal(&key(), b"here", [3; 24], &plaintext);
        assert_eq!(message.len(), sealed_len(len));
        assert_eq!(plain_len(message.len()), Some(len));
        assert_eq!(open(&key(), b"here", &message), Ok(plaintext.clone()));
        assert_eq!(open(&key(), b"there", &message), Err(SealError::Commitment));
        assert_eq!(seal_by(Backend::AwsLc, &plaintext), message);
        assert_eq!(seal_by(Backend::Portable, &plaintext), message);
    }
}

#[test]
fn lengths_that_no_message_has_are_known() {
    for len in 0..HEADER_LEN + TAG_LEN {
        assert_eq!(plain_len(len), None, "{len}");
    }
    assert_eq!(plain_len(HEADER_LEN + TAG_LEN), Some(0));
    for over in 0..TAG_LEN {
        assert_eq!(plain_len(HEADER_LEN + SEALED_PIECE_LEN + over), None);
    }
}

#[test]
fn both_backends_open_what_the_other_sealed_and_refuse_the_same() {
    let message = seal(&key(), b"", [0; 24], &[5; 20_000]);
    let header: &[u8; HEADER_LEN] = message.first_chunk().unwrap();
    for backend in [Backend::AwsLc, Backend::Portable] {
        let opener = Opener::with_backend(backend, &key(), b"", header).unwrap();
        let mut last = message[HEADER_LEN + SEALED_PIECE_LEN..].to_vec();
        assert_eq!(opener.open_piece_at(1, &mut last.clone()), Ok(20_000 - PIECE_LEN));
        assert_eq!(opener.open_piece_at(0, &mut last.clone()), Err(SealError::Altered));
        last[0] ^= 1;
        assert_eq!(opener.open_piece_at(1, &mut last), Err(SealError::Altered));
        assert!(last[..last.len() - TAG_LEN].iter().all(|byte| *byte == 0), "{backend:?}");
    }
}

#[test]
fn opening_elsewhere_gives_the_same_and_leaves_nothing_unverified() {
    let plaintext: Vec<u8> = (0..PIECE_LEN + 100).map(|i| i.to_le_bytes()[0]).collect();
    let message = seal(&key(), b"", [4; 24], &plaintext);
    let (header, body) = message.split_first_chunk::<HEADER_LEN>().unwrap();
    let (first, last) = body.split_at(SEALED_PIECE_LEN);
    for backend in [Backend::AwsLc, Backend::Portable] {
        let opener = || Opener::with_backend(backend, &key(), b"", header).unwrap();
        let mut plain = vec![9; PIECE_LEN + 103];
        let mut whole = opener();
        assert_eq!(whole.open_piece_into(first, &mut plain), Ok(PIECE_LEN));
        assert_eq!(whole.open_piece_into(last, &mut plain[PIECE_LEN..]), Ok(100));
        assert!(whole.ended() && plain[..PIECE_LEN + 100] == plaintext[..]);
        assert_eq!(plain[PIECE_LEN + 100..], [9; 3], "nothing is written behind the piece");
        assert_eq!(whole.open_piece_into(last, &mut plain), Err(SealError::Ended));

        let mut altered = first.to_vec();
        altered[5000] ^= 1;
        let mut plain = vec![9; PIECE_LEN + 1];
        let mut failed = opener();
        assert_eq!(failed.open_piece_into(&altered, &mut plain), Err(SealError::Altered));
        assert!(plain[..PIECE_LEN].iter().all(|byte| *byte == 0), "{backend:?}");
        assert_eq!(failed.open_piece_into(first, &mut plain), Err(SealError::Ended));
        for (piece, room) in [(&first[..15], 20), (first, PIECE_LEN - 1), (body, PIECE_LEN + 103)] {
            assert!(opener().open_piece_into(piece, &mut vec![9; room]).is_err());
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_noticed() {
    let message = seal(&key(), b"", [9; 24], &[1; PIECE_LEN + 40]);
    let near_an_edge = |len: usize| {
        [0, HEADER_LEN, HEADER_LEN + SEALED_PIECE_LEN, message.len()]
            .iter()
            .any(|edge| len.abs_diff(*edge) < 60)
    };
    for len in (0..message.len()).filter(|len| near_an_edge(*len)) {
        assert!(open(&key(), b"", &message[..len]).is_err(), "{len}");
    }
    for more in 1..40 {
        let longer = [&message[..], &vec![0; more]].concat();
        assert!(open(&key(), b"", &longer).is_err(), "{more}");
    }
}

#[test]
fn nothing_follows_the_last_piece() {
    let (mut sealer, header) = Sealer::new(&key(), b"", [1; 24]);
    let mut piece = [0; 3 + TAG_LEN];
    let tag = sealer.seal_piece(&mut piece[..3]).unwrap();
    piece[3..].copy_from_slice(&tag);
    assert_eq!(sealer.seal_piece(&mut []), Err(SealError::Ended));
    let mut opener = Opener::new(&key(), b"", &header).unwrap();
    assert_eq!(opener.open_piece(&mut piece.clone()), Ok(3));
    assert!(opener.ended());
    assert_eq!(opener.open_piece(&mut piece), Err(SealError::Ended));
}

#[test]
fn a_failed_message_stays_failed() {
    let message = seal(&key(), b"", [1; 24], &[2; 40_000]);
    let (header, body) = message.split_first_chunk::<HEADER_LEN>().unwrap();
    let mut opener = Opener::new(&key(), b"", header).unwrap();
    let mut wrong = body[..SEALED_PIECE_LEN].to_vec();
    wrong[100] ^= 0x80;
    assert_eq!(opener.open_piece(&mut wrong), Err(SealError::Altered));
    let mut right = body[..SEALED_PIECE_LEN].to_vec();
    assert_eq!(opener.open_piece(&mut right), Err(SealError::Ended));
}

#[test]
fn pieces_end_at_the_limit_of_the_format() {
    let (mut sealer, header) = Sealer::new(&key(), b"", [1; 24]);
    sealer.set_next(PIECES_MAX - 1);
    let mut piece = vec![0; SEALED_PIECE_LEN];
    let tag = sealer.seal_piece(&mut piece[..PIECE_LEN]).unwrap();
    piece[PIECE_LEN..].copy_from_slice(&tag);
    assert_eq!(sealer.seal_piece(&mut []), Err(SealError::TooLong));
    assert_eq!(sealer.seal_piece(&mut vec![0; PIECE_LEN + 1]), Err(SealError::PieceLength));
    let mut opener = Opener::new(&key(), b"", &header).unwrap();
    opener.set_next(PIECES_MAX - 1);
    assert_eq!(opener.open_piece(&mut piece), Ok(PIECE_LEN));
    assert_eq!(opener.open_piece(&mut [0; TAG_LEN]), Err(SealError::TooLong));
    assert_eq!(opener.open_piece_at(u64::MAX, &mut [0; TAG_LEN]), Err(SealError::TooLong));
}

#[test]
fn a_key_prints_nothing() {
    assert_eq!(format!("{:?}", key()), "SealKey(..)");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_flipped_bit_is_noticed(len in 0_usize..50_000, at in any::<prop::sample::Index>(), bit in 0_u8..8) {
        let mut message = seal(&key(), b"c", [7; 24], &vec![0xab; len]);
        let at = at.index(message.len());
        message[at] ^= 1 << bit;
        prop_assert!(open(&key(), b"c", &message).is_err());
    }
}
