//! Completion in a real bash: what the script of `completions bash` suggests, and that it means the same once it is in the line.
#![allow(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use sealift_tests::process::{Running, User};
use sealift_tests::stage::{Relay, join, offered, seed};

/// Asks as bash does at a Tab: `$1` is the program, `$2` the line up to the cursor, `$3` the end of it that a candidate replaces.
const TAB: &str = r#"
source <("$1" completions bash) || exit 1
COMP_LINE=$2 COMP_POINT=${#2}
"_sealift_$1" "$1" "$3"
printf '%s\n' "${COMPREPLY[@]}"
"#;

/// `text` as one word of any shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The lines that a Tab at the end of `line` can make, where bash replaces `replaced`; `None` where there is no bash.
fn tab(user: &User, line: &str, replaced: &str) -> Option<Vec<String>> {
    let program = line.split(' ').next().unwrap();
    user.write(".tab", TAB.as_bytes());
    let words = [program, line, replaced].map(quoted).join(" ");
    let ended = user.type_line(&format!("bash --noprofile --norc .tab {words}")).wait();
    if ended.code == 127 {
        println!("skipped: no bash here");
        return None;
    }
    let ended = ended.expect(0);
    assert!(ended.stderr.is_empty(), "{line}\n{ended}");
    let stays = line.strip_suffix(replaced).unwrap();
    let whole = ended.stdout.iter().filter(|candidate| !candidate.is_empty());
    Some(whole.map(|candidate| format!("{stays}{candidate}")).collect())
}

/// The words that bash makes of `line`, one behind each.
fn words(user: &User, line: &str) -> Vec<String> {
    let script = quoted(&format!("printf '%s\\0' {line}"));
    let ended = user.type_line(&format!("bash -c {script}")).wait().expect(0);
    let words = ended.stdout.join("\n");
    words.split_terminator('\0').map(str::to_owned).collect()
}

/// The last words of the lines that Tab makes of `line`.
fn last_words(user: &User, line: &str, replaced: &str) -> Option<Vec<String>> {
    let lines = tab(user, line, replaced)?;
    Some(lines.iter().map(|line| words(user, line).pop().unwrap()).collect())
}

const FILES: [&str; 8] = [
    "my file.txt",
    "it's \"x\".txt",
    "r\u{e9}sum\u{e9} \u{6771}.txt",
    "-dash.txt",
    "a:b=c.txt",
    "$HOME `id` !x.txt",
    "zero\u{200b}width.txt",
    "docs & more/inner [1].txt",
];

/// A member who knows of all [`FILES`], shared as `share` by ana, with ana, her seeder and the relay.
fn scene() -> (User, User, Running, Relay) {
    let relay = Relay::start();
    let owner = User::new();
    for file in FILES {
        owner.write(&format!("share/{file}"), file.as_bytes());
    }
    let mut seeder = seed(&owner, &relay.place, "ana");
    offered(&mut seeder);
    let ben = join(&owner, "ben");
    let _ = ben.run("leecher", &["list", "share"]).expect(0);
    (ben, owner, seeder, relay)
}

/// The same member, when relay and seeder are away.
fn ben() -> User {
    scene().0
}

#[test]
fn shared_names_are_completed_whatever_is_in_them_and_without_a_relay() {
    let ben = ben();
    for (typed, replaced, expected) in [
        ("sh", "sh", "share/"),
        ("my", "my", "my file.txt"),
        ("'my f", "my f", "my file.txt"),
        ("\"my f", "my f", "my file.txt"),
        ("it", "it", "it's \"x\".txt"),
        ("r\u{e9}", "r\u{e9}", "r\u{e9}sum\u{e9} \u{6771}.txt"),
        ("./-d", "./-d", "./-dash.txt"),
        ("-- -d", "-d", "./-dash.txt"),
        ("a:b", "b", "a:b=c.txt"),
        ("share/a:b=", "", "share/a:b=c.txt"),
        ("\\$", "\\$", "$HOME `id` !x.txt"),
        ("ze", "ze", "zero\u{200b}width.txt"),
        ("zero$'\\342\\200\\213'", "zero$'\\342\\200\\213'", "zero\u{200b}width.txt"),
        ("share/docs", "share/docs", "share/docs & more/"),
        ("'share/docs & more/'", "'share/docs & more/'", "share/docs & more/inner [1].txt"),
    ] {
        for command in ["download", "get", "list", "search", "verify x --with"] {
            if typed.starts_with("--") && command.starts_with("verify") {
                continue;
            }
            let line = format!("leecher {command} {typed}");
            let Some(found) = last_words(&ben, &line, replaced) else { return };
            assert_eq!(found, [expected], "{line}");
        }
    }
    let all = last_words(&ben, "leecher get share/", "share/").unwrap();
    assert_eq!(all.len(), FILES.len(), "{all:?}");
}

#[test]
fn people_values_and_words_are_completed() {
    let ben = ben();
    for (line, replaced, expected) in [
        ("leecher ping a", "a", vec!["ana"]),
        ("leecher get x --from an", "an", vec!["ana"]),
        ("leecher get x --path ", "", vec!["any", "relay", "direct"]),
        ("leecher get x --path=d", "d", vec!["--path=direct"]),
        ("leecher list --color ", "", vec!["auto", "always", "never"]),
        ("leecher sea", "sea", vec!["search"]),
        ("leecher get --pat", "--pat", vec!["--path", "--patience"]),
        ("leecher --home /nowhere get sh", "sh", vec![]),
        ("leecher get --space none sh", "sh", vec![]),
        ("seeder --path ", "", vec!["any", "relay", "direct"]),
        ("seeder inv", "inv", vec!["invite"]),
        ("sealift sh", "sh", vec!["share"]),
        ("sealift get x --from an", "an", vec!["ana"]),
        ("sealift get my", "my", vec!["my file.txt"]),
        ("sealift list sh", "sh", vec!["share/"]),
        ("sealift share --path ", "", vec!["any", "relay", "direct"]),
        ("relay key ex", "ex", vec!["export"]),
        ("relay --log-format ", "", vec!["text", "json"]),
    ] {
        let Some(found) = last_words(&ben, line, replaced) else { return };
        assert_eq!(found, expected, "{line}");
    }
    ben.write("own folder/x", b"");
    for line in
        ["leecher verify own", "seeder ./own", "leecher get x --out own", "sealift share own"]
    {
        let replaced = line.rsplit(' ').next().unwrap();
        let Some(found) = last_words(&ben, line, replaced) else { return };
        assert!(matches!(&*found, [one] if one.ends_with("own folder/")), "{line}: {found:?}");
    }
}

#[test]
fn a_suggestion_downloads_what_it_names() {
    let (ben, _owner, _seeder, _relay) = scene();
    let typed = "'share/docs & more/'in";
    let Some(lines) = tab(&ben, &format!("leecher get -o out {typed}"), typed) else { return };
    assert_eq!(lines, [r"leecher get -o out share/docs\ \&\ more/inner\ \[1\].txt"]);
    let _ = ben.type_line(&lines[0]).wait().expect(0);
    assert!(ben.work().join("out/inner [1].txt").is_file());
}

#[test]
fn a_tab_makes_no_home() {
    let user = User::new();
    for line in ["leecher get x", "leecher ping x", "seeder x", "relay x"] {
        let replaced = "x";
        let Some(lines) = tab(&user, line, replaced) else { return };
        assert!(lines.is_empty(), "{line}: {lines:?}");
    }
    assert!(user.home().read_dir().unwrap().next().is_none());
}
