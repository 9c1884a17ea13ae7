use super::*;
use sealift_platform::testing::Share;

#[derive(Default)]
struct Seen {
    found: Vec<String>,
    left: Vec<String>,
    passed: Vec<String>,
    skipped: Vec<(String, String)>,
}

impl Visitor for Seen {
    fn found(&mut self, found: Found) {
        self.found.push(found.path.as_str().to_owned());
    }
    fn leaving(&mut self, local: &Path, _: &Stat) {
        self.left.push(local.to_str().unwrap().to_owned());
    }
    fn passing(&mut self, local: &Path, _: &Stat) {
        self.passed.push(local.to_str().unwrap().to_owned());
    }
    fn skipped(&mut self, local: &Path, why: Skipped) {
        self.skipped.push((local.to_string_lossy().into_owned(), why.to_string()));
    }
}

fn bounds() -> Bounds {
    Bounds {
        name: RelativePath::new("share").unwrap(),
        closed: Vec::new(),
        forbidden: HashSet::new(),
    }
}

fn see_from(share: &Share, bounds: &Bounds, start: &str) -> Seen {
    let mut seen = Seen::default();
    let mut rules = Rules::default();
    walk(&*share.root(), bounds, &mut rules, Path::new(start), &mut seen).unwrap();
    seen
}

fn see(share: &Share) -> Seen {
    see_from(share, &bounds(), "")
}

impl Seen {
    fn skips(&self, path: &str, words: &str) -> bool {
        self.skipped.iter().any(|(at, why)| at == path && why.contains(words))
    }
}

#[test]
fn regular_files_are_found_in_order() {
    let share = Share::new();
    for path in ["b.txt", "a/z.txt", "a/b/c.txt", ".hidden", "a-b.txt"] {
        share.write(path, "x");
    }
    let seen = see(&share);
    assert_eq!(
        seen.found,
        ["share/.hidden", "share/a-b.txt", "share/b.txt", "share/a/z.txt", "share/a/b/c.txt"]
    );
    assert!(seen.skipped.is_empty());
    assert_eq!(see_from(&share, &bounds(), "a/b").found, ["share/a/b/c.txt"]);
    assert_eq!(see_from(&share, &bounds(), "b.txt").found, ["share/b.txt"]);
    assert!(see_from(&share, &bounds(), "gone/x").found.is_empty());
}

#[cfg(unix)]
#[test]
fn a_folder_is_left_when_all_beneath_it_was_told() {
    use std::os::unix::fs::PermissionsExt;
    let share = Share::new();
    share.write(".sealiftignore", "skip/\n");
    share.write("a/b/x", "x");
    for path in ["a/c", "skip/in", "shut", "home"] {
        std::fs::create_dir_all(share.path(path)).unwrap();
    }
    share.write("home/.sealift-private", "");
    std::fs::set_permissions(share.path("shut"), PermissionsExt::from_mode(0o000)).unwrap();
    let may_read = std::fs::read_dir(share.path("shut")).is_ok();
    let seen = see(&share);
    std::fs::set_permissions(share.path("shut"), PermissionsExt::from_mode(0o700)).unwrap();
    let expected = ["a/b", "a/c", "a", "shut", ""];
    let left: Vec<_> = expected.into_iter().filter(|path| *path != "shut" || may_read).collect();
    assert_eq!(seen.left, left);
    assert!(may_read || seen.skips("shut", "read"));
    let seen = see_from(&share, &bounds(), "a/c");
    assert_eq!((seen.left, seen.passed), (vec!["a/c".to_owned()], vec!["a".to_owned()]));
    let seen = see_from(&share, &bounds(), "gone");
    assert_eq!((seen.left, seen.passed), (vec![], vec![String::new()]));
}

/// T079
#[cfg(unix)]
#[test]
fn links_are_never_followed() {
    use std::os::unix::fs::symlink;
    let share = Share::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "s").unwrap();
    share.write("real.txt", "x");
    symlink("/etc/passwd", share.path("pw")).unwrap();
    symlink(outside.path(), share.path("dir")).unwrap();
    symlink("dir", share.path("chain")).unwrap();
    symlink("nowhere", share.path("dangling")).unwrap();
    symlink("real.txt", share.path("inside")).unwrap();
    let seen = see(&share);
    assert_eq!(seen.found, ["share/real.txt"]);
    for name in ["pw", "dir", "chain", "dangling", "inside"] {
        assert!(seen.skips(name, "link"), "{name}");
        assert!(see_from(&share, &bounds(), name).found.is_empty());
    }
    assert!(see_from(&share, &bounds(), "dir/secret").found.is_empty());
}

/// T081
#[cfg(target_os = "linux")]
#[test]
fn pipes_sockets_and_devices_never_block() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let share = Share::new();
    share.write("a.txt", "x");
    mknodat(CWD, share.path("pipe"), FileType::Fifo, Mode::from(0o600), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(share.path("socket")).unwrap();
    // Making a device takes rights that a test may not have.
    let device = mknodat(
        CWD,
        share.path("device"),
        FileType::CharacterDevice,
        Mode::from(0o600),
        rustix::fs::makedev(1, 5),
    );
    let seen = see(&share);
    assert_eq!(seen.found, ["share/a.txt"]);
    assert!(seen.skips("pipe", "regular") && seen.skips("socket", "regular"));
    assert!(device.is_err() || seen.skips("device", "regular"));
}

/// T082: only a further name of somebody else's file is refused; that takes two users, so the owner is changed here.
#[cfg(target_os = "linux")]
#[test]
fn hard_links_to_files_of_others_are_left_out() {
    let share = Share::new();
    share.write("mine", "x");
    std::fs::hard_link(share.path("mine"), share.path("again")).unwrap();
    share.write("other", "x");
    std::fs::hard_link(share.path("other"), share.path("other2")).unwrap();
    let changed = std::os::unix::fs::chown(share.path("other"), Some(4711), None).is_ok();
    let seen = see(&share);
    assert!(seen.found.contains(&"share/mine".to_owned()));
    assert!(seen.found.contains(&"share/again".to_owned()));
    if changed {
        assert!(seen.skips("other", "another user") && seen.skips("other2", "another user"));
    }
}

/// T090: each name is offered as it is, or shown with a reason.
#[cfg(target_os = "linux")]
#[test]
fn one_bad_name_never_stops_the_rest() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let share = Share::new();
    let long = "x".repeat(255);
    let good = [
        &long,
        "👩‍🚀",
        "exe.\u{202e}gpj",
        "e\u{301}",
        "\u{e9}",
        "A.txt",
        "a.txt",
        "dot.",
        "space ",
        "-x",
        "CON",
        "aux.txt",
        "COM¹",
        "a:b",
    ];
    for name in good {
        share.write(name, "x");
    }
    let bad: [&[u8]; 5] =
        [b"new\nline", b"esc\x1b]0;x\x07", b"c1\xc2\x9b31m", b"\xff\xfe", b"back\\slash"];
    for name in bad {
        share.write(OsStr::from_bytes(name), "x");
    }
    share.write(Path::new(OsStr::from_bytes(b"bad\xff")).join("inner"), "x");
    let seen = see(&share);
    assert_eq!(seen.found.len(), good.len());
    assert_eq!(seen.skipped.len(), bad.len() + 1);
}

#[test]
fn deep_folders_end_at_the_limit() {
    let share = Share::new();
    let deep: PathBuf = std::iter::repeat_n("d", 70).collect();
    share.write(deep.join("x"), "x");
    let at_limit: PathBuf = std::iter::repeat_n("d", 62).collect();
    share.write(at_limit.join("y"), "y");
    let seen = see(&share);
    assert_eq!(seen.found.len(), 1);
    assert!(seen.found[0].ends_with("/y"));
    assert_eq!(seen.skipped.len(), 1);
}

/// T092
#[test]
fn the_home_of_sealift_is_never_entered() {
    let share = Share::new();
    share.write("home/profile/device.key", "secret");
    share.write("a.txt", "x");
    let home = share.root().stat(Path::new("home")).unwrap();
    let by_identity = Bounds { forbidden: HashSet::from([(home.device, home.inode)]), ..bounds() };
    let by_path = Bounds { closed: vec!["home".into()], ..bounds() };
    for bounds in [by_identity, by_path] {
        let seen = see_from(&share, &bounds, "");
        assert_eq!(seen.found, ["share/a.txt"]);
        assert!(seen.skips("home", "own files"));
        for start in ["home", "home/profile", "home/profile/device.key"] {
            assert!(see_from(&share, &bounds, start).found.is_empty());
        }
    }
}

/// What is in the files makes no difference here.
#[test]
fn a_marked_folder_is_never_entered_at_any_depth_nor_by_any_way() {
    let share = Share::new();
    share.write("a/home/.sealift-private", "");
    share.write("a/home/deep/er/x", "x");
    share.write("b.txt", "x");
    share.write("link/y", "y");
    std::os::unix::fs::symlink("nowhere", share.path("link/.sealift-private")).unwrap();
    std::fs::create_dir_all(share.path("folder/.sealift-private")).unwrap();
    share.write("folder/z", "z");
    let seen = see(&share);
    assert_eq!(seen.found, ["share/b.txt"]);
    assert!(["a/home", "link", "folder"].iter().all(|path| seen.skips(path, "own files")));
    for start in ["a/home", "a/home/deep", "a/home/deep/er/x", "link/y", "folder/.sealift-private"]
    {
        assert!(see_from(&share, &bounds(), start).found.is_empty(), "{start}");
    }
    share.write(".sealift-private", "");
    assert!(see(&share).found.is_empty());
    assert!(see_from(&share, &bounds(), "b.txt").found.is_empty());
}

#[test]
fn rules_hold_for_single_paths_too() {
    let share = Share::new();
    share.write(".sealiftignore", "skip/\n*.tmp\n");
    share.write("skip/a.txt", "x");
    share.write("x.tmp", "x");
    share.write("keep/b.txt", "x");
    assert_eq!(see(&share).found, ["share/keep/b.txt"]);
    for start in ["skip/a.txt", "skip", "x.tmp", ".sealiftignore"] {
        assert!(see_from(&share, &bounds(), start).found.is_empty(), "{start}");
    }
}

/// Does something before a folder is listed, or when something is left out.
struct Meanwhile<F: FnMut(&Path)>(Seen, F);

impl<F: FnMut(&Path)> Visitor for Meanwhile<F> {
    fn entering(&mut self, local: &Path) {
        self.1(local);
    }
    fn found(&mut self, found: Found) {
        self.0.found(found);
    }
    fn leaving(&mut self, local: &Path, stat: &Stat) {
        self.0.leaving(local, stat);
    }
    fn skipped(&mut self, local: &Path, _: Skipped) {
        self.1(local);
    }
}

/// A walk that read the rules of the top folder comes to `m` later; what was forbidden before it was made is never told.
#[test]
fn rules_that_change_during_a_walk_count_for_what_it_has_not_told() {
    let made = |rules: &str, place: &str| {
        let share = Share::new();
        share.write(".sealiftignore", "nothing\n");
        share.write("a.txt", "x");
        share.write("m/plain", "x");
        share.write("m/z/secret.d/plain", "x");
        share.write("m/z/secret.txt", "what was there before");
        std::os::unix::fs::symlink("nowhere", share.path("m/b-link")).unwrap();
        let seen = Meanwhile(Seen::default(), |local: &Path| {
            if local == Path::new(place) {
                share.write("new", rules);
                std::fs::rename(share.path("new"), share.path(".sealiftignore")).unwrap();
                share.write("m/secret.txt", "x");
                share.write("m/z/secret.txt", "x");
            }
        });
        let mut seen = seen;
        walk(&*share.root(), &bounds(), &mut Rules::default(), Path::new(""), &mut seen).unwrap();
        let Seen { found, left, .. } = seen.0;
        (found, left)
    };
    for place in ["m", "m/b-link", "m/z"] {
        let (found, left) = made("secret*\n", place);
        assert_eq!(found, ["share/a.txt", "share/m/plain"], "{place}");
        assert_eq!(left, ["m/z", "m", ""], "{place}");
        let (found, left) = made("m/\n", place);
        assert_eq!((found, left), (vec!["share/a.txt".to_owned()], vec![String::new()]), "{place}");
    }
}

/// Rules are remembered for as long as a walk finds their folder, even where nothing else is in it.
#[tokio::test(start_paused = true)]
async fn rules_of_folders_that_are_gone_are_forgotten() {
    let share = Share::new();
    for folder in ["a", "b/c", "b/d", "e"] {
        share.write(format!("{folder}/.sealiftignore"), "x\n");
    }
    let memory = std::sync::Arc::new(crate::rules::Memory::default());
    let remembered = |start: &str| {
        let (mut rules, mut seen) = (Rules::new(memory.clone()), Seen::default());
        walk(&*share.root(), &bounds(), &mut rules, Path::new(start), &mut seen).unwrap();
        memory.folders()
    };
    assert_eq!(remembered(""), 4);
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    for folder in ["a", "b/c"] {
        std::fs::remove_dir_all(share.path(folder)).unwrap();
    }
    assert_eq!((remembered("b"), remembered("a"), remembered("e")), (3, 2, 2));
    tokio::time::advance(std::time::Duration::from_secs(60)).await;
    std::fs::remove_dir_all(share.path("b")).unwrap();
    assert_eq!(remembered(""), 1);
}
