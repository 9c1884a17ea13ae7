//! What becomes of sessions when the owner removes a member.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use sealift_command::console::Console;
use sealift_command::people::speaker::Speaker;
use sealift_platform::Platform;
use sealift_proto::codec::{self, Bytes, List};
use sealift_proto::control::ToRelay;
use sealift_proto::identity::Signed;
use sealift_proto::message::{Item, Outcome};
use sealift_proto::object::{self, Place};
use sealift_proto::place::RelayPlace;
use sealift_proto::space::SerialNumber;
use sealift_space::home::Home;
use sealift_space::profile::Profile;
use sealift_space::profile::space::SpaceState;
use sealift_tests::process::User;
use sealift_tests::stage;
use sealift_transport::connect::{Connected, GIVE_UP, Patience, connect};
use sealift_transport::join::join;
use sealift_transport::session::Incoming;

use super::seeding::{LONG, World, line_with, open_session, root_of};

/// Publishes, as the owner, a record by which the chain of `member` does not hold any more.
async fn remove(owner: &Connected, member: &SpaceState) {
    let space = &owner.space;
    let mut record = space.record().unverified().clone();
    let mut removed = record.removed.to_vec();
    let certificates = member.chain().certificates.iter();
    removed.extend(certificates.map(|one| SerialNumber(one.unverified().serial)));
    record.removed = List::new(removed).unwrap();
    record.number += 1;
    let key = space.owner().unwrap();
    let place = Place {
        space: space.id(),
        epoch: record.epoch,
        device: key.id(),
        log: 0,
        position: record.number,
    };
    let (secret, salt) = (codec::encode(space.secret()), Platform::system().random.bytes());
    let sealed = object::seal::<object::Record>(&space.keys().record, &place, salt, &secret);
    record.sealed = Bytes::new(sealed).unwrap();
    let statement = Bytes::new(Signed::sign(record, key).unwrap().to_bytes()).unwrap();
    let publish = |request| ToRelay::Publish { request, log: 0, follows: None, statement };
    owner.control.call(publish).await.unwrap();
}

async fn joined(world: &World, home: &str) -> Speaker {
    let speaker = world.speaker(home);
    join(&speaker, &world.invite("ana", 1).await).await.unwrap();
    speaker
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sessions_of_a_removed_member_end_and_those_of_others_go_on() {
    let world = World::new().await;
    world.write("a", "content");
    let (seeder, lines) = world.seeder("ana");
    line_with(&lines, "offering 1 file").await;
    let ana = world.speaker("ana");
    let (ben, eva) = (joined(&world, "ben").await, joined(&world, "eva").await);
    // Nothing more is signed by itself from here on.
    while world.beside(&ana).await.space.secret().lasting.len() < 2 {
        tokio::task::yield_now().await;
    }
    let mut of_ben = open_session(&world, &ben, &ana).await;
    let mut of_eva = open_session(&world, &eva, &ana).await;
    let items = || vec![Item { root: root_of(b"content"), first: 0, count: 1, skip: 0 }];
    assert_eq!(of_ben.get(items()).await.0, [Outcome::Data { len: 7 }]);

    remove(&world.beside(&ana).await, &of_ben.connected.space).await;
    let end = tokio::time::timeout(LONG, of_ben.reader.next()).await.expect("it ends");
    assert!(matches!(end, Err(_) | Ok(Incoming::End)));
    line_with(&lines, "left").await;
    assert_eq!(of_eva.get(items()).await.0, [Outcome::Data { len: 7 }]);
    let refused = connect(
        &ben,
        ben.profile.one_space(None).unwrap(),
        &world.arg,
        false,
        Patience::AtMost(LONG),
    );
    assert!(refused.await.is_err(), "the relay knows it too");
    seeder.stop().await.unwrap();
}

/// Works with the profile of a user of the real programs.
fn speaker_of(user: &User) -> Speaker {
    let profile = user.home().join(".local/share/sealift");
    let home = Home { profile, cache: user.home().join(".cache/sealift") };
    let profile = Profile::open(&Platform::system(), &home).unwrap();
    Speaker::new(profile, Console::captured(false).0).unwrap()
}

/// The relay can cut its own links; a direct one only the seeder can end.
#[test]
fn a_direct_link_of_a_removed_member_ends_in_the_middle_of_a_file() {
    const LEN: usize = 64 << 20;
    let relay = stage::Relay::start();
    let owner = User::new();
    owner.write("share/film.mp4", &vec![7; LEN]);
    let arguments =
        ["--watch", "share", "--relay", &relay.place, "--name", "ana", "--limit", "8M", "-v"];
    let mut seeder = owner.start("seeder", &arguments);
    stage::offered(&mut seeder);
    let friend = stage::join(&owner, "ben");
    stage::appears(&friend, "film.mp4");
    let mut download = friend
        .start("leecher", &["download", "film.mp4", "--out", "out", "--json", "--path", "direct"]);
    download.message("\"direct ");

    let (owners, members) = (speaker_of(&owner), speaker_of(&friend));
    let member = members.profile.one_space(None).unwrap();
    let place = relay.place.parse::<RelayPlace>().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let space = owners.profile.one_space(None).unwrap();
        let beside =
            connect(&owners, space, &place, false, Patience::AtMost(GIVE_UP)).await.unwrap();
        remove(&beside, &member).await;
    });
    seeder.message("the owner removed this device");
    let finished = download.wait();
    assert!(finished.code != 0, "it went on\n{finished}");
    assert!(!friend.work().join("out/film.mp4").exists());
}
