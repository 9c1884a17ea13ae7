//! A seeder in this process with a real relay and a real folder: what it publishes, what it serves, and what it makes of
//! restarts, copied and restored profiles.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

mod world;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use sealift_command::exit::{Exit, Failure};
use sealift_proto::catalogue::Root;
use sealift_proto::codec::List;
use sealift_proto::manifest::{Layout, check_page, chunk_fits};
use sealift_proto::message::{Finished, Item, Missing, Outcome, SessionMessage};
use sealift_seeder::invite::Terms;
use sealift_space::home::Home;
use sealift_transport::join::join;
use sealift_transport::{Error, JoinError};

use world::all_hashed;
pub(super) use world::{LONG, World, line_with, message, open_session, root_of};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_finds_and_fetches_what_is_shared() {
    let world = World::new().await;
    let large: Vec<u8> = (0..(5 << 20) + 77).map(|i: usize| (i % 251) as u8).collect();
    world.write("large.bin", &large);
    world.write("sub/small.txt", "small");
    world.write("empty", "");
    let (seeder, lines) = world.seeder("ana");
    line_with(&lines, "new space").await;
    assert!(line_with(&lines, "offering 3 files, 5.00 MiB").await.starts_with("offering"));
    let ben = world.speaker("ben");
    let invite = world.invite("ana", 1).await;
    join(&ben, &invite).await.unwrap();
    let catalogue = world.catalogue_when(&ben, |catalogue| all_hashed(catalogue, 3)).await;
    let (entry, position, index) = &catalogue.entries["share/large.bin"];
    let root = root_of(&large);
    assert_eq!((entry.root, entry.size), (Some(root), large.len() as u64));

    let ana = world.speaker("ana");
    let mut session = open_session(&world, &ben, &ana).await;
    let log_id = catalogue.head.log_id;
    let want = SessionMessage::Want { request: 1, log_id, position: *position, index: *index };
    let answer = session.ask(want).await;
    assert_eq!(answer, SessionMessage::Root { request: 1, root, size: large.len() as u64 });
    let want = SessionMessage::Want { request: 2, log_id, position: 999, index: 0 };
    assert_eq!(session.ask(want).await, SessionMessage::Failed { request: 2, why: Missing::Gone });

    let page = session.ask(SessionMessage::GetPage { request: 3, root, page: Some(0) }).await;
    let SessionMessage::Page { values, .. } = page else { panic!("a page: {page:?}") };
    let values: Vec<_> = values.iter().map(|value| value.0).collect();
    let layout = Layout::new(large.len() as u64).unwrap();
    assert_eq!(check_page(layout, &root, None, 0, &values), Ok(()));
    let none = session.ask(SessionMessage::GetPage { request: 4, root, page: Some(1) }).await;
    assert_eq!(none, SessionMessage::Failed { request: 4, why: Missing::Refused });

    let items = vec![
        Item { root, first: 1, count: 5, skip: 0 },
        Item { root: root_of(b"small"), first: 0, count: 1, skip: 0 },
        Item { root: Root([3; 32]), first: 0, count: 1, skip: 0 },
        Item { root: root_of(b""), first: 0, count: 1, skip: 0 },
        Item { root, first: 6, count: 1, skip: 0 },
        Item { root: root_of(b"small"), first: 0, count: 1, skip: 2 },
        Item { root: root_of(b"small"), first: 0, count: 1, skip: 5 },
        Item { root, first: 3, count: 2, skip: 1_000_000 },
    ];
    let (outcomes, content) = session.get(items).await;
    let rest = large.len() - (1 << 20);
    assert_eq!(
        outcomes,
        [
            Outcome::Data { len: u32::try_from(rest).unwrap() },
            Outcome::Data { len: 5 },
            Outcome::Missing(Missing::Gone),
            Outcome::Data { len: 0 },
            Outcome::Missing(Missing::Refused),
            Outcome::Data { len: 3 },
            Outcome::Missing(Missing::Refused),
            Outcome::Data { len: (2 << 20) - 1_000_000 },
        ]
    );
    let tail = &large[(3 << 20) + 1_000_000..5 << 20];
    assert_eq!(content, [&large[1 << 20..], b"small", b"all", tail].concat());
    assert!(chunk_fits(layout, &root, Some(&values[1]), 1, &content[..1 << 20]));

    let too_much = vec![Item { root, first: 0, count: 6, skip: 0 }; 4];
    let get = SessionMessage::Get { request: 5, items: List::new(too_much).unwrap() };
    let refused = session.ask(get).await;
    assert_eq!(refused, SessionMessage::Failed { request: 5, why: Missing::Refused });

    let done = Finished { root, size: large.len() as u64 };
    let files = List::new(vec![done]).unwrap();
    session.writer.message(&SessionMessage::Done { files }).await.unwrap();
    line_with(&lines, "has 1 file complete, 5.00 MiB").await;
    drop(session);
    seeder.stop().await.unwrap();
}

/// T085: what is served is what was hashed, or nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_changed_is_not_served_as_what_it_was() {
    let world = World::new().await;
    let old = vec![1; 2 << 20];
    world.write("small", "before");
    world.write("large", &old);
    let (seeder, lines) = world.seeder("ana");
    line_with(&lines, "offering 2 files").await;
    let ben = world.speaker("ben");
    join(&ben, &world.invite("ana", 1).await).await.unwrap();
    let mut session = open_session(&world, &ben, &world.speaker("ana")).await;
    world.write("small", "after!");
    world.write("large", vec![2; 2 << 20]);
    let items = vec![
        Item { root: root_of(b"before"), first: 0, count: 1, skip: 0 },
        Item { root: root_of(&old), first: 0, count: 2, skip: 0 },
    ];
    let (outcomes, content) = session.get(items.clone()).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Missing(_))), "{outcomes:?}");
    assert!(content.is_empty());
    let catalogue = world
        .catalogue_when(&ben, |catalogue| {
            catalogue.entries["share/small"].0.root == Some(root_of(b"after!"))
        })
        .await;
    assert_eq!(catalogue.entries.len(), 2);
    std::fs::remove_file(world.path("share/small")).unwrap();
    let gone = vec![Item { root: root_of(b"after!"), first: 0, count: 1, skip: 0 }];
    assert_eq!(session.get(gone).await.0, [Outcome::Missing(Missing::Gone)]);
    seeder.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_publishes_differences_only_and_a_lost_store_gets_all() {
    let mut world = World::new().await;
    for number in 0..500 {
        world.write(&format!("f{number}"), format!("content {number}"));
    }
    let (seeder, lines) = world.seeder("ana");
    line_with(&lines, "offering 500 files").await;
    seeder.stop().await.unwrap();
    let ana = world.speaker("ana");
    let before = world.catalogue_when(&ana, |catalogue| all_hashed(catalogue, 500)).await;
    world.write("f7", "other");
    std::fs::remove_file(world.path("share/f8")).unwrap();
    let (seeder, lines) = world.seeder("ana");
    line_with(&lines, "offering 499 files").await;
    let after = world.catalogue_when(&ana, |catalogue| all_hashed(catalogue, 499)).await;
    assert_eq!((after.head.log_id, after.head.base), (before.head.log_id, before.head.base));
    let news = after.changes.iter().filter(|(position, _)| *position >= before.head.position);
    let news: BTreeSet<_> = news.map(|(_, path)| path.as_str()).collect();
    assert_eq!(news, BTreeSet::from(["share/f7", "share/f8"]));
    assert_eq!(after.entries["share/f7"].0.root, Some(root_of(b"other")));

    world.restart_relay(|_| {}).await;
    line_with(&lines, "connected again").await;
    world.write("after restart", "x");
    world.catalogue_when(&ana, |catalogue| all_hashed(catalogue, 500)).await;

    lines.lock().unwrap().clear();
    world
        .restart_relay(|home| {
            // The key stays, everything that devices published is gone.
            for entry in std::fs::read_dir(home).unwrap() {
                let entry = entry.unwrap();
                let name = entry.file_name().into_string().unwrap();
                if name.contains("store") {
                    std::fs::remove_file(entry.path()).unwrap();
                }
            }
        })
        .await;
    line_with(&lines, "connected again").await;
    world.catalogue_when(&ana, |catalogue| all_hashed(catalogue, 500)).await;
    seeder.stop().await.unwrap();
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (kind, target) = (entry.file_type().unwrap(), to.join(entry.file_name()));
        if kind.is_dir() {
            copy_folder(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_profile_goes_on_and_a_copied_one_is_noticed() {
    let world = World::new().await;
    world.write("a", "a");
    let (seeder, lines) = world.seeder("ana");
    line_with(&lines, "offering 1 file").await;
    seeder.stop().await.unwrap();
    copy_folder(&world.path("ana"), &world.path("backup"));
    world.write("b", "b");
    let (seeder, lines) = world.seeder("ana");
    line_with(&lines, "offering 2 files").await;
    let ana = world.speaker("ana");
    let newer = world.catalogue_when(&ana, |catalogue| all_hashed(catalogue, 2)).await;

    // Both run: the copy goes on behind what it finds, and the first one notices.
    let (copy, copy_lines) = world.seeder("backup");
    line_with(&copy_lines, "going on from there").await;
    line_with(&copy_lines, "offering 2 files").await;
    let failure = seeder.end().await.unwrap_err();
    assert!(failure.what.contains("another machine"), "{failure}");
    let after = world.catalogue_when(&ana, |catalogue| all_hashed(catalogue, 2)).await;
    assert_eq!(after.head.log_id, newer.head.log_id);
    assert!(after.head.base >= newer.head.position && after.head.time > newer.head.time);
    copy.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_admits_those_who_came_by_invite_and_nobody_above_its_uses() {
    let world = World::new().await;
    world.write("a", "a");
    let (seeder, lines) = world.seeder("ana");
    line_with(&lines, "offering 1 file").await;
    let invite = world.invite("ana", 2).await;
    for home in ["ben", "eva"] {
        let speaker = world.speaker(home);
        join(&speaker, &invite).await.unwrap();
    }
    let third = join(&world.speaker("tom"), &invite).await.err().unwrap();
    assert!(matches!(third, Error::Join(JoinError::Spent)), "{third}");
    assert_eq!(Failure::from(third).exit, Exit::Refused);
    line_with(&lines, "member for good").await;
    let start = Instant::now();
    for home in ["ben", "eva"] {
        let speaker = world.speaker(home);
        loop {
            let connected = world.beside(&speaker).await;
            if connected.space.chain().certificates.len() == 1 {
                break;
            }
            assert!(start.elapsed() < LONG, "{home} has no lasting certificate");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    seeder.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_seeder_on_a_profile_is_refused_and_the_first_answers_status() {
    let world = World::new().await;
    world.write("a", "a");
    let (first, lines) = world.seeder("ana");
    line_with(&lines, "offering 1 file").await;
    let (second, _) = world.seeder("ana");
    let failure = second.end().await.unwrap_err();
    assert!(failure.what.contains(&format!("process {}", std::process::id())), "{failure}");
    let home = Home::beneath(&world.path("ana"));
    let report = sealift_seeder::cli::agent::report(&home.profile).unwrap();
    assert_eq!((report.files, report.waiting, report.bytes), (1, 0, 1));
    assert!(report.relay.is_some() && report.folders[0].here);
    first.stop().await.unwrap();
    assert!(sealift_seeder::cli::agent::report(&home.profile).is_none());
    let (third, lines) = world.seeder("ana");
    line_with(&lines, "offering 1 file").await;
    third.stop().await.unwrap();
}

/// A small file is to be found within two seconds of being closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_file_is_in_the_catalogue_soon() {
    let world = World::new().await;
    let (seeder, lines) = world.seeder("ana");
    line_with(&lines, "offering 0 files").await;
    let ana = world.speaker("ana");
    world.write("new.txt", "new");
    let closed = Instant::now();
    world.catalogue_when(&ana, |catalogue| all_hashed(catalogue, 1)).await;
    assert!(closed.elapsed() < Duration::from_secs(2), "{:?}", closed.elapsed());
    line_with(&lines, "added share/new.txt, 3 B").await;
    seeder.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_who_joined_shares_into_the_same_space() {
    let world = World::new().await;
    world.write("a", "a");
    let (first, lines) = world.seeder("ana");
    line_with(&lines, "offering 1 file").await;
    let ben = world.speaker("ben");
    join(&ben, &world.invite("ana", 1).await).await.unwrap();
    let (second, lines) = world.seeder("ben");
    line_with(&lines, "offering 1 file").await;
    assert!(!lines.lock().unwrap().iter().any(|(_, line)| line.contains("new space")));
    let connected = world.beside(&world.speaker("ana")).await;
    assert_eq!(connected.heads.len(), 2);
    assert_eq!(connected.serving.len(), 2);
    let speaker = world.speaker("ben");
    let refused = sealift_seeder::cli::invite::run(&speaker, None, None, &Terms::default()).await;
    assert_eq!(refused.unwrap_err().exit, Exit::Refused);
    first.stop().await.unwrap();
    second.stop().await.unwrap();
}
