//! `leecher verify` by the real programs.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use sealift_tests::process::{Finished, User};
use sealift_tests::stage::{Relay, download, join, seed};

fn verify(user: &User, more: &[&str]) -> Finished {
    user.run("leecher", &[&["verify"], more].concat())
}

#[test]
fn what_was_fetched_is_checked_and_what_changed_is_named() {
    let relay = Relay::start();
    let owner = User::new();
    let big = vec![7; (3 << 20) + 11];
    owner.write("share/photos/big.bin", &big);
    owner.write("share/photos/x/note.txt", b"small");
    owner.write("share/photos/x/aux.txt", b"a name that is changed on landing");
    owner.write("share/report.txt", b"a report");
    let seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    let _ = download(&friend, "photos/").expect(0);
    let _ = download(&friend, "report.txt").expect(0);
    assert!(friend.work().join("out/photos/x/aux.txt").exists());
    friend.write("out/own.txt", b"nobody's business");

    let sound = verify(&friend, &["out"]).expect(0);
    assert_eq!(sound.stdout.len(), 2, "{sound}");
    assert!(sound.says("unknown") && sound.says("out: 4 same, 1 unknown"), "{sound}");

    // From here on neither relay nor seeder is needed.
    let Relay { user: _user, program, .. } = relay;
    program.kill();
    seeder.kill();
    let mut broken = big;
    broken[2 << 20] ^= 1;
    friend.write("out/photos/big.bin", &broken);
    friend.write("out/report.txt", b"A report");
    std::fs::remove_file(friend.work().join("out/photos/x/note.txt")).unwrap();
    let wrong = verify(&friend, &["out", "--offline"]).expect(1);
    assert!(wrong.says("2 differs, 1 missing"), "{wrong}");
    for (state, path) in [
        ("differs", "out/photos/big.bin"),
        ("differs", "out/report.txt"),
        ("missing", "out/photos/x/note.txt"),
    ] {
        let told = |line: &&String| line.starts_with(state) && line.contains(path);
        assert!(wrong.stdout.iter().any(|line| told(&line)), "{state} {path}: {wrong}");
    }
    assert!(wrong.says("leecher download share/photos/ --out"), "how to mend it: {wrong}");

    let events = verify(&friend, &["out/photos", "--json", "--offline"]).expect(1);
    for part in
        [r#""type":"checked""#, r#""state":"same""#, r#""type":"summary""#, r#""missing":1"#]
    {
        assert!(events.stdout.iter().any(|line| line.contains(part)), "{part}: {events}");
    }
    // A folder of another name, a single file, and what nobody knows.
    std::fs::rename(friend.work().join("out/photos/x"), friend.work().join("copy")).unwrap();
    let _ = verify(&friend, &["copy", "--offline", "--with", "share/photos/x"]).expect(1);
    let _ = verify(&friend, &["copy/aux.txt", "--offline"]).expect(0);
    let unknown = verify(&friend, &["out/own.txt", "--offline"]).expect(3);
    assert!(unknown.stdout.len() == 1 && unknown.says("--with"), "{unknown}");
    let _ = verify(&friend, &["copy", "--offline", "--with", "share/absent"]).expect(3);
    let _ = verify(&friend, &["absent", "--offline"]).expect(8);
    let _ = verify(&friend, &[]).expect(2);
}
