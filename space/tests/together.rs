//! Several programs of one user on one profile, and what a crash or an old copy leaves.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::sync::Arc;

use sealift_platform::Platform;
use sealift_proto::codec::{Bytes, Extensions, List};
use sealift_proto::control::LogHead;
use sealift_proto::identity::{SecretKey, Signed};
use sealift_proto::keys::EpochSecret;
use sealift_proto::space::{Certificate, Chain, HostName, Label, Role};
use sealift_space::home::Home;
use sealift_space::members::{CardNews, Members};
use sealift_space::profile::Profile;
use sealift_space::profile::space::{RecordError, SpaceState};

const NOW: u64 = 1_800_000_000;

fn profile() -> (tempfile::TempDir, Profile) {
    let folder = tempfile::tempdir().unwrap();
    let profile = Profile::open(&Platform::system(), &Home::beneath(folder.path())).unwrap();
    (folder, profile)
}

fn own_space(profile: &Profile) -> SpaceState {
    let device = profile.device_or_new().unwrap();
    let random = &*Platform::system().random;
    let name = Label::new("ours").unwrap();
    let space = SpaceState::create(random, NOW, &device.key.id(), name, Vec::new()).unwrap();
    profile.save_space(&space).unwrap();
    space
}

fn rename(space: &mut SpaceState, name: &str) {
    let name = Label::new(name).unwrap();
    let random = &*Platform::system().random;
    space
        .change_record(random, NOW, |secret| {
            secret.name = name;
            Ok(())
        })
        .unwrap();
}

fn guest(space: &SpaceState, uses: u32, key: &SecretKey) -> SpaceState {
    let invite = SecretKey::from_seed([8; 32]);
    let certificate = |subject, depth_left, uses, serial| Certificate {
        version: 1,
        space: space.id(),
        subject,
        role: Role::BOTH,
        depth_left,
        uses,
        not_after: NOW + 1000,
        serial: [serial; 16],
        extensions: Extensions::default(),
    };
    let first = Signed::sign(certificate(invite.id(), 1, uses, 1), space.owner().unwrap()).unwrap();
    let own = Signed::sign(certificate(key.id(), 0, 0, key.seed()[0]), &invite).unwrap();
    let chain =
        Chain { certificates: List::new(vec![first, own]).unwrap(), ..space.chain().clone() };
    let secret = EpochSecret::new(*space.epoch_secret().unwrap().as_bytes());
    SpaceState::joined(space.record().clone(), secret, chain).unwrap()
}

fn card(space: &SpaceState, key: &SecretKey, number: u64, name: &str) -> LogHead {
    let random = &*Platform::system().random;
    let name = Label::new(name).unwrap();
    let card = space.make_card(random, key, number, name, vec![7; 1216]).unwrap();
    LogHead { device: key.id(), log: 1, statement: Bytes::new(card.to_bytes()).unwrap() }
}

#[test]
fn settings_changed_by_many_programs_at_once_are_all_kept() {
    let (_folder, profile) = profile();
    let profile = Arc::new(profile);
    let writers: Vec<_> = (0..8u16)
        .map(|number| {
            let profile = profile.clone();
            std::thread::spawn(move || {
                for round in 0..8 {
                    let host = HostName::new("h").unwrap();
                    profile.remember_relay(&host, number * 8 + round, [7; 16]).unwrap();
                }
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(profile.settings().unwrap().pins.len(), 64);
}

#[test]
fn a_program_that_knows_less_does_not_take_the_record_back() {
    let (_folder, profile) = profile();
    let old = own_space(&profile);
    let mut new = old.clone();
    rename(&mut new, "newer");
    profile.save_space(&new).unwrap();
    profile.save_space(&old).unwrap();
    assert_eq!(profile.space(&old.id()).unwrap().unwrap().display_name(), "newer");
}

#[test]
fn two_programs_of_the_owner_never_sign_one_number_twice() {
    let (_folder, profile) = profile();
    let space = own_space(&profile);
    let profile = Arc::new(profile);
    let writers: Vec<_> = (0..4)
        .map(|number| {
            let (profile, mut space) = (profile.clone(), space.clone());
            std::thread::spawn(move || {
                let name = Label::new(format!("named {number}")).unwrap();
                profile
                    .change_record(&mut space, NOW, |secret| {
                        secret.name = name;
                        Ok(())
                    })
                    .unwrap();
                space.record().unverified().number
            })
        })
        .collect();
    let mut numbers: Vec<_> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3, 4, 5]);
}

#[test]
fn two_records_with_one_number_are_noticed_and_the_first_stays() {
    let (_folder, profile) = profile();
    let owner = own_space(&profile);
    let mut member = guest(&owner, 1, &SecretKey::from_seed([9; 32]));
    let (mut one, mut two) = (owner.clone(), owner);
    rename(&mut one, "one");
    rename(&mut two, "two");
    assert_eq!(member.take_record(one.record().clone()), Ok(true));
    assert_eq!(member.take_record(two.record().clone()), Err(RecordError::Twice));
    assert_eq!(member.display_name(), "one");
}

#[test]
fn what_two_programs_learnt_of_an_invite_adds_up() {
    let (_folder, profile) = profile();
    let owner = own_space(&profile);
    let [one, two, three] = [21, 22, 23].map(|seed| SecretKey::from_seed([seed; 32]));
    let mut first = Members::load(&profile, &owner, NOW).unwrap();
    let mut second = Members::load(&profile, &owner, NOW).unwrap();
    let shown = |key: &SecretKey| card(&guest(&owner, 2, key), key, 5, "x");
    assert_eq!(first.take_head(&owner, &shown(&one), NOW), CardNews::New);
    assert_eq!(second.take_head(&owner, &shown(&two), NOW), CardNews::New);
    first.save(&profile).unwrap();
    second.save(&profile).unwrap();
    let mut third = Members::load(&profile, &owner, NOW).unwrap();
    assert_eq!(third.len(), 2, "neither card was lost");
    assert!(matches!(third.take_head(&owner, &shown(&three), NOW), CardNews::Overused(_)));
}

#[test]
fn of_two_who_meet_others_under_one_invite_at_once_one_comes_first() {
    let keys = [21, 22].map(|seed| SecretKey::from_seed([seed; 32]));
    for _ in 0..4 {
        let (_folder, profile) = profile();
        let owner = own_space(&profile);
        let admitted = keys.each_ref().map(|key| {
            let space = guest(&owner, 1, key);
            let membership = owner.verify_member(space.chain(), NOW).unwrap();
            // Both have read the profile before either writes it.
            let members = Members::load(&profile, &owner, NOW).unwrap();
            (members, membership)
        });
        let results = std::thread::scope(|scope| {
            let tries = admitted.map(|(mut members, membership)| {
                let profile = &profile;
                scope.spawn(move || {
                    let first = members.admit(profile, &membership).unwrap();
                    assert_eq!(members.meet(&membership), first, "it stays so");
                    first.is_ok()
                })
            });
            tries.map(|one| one.join().unwrap())
        });
        assert_eq!(results.iter().filter(|good| **good).count(), 1, "{results:?}");
    }
}

#[test]
fn a_card_that_came_while_another_program_counted_the_last_use_is_dropped() {
    let (_folder, profile) = profile();
    let owner = own_space(&profile);
    let [one, two] = [21, 22].map(|seed| SecretKey::from_seed([seed; 32]));
    let mut first = Members::load(&profile, &owner, NOW).unwrap();
    let mut second = Members::load(&profile, &owner, NOW).unwrap();
    let shown = |key: &SecretKey| card(&guest(&owner, 1, key), key, 5, "x");
    assert_eq!(first.take_head(&owner, &shown(&one), NOW), CardNews::New);
    assert_eq!(second.take_head(&owner, &shown(&two), NOW), CardNews::New);
    first.save(&profile).unwrap();
    second.save(&profile).unwrap();
    assert!(second.get(&two.id()).is_none());
    let third = Members::load(&profile, &owner, NOW).unwrap();
    assert_eq!(third.iter().map(|member| member.device).collect::<Vec<_>>(), [one.id()]);
}

#[test]
fn names_of_one_member_do_not_fill_the_profile() {
    let (folder, profile) = profile();
    let owner = own_space(&profile);
    let key = profile.device_or_new().unwrap().key;
    let mut members = Members::load(&profile, &owner, NOW).unwrap();
    for number in 1..500 {
        let shown = card(&owner, &key, number, &format!("a name that nobody else has {number}"));
        members.take_head(&owner, &shown, NOW);
    }
    members.save(&profile).unwrap();
    let file = folder.path().join(format!("profile/spaces/{}/members.json", owner.id().short()));
    assert!(std::fs::metadata(file).unwrap().len() < 20_000);
}

#[test]
fn a_name_cannot_pass_for_another_devices_name_and_id() {
    let (_folder, profile) = profile();
    let owner = own_space(&profile);
    let ana = profile.device_or_new().unwrap().key;
    let [one, two, three] = [21, 22, 23].map(|seed| SecretKey::from_seed([seed; 32]));
    let mut members = Members::load(&profile, &owner, NOW).unwrap();
    members.take_head(&owner, &card(&owner, &ana, 1, "ana@desk"), NOW);
    let names = [
        (&one, format!("ana@desk [{}]", ana.id().short())),
        (&two, ana.id().short()),
        (&three, "ana@desk ".to_owned()),
    ];
    for (key, name) in names {
        members.take_head(&owner, &card(&guest(&owner, 3, key), key, 1, &name), NOW);
        let shown = members.display_name(&key.id());
        assert!(shown.ends_with(&format!(" [{}]", key.id().short())), "{shown}");
        assert_eq!(members.find(&shown), [key.id()]);
    }
    assert_eq!(members.display_name(&ana.id()), "ana@desk");
}

#[test]
fn a_card_under_another_devices_number_is_not_taken() {
    let (_folder, profile) = profile();
    let owner = own_space(&profile);
    let key = profile.device_or_new().unwrap().key;
    let mut members = Members::load(&profile, &owner, NOW).unwrap();
    let other = SecretKey::from_seed([30; 32]).id();
    let swapped = LogHead { device: other, ..card(&owner, &key, 1, "x") };
    assert_eq!(members.take_head(&owner, &swapped, NOW), CardNews::Refused);
    assert!(members.is_empty());
}

#[test]
fn a_new_invite_brings_back_who_was_removed() {
    let (_folder, profile) = profile();
    let mut owner = own_space(&profile);
    let key = SecretKey::from_seed([9; 32]);
    let mut known = guest(&owner, 1, &key);
    rename(&mut owner, "renamed meanwhile");
    let mut joined = guest(&owner, 1, &key);
    joined.epoch_secret().unwrap();
    known.rejoin(joined.clone(), NOW);
    assert_eq!(known.display_name(), "renamed meanwhile");
    assert_eq!(known.chain(), guest(&owner, 1, &key).chain(), "a chain that holds stays");
    let later = NOW + 2000;
    assert!(known.verify_member(known.chain(), later).is_err());
    let lasting = owner.sign_lasting(&*Platform::system().random, key.id(), Role::BOTH).unwrap();
    let chain = Chain { certificates: List::new(vec![lasting]).unwrap(), ..owner.chain().clone() };
    joined = SpaceState::joined(
        owner.record().clone(),
        EpochSecret::new(*owner.epoch_secret().unwrap().as_bytes()),
        chain.clone(),
    )
    .unwrap();
    known.rejoin(joined, later);
    assert_eq!(*known.chain(), chain, "one that ended makes way");
}
