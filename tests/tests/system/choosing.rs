//! What a NAME of `leecher download` means and where files land, by the real programs.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use rustix::process::Signal;
use sealift_command::event::Event;
use sealift_tests::process::{Finished, Running, User};
use sealift_tests::stage::{Relay, appears, download, fetched, join, offered, seed};

struct Scene {
    relay: Relay,
    owner: User,
    seeder: Running,
    friend: User,
}

fn scene(files: &[(&str, &str)]) -> Scene {
    let relay = Relay::start();
    let owner = User::new();
    for (path, content) in files {
        owner.write(&format!("share/{path}"), content.as_bytes());
    }
    let seeder = seed(&owner, &relay.place, "ana");
    let friend = join(&owner, "ben");
    Scene { relay, owner, seeder, friend }
}

/// Paths of the files beneath `out`, sorted; hidden ones too.
fn landed(user: &User) -> Vec<String> {
    fn walk(folder: &std::path::Path, prefix: &str, all: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                walk(&entry.path(), &format!("{path}/"), all);
            } else {
                all.push(path);
            }
        }
    }
    let mut all = Vec::new();
    walk(&user.work().join("out"), "", &mut all);
    all.sort();
    all
}

/// Runs a line that a program printed for a person to paste.
fn paste(user: &User, line: &str) -> Finished {
    user.type_line(line.trim()).wait()
}

#[test]
fn files_folders_and_globs_land_where_they_should() {
    let scene = scene(&[("a/one.jpg", "1"), ("a/deep/two.JPG", "2"), ("b/three.txt", "3")]);
    let _ = download(&scene.friend, "one.jpg").expect(0);
    assert_eq!(landed(&scene.friend), ["one.jpg"]);
    let _ = download(&scene.friend, "share/a").expect(0);
    assert_eq!(landed(&scene.friend), ["a/deep/two.JPG", "a/one.jpg", "one.jpg"]);
    let _ = download(&scene.friend, "*.jpg").expect(0);
    let all = ["a/deep/two.JPG", "a/one.jpg", "deep/two.JPG", "one.jpg"];
    assert_eq!(landed(&scene.friend), all, "one.jpg is there already and gets no second copy");
    let _ = download(&scene.friend, "B/").expect(0);
    assert_eq!(fetched(&scene.friend, "b/three.txt"), b"3");
    let missing = download(&scene.friend, "thre.txt").expect(3);
    assert!(missing.says("share/b/three.txt"), "what may have been meant: {missing}");
}

#[test]
fn nothing_is_overwritten_and_what_is_there_needs_no_seeder() {
    let scene = scene(&[("report.txt", "theirs")]);
    scene.friend.write("out/report.txt", b"mine");
    let finished = download(&scene.friend, "report.txt").expect(0);
    assert!(finished.says("report (1).txt"), "{finished}");
    assert_eq!(fetched(&scene.friend, "report.txt"), b"mine");
    assert_eq!(fetched(&scene.friend, "report (1).txt"), b"theirs");
    scene.seeder.signal(Signal::TERM);
    let _ = scene.seeder.wait().expect(0);
    let again = download(&scene.friend, "report.txt").expect(0);
    assert!(again.says("already there"), "{again}");
    assert_eq!(landed(&scene.friend), ["report (1).txt", "report.txt"]);
    drop(scene.relay);
    drop(scene.owner);
}

#[test]
fn what_nobody_serves_does_not_hold_up_the_rest() {
    let scene = scene(&[("set/here.txt", "here")]);
    let other = join(&scene.owner, "cem");
    other.write("share/set/away.txt", b"away");
    let mut second = other.start("seeder", &["--watch", "share", "--name", "cem"]);
    offered(&mut second);
    appears(&scene.friend, "away.txt");
    second.signal(Signal::TERM);
    let _ = second.wait().expect(0);
    let start = std::time::Instant::now();
    let part = download(&scene.friend, "share/set").expect(4);
    assert!(start.elapsed().as_secs() < 30, "it does not wait for who was never there");
    assert!(part.says("away.txt") && part.says("cem"), "{part}");
    assert_eq!(landed(&scene.friend), ["set/here.txt"]);
}

#[test]
fn in_a_folder_what_has_several_contents_is_left_out_with_the_line_that_fetches_it() {
    let scene = scene(&[("set/same.txt", "same"), ("set/sub/it's.txt", "of ana")]);
    let other = join(&scene.owner, "cem");
    other.write("share/set/same.txt", b"same");
    other.write("share/set/sub/it's.txt", b"of cem");
    let mut second = other.start("seeder", &["--watch", "share", "--name", "cem"]);
    offered(&mut second);
    appears(&scene.friend, "it's.txt");
    let part = loop {
        // Until the second catalogue has come.
        let part = download(&scene.friend, "share/set");
        if part.code == 1 {
            break part;
        }
        assert_eq!(part.code, 0, "{part}");
        std::fs::remove_dir_all(scene.friend.work().join("out")).unwrap();
    };
    assert_eq!(landed(&scene.friend), ["set/same.txt"], "{part}");
    let lines: Vec<_> =
        part.stderr.iter().filter(|line| line.trim().starts_with("leecher download")).collect();
    assert_eq!(lines.len(), 2, "{part}");
    let _ = paste(&scene.friend, lines[0]).expect(0);
    let _ = paste(&scene.friend, lines[1]).expect(0);
    let mut both = [
        fetched(&scene.friend, "set/sub/it's.txt"),
        fetched(&scene.friend, "set/sub/it's (1).txt"),
    ];
    both.sort();
    assert_eq!(both, [b"of ana".to_vec(), b"of cem".to_vec()]);
}

#[test]
fn names_that_are_trouble_arrive_under_names_that_are_none() {
    let names = [
        "CON",
        "aux.txt",
        "COM¹",
        "a:b",
        "dot.",
        "-rf",
        "exe.\u{202e}gpj",
        "50%41",
        "e\u{301}",
        "\u{e9}",
        "A.txt",
        "a.txt",
        "👩‍🚀",
        ".bashrc",
    ];
    let files: Vec<_> =
        names.iter().map(|name| (format!("odd/{name}"), (*name).to_owned())).collect();
    let files: Vec<_> =
        files.iter().map(|(path, content)| (path.as_str(), content.as_str())).collect();
    let scene = scene(&files);
    let done = download(&scene.friend, "share/odd").expect(0);
    let mut contents: Vec<_> = landed(&scene.friend)
        .iter()
        .map(|path| String::from_utf8(fetched(&scene.friend, path)).unwrap())
        .collect();
    contents.sort();
    let mut expected = names.map(str::to_owned).to_vec();
    expected.sort();
    assert_eq!(contents, expected, "each arrives, none twice\n{done}");
    let here = landed(&scene.friend);
    for local in ["odd/CON", "odd/a:b", "odd/-rf", "odd/50%41", "odd/.bashrc"] {
        assert!(here.contains(&local.to_owned()), "{local} in {here:?}");
    }
    let listed = scene.friend.run("leecher", &["list", "share/odd"]).expect(0);
    let raw = |line: &String| line.chars().any(|c| c.is_control() || c == '\u{202e}');
    assert!(!listed.stdout.iter().chain(&done.stderr).any(raw), "{listed}");
}

#[test]
fn with_json_every_line_is_of_a_documented_type() {
    let scene = scene(&[("a.txt", "1"), ("b/a.txt", "2"), ("c.txt", "3")]);
    for (line, code) in [
        (&["leecher", "search", "a"][..], 0),
        (&["leecher", "list"], 0),
        (&["leecher", "status"], 0),
        (&["leecher", "members"], 0),
        (&["leecher", "ping", "ana"], 0),
        (&["leecher", "download", "c.txt", "--out", "out"], 0),
        (&["leecher", "download", "a.txt", "--out", "out"], 9),
        (&["leecher", "download", "absent", "--out", "out"], 3),
        (&["leecher", "verify", "out"], 0),
        (&["seeder", "status"], 0),
        (&["seeder", "members"], 0),
        (&["seeder", "invite"], 5),
    ] {
        let finished = scene.friend.run(line[0], &[&line[1..], &["--json"]].concat()).expect(code);
        assert!(!finished.stdout.is_empty() || code != 0, "{finished}");
        for line in finished.stdout.iter().chain(&finished.stderr) {
            let event: Event = serde_json::from_str(line).expect(line);
            assert_eq!(event.to_line(), *line);
        }
    }
}

/// Starts a line as at a terminal, if this machine has what makes one.
fn at_terminal(user: &User, line: &str) -> Option<Running> {
    if user.type_line("script --version").wait().code != 0 {
        println!("skipped: no `script` here");
        return None;
    }
    Some(user.type_line(&format!("TERM=xterm script -qec '{line}' /dev/null")))
}

#[test]
fn at_a_terminal_one_of_several_contents_is_picked_by_its_number() {
    let scene = scene(&[("a/report.txt", "first"), ("b/report.txt", "second")]);
    appears(&scene.friend, "report.txt");
    let line = "leecher get report.txt -o out";
    let Some(mut picking) = at_terminal(&scene.friend, line) else { return };
    picking.line("which one?");
    picking.type_in("7\n");
    picking.type_in("2\n");
    picking.line("verified");
    let picked = picking.wait().expect(0);
    let second = picked.stdout.iter().find(|line| line.trim_start().starts_with("2 ")).unwrap();
    let expected = if second.contains("b/report.txt") { "second" } else { "first" };
    assert_eq!(fetched(&scene.friend, "report.txt"), expected.as_bytes(), "{picked}");
    // Enter takes nothing, and it ends as without a terminal.
    let mut none = at_terminal(&scene.friend, "leecher get report.txt -o other").unwrap();
    none.line("which one?");
    none.type_in("\n");
    none.line("choose one:");
    let _ = none.wait().expect(9);
    assert!(!scene.friend.work().join("other/report.txt").exists());
    // Nobody is asked in a pipe, with JSON, or where the line says which.
    let _ = scene.friend.run("leecher", &["get", "report.txt", "-o", "other"]).expect(9);
    let json = at_terminal(&scene.friend, "leecher get report.txt -o other --json").unwrap();
    let json = json.wait().expect(9);
    assert!(!json.says("which one?"), "{json}");
}
