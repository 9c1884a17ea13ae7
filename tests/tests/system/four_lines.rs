//! The four lines of the README, typed character for character on a fresh account: no configuration, no variables, the real
//! port. Then a second account joins by the line that `seeder invite` prints.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::net::TcpListener;

use sealift_tests::process::{Namespace, User};

const FOUR_LINES: [&str; 4] = [
    "relay",
    "seeder --watch ./share",
    "leecher search name.ext",
    "leecher download name.ext --out Downloads",
];

/// Somebody in a network of his own, where nothing else can have the port; else, if it is free, on this machine.
fn first_user() -> Option<(User, Option<Namespace>)> {
    match Namespace::new() {
        Ok(namespace) => Some((User::within(&namespace), Some(namespace))),
        Err(why) => {
            println!("note: {why}; using this machine's loopback");
            match TcpListener::bind("0.0.0.0:7743") {
                Ok(_) => Some((User::new(), None)),
                Err(_) => {
                    println!("skipped: {why}, and port 7743 is taken");
                    None
                }
            }
        }
    }
}

#[test]
fn the_readme_shows_these_lines() {
    let readme = include_str!("../../../README.md");
    for line in FOUR_LINES {
        assert!(readme.contains(&format!("    {line}\n")), "{line}");
    }
}

#[test]
fn four_lines_and_a_second_home() {
    let Some((first, namespace)) = first_user() else { return };
    let content: Vec<u8> =
        (0..3_000_000_u32).flat_map(|i| (i.wrapping_mul(i)).to_le_bytes()).collect();
    first.write("share/name.ext", &content);
    first.write("share/a folder/other.ext", b"something else");

    let [relay, seeder, search, download] = FOUR_LINES;
    let mut relay = first.type_line(relay);
    relay.line("relay ready: ");
    let mut seeder = first.type_line(seeder);
    seeder.message("offering 2 files");
    let found = first.type_line(search).wait().expect(0);
    assert!(found.stdout.iter().any(|line| line.contains("name.ext")), "{found}");
    let done = first.type_line(download).wait().expect(0);
    assert!(
        done.stdout.iter().any(|line| line.starts_with("verified Downloads/name.ext, ")),
        "{done}"
    );
    assert!(std::fs::read(first.work().join("Downloads/name.ext")).unwrap() == content);

    let invite = first.type_line("seeder invite").wait().expect(0);
    let [line] = &invite.stdout[..] else { panic!("an invite alone\n{invite}") };
    assert!(line.starts_with("sealift:") && line.len() < 100, "{line}");
    let second = namespace.as_ref().map_or_else(User::new, User::within);
    let _ = second.type_line(&format!("leecher join {line}")).wait().expect(0);
    let found = second.type_line(search).wait().expect(0);
    assert!(found.stdout.iter().any(|line| line.contains("name.ext")), "{found}");
    let _ = second.type_line(download).wait().expect(0);
    assert!(std::fs::read(second.work().join("Downloads/name.ext")).unwrap() == content);
    let _ = second.type_line("leecher download share --out .").wait().expect(0);
    assert_eq!(
        std::fs::read(second.work().join("share/a folder/other.ext")).unwrap(),
        b"something else"
    );

    for mut program in [seeder, relay] {
        assert!(program.runs());
        program.signal_alone(rustix::process::Signal::TERM);
        let _ = program.wait().expect(0);
    }
}
