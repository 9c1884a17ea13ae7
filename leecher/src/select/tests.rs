use std::sync::Arc;

use sealift_platform::disk::Root as Folder;
use sealift_proto::catalogue::{self, Change, Entry, Root};
use sealift_proto::identity::SecretKey;
use sealift_proto::path::RelativePath;
use sealift_proto::space::SpaceId;

use super::*;
use crate::replica::{LogKey, Update};
use sealift_platform::testing::MemoryDisk;

fn device(number: u8) -> DeviceId {
    SecretKey::from_seed([number; 32]).id()
}

/// The catalogue of seeder `number`: paths with contents; 0 is not hashed yet. Those of folders end with `/`, and have so many
/// names that could not be shared.
fn view(number: u8, files: &[(&str, u8)]) -> LogView {
    let root: Arc<dyn Folder> = MemoryDisk::new().root();
    let space = SpaceId::from_bytes([1; 32]);
    let key = LogKey { space, device: device(number), log: 2 };
    let mut update = Update::begin(&root, &key, [number; 16], 0, 1, false).unwrap().unwrap();
    let changes = files.iter().map(|(path, content)| {
        if let Some(path) = path.strip_suffix('/') {
            let path = RelativePath::new(path).unwrap();
            let unshared = u32::from(*content);
            return Change::Folder(catalogue::Folder { path, modified: 70, unshared, left_out: 0 });
        }
        Change::Put(Entry {
            path: RelativePath::new(*path).unwrap(),
            size: 9,
            modified: i64::from(*content),
            flags: 0,
            root: (*content > 0).then_some(Root([*content; 32])),
        })
    });
    update.apply([0; 32], 0, changes.collect()).unwrap();
    update.commit(vec![1]).unwrap();
    LogView::open(&root, &key).unwrap().unwrap()
}

fn any() -> Choice {
    Choice::default()
}

/// Where files go and how many have each; and how many are left out.
fn files(views: &[LogView], name: &str, choice: &Choice) -> (Vec<(String, usize)>, usize) {
    match select(views, name, choice).unwrap() {
        Selected::Files(Files { files, left_out, .. }) => (
            files.iter().map(|file| (file.out.join("/"), file.offers.len())).collect(),
            left_out.len(),
        ),
        other => panic!("{other:?}"),
    }
}

fn plain(list: &[&str]) -> (Vec<(String, usize)>, usize) {
    (list.iter().map(|name| ((*name).to_owned(), 1)).collect(), 0)
}

#[test]
fn a_name_is_a_path_a_file_name_or_the_end_of_a_path() {
    let views = [view(1, &[("s/d/a.txt", 1), ("s/e/b.txt", 2), ("s/B.txt", 3)])];
    assert_eq!(files(&views, "s/d/a.txt", &any()), plain(&["a.txt"]));
    assert_eq!(files(&views, "a.txt", &any()), plain(&["a.txt"]));
    assert_eq!(files(&views, "d/a.txt", &any()), plain(&["a.txt"]));
    assert_eq!(files(&views, "A.TXT", &any()), plain(&["a.txt"]));
    assert_eq!(files(&views, "b.txt", &any()), plain(&["b.txt"]), "letter case as typed");
    assert_eq!(select(&views, ".txt", &any()).unwrap(), Selected::Nothing);
    assert_eq!(select(&views, "a.txt/", &any()).unwrap(), Selected::Nothing);
    assert_eq!(select(&views, "", &any()).unwrap(), Selected::Nothing);
}

#[test]
fn a_folder_keeps_its_own_name_and_what_is_in_it() {
    let views = [view(1, &[("s/d/a", 1), ("s/d/x/b", 2), ("s/dd", 3), ("s/e/x/c", 4)])];
    let whole = plain(&["d/a", "d/x/b"]);
    assert_eq!(files(&views, "s/d", &any()), whole);
    assert_eq!(files(&views, "d/", &any()), whole);
    assert_eq!(files(&views, "D", &any()), whole);
    assert_eq!(files(&views, "s", &any()).0.len(), 4);
    assert_eq!(
        select(&views, "x", &any()).unwrap(),
        Selected::SeveralFolders(vec!["s/d/x".into(), "s/e/x".into()])
    );
}

#[test]
fn a_glob_lands_below_the_deepest_common_folder() {
    let views = [
        view(1, &[("s/d/a.jpg", 1), ("s/d/x/b.JPG", 2), ("s/c.txt", 3)]),
        view(2, &[("t/c.txt", 4)]),
    ];
    assert_eq!(files(&views, "*.jpg", &any()), plain(&["a.jpg", "x/b.JPG"]));
    assert_eq!(files(&views, "x/*", &any()), plain(&["b.JPG"]));
    assert_eq!(files(&views, "*.txt", &any()), plain(&["s/c.txt", "t/c.txt"]));
    assert_eq!(select(&views, "*.png", &any()).unwrap(), Selected::Nothing);
    assert_eq!(select(&views, "[", &any()).unwrap(), Selected::Nothing);
}

#[test]
fn several_contents_are_never_guessed() {
    let views = [
        view(1, &[("s/a.txt", 1), ("s/same", 7)]),
        view(2, &[("s/a.txt", 2), ("s/same", 7), ("s/own", 8)]),
    ];
    match select(&views, "a.txt", &any()).unwrap() {
        Selected::Several(contents) => {
            assert_eq!(contents.len(), 2);
            assert_eq!(contents[0][0].holding.key.device, device(2), "the newest first");
        }
        other => panic!("{other:?}"),
    }
    let (found, left_out) = files(&views, "s", &any());
    assert_eq!(found, [("s/own".into(), 1), ("s/same".into(), 2)]);
    assert_eq!(left_out, 1);
    let from = Choice { from: Some([device(1)].into()), hash: None };
    assert_eq!(files(&views, "a.txt", &from), plain(&["a.txt"]));
    let hash = Choice { from: None, hash: Some("0202".into()) };
    assert_eq!(files(&views, "s/a.txt", &hash), plain(&["a.txt"]));
    assert_eq!(files(&views, "s", &from), plain(&["s/a.txt", "s/same"]));
}

#[test]
fn files_of_one_name_in_two_folders_are_several() {
    let views = [view(1, &[("s/a/x", 1), ("s/b/x", 2), ("s/a/y", 3), ("s/b/y", 3)])];
    assert!(matches!(select(&views, "x", &any()).unwrap(), Selected::Several(_)));
    assert_eq!(files(&views, "y", &any()), (vec![("y".into(), 2)], 0), "one content");
    assert_eq!(files(&views, "a/x", &any()), plain(&["x"]));
}

#[test]
fn what_is_not_read_yet_counts_only_where_it_is_alone_or_differs() {
    let alone = [view(1, &[("s/a", 0)])];
    assert_eq!(files(&alone, "a", &any()), plain(&["a"]));
    let agreed = [view(1, &[("s/a", 0)]), view(2, &[("s/a", 5)])];
    assert_eq!(files(&agreed, "a", &any()), plain(&["a"]));
    let two = [view(1, &[("s/a", 0)]), view(2, &[("s/a", 0)])];
    assert!(matches!(select(&two, "a", &any()).unwrap(), Selected::Several(_)));
}

/// Which folders are made, and of which others so many names are not shared by which seeder.
fn folders(views: &[LogView], name: &str, choice: &Choice) -> (Vec<String>, Vec<(u64, DeviceId)>) {
    match select(views, name, choice).unwrap() {
        Selected::Files(found) => (
            found.folders.iter().map(|empty| empty.out.join("/")).collect(),
            found.unshared.iter().map(|unshared| (unshared.names, unshared.key.device)).collect(),
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn empty_folders_come_along_and_what_is_not_shared_is_counted() {
    let shared = [("s/", 1), ("s/a/x", 1), ("s/a/", 2), ("s/a/e/", 0), ("s/b/", 3), ("s/c/d/", 0)];
    let views = [view(1, &shared), view(2, &[("s/c/d/y", 1), ("s/f/", 0)])];
    let (one, two) = (device(1), device(2));
    let made = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(folders(&views, "s", &any()), (made(&["s/a/e", "s/b", "s/f"]), vec![(6, one)]));
    assert_eq!(folders(&views, "s/a/", &any()), (made(&["a/e"]), vec![(2, one)]));
    assert_eq!(folders(&views, "b", &any()), (made(&["b"]), vec![(3, one)]));
    assert_eq!(files(&views, "b", &any()), plain(&[]));
    assert_eq!(folders(&views, "s/c", &any()), (made(&[]), vec![]), "somebody has a file in it");
    let from = Choice { from: Some([one].into()), hash: None };
    assert_eq!(folders(&views, "s/c", &from).0, made(&["c/d"]));
    let from = Choice { from: Some([two].into()), hash: None };
    assert_eq!(folders(&views, "s", &from), (made(&["s/f"]), vec![]));
    // Of a content no folder is, and a glob asks for what fits it.
    let hash = Choice { hash: Some("0101".into()), from: None };
    assert_eq!(folders(&views, "s", &hash), (made(&[]), vec![]));
    assert_eq!(folders(&views, "?", &any()).0, made(&["a/e", "b", "f"]));
    assert_eq!(files(&views, "?", &any()), plain(&["a/x", "c/d/y"]));
}

#[test]
fn an_empty_folder_gives_way_to_a_file() {
    let views = [view(1, &[("s/m/", 0), ("s/n/", 0)]), view(2, &[("s/m", 1)])];
    assert_eq!(folders(&views, "s", &any()).0, ["s/n"]);
    assert_eq!(folders(&views, "*", &any()).0, ["n"]);
    let from = Choice { from: Some([device(1)].into()), hash: None };
    assert_eq!(folders(&views, "s", &from).0, ["s/m", "s/n"]);
}
