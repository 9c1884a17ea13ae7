use super::super::empty::{EmptyTarget, make_folders, make_in};
use super::super::folders::Trouble;
use super::*;
use sealift_platform::testing::Node;

fn empties(paths: &[&str]) -> Vec<EmptyTarget> {
    paths.iter().map(|path| EmptyTarget { path: path.into(), modified_ms: -7 }).collect()
}

#[test]
fn empty_folders_are_made_with_their_times_and_never_through_a_link() {
    let memory = Memory::new();
    memory.put("there", Node::Folder);
    memory.put("link", Node::Link);
    memory.put_file("file", b"x");
    let targets = empties(&["a/b", "there", "a/c", "link/x", "file", "there/new"]);
    let (ends, unsynced) = make_in(&memory.root(), &targets);
    let in_the_way = |end: &Result<bool, Trouble>| matches!(end, Err(Trouble::InTheWay(_)));
    assert!(matches!(ends[..3], [Ok(false), Ok(true), Ok(false)]), "{ends:?}");
    assert!(ends[3..5].iter().all(in_the_way) && matches!(ends[5], Ok(false)), "{ends:?}");
    let expected = [("a", None), ("a/b", Some(-7_000_000)), ("a/c", Some(-7_000_000))];
    let others = [("there", None), ("there/new", Some(-7_000_000))];
    let expected = expected.into_iter().chain(others).map(|(path, time)| (path.to_owned(), time));
    assert_eq!(memory.folders(), expected.collect::<Vec<_>>());
    let unsynced: Vec<_> = unsynced.iter().map(|path| path.to_str().unwrap()).collect();
    assert_eq!(unsynced, ["", "a", "there"]);
    assert_eq!(memory.bytes("file").unwrap(), b"x");
}

#[cfg(unix)]
#[test]
fn an_empty_folder_is_made_on_this_machine_but_not_outside() {
    use std::os::unix::fs::symlink;
    let (out, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    symlink(outside.path(), out.path().join("link")).unwrap();
    let targets = empties(&["d/e", "link/x"]);
    let make = || make_folders(&Platform::system(), out.path(), &targets).unwrap();
    let ends = make();
    assert_eq!(ends[0], Ok(false));
    assert!(matches!(ends[1], Err(LandingError::InTheWay { .. })));
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    let disk = Platform::system().disk.open(out.path()).unwrap();
    assert_eq!(disk.stat(Path::new("d/e")).unwrap().modified_ns, -7_000_000);
    assert_eq!(make()[0], Ok(true));
}

/// What a full or failing disk says of each is told of that one.
#[test]
fn each_failure_is_told_of_its_folder() {
    let memory = Memory::new();
    memory.fail_at(1);
    let (ends, _) = make_in(&memory.root(), &empties(&["a", "b"]));
    assert!(
        matches!(&ends[..], [Err(Trouble::Disk(path, _)), Ok(false)] if path == Path::new("a"))
    );
}
