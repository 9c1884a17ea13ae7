//! A relay that carries only what its operator lets in.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use rustix::process::Signal;
use sealift_tests::process::User;
use sealift_tests::stage::{Relay, download, fetched, join, offered};

const TOKEN: &str = "0f3Qk2-a-token-of-this-test";

fn private_relay() -> Relay {
    let user = User::new();
    user.write("tokens", format!("# for Ana\n{TOKEN}\n").as_bytes());
    let file = user.work().join("tokens");
    Relay::start_with(user, &["--token-file", file.to_str().unwrap()])
}

#[test]
fn a_refused_seeder_gives_the_line_for_the_operator() {
    let relay = private_relay();
    let owner = User::new();
    owner.write("share/report.txt", b"a report");
    let refused = owner.run("seeder", &["--watch", "share", "--relay", &relay.place]).expect(5);
    let status = owner.run("seeder", &["status", "--json"]).expect(0);
    let id = status.stdout.iter().find_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        (line["type"] == "space").then(|| line["id"].as_str().unwrap().to_owned())
    });
    let id = id.expect("the space's id");
    assert!(refused.says(&format!("relay --allow-space {id}")), "{refused}");
    assert!(refused.says("seeder --relay-token FILE"), "{refused}");
}

#[test]
fn a_token_is_shown_once_and_remembered_and_members_need_none() {
    let relay = private_relay();
    let owner = User::new();
    owner.write("share/report.txt", b"a report");
    owner.write("token", TOKEN.as_bytes());
    owner.write("wrong", b"another token, not known there");
    let share = ["--watch", "share", "--relay", &relay.place];
    let wrong = owner.run("seeder", &[&share[..], &["--relay-token", "wrong"]].concat()).expect(5);
    assert!(wrong.says("does not know the token"), "{wrong}");
    let mut seeder = owner.start("seeder", &[&share[..], &["--relay-token", "token"]].concat());
    offered(&mut seeder);
    let friend = join(&owner, "ben");
    let _ = download(&friend, "report.txt").expect(0);
    assert_eq!(fetched(&friend, "report.txt"), b"a report");
    seeder.signal(Signal::TERM);
    let ended = seeder.wait().expect(0);
    assert!(!ended.says(TOKEN) && !wrong.says(TOKEN));
    let mut again = owner.start("seeder", &["--watch", "share"]);
    offered(&mut again);
}

#[test]
fn a_token_is_not_for_a_relay_whose_key_is_not_known() {
    let relay = private_relay();
    let owner = User::new();
    owner.write("share/report.txt", b"a report");
    owner.write("token", TOKEN.as_bytes());
    let bare = relay.place.split('#').next().unwrap();
    let share = ["--watch", "share", "--relay", bare, "--relay-token", "token"];
    let refused = owner.run("seeder", &share).expect(2);
    assert!(refused.says("#PIN"), "{refused}");
}
