//! Catalogues that a member signed and that are none: the member is named, not the relay that carried them.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

mod stage;

use sealift_proto::catalogue::{self, CATALOGUE_MAX, Change, UNFOLDED_MAX};
use sealift_proto::codec;
use sealift_proto::log::Head;
use serde::Serialize;

use stage::{Member, Relay, file, member, signed};

/// A change as nobody may state it.
#[derive(Serialize)]
enum Wild {
    Put { path: &'static str, size: u64, modified: i64, flags: u8, root: Option<[u8; 1]> },
}

const fn wild(path: &'static str, size: u64) -> Wild {
    Wild::Put { path, size, modified: 1, flags: 0, root: None }
}

fn folded(plain: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(plain, 3).unwrap()
}

/// Contents of a segment that hold no list of changes.
fn no_lists() -> Vec<(&'static str, Vec<u8>)> {
    let changes = |wild: Wild| folded(&codec::encode(&[wild]));
    vec![
        ("garbage", b"no compressed text".to_vec()),
        ("nothing", Vec::new()),
        ("a bomb", folded(&vec![0; 64 * UNFOLDED_MAX])),
        ("no list", folded(&[0xff; 50])),
        ("more than a list", folded(&[codec::encode(&[file("share/a")]), vec![0]].concat())),
        ("a path upwards", changes(wild("../x", 1))),
        ("a path from the root", changes(wild("/etc/passwd", 1))),
        ("an escape in a path", changes(wild("share/\u{1b}[31m", 1))),
        ("a size beyond all files", changes(wild("share/a", u64::MAX))),
    ]
}

/// What a member hears and knows after `content` was signed behind one good segment, and the relay shows it.
async fn hears(member: &Member, relay: &Relay, segments: &[Vec<u8>]) {
    relay.shows(member.heads(segments, segments.len()), segments);
    assert_eq!(member.sync(relay).await, ["good"], "what is known stays");
    assert_eq!(member.told("warning: the relay"), 0, "{:?}", member.lines.lock().unwrap());
}

#[tokio::test]
async fn what_a_seeder_signed_is_the_seeders_doing() {
    for (what, content) in no_lists() {
        let (member, relay) = (member(), Relay::start().await);
        let mut segments = member.segments(&["good"]);
        hears(&member, &relay, &segments).await;
        segments.extend([member.seal(1, &content), member.segments(&["x", "y", "z"])[2].clone()]);
        for times in 1..3 {
            hears(&member, &relay, &segments).await;
            let told =
                member.told("signed a catalogue that is none: a segment of it holds no list");
            assert_eq!(told, times, "{what}");
        }
        // The same bytes, but not what was signed: then it is the relay's.
        let honest = [segments[0].clone(), member.segments(&["x", "y"])[1].clone()];
        relay.shows(member.heads(&honest, 2), &segments);
        member.forget();
        assert!(member.sync(&relay).await.is_empty());
        assert_eq!(member.told("sends other segments than were signed"), 1, "{what}");
        assert_eq!(member.told("signed a catalogue"), 0, "{what}");
    }
}

#[tokio::test]
async fn a_segment_sealed_for_another_place_is_the_signers() {
    let (member, relay) = (member(), Relay::start().await);
    let mut segments = member.segments(&["good"]);
    hears(&member, &relay, &segments).await;
    segments.push(member.seal(7, &catalogue::fold(&[file("share/b")]).unwrap()));
    hears(&member, &relay, &segments).await;
    assert_eq!(member.told("a segment of it does not open"), 1);
    segments[1] = b"no sealed object".to_vec();
    relay.shows(member.heads(&segments, 2), &segments);
    member.forget();
    assert!(member.sync(&relay).await.is_empty());
    assert_eq!(member.told("a segment of it does not open"), 1);
}

/// How a head is altered, and what is told of it then.
type Altered = (fn(&mut Head), &'static str);

#[tokio::test]
async fn a_head_that_says_what_none_may_is_the_signers() {
    let cases: [Altered; 4] = [
        (|head| head.epoch = 999, "signed a catalogue of epoch 999"),
        (|head| head.version = 9, "its head is of another version"),
        (|head| head.base = 9, "its head says what no head may"),
        (|head| head.position = u64::MAX, "its head says what no head may"),
    ];
    for (alter, told) in cases {
        let (member, relay) = (member(), Relay::start().await);
        let segments = member.segments(&["good"]);
        hears(&member, &relay, &segments).await;
        let mut head = member.head(&segments, 1);
        head.time += 1;
        alter(&mut head);
        relay.shows(signed(&head, &member.speaker.device.key), &segments);
        assert_eq!(member.sync(&relay).await, ["good"]);
        assert_eq!(member.told(told), 1, "{told}");
        assert_eq!(member.told("warning: the relay"), 0, "it did nothing wrong");
    }
}

/// As many changes with paths of 4 KiB as fit a segment; such paths compress to nothing.
fn long_paths() -> Vec<Change> {
    let above = vec!["x".repeat(250); 15].join("/");
    (0..250).map(|number| file(&format!("{above}/{number:05}"))).collect()
}

#[tokio::test]
async fn a_catalogue_that_is_small_on_the_wire_and_vast_here_is_refused_in_time() {
    let (member, relay) = (member(), Relay::start().await);
    let weight = catalogue::weight(0, &long_paths());
    let count = CATALOGUE_MAX / weight + 2;
    // The same again and again weighs no less: it is to be unfolded and compared.
    let plain = catalogue::fold(&long_paths()).unwrap();
    let segments: Vec<_> = (0..count).map(|number| member.seal(number, &plain)).collect();
    assert!(segments.iter().map(Vec::len).sum::<usize>() < 2 << 20, "no more on the wire");
    relay.shows(member.heads(&segments, segments.len()), &segments);
    for times in 1..3 {
        assert!(member.sync(&relay).await.is_empty());
        assert_eq!(member.told("is larger than that of one device may be (512 MiB)"), times);
    }
    assert_eq!(member.told("warning: the relay"), 0);
    let kept = std::fs::read_dir(member.replica()).unwrap();
    let kept: u64 = kept.map(|file| file.unwrap().metadata().unwrap().len()).sum();
    assert!(kept < 4096, "nothing of it stays: {kept} B");
    // Written anew within the limit, it is welcome.
    let segments = member.segments(&["good"]);
    let mut head = member.head(&segments, 1);
    (head.log_id, head.time) = ([6; 16], 1_000_000);
    head.chain =
        sealift_proto::log::chain_next(&sealift_proto::log::chain_start(&[6; 16], 0), &segments[0]);
    relay.shows(signed(&head, &member.speaker.device.key), &segments);
    assert_eq!(member.sync(&relay).await, ["good"]);
}
