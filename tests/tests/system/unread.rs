//! Files that are wanted before the seeder has read them.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use sealift_proto::message::SessionMessage;
use sealift_transport::join::join;

use super::seeding::{World, line_with, message, open_session};

/// Far longer than can be hashed in a second; it takes no room.
const SIZE: u64 = 64 << 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_large_file_is_told_how_far_its_reading_is() {
    let world = World::new().await;
    world.write("large", "");
    let file = std::fs::File::options().write(true).open(world.path("share/large")).unwrap();
    file.set_len(SIZE).unwrap();
    let (seeder, lines) = world.seeder("ana");
    line_with(&lines, "new space").await;
    let ben = world.speaker("ben");
    join(&ben, &world.invite("ana", 1).await).await.unwrap();
    let catalogue = world.catalogue_when(&ben, |catalogue| catalogue.entries.len() == 1).await;
    let (entry, position, index) = catalogue.entries["share/large"].clone();
    assert_eq!((entry.size, entry.root), (SIZE, None));

    let mut session = open_session(&world, &ben, &world.speaker("ana")).await;
    let log_id = catalogue.head.log_id;
    let mut told = session.ask(SessionMessage::Want { request: 7, log_id, position, index }).await;
    let (mut before, mut grown) = (0, 0);
    while grown < 2 {
        let SessionMessage::Reading { request: 7, done, size: SIZE } = told else {
            panic!("not {told:?}")
        };
        assert!(done >= before && done < SIZE, "{before} {done}");
        grown += u32::from(done > before);
        before = done;
        told = message(&mut session.reader).await;
    }
    seeder.stop().await.unwrap();
}
