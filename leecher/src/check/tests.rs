use std::path::Path;
use std::sync::Arc;

use sealift_platform::disk::Root as Folder;
use sealift_proto::catalogue::{self, Change, Entry};
use sealift_proto::identity::SecretKey;
use sealift_proto::path::RelativePath;
use sealift_proto::space::SpaceId;

use super::*;
use crate::replica::{LogKey, Update};
use sealift_platform::testing::{MemoryDisk, Node};

/// The catalogue of seeder `number`: paths with contents, or of folders with a `/` at the end; an empty content is not hashed yet
/// and said to be 3 bytes long.
fn view(number: u8, files: &[(&str, &str)]) -> LogView {
    let root: Arc<dyn Folder> = MemoryDisk::new().root();
    let space = SpaceId::from_bytes([1; 32]);
    let key = LogKey { space, device: SecretKey::from_seed([number; 32]).id(), log: 2 };
    let mut update = Update::begin(&root, &key, [number; 16], 0, 1, false).unwrap().unwrap();
    let mut files = files.to_vec();
    files.sort_unstable();
    let changes = files.iter().map(|(path, content)| {
        if let Some(folder) = path.strip_suffix('/') {
            let path = RelativePath::new(folder).unwrap();
            return Change::Folder(catalogue::Folder {
                path,
                modified: 0,
                unshared: 1,
                left_out: 0,
            });
        }
        Change::Put(Entry {
            path: RelativePath::new(*path).unwrap(),
            size: if content.is_empty() { 3 } else { content.len() as u64 },
            modified: 0,
            flags: 0,
            root: (!content.is_empty()).then(|| Root(blake3::hash(content.as_bytes()).into())),
        })
    });
    update.apply([0; 32], 0, changes.collect()).unwrap();
    update.commit(vec![1]).unwrap();
    LogView::open(&root, &key).unwrap().unwrap()
}

/// Files of this machine in the folder `above`.
fn local(above: &str, files: &[(&str, &str)]) -> Local {
    let disk = MemoryDisk::new();
    let mut found = Vec::new();
    let mut folders = HashSet::new();
    for (path, content) in files {
        for folder in Path::new(path).ancestors().skip(1).filter(|p| !p.as_os_str().is_empty()) {
            disk.put(folder.to_str().unwrap(), Node::Folder);
            folders.insert(folder.to_str().unwrap().to_owned());
        }
        disk.put_file(path, content.as_bytes());
        let (path, text, size) =
            (PathBuf::from(path), Some((*path).to_owned()), content.len() as u64);
        found.push(LocalFile { path, text, size });
    }
    found.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Local {
        folder: disk.root(),
        above: above.split('/').map(str::to_owned).collect(),
        single: false,
        files: found,
        folders,
        skipped: Vec::new(),
        unreadable: Vec::new(),
    }
}

async fn findings(views: &[LogView], local: Local, with: Option<&str>) -> Vec<Finding> {
    let plan = Plan::new(views, local, with).unwrap();
    let mut hashing = hash::Hashing::start(plan.local.folder.clone(), plan.to_hash());
    let mut outcomes = HashMap::new();
    while let Some(some) = hashing.next().await.unwrap() {
        outcomes.extend(some);
    }
    assert_eq!(hashing.read(), plan.bytes_to_hash());
    plan.judge(views, outcomes).unwrap()
}

/// Path and state of all findings, in words.
async fn found(views: &[LogView], local: Local, with: Option<&str>) -> Vec<String> {
    let findings = findings(views, local, with).await;
    findings.iter().map(|f| format!("{} {:?}", f.path.display(), f.state)).collect()
}

fn share() -> LogView {
    view(
        1,
        &[
            ("share/photos/a.jpg", "aaa"),
            ("share/photos/x/b.jpg", "bbbb"),
            ("share/photos/new.jpg", ""),
            ("share/other/a.jpg", "other"),
            ("share/report.pdf", "report"),
        ],
    )
}

#[tokio::test]
async fn a_folder_is_compared_by_place() {
    let views = [share()];
    let photos = [("a.jpg", "aaa"), ("x/b.jpg", "bad!"), ("new.jpg", "123"), ("own.txt", "?????")];
    let expected =
        ["a.jpg Same", "new.jpg Unread", "own.txt Unknown", "x/b.jpg Differs"].map(String::from);
    assert_eq!(found(&views, local("home/photos", &photos), None).await, expected);
    // Below the path looked at, and next to other things.
    let out: Vec<_> = photos.iter().map(|(path, c)| (format!("in/photos/{path}"), *c)).collect();
    let out: Vec<_> = out.iter().map(|(path, content)| (path.as_str(), *content)).collect();
    let expected = expected.map(|line| format!("in/photos/{line}"));
    assert_eq!(found(&views, local("home/out", &out), None).await, expected);
    // Under another name it has to be said.
    let renamed = local("home/backup", &photos[..2]);
    let expected = ["a.jpg Same", "new.jpg Missing", "x/b.jpg Differs"];
    assert_eq!(found(&views, renamed, Some("share/photos")).await, expected);
}

#[tokio::test]
async fn what_is_not_here_is_missing() {
    let views = [share(), view(2, &[("share/photos/late.jpg", "l"), ("photos/else", "e")])];
    let findings = findings(&views, local("photos", &[("a.jpg", "aaa")]), None).await;
    let missing: Vec<_> = findings.iter().filter(|f| f.state == State::Missing).collect();
    let shared: Vec<_> = missing.iter().filter_map(|f| f.shared.as_deref()).collect();
    assert_eq!(shared, ["share/photos/late.jpg", "share/photos/new.jpg", "share/photos/x/b.jpg"]);
    assert_eq!(missing[2].path, Path::new("x/b.jpg"));
    assert_eq!(missing[2].size, 4);
}

#[tokio::test]
async fn empty_folders_are_there_or_missing() {
    let shared = [("s/d/a", "one"), ("s/d/e/", ""), ("s/d/f/g/", ""), ("s/d/", ""), ("s/d/x/", "")];
    let views = [view(1, &shared), view(2, &[("s/d/x/b", "b")])];
    let here = [("a", "one"), ("e/own", "o")];
    let expected = ["a Same", "e Same", "e/own Unknown", "f/g Missing", "x/b Missing"];
    assert_eq!(found(&views, local("d", &here), None).await, expected);
    // A file is none.
    let expected = ["a Same", "e Unknown", "e Missing", "f/g Missing", "x/b Missing"];
    assert_eq!(found(&views, local("d", &[("a", "one"), ("e", "?")]), None).await, expected);
    let only = [view(1, &[("s/d/", "")])];
    assert!(Plan::new(&only, local("x", &[]), Some("s")).unwrap().states_anything());
}

#[tokio::test]
async fn the_folder_counts_that_fits_best() {
    let views = [view(
        1,
        &[("one/d/a", "1"), ("two/d/a", "2"), ("two/d/b", "3"), ("out/d/a", "4"), ("z/d/c", "5")],
    )];
    let copies = |above: &str, files: &[(&str, &str)]| {
        Plan::new(&views, local(above, files), None).unwrap().copies
    };
    let copy = |local: &str, folder: &str| Copy {
        local: local.into(),
        place: local.into(),
        folder: folder.into(),
    };
    assert_eq!(copies("d", &[("a", "2"), ("b", "3")]), [copy("", "two/d")]);
    // As many files fit in three of them: names above decide, else the first by path.
    assert_eq!(copies("one/d", &[("a", "2")]), [copy("", "one/d")]);
    assert_eq!(copies("two/d", &[("a", "2")]), [copy("", "two/d")]);
    assert_eq!(copies("x/d", &[("a", "2")]), [copy("", "one/d")]);
    // The outermost counts, and a name alone does not make a copy.
    assert_eq!(copies("out", &[("d/a", "2")]), [copy("", "out")]);
    assert_eq!(
        copies("x", &[("d/a", "2"), ("e/d/b", "3")]),
        [copy("d", "one/d"), copy("e/d", "two/d")]
    );
    assert_eq!(copies("d", &[("other", "2")]), []);
}

#[tokio::test]
async fn single_downloads_are_known_by_content_and_name() {
    let views = [share()];
    let out = [
        ("report.pdf", "report"),
        ("a (1).jpg", "other"),
        ("notes", "n"),
        ("deep/report.pdf", "tropex"),
    ];
    // Deep below, a name says nothing.
    let expected =
        ["a (1).jpg Same", "deep/report.pdf Unknown", "notes Unknown", "report.pdf Same"];
    assert_eq!(found(&views, local("out", &out), None).await, expected);
    for broken in ["retort", "short", "report and more"] {
        let out = local("out", &[("report.pdf", broken)]);
        let findings = findings(&views, out, None).await;
        assert_eq!(findings[0].state, State::Differs, "{broken}");
        assert_eq!(findings[0].shared.as_deref(), Some("share/report.pdf"));
    }
    let single = || Local { single: true, ..local("photos", &[("a.jpg", "other")]) };
    assert_eq!(found(&views, single(), None).await, ["a.jpg Same"]);
    assert_eq!(found(&views, single(), Some("share/photos/a.jpg")).await, ["a.jpg Differs"]);
    assert_eq!(found(&views, single(), Some("share/other/a.jpg")).await, ["a.jpg Same"]);
    assert!(!Plan::new(&views, single(), Some("share/nothing")).unwrap().states_anything());
}

#[tokio::test]
async fn names_changed_on_landing_are_matched() {
    let views = [view(1, &[("s/CON/a:b?.txt", "one"), ("s/CON/aux", "two"), ("s/CON/50%41", "x")])];
    let here = [("a%3Ab%3F.txt", "one"), ("%61ux", "twO"), ("50%41", "x")];
    let expected = ["%61ux Differs", "50%41 Same", "a%3Ab%3F.txt Same"];
    assert_eq!(found(&views, local("%43ON", &here), None).await, expected);
    // And those that were kept.
    let kept = [("a:b?.txt", "one"), ("aux", "two"), ("50%41", "x")];
    assert_eq!(
        found(&views, local("CON", &kept), None).await,
        ["50%41 Same", "a:b?.txt Same", "aux Same"]
    );
}

#[tokio::test]
async fn any_of_several_contents_is_right_and_an_unreadable_file_is_told() {
    let views = [view(1, &[("d/a", "one"), ("d/b", "b")]), view(2, &[("d/a", "two")])];
    for (content, state) in [("one", "a Same"), ("two", "a Same"), ("six", "a Differs")] {
        assert_eq!(found(&views, local("d", &[("a", content), ("b", "b")]), None).await[0], state);
    }
    let mut gone = local("d", &[("a", "one"), ("b", "b")]);
    gone.folder = MemoryDisk::new().root();
    gone.unreadable.push(("closed".into(), std::io::ErrorKind::PermissionDenied.into()));
    let findings = findings_without_reading(&views, gone).await;
    let states: Vec<_> = findings.iter().map(|f| (f.state, f.why.is_some())).collect();
    assert_eq!(states, [(State::Unreadable, true); 3]);
}

/// As [`findings`], where not all that should be read can be.
async fn findings_without_reading(views: &[LogView], local: Local) -> Vec<Finding> {
    let plan = Plan::new(views, local, None).unwrap();
    let mut hashing = hash::Hashing::start(plan.local.folder.clone(), plan.to_hash());
    let mut outcomes = HashMap::new();
    while let Some(some) = hashing.next().await.unwrap() {
        outcomes.extend(some);
    }
    plan.judge(views, outcomes).unwrap()
}
