//! Completions and manual pages of the real programs.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::io::Write;
use std::process::{Command, Stdio};

use sealift_tests::process::User;

/// Some words that must be completed, and have pages, for each program.
const PROGRAMS: [(&str, &[&str]); 4] = [
    ("relay", &["status", "limits", "key", "completions", "man"]),
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
    (
        "sealift",
        &[
            "share",
            "search",
            "list",
            "get",
            "verify",
            "invite",
            "join",
            "members",
            "ping",
            "status",
            "service",
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
fn completions_are_well_formed_scripts() {
    let user = User::new();
    for (program, words) in PROGRAMS {
        for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
            let script =
                user.run(program, &["completions", shell]).expect(0).stdout.join("\n") + "\n";
            // Scripts for the others ask the program itself.
            if matches!(shell, "powershell" | "elvish") {
                for word in words {
                    assert!(script.contains(word), "{word} in {program} for {shell}");
                }
            } else {
                assert!(script.contains("SEALIFT_COMPLETE"), "{program} for {shell}: {script}");
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

/// The words below `Commands:` of a help page.
fn commands(help: &[String]) -> Vec<String> {
    let below = help.iter().skip_while(|line| *line != "Commands:").skip(1);
    let lines = below.take_while(|line| line.starts_with("  "));
    let words = lines
        .filter(|line| !line.starts_with("    "))
        .filter_map(|line| line.split_whitespace().next());
    words.filter(|word| *word != "help").map(str::to_owned).collect()
}

/// Looks at the help of a command and of all beneath it; how many there were.
fn walk(user: &User, program: &str, words: &[String]) -> usize {
    let help = user.run(program, &[words, &["--help".to_owned()]].concat()).expect(0);
    let has = |start: &str| help.stdout.iter().any(|line| line.starts_with(start));
    assert!(has("Example"), "{program} {words:?} has no example\n{help}");
    assert!(help.stdout.len() < 110, "{program} {words:?} is too long to read\n{help}");
    let below = commands(&help.stdout);
    1 + below.into_iter().map(|word| walk(user, program, &[words, &[word]].concat())).sum::<usize>()
}

#[test]
fn every_help_has_an_example() {
    let user = User::new();
    let counts = PROGRAMS.map(|(program, _)| walk(&user, program, &[]));
    assert!(counts[0] >= 9 && counts[1] >= 7 && counts[2] >= 11 && counts[3] >= 16, "{counts:?}");
}

#[test]
fn manual_pages_have_the_parts_that_people_look_for() {
    let user = User::new();
    for (program, _) in PROGRAMS {
        let page = user.run(program, &["man"]).expect(0).stdout;
        for part in ["EXAMPLES", "\"EXIT STATUS\"", "ENVIRONMENT", "FILES"] {
            let heading = format!(".SH {part}");
            assert_eq!(page.iter().filter(|line| **line == heading).count(), 1, "{program} {part}");
        }
    }
}

/// Whoever reads only the first line of a list is not told of an error, and a full disk is told.
#[test]
fn a_reader_that_has_enough_is_no_error() {
    let user = User::new();
    for line in [
        "relay limits",
        "relay man",
        "relay completions bash",
        "leecher man",
        "seeder man",
        "sealift man",
        "leecher --help",
    ] {
        let piped = format!("{line} | true; exit \"$PIPESTATUS\"");
        let ended = user.type_line(&format!("bash -c '{piped}'")).wait().expect(0);
        assert!(ended.stderr.is_empty(), "{line}\n{ended}");
    }
    for line in [
        "relay limits",
        "relay man",
        "leecher man",
        "leecher --help",
        "seeder -h",
        "relay --version",
    ] {
        let full = user.type_line(&format!("{line} > /dev/full")).wait().expect(8);
        assert!(full.says("standard output"), "{line}\n{full}");
    }
}
