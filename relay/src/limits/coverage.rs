//! Holds the table against the tests: a limit that none sets, within (pure state, or virtual time without sockets) and over real
//! sockets, fails here.

use std::path::{Path, PathBuf};

use super::Limits;

/// Limits without a test within: pages of the store are redb's, which is given the number and has tests of its own.
const NOT_PURE: &[&str] = &["store_cache"];

/// Limits without a test over sockets: what nobody outside can see.
const NOT_ON_SOCKETS: &[&str] = &["store_cache"];

/// How a constant begins that is there to fill up the bounds of a test.
const FILLER: &str = "const BOUNDS: Bounds =";

/// All Rust files beneath a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The text of all tests within the sources, this table's own left out.
fn tests_within() -> String {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    // What stands before strangers is tested where it is.
    let folders = [own.join("src"), own.join("../server/src")];
    let mut text = String::new();
    for (folder, path) in
        folders.iter().flat_map(|at| sources(at).into_iter().map(move |path| (at, path)))
    {
        let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
        if name.starts_with("limits") || name.starts_with("config") {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        if name.contains("tests") {
            text.push_str(&without_fillers(&source));
        } else if let Some((_, tests)) = source.split_once("#[cfg(test)]\nmod tests {") {
            text.push_str(&without_fillers(tests));
        }
    }
    text
}

/// `tests` without the constants that give a part those of its bounds that a test is not about: they have to name all of them.
fn without_fillers(tests: &str) -> String {
    let mut parts = tests.split(FILLER);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once("};").expect("the end of a constant").1);
    }
    text
}

/// The text of all tests over sockets.
fn tests_over_sockets() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    sources(&folder).iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// Whether some test makes limits with this one set.
fn is_set(tests: &str, name: &str) -> bool {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    tests.match_indices(name).any(|(at, _)| {
        let (before, after) = (&tests.as_bytes()[..at], &tests.as_bytes()[at + name.len()..]);
        let whole = !is_word(before.last()) && !is_word(after.first());
        whole && (after.starts_with(b":") || after.starts_with(b",") || after.starts_with(b" = "))
    })
}

#[test]
fn each_limit_has_a_test_of_the_state_and_one_over_sockets() {
    let (within, outside) = (tests_within(), tests_over_sockets());
    let mut missing = Vec::new();
    for entry in Limits::default().entries() {
        if !NOT_PURE.contains(&entry.name) && !is_set(&within, entry.name) {
            missing.push(format!("{} within", entry.name));
        }
        if !NOT_ON_SOCKETS.contains(&entry.name) && !is_set(&outside, entry.name) {
            missing.push(format!("{} over sockets", entry.name));
        }
    }
    assert!(missing.is_empty(), "no test sets: {missing:#?}");
}

#[test]
fn names_are_found_as_whole_words_that_are_set() {
    let tests = "Limits { links: 5, tickets, ..Limits::default() } limits.jobs = 3";
    for name in ["links", "tickets", "jobs"] {
        assert!(is_set(tests, name), "{name}");
    }
    for name in ["link", "ticket", "limits", "inks"] {
        assert!(!is_set(tests, name), "{name}");
    }
}

#[test]
fn what_fills_up_bounds_sets_nothing() {
    let tests = "
        const BOUNDS: Bounds = Bounds {
            links: 5,
        };
        const BOUNDS: Bounds =
            Bounds { jobs: 3 };
        let bounds = Bounds { tickets: 2, ..BOUNDS };";
    let set = |text: &str| ["links", "jobs", "tickets"].map(|name| is_set(text, name));
    assert_eq!(set(tests), [true; 3]);
    assert_eq!(set(&without_fillers(tests)), [false, false, true]);
}
