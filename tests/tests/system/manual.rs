//! Completions and manual pages of the real programs.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::io::Write;
use std::process::{Command, Stdio};

use sealift_tests::process::User;

/// Some words that must be completed, and have pages, for each program.
const PROGRAMS: [(&str, &[&str]); 3] = [
    ("relay", &["completions", "man"]),
    ("seeder", &["invite", "join", "status", "members", "completions", "man"]),
    (
        "leecher",
        &[
            "join",
            "search",
            "list",
            "download",
            "verify",
            "members",
            "status",
            "completions",
            "man",
        ],
    ),
];

/// Whether `shell` takes `script` for well-formed; `None` where there is no such shell.
fn parses(shell: &str, script: &str) -> Option<bool> {
    let mut child = Command::new(shell).arg("-n").stdin(Stdio::piped()).spawn().ok()?;
    child.stdin.take()?.write_all(script.as_bytes()).ok()?;
    Some(child.wait().ok()?.success())
}

#[test]
fn completions_are_scripts_that_know_every_command() {
    let user = User::new();
    for (program, words) in PROGRAMS {
        for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
            let script =
                user.run(program, &["completions", shell]).expect(0).stdout.join("\n") + "\n";
            for word in words {
                assert!(script.contains(word), "{word} in {program} for {shell}");
            }
            if matches!(shell, "bash" | "zsh" | "fish") {
                match parses(shell, &script) {
                    Some(sound) => assert!(sound, "{shell} for {program}"),
                    None => println!("skipped: no {shell} here"),
                }
            }
        }
        let _ = user.run(program, &["completions", "cobol"]).expect(2);
    }
    assert!(user.home().read_dir().unwrap().next().is_none(), "no home is made for that");
}

#[test]
fn manual_pages_cover_every_command() {
    let user = User::new();
    for (program, words) in PROGRAMS {
        let page = user.run(program, &["man"]).expect(0).stdout;
        assert!(page.iter().any(|line| line.starts_with(&format!(".TH {program} 1"))), "{page:?}");
        let _ = user.run(program, &["man", "--dir", "pages"]).expect(0);
        for word in words {
            assert!(page.iter().any(|line| line.contains(&format!("{program}\\-{word}(1)"))));
            let name = format!("pages/{program}-{word}.1");
            let text = std::fs::read_to_string(user.work().join(&name)).unwrap();
            assert!(text.contains(".SH SYNOPSIS") && text.contains(word), "{name}: {text}");
        }
        user.write("taken", b"a file, no folder");
        let refused = user.run(program, &["man", "--dir", "taken"]).expect(8);
        assert!(refused.says("taken"), "{refused}");
    }
}
