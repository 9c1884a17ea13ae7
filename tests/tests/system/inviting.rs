//! Invites as a person makes and takes them.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use sealift_tests::process::User;
use sealift_tests::stage::{Relay, seed};

#[test]
fn a_qr_code_stands_beside_the_line_and_never_in_it() {
    let relay = Relay::start();
    let owner = User::new();
    owner.write("share/a.txt", b"a");
    let _seeder = seed(&owner, &relay.place, "ana");
    // No terminal, and no locale that says what one could show: it is drawn without colours and from ASCII, because it was asked for.
    let shown = owner.run("seeder", &["invite", "--qr"]).expect(0);
    assert_eq!(shown.stdout.len(), 1, "{shown}");
    assert!(shown.stdout[0].starts_with("sealift:"), "{shown}");
    let code: Vec<_> = shown.stderr.iter().filter(|line| line.contains("##")).collect();
    assert!(code.len() >= 20, "{shown}");
    let width = code[0].chars().count();
    assert!(code.iter().all(|line| line.chars().count() == width), "a square: {shown}");
    assert!(code[0].chars().all(|c| c == '#') && !shown.says("\u{1b}"), "a quiet zone: {shown}");
    let _ = User::new().run("leecher", &["join", &shown.stdout[0]]).expect(0);
    // A program that reads JSON has no eyes; it is told before an invite is made.
    let refused = owner.run("seeder", &["invite", "--qr", "--json"]).expect(2);
    assert!(refused.stdout.is_empty(), "{refused}");
    let plain = owner.run("seeder", &["invite"]).expect(0);
    assert!(!plain.says("##"), "{plain}");
}
