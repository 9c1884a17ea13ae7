use super::*;

fn ends(end: End, key: u8) -> Ends {
    Ends { session: SessionId([9; 16]), end, exporter: ExporterKey::new([key; 32]) }
}

fn terms() -> Terms {
    Terms {
        connector: End::Leecher,
        transport: Transport::Udp,
        connector_nonce: [1; 16],
        acceptor_nonce: [2; 16],
        binding: [3; 32],
    }
}

/// Plays an opening; what each side makes of the other's bytes after `alter`.
fn play(
    (seeder, seeder_terms): (&Ends, &Terms),
    (leecher, leecher_terms): (&Ends, &Terms),
    alter: impl Fn(&mut [u8; PROOF_LEN], &mut [u8; TAKE_LEN]),
) -> Result<u32, DirectError> {
    let (awaiting, mut proof) = AtSeeder::new(seeder, seeder_terms).prove();
    let mut unused = [0; TAKE_LEN];
    alter(&mut proof, &mut unused);
    let verified = AtLeecher::new(leecher, leecher_terms).verify(&proof)?;
    let mut take = verified.take(7);
    alter(&mut [0; PROOF_LEN], &mut take);
    awaiting.check(&take)
}

#[test]
fn two_ends_with_one_key_open_a_link() {
    let (seeder, leecher) = (ends(End::Seeder, 5), ends(End::Leecher, 5));
    assert_eq!(play((&seeder, &terms()), (&leecher, &terms()), |_, _| {}), Ok(7));
}

#[test]
fn every_flipped_bit_of_both_proofs_is_noticed() {
    let (seeder, leecher) = (ends(End::Seeder, 5), ends(End::Leecher, 5));
    for bit in 0..PROOF_LEN * 8 {
        let altered = play((&seeder, &terms()), (&leecher, &terms()), |proof, _| {
            proof[bit / 8] ^= 1 << (bit % 8);
        });
        assert_eq!(altered, Err(DirectError::Proof), "{bit}");
    }
    for bit in 0..TAKE_LEN * 8 {
        let altered = play((&seeder, &terms()), (&leecher, &terms()), |_, take| {
            take[bit / 8] ^= 1 << (bit % 8);
        });
        assert_eq!(altered, Err(DirectError::Proof), "{bit}");
    }
}

#[test]
fn everything_that_the_two_must_agree_on_matters() {
    let (seeder, leecher) = (ends(End::Seeder, 5), ends(End::Leecher, 5));
    let others = [
        Terms { connector: End::Seeder, ..terms() },
        Terms { transport: Transport::Tcp, ..terms() },
        Terms { connector_nonce: [0; 16], ..terms() },
        Terms { acceptor_nonce: [0; 16], ..terms() },
        Terms { binding: [0; 32], ..terms() },
    ];
    for other in others {
        let result = play((&seeder, &terms()), (&leecher, &other), |_, _| {});
        assert_eq!(result, Err(DirectError::Proof), "{other:?}");
        // The leecher's proof must not hold for other terms either, whatever the seeder's did.
        let (_, proof) = AtSeeder::new(&seeder, &other).prove();
        let take = AtLeecher::new(&leecher, &other).verify(&proof).ok().unwrap().take(1);
        let (awaiting, _) = AtSeeder::new(&seeder, &terms()).prove();
        assert_eq!(awaiting.check(&take), Err(DirectError::Proof), "{other:?}");
    }
    let strangers =
        [ends(End::Leecher, 6), Ends { session: SessionId([8; 16]), ..ends(End::Leecher, 5) }];
    for stranger in strangers {
        let result = play((&seeder, &terms()), (&stranger, &terms()), |_, _| {});
        assert_eq!(result, Err(DirectError::Proof));
    }
}

#[test]
fn a_proof_sent_back_proves_nothing() {
    let seeder = ends(End::Seeder, 5);
    let (awaiting, proof) = AtSeeder::new(&seeder, &terms()).prove();
    for number in [0, 1, 7, u32::MAX] {
        let (again, _) = AtSeeder::new(&seeder, &terms()).prove();
        let back = [&number.to_be_bytes()[..], &proof].concat();
        assert_eq!(again.check(&back.try_into().unwrap()), Err(DirectError::Proof));
    }
    drop(awaiting);
}

#[test]
fn a_call_is_read_as_it_was_written_and_other_connections_are_not() {
    let call = Call { session: SessionId([4; 16]), nonce: [6; 16] };
    assert_eq!(Call::from_bytes(&call.to_bytes()), Ok(call));
    for kind in [LinkKind::Relay, LinkKind::Lan] {
        let bytes = Preamble { kind, value: [0; 32] }.to_bytes();
        assert_eq!(Call::from_bytes(&bytes), Err(DirectError::Foreign));
    }
    for at in 0..4 {
        let mut bytes = call.to_bytes();
        bytes[at] ^= 1;
        assert_eq!(Call::from_bytes(&bytes), Err(DirectError::Foreign), "{at}");
    }
}

#[test]
fn a_knock_is_heard_by_the_other_end_alone() {
    let (seeder, leecher) = (ends(End::Seeder, 5), ends(End::Leecher, 5));
    for kind in [KnockKind::Ask, KnockKind::Answer] {
        let knock = Knock { kind, nonce: [7; 16] };
        let bytes = knock.to_bytes(&seeder);
        assert_eq!(Knock::session(&bytes), Some(seeder.session));
        assert_eq!(Knock::from_bytes(&bytes, &leecher), Some(knock));
        assert_eq!(Knock::from_bytes(&bytes, &seeder), None, "sent back");
        assert_eq!(Knock::from_bytes(&bytes, &ends(End::Leecher, 6)), None, "another session's");
    }
}

#[test]
fn every_flipped_bit_and_every_other_length_of_a_knock_is_noticed() {
    let (seeder, leecher) = (ends(End::Seeder, 5), ends(End::Leecher, 5));
    let bytes = Knock { kind: KnockKind::Ask, nonce: [7; 16] }.to_bytes(&seeder);
    for bit in 0..KNOCK_LEN * 8 {
        let mut altered = bytes;
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Knock::from_bytes(&altered, &leecher), None, "{bit}");
    }
    for len in 0..KNOCK_LEN {
        assert_eq!(Knock::session(&bytes[..len]), None);
        assert_eq!(Knock::from_bytes(&bytes[..len], &leecher), None);
    }
    assert_eq!(Knock::session(&[&bytes[..], &[0]].concat()), None);
}
