//! Catalogues from relays that show the past, alter or hide, and from seeders that sign two histories.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

mod stage;

use sealift_proto::identity::SecretKey;

use stage::{Relay, member};

#[tokio::test]
async fn an_honest_relay_is_believed_step_by_step() {
    let (member, relay) = (member(), Relay::start().await);
    let segments = member.segments(&["a", "b", "c"]);
    assert!(member.sync(&relay).await.is_empty());
    for (count, names) in [(1, &["a"][..]), (1, &["a"]), (3, &["a", "b", "c"])] {
        relay.shows(member.heads(&segments, count), &segments);
        assert_eq!(member.sync(&relay).await, names);
    }
    assert_eq!(member.warnings(), 0);
}

#[tokio::test]
async fn a_relay_that_shows_the_past_is_told_and_another_may_be_behind() {
    let (member, relay) = (member(), Relay::start().await);
    let segments = member.segments(&["a", "b"]);
    relay.shows(member.heads(&segments, 2), &segments);
    assert_eq!(member.sync(&relay).await, ["a", "b"]);
    let behind = Relay::start().await;
    behind.shows(member.heads(&segments, 1), &segments);
    assert_eq!(member.sync(&behind).await, ["a", "b"]);
    assert_eq!(member.warnings(), 0);
    relay.shows(member.heads(&segments, 1), &segments);
    for times in 1..3 {
        assert_eq!(member.sync(&relay).await, ["a", "b"], "what is known stays");
        assert_eq!(member.told("shows an older state than before"), times, "each time");
    }
    relay.shows(Vec::new(), &[]);
    for _ in 0..2 {
        assert_eq!(member.sync(&relay).await, ["a", "b"]);
    }
    assert_eq!(member.told("no longer shows the catalogue"), 1, "once");
}

#[tokio::test]
async fn altered_and_exchanged_segments_are_not_taken() {
    let (member, relay) = (member(), Relay::start().await);
    let segments = member.segments(&["a", "b"]);
    let mut altered = segments.clone();
    let last = altered[1].len() - 1;
    altered[1][last] ^= 1;
    relay.shows(member.heads(&segments, 2), &altered);
    assert!(member.sync(&relay).await.is_empty());
    assert_eq!(member.told("other segments than were signed"), 1);
    // Sealed by a member, for this very place, but not what was signed.
    let exchanged = [segments[0].clone(), member.segments(&["a", "x"])[1].clone()];
    relay.shows(member.heads(&segments, 2), &exchanged);
    assert!(member.sync(&relay).await.is_empty());
    assert_eq!(member.told("other segments than were signed"), 2);
    relay.shows(member.heads(&segments, 2), &segments);
    assert_eq!(member.sync(&relay).await, ["a", "b"], "no harm is left");
}

#[tokio::test]
async fn a_forged_head_is_not_believed() {
    let (member, relay) = (member(), Relay::start().await);
    let segments = member.segments(&["a"]);
    let other = SecretKey::from_seed([8; 32]);
    relay.shows(member.heads_signed(&segments, 1, &other), &segments);
    assert!(member.sync(&relay).await.is_empty());
    assert_eq!(member.told("a head that does not hold"), 1);
}

#[tokio::test]
async fn two_histories_are_the_seeders_and_kept_as_proof() {
    for count in [2, 3] {
        let (member, relay) = (member(), Relay::start().await);
        let one = member.segments(&["a", "b"]);
        relay.shows(member.heads(&one, 2), &one);
        assert_eq!(member.sync(&relay).await, ["a", "b"]);
        let other = member.segments(&["a", "x", "y"]);
        relay.shows(member.heads(&other, count), &other);
        assert_eq!(member.sync(&relay).await, ["a", "b"], "what is known stays");
        assert_eq!(member.told("signed two different catalogues"), 1, "{count}");
        assert_eq!(member.told("warning: the relay"), 0, "it did nothing wrong");
        let kept = std::fs::read_dir(member.folder.path().join("profile")).unwrap();
        let proof = |name: &str| name.starts_with("proof-");
        let kept = kept.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(kept.filter(|name| proof(name)).count(), 2);
    }
}
