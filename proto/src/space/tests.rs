use super::*;
use crate::identity::SecretKey;

const NOW: u64 = 1_800_000_000;
const SALT: [u8; 16] = [3; 16];

fn owner() -> SecretKey {
    SecretKey::from_seed([1; 32])
}
fn invite_key() -> SecretKey {
    SecretKey::from_seed([2; 32])
}
fn device() -> SecretKey {
    SecretKey::from_seed([3; 32])
}

fn certificate(subject: &SecretKey, depth_left: u8) -> Certificate {
    Certificate {
        version: VERSION,
        space: SpaceId::derive(&owner().id(), &SALT),
        subject: subject.id(),
        role: Role::BOTH,
        depth_left,
        uses: u32::from(depth_left),
        not_after: NOW + 100,
        serial: [depth_left; 16],
        extensions: Extensions::default(),
    }
}

fn chain(steps: &[(Certificate, &SecretKey)]) -> Chain {
    let signed = steps.iter().map(|(c, key)| Signed::sign(c.clone(), key).unwrap()).collect();
    Chain { owner: owner().id(), salt: SALT, certificates: List::new(signed).unwrap() }
}

#[test]
fn both_ways_to_a_device_hold() {
    let lasting = chain(&[(certificate(&device(), 0), &owner())]).verify(NOW, &[]).unwrap();
    assert_eq!((lasting.device, lasting.invite), (device().id(), None));
    let by_invite = chain(&[
        (certificate(&invite_key(), 1), &owner()),
        (certificate(&device(), 0), &invite_key()),
    ]);
    let membership = by_invite.verify(NOW, &[]).unwrap();
    assert_eq!(membership.invite, Some(InviteUse { serial: [1; 16], uses: 1 }));
    assert_eq!(by_invite.verify(NOW, &[[1; 16]]), Err(ChainError::Removed));
    assert_eq!(by_invite.verify(NOW, &[[0; 16]]), Err(ChainError::Removed));
}

#[test]
fn a_membership_ends_when_its_chain_does() {
    let by_invite = chain(&[
        (certificate(&invite_key(), 1), &owner()),
        (certificate(&device(), 0), &invite_key()),
    ]);
    let membership = by_invite.verify(NOW, &[]).unwrap();
    for now in [NOW, NOW + 220, NOW + 221] {
        for removed in [vec![], vec![[7; 16]], vec![[7; 16], [0; 16]], vec![[1; 16]]] {
            let holds = by_invite.verify(now, &removed).is_ok();
            assert_eq!(membership.still_holds(now, &removed), holds, "{now} {removed:?}");
        }
    }
}

#[test]
fn dates_hold_with_two_minutes_of_grace() {
    let chain = chain(&[(certificate(&device(), 0), &owner())]);
    assert!(chain.verify(NOW + 220, &[]).is_ok());
    assert_eq!(chain.verify(NOW + 221, &[]), Err(ChainError::Expired { seconds_ago: 121 }));
}

#[test]
fn nothing_widens() {
    let narrow = Certificate { role: Role::FETCH, ..certificate(&invite_key(), 1) };
    let early = Certificate { not_after: NOW + 50, ..certificate(&invite_key(), 1) };
    let deep = Certificate { depth_left: 2, ..certificate(&invite_key(), 1) };
    let device_step = (certificate(&device(), 0), &invite_key());
    for first in [narrow, early, deep] {
        let chain = chain(&[(first, &owner()), device_step.clone()]);
        assert_eq!(chain.verify(NOW, &[]), Err(ChainError::Invalid));
    }
    let never_ends_in_an_invite_key = chain(&[(certificate(&invite_key(), 1), &owner())]);
    assert_eq!(never_ends_in_an_invite_key.verify(NOW, &[]), Err(ChainError::Invalid));
    let device_invites =
        chain(&[(certificate(&device(), 0), &owner()), (certificate(&invite_key(), 0), &device())]);
    assert_eq!(device_invites.verify(NOW, &[]), Err(ChainError::Invalid));
    assert_eq!(chain(&[]).verify(NOW, &[]), Err(ChainError::Invalid));
}

#[test]
fn a_chain_of_another_space_or_signer_proves_nothing() {
    let mut other = chain(&[(certificate(&device(), 0), &owner())]);
    other.salt = [4; 16];
    assert_eq!(other.verify(NOW, &[]), Err(ChainError::Invalid));
    let forged = chain(&[(certificate(&device(), 0), &device())]);
    assert_eq!(forged.verify(NOW, &[]), Err(ChainError::Invalid));
}

#[test]
fn labels_and_hosts_are_plain() {
    assert!(Label::new("ana@desk").is_some());
    assert!(Label::new("").is_none() && Label::new("a\u{1b}[31m").is_none());
    for good in ["relay.example.org", "127.0.0.1", "::1", "fe80::1"] {
        assert!(HostName::new(good).is_some(), "{good}");
    }
    for bad in ["", "-x", "a b", "a/b", "a:b", "ho\nst"] {
        assert!(HostName::new(bad).is_none(), "{bad}");
    }
}
