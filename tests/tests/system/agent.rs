//! The process that shares for a profile, and other commands of the same profile beside it.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::process::Signal;
use sealift_tests::process::{Finished, Running, User};
use sealift_tests::stage::{Relay, appears, join, offered, seed};

struct Scene {
    _relay: Relay,
    ana: User,
    sharing: Running,
    ben: User,
}

fn scene() -> Scene {
    let relay = Relay::start();
    let ana = User::new();
    ana.write("share/report.txt", b"a report");
    ana.write("more/other.txt", b"another");
    let sharing = seed(&ana, &relay.place, "ana");
    let ben = join(&ana, "ben");
    Scene { _relay: relay, ana, sharing, ben }
}

fn sealift(user: &User, line: &[&str]) -> Finished {
    user.run("sealift", line)
}

fn socket(user: &User) -> PathBuf {
    user.home().join(".local/share/sealift/agent/socket")
}

/// Waits until `name` is listed no more.
fn disappears(user: &User, name: &str) {
    let deadline = std::time::Instant::now() + sealift_tests::process::PATIENCE;
    while user.run("leecher", &["list"]).says(name) {
        assert!(std::time::Instant::now() < deadline, "{name} does not go");
    }
}

#[test]
fn folders_come_and_go_without_a_restart_and_are_remembered() {
    let Scene { _relay, ana, mut sharing, ben } = scene();
    let shared = sealift(&ana, &["share", "N=more"]).expect(0);
    assert!(shared.says("shares now") && shared.says("as N"), "{shared}");
    sharing.message("work/more as N in the space ana");
    appears(&ben, "other.txt");
    let _ = sealift(&ben, &["get", "N/other.txt", "-o", "out"]).expect(0);
    let again = sealift(&ana, &["share", "N=more", "--json"]).expect(0);
    assert!(again.says(r#""already":true"#), "{again}");
    let known = sealift(&ana, &["share"]).expect(0);
    assert!(known.stdout.len() == 2 && known.says("as share already"), "{known}");

    let gone = sealift(&ana, &["unshare", "share"]).expect(0);
    assert!(gone.says("not shared any more as share"), "{gone}");
    sharing.message("not shared any more as share");
    disappears(&ben, "share");
    assert!(ana.work().join("share/report.txt").exists(), "what is there stays there");

    let stopped = sealift(&ana, &["stop"]).expect(0);
    assert!(stopped.says(&sharing.pid().to_string()), "{stopped}");
    let _ = sharing.wait().expect(0);
    assert!(!socket(&ana).exists());
    let _ = sealift(&ana, &["stop"]).expect(3);
    // What was changed meanwhile is what the next start shares, whichever program it is.
    let mut next = ana.start("seeder", &["--path", "relay"]);
    assert!(next.message("sharing").contains("as N"));
    offered(&mut next);
    let status = sealift(&ana, &["status"]).expect(0);
    assert!(status.says("folder   N = ") && !status.says("folder   share"), "{status}");
}

#[test]
fn without_a_process_that_shares_it_is_remembered_all_the_same() {
    let Scene { _relay, ana, sharing, .. } = scene();
    let _ = sealift(&ana, &["share", "more"]).expect(0);
    sharing.signal(Signal::TERM);
    let _ = sharing.wait().expect(0);
    let _ = sealift(&ana, &["unshare", "no such"]).expect(3);
    let _ = sealift(&ana, &["unshare", "more"]).expect(0);
    let mut next = ana.start("sealift", &["share"]);
    assert!(next.message("sharing").contains("as share"));
    offered(&mut next);
    let _ = sealift(&ana, &["stop"]).expect(0);
    assert!(!next.wait().expect(0).says("as more"));
    let _ = sealift(&ana, &["unshare", "share"]).expect(0);
    let nothing = sealift(&ana, &["share"]).expect(2);
    assert!(nothing.says("nothing to share"), "{nothing}");
}

#[test]
fn what_cannot_be_shared_is_refused_in_the_same_words() {
    let Scene { _relay, ana, mut sharing, .. } = scene();
    ana.write("b/share/x", b"");
    let own = ana.home().join(".local/share/sealift");
    for (line, code, words) in [
        (&["share", "missing"][..], 2, "there is no folder"),
        (&["share", "b/share"], 2, "two folders have the name"),
        (&["share", own.to_str().unwrap()], 2, "Sealift's own"),
        (&["share", "more", "--limit", "1M"], 2, "--limit"),
        (&["share", "--space", "x"], 2, "--space"),
        (&["unshare", "missing"], 3, "shared are: share"),
    ] {
        let refused = sealift(&ana, line).expect(code);
        assert!(refused.says(words), "{line:?}: {refused}");
    }
    // Another process that would share is refused as ever.
    let second = ana.run("seeder", &["--watch", "more"]).expect(1);
    assert!(second.says("another seeder runs"), "{second}");
    assert!(sharing.runs());
}

#[test]
fn the_socket_is_its_users_alone_and_bears_anything() {
    let Scene { _relay, ana, mut sharing, .. } = scene();
    let socket = socket(&ana);
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&socket), mode(socket.parent().unwrap())), (0o600, 0o700));
    let ask = |line: &[u8]| {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // It may stop reading, and end, before all is written.
        let _ = stream.write_all(line);
        let mut answer = String::new();
        let _ = BufReader::new(stream).read_line(&mut answer);
        answer
    };
    assert!(ask(b"{\"ask\":\"status\"}\n").contains(r#""answer":"status""#));
    for odd in [&b"\n"[..], b"{\"ask\":\"everything\"}\n", b"\xff\xfe\n", b"[[[[[[[[\n"] {
        assert!(ask(odd).contains(r#""answer":"failed""#));
    }
    assert_eq!(ask(&vec![b'x'; 3 << 20]), "", "a line without an end is not answered");
    let deep = [b"[".repeat(1 << 19), b"\n".to_vec()].concat();
    assert!(ask(&deep).contains("failed"));
    // Those who say nothing keep nobody else from asking.
    let silent: Vec<_> = (0..8).map(|_| UnixStream::connect(&socket).unwrap()).collect();
    let _ = sealift(&ana, &["share", "more"]).expect(0);
    let mut end = Vec::new();
    for mut stream in silent {
        stream.read_to_end(&mut end).unwrap();
    }
    assert!(end.is_empty() && sharing.runs());
}

#[test]
fn files_are_shared_alone_and_nothing_else_of_their_folder() {
    let Scene { _relay, ana, mut sharing, ben } = scene();
    ana.write("desk/report.pdf", b"the report");
    ana.write("desk/diary.txt", b"mine");
    let shared = sealift(&ana, &["share", "desk/report.pdf", "Plan=desk/report.pdf"]).expect(0);
    assert!(shared.says("as files/report.pdf") && shared.says("as files/Plan"), "{shared}");
    appears(&ben, "report.pdf");
    let _ = sealift(&ben, &["get", "report.pdf", "-o", "out"]).expect(0);
    assert_eq!(std::fs::read(ben.work().join("out/report.pdf")).unwrap(), b"the report");
    let _ = sealift(&ben, &["search", "diary"]).expect(3);
    let listed = sealift(&ben, &["list", "files"]).expect(0);
    assert_eq!(listed.stdout.len(), 2, "{listed}");
    // As an editor saves.
    ana.write("desk/.new", b"the second report");
    std::fs::rename(ana.work().join("desk/.new"), ana.work().join("desk/report.pdf")).unwrap();
    sharing.message("changed files/report.pdf");
    let status = sealift(&ana, &["status"]).expect(0);
    assert!(
        status.says("folder   files/report.pdf = ") && status.says("desk/report.pdf"),
        "{status}"
    );
    let _ = sealift(&ana, &["unshare", "files/Plan"]).expect(0);
    let _ = sealift(&ana, &["stop"]).expect(0);
    let _ = sharing.wait().expect(0);
    // The next start, by whichever program, goes on with the file.
    let mut next = ana.start("seeder", &["--path", "relay"]);
    assert!(next.message("files").contains("as files/report.pdf"));
    offered(&mut next);
    let _ = sealift(&ben, &["get", "files/report.pdf", "-o", "again"]).expect(0);
    assert_eq!(std::fs::read(ben.work().join("again/report.pdf")).unwrap(), b"the second report");
    let listed = sealift(&ben, &["list", "files"]).expect(0);
    assert_eq!(listed.stdout.len(), 1, "{listed}");
}

/// How what a command says with and without such a process is compared.
enum Same {
    /// Every line.
    Lines,
    /// Every line up to its first comma: speeds follow.
    Beginnings,
    /// Exit codes alone: what is told is what differs.
    Codes,
}

/// Lines of every verb that ends by itself. Each is run in a folder where nothing has been fetched.
const CASES: [(&str, &[&str], i32, Same); 31] = [
    ("sealift", &["search", "theirs"], 0, Same::Lines),
    ("sealift", &["search", "nothing like it"], 3, Same::Lines),
    ("sealift", &["list"], 0, Same::Codes),
    ("sealift", &["list", "theirs"], 0, Same::Lines),
    ("sealift", &["list", "absent"], 3, Same::Lines),
    ("sealift", &["list", "theirs", "--offline", "--json"], 0, Same::Lines),
    ("sealift", &["get", "theirs.txt", "-o", "out"], 0, Same::Beginnings),
    ("sealift", &["get", "theirs", "-o", "out"], 0, Same::Beginnings),
    ("sealift", &["get", "absent"], 3, Same::Lines),
    ("sealift", &["get", "theirs.txt", "-o", "-"], 0, Same::Lines),
    ("sealift", &["verify", "kept"], 0, Same::Lines),
    ("sealift", &["verify", "share/report.txt", "--with", "absent"], 3, Same::Lines),
    ("sealift", &["ping", "ben"], 0, Same::Codes),
    ("sealift", &["ping", "nobody"], 3, Same::Lines),
    ("sealift", &["members"], 0, Same::Codes),
    ("sealift", &["status"], 0, Same::Codes),
    ("sealift", &["invite"], 0, Same::Codes),
    ("sealift", &["join", "rubbish"], 2, Same::Lines),
    ("sealift", &["unshare", "absent"], 3, Same::Lines),
    ("sealift", &["man"], 0, Same::Lines),
    ("leecher", &["search", "theirs"], 0, Same::Lines),
    ("leecher", &["list", "theirs"], 0, Same::Lines),
    ("leecher", &["download", "theirs.txt", "--out", "out"], 0, Same::Beginnings),
    ("leecher", &["verify", "kept"], 0, Same::Lines),
    ("leecher", &["ping", "ben"], 0, Same::Codes),
    ("leecher", &["members"], 0, Same::Codes),
    ("leecher", &["status"], 0, Same::Lines),
    ("seeder", &["invite", "--uses", "2"], 0, Same::Codes),
    ("seeder", &["members"], 0, Same::Codes),
    ("seeder", &["status"], 0, Same::Codes),
    ("seeder", &["join", "rubbish"], 2, Same::Lines),
];

fn run_all(user: &User) -> Vec<Finished> {
    let run = |(program, line, code, _): &(&str, &[&str], i32, Same)| {
        let _ = std::fs::remove_dir_all(user.work().join("out"));
        let _ = std::fs::remove_file(user.work().join("theirs.txt"));
        user.run(program, line).expect(*code)
    };
    CASES.iter().map(run).collect()
}

fn compared(finished: &Finished, same: &Same) -> Vec<String> {
    let lines = finished.stdout.iter();
    let mut lines: Vec<String> = match same {
        Same::Lines => lines.cloned().collect(),
        Same::Beginnings => {
            lines.map(|line| line.split(", ").next().unwrap_or_default().to_owned()).collect()
        }
        Same::Codes => Vec::new(),
    };
    // How long ago it was is another matter a moment later.
    lines.retain(|line| !line.contains("as of") && !line.contains("compared"));
    lines
}

#[test]
fn every_verb_gives_the_same_with_and_without_a_process_that_shares() {
    let Scene { _relay, ana, sharing, ben } = scene();
    ben.write("share/theirs.txt", b"of ben");
    // Lists say how long ago that was, in words that would change meanwhile.
    let theirs = std::fs::File::options().write(true).open(ben.work().join("share/theirs.txt"));
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 86_400);
    theirs.unwrap().set_modified(past).unwrap();
    ana.write("kept/theirs.txt", b"of ben");
    let mut other =
        ben.start("seeder", &["theirs=share", "--relay", &_relay.place, "--path", "relay"]);
    offered(&mut other);
    appears(&ana, "theirs.txt");
    let with = run_all(&ana);
    sharing.signal(Signal::TERM);
    let _ = sharing.wait().expect(0);
    let without = run_all(&ana);
    for (((program, line, _, same), with), without) in CASES.iter().zip(&with).zip(&without) {
        let (one, other) = (compared(with, same), compared(without, same));
        assert_eq!(one, other, "{program} {line:?}\nwith\n{with}\nwithout\n{without}");
    }
}
