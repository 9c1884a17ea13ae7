//! Profiles, spaces and members on a real disk, without any relay.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::sync::Arc;

use sealift_platform::Platform;
use sealift_proto::codec::{Bytes, Extensions, List};
use sealift_proto::control::LogHead;
use sealift_proto::identity::{SecretKey, Signed};
use sealift_proto::keys::EpochSecret;
use sealift_proto::space::{Certificate, Chain, Label, Role};
use sealift_space::error::Error;
use sealift_space::home::Home;
use sealift_space::members::{CardNews, Members};
use sealift_space::profile::file::FileError;
use sealift_space::profile::space::{RecordError, SpaceState};
use sealift_space::profile::{Profile, ProfileError};

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

/// What an owner's invite for `uses` devices gives to the device `key`.
fn invited(space: &SpaceState, invite: &SecretKey, uses: u32, key: &SecretKey) -> SpaceState {
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
    let own = Signed::sign(certificate(key.id(), 0, 0, key.seed()[0]), invite).unwrap();
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
fn a_profile_keeps_its_device_and_spaces() {
    let (_folder, profile) = profile();
    assert!(profile.device().unwrap().is_none());
    let refused = |name: Option<&str>| match profile.one_space(name) {
        Err(Error::Profile(error)) => error,
        _ => panic!("it is the profile that does not fit"),
    };
    assert!(matches!(refused(None), ProfileError::NoSpace));
    let space = own_space(&profile);
    let again = profile.one_space(None).unwrap();
    assert_eq!((again.id(), again.display_name()), (space.id(), "ours".to_owned()));
    assert!(again.owner().is_some());
    assert!(
        matches!(refused(Some("theirs")), ProfileError::UnknownSpace { name } if name == "theirs")
    );
    let second = own_space(&profile);
    assert!(
        matches!(refused(None), ProfileError::SeveralSpaces { names } if names == ["ours", "ours"])
    );
    assert_eq!(profile.one_space(Some(&second.id().short()[..8])).unwrap().id(), second.id());
}

#[test]
fn a_damaged_or_lost_key_is_named_and_never_replaced() {
    let (folder, profile) = profile();
    own_space(&profile);
    let path = folder.path().join("profile/device.key");
    let bytes = std::fs::read(&path).unwrap();
    for at in (0..bytes.len()).step_by(16) {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        std::fs::write(&path, &flipped).unwrap();
        let error = profile.device_or_new().err().unwrap();
        assert!(matches!(error, Error::File(FileError::Damaged { place }) if place == path));
        assert_eq!(std::fs::read(&path).unwrap(), flipped, "nothing was changed");
    }
    std::fs::remove_file(&path).unwrap();
    let error = profile.device_or_new().err().unwrap();
    assert!(matches!(error, Error::Profile(ProfileError::KeysMissing { file }) if file == path));
    assert!(!path.exists());
}

#[cfg(unix)]
#[test]
fn secrets_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, profile) = profile();
    let space = own_space(&profile);
    for file in ["device.key", &format!("spaces/{}/owner.key", space.id().short())] {
        let mode =
            std::fs::metadata(folder.path().join("profile").join(file)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{file}");
    }
}

#[test]
fn many_programs_may_make_the_keys_at_once() {
    let (_folder, profile) = profile();
    let profile = Arc::new(profile);
    let makers: Vec<_> = (0..8)
        .map(|_| {
            let profile = profile.clone();
            std::thread::spawn(move || profile.device_or_new().unwrap().key.id())
        })
        .collect();
    let ids: Vec<_> = makers.into_iter().map(|maker| maker.join().unwrap()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]));
}

#[test]
fn records_only_go_forward() {
    let (_folder, profile) = profile();
    let random = &*Platform::system().random;
    let mut owner = own_space(&profile);
    let key = SecretKey::from_seed([9; 32]);
    let mut member = invited(&owner, &SecretKey::from_seed([8; 32]), 1, &key);
    let first = owner.record().clone();
    let lasting = owner.sign_lasting(random, key.id(), Role::BOTH).unwrap();
    owner
        .change_record(random, NOW, |secret| {
            secret.lasting = List::new(vec![lasting])?;
            Ok(())
        })
        .unwrap();
    assert_eq!(member.take_record(owner.record().clone()), Ok(true));
    assert_eq!(member.take_record(owner.record().clone()), Ok(false));
    assert_eq!(member.take_record(first), Err(RecordError::Older));
    assert_eq!(member.chain().certificates.len(), 2);
    assert!(member.take_lasting(&key.id(), NOW));
    assert_eq!(member.chain().certificates.len(), 1);
    let other = own_space(&profile);
    assert_eq!(member.take_record(other.record().clone()), Err(RecordError::Forged));
    assert!(member.change_record(random, NOW, |_| Ok(())).is_err(), "only the owner may");
}

#[test]
fn an_invite_admits_no_more_devices_than_it_allows() {
    let (_folder, profile) = profile();
    let owner = own_space(&profile);
    let invite = SecretKey::from_seed([8; 32]);
    let [one, two] = [21, 22].map(|seed| SecretKey::from_seed([seed; 32]));
    let mut members = Members::load(&profile, &owner, NOW).unwrap();
    let first = card(&invited(&owner, &invite, 1, &one), &one, 1, "ana@desk");
    let second = card(&invited(&owner, &invite, 1, &two), &two, 1, "ben@desk");
    assert_eq!(members.take_head(&owner, &first, NOW), CardNews::New);
    assert_eq!(members.take_head(&owner, &first, NOW), CardNews::Known);
    assert!(matches!(members.take_head(&owner, &second, NOW), CardNews::Overused(_)));
    members.save(&profile).unwrap();
    let mut again = Members::load(&profile, &owner, NOW).unwrap();
    assert!(matches!(again.take_head(&owner, &second, NOW), CardNews::Overused(_)));
    assert_eq!(again.len(), 1);
}

#[test]
fn cards_rise_and_belong_to_their_signer() {
    let (_folder, profile) = profile();
    let owner = own_space(&profile);
    let key = profile.device_or_new().unwrap().key;
    let mut members = Members::load(&profile, &owner, NOW).unwrap();
    assert_eq!(members.take_head(&owner, &card(&owner, &key, 5, "ana@desk"), NOW), CardNews::New);
    assert_eq!(
        members.take_head(&owner, &card(&owner, &key, 6, "ana@lap"), NOW),
        CardNews::Changed
    );
    assert_eq!(members.take_head(&owner, &card(&owner, &key, 5, "ana@desk"), NOW), CardNews::Older);
    let stranger = SecretKey::from_seed([30; 32]);
    let forged = card(&owner, &stranger, 9, "ana@desk");
    assert_eq!(
        members.take_head(&owner, &forged, NOW),
        CardNews::Refused,
        "a chain of another device"
    );
    let mut altered = card(&owner, &key, 7, "x").statement.to_vec();
    let last = altered.len() - 1;
    altered[last] ^= 1;
    let altered = LogHead { device: key.id(), log: 1, statement: Bytes::new(altered).unwrap() };
    assert_eq!(members.take_head(&owner, &altered, NOW), CardNews::Refused);
}

#[test]
fn equal_names_are_told_apart() {
    let (_folder, profile) = profile();
    let owner = own_space(&profile);
    let key = profile.device_or_new().unwrap().key;
    let guest = SecretKey::from_seed([21; 32]);
    let mut members = Members::load(&profile, &owner, NOW).unwrap();
    members.take_head(&owner, &card(&owner, &key, 1, "ana@desk"), NOW);
    assert_eq!(members.display_name(&key.id()), "ana@desk");
    let invite = SecretKey::from_seed([8; 32]);
    members.take_head(
        &owner,
        &card(&invited(&owner, &invite, 1, &guest), &guest, 1, "ana@desk"),
        NOW,
    );
    assert_eq!(members.display_name(&key.id()), format!("ana@desk [{}]", key.id().short()));
    assert_eq!(members.find("ana").len(), 2);
    assert_eq!(members.find(&members.display_name(&guest.id())), [guest.id()]);
    assert_eq!(members.find("nobody"), []);
}

#[test]
fn names_that_look_alike_are_told_apart() {
    let (_folder, profile) = profile();
    let owner = own_space(&profile);
    let key = profile.device_or_new().unwrap().key;
    let guest = SecretKey::from_seed([21; 32]);
    let mut members = Members::load(&profile, &owner, NOW).unwrap();
    members.take_head(&owner, &card(&owner, &key, 1, "ana"), NOW);
    let invite = SecretKey::from_seed([8; 32]);
    let chain = invited(&owner, &invite, 1, &guest);
    // No letter of it is Latin.
    let foreign = "\u{430}\u{578}\u{430}";
    for (number, name, alike) in
        [(1, "\u{430}n\u{430}", true), (2, foreign, true), (3, "anna", false)]
    {
        members.take_head(&owner, &card(&chain, &guest, number, name), NOW);
        for (device, name) in [(key.id(), "ana"), (guest.id(), name)] {
            let with_id = format!("{name} [{}]", device.short());
            let shown = members.display_name(&device);
            assert_eq!(shown, if alike { with_id } else { name.to_owned() });
        }
    }
}
