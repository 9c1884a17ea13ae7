use super::*;

const PATHS: [&str; 4] = ["tree/a", "tree/sub/b", "tree/c", "d"];

fn land(landing: &Landing, jobs: &[usize]) {
    for job in jobs {
        try_fill(landing, *job, PATHS[*job].as_bytes()).unwrap();
    }
    let ends = landing.finish(jobs);
    assert!(ends.iter().all(|(_, end)| end.is_ok()), "{ends:?}");
}

/// All files are there under their names, and nothing else.
fn check(memory: &Memory, landing: Landing) {
    drop(landing);
    let mut wanted: Vec<_> = PATHS.iter().map(|path| (*path).to_owned()).collect();
    wanted.sort_unstable();
    assert_eq!(memory.files(), wanted);
    assert!(memory.root().list(Path::new("")).unwrap().len() == 2, "no folder is left over");
    for path in PATHS {
        assert_eq!(memory.bytes(path).unwrap(), path.as_bytes());
    }
}

#[test]
fn a_new_folder_appears_with_all_that_is_in_it() {
    let memory = Memory::new();
    let landing = landing(&memory, &PATHS);
    for (job, path) in PATHS.iter().enumerate().take(3) {
        try_fill(&landing, job, path.as_bytes()).unwrap();
        assert!(memory.root().stat(Path::new("tree")).is_err());
    }
    land(&landing, &[0, 1, 2, 3]);
    check(&memory, landing);
}

#[test]
fn a_folder_of_which_something_is_still_to_come_fills_file_by_file() {
    let memory = Memory::new();
    let landing = landing(&memory, &PATHS);
    try_fill(&landing, 1, PATHS[1].as_bytes()).unwrap();
    land(&landing, &[0]);
    assert_eq!(memory.bytes("tree/a").unwrap(), b"tree/a");
    assert!(memory.bytes("tree/sub/b").is_none());
    // One that was begun out of sight, one that was not, and one that never is.
    assert_eq!(landing.finish(&[1]), [(1, Ok(()))]);
    land(&landing, &[2]);
    land(&landing, &[3]);
    check(&memory, landing);
}

#[test]
fn a_folder_that_somebody_makes_meanwhile_stays_theirs() {
    let memory = Memory::new();
    let landing = landing(&memory, &PATHS);
    try_fill(&landing, 0, PATHS[0].as_bytes()).unwrap();
    memory.put("tree", sealift_platform::testing::Node::Folder);
    memory.put_file("tree/a", b"theirs");
    land(&landing, &[0, 1, 2, 3]);
    assert_eq!(memory.bytes("tree/a").unwrap(), b"theirs");
    assert_eq!(memory.bytes("tree/a (1)").unwrap(), b"tree/a");
    drop(landing);
    assert_eq!(memory.files().len(), 5);
}

#[test]
fn what_could_not_be_removed_gets_no_name_with_its_folder() {
    let memory = Memory::new();
    let one = landing(&memory, &PATHS);
    try_fill(&one, 0, PATHS[0].as_bytes()).unwrap();
    // What was written is to be removed, and another content to be written, which fails from there on.
    memory.stop_after(Some(0));
    try_fill(&one, 0, b"another content").unwrap_err();
    memory.stop_after(None);
    for job in [1, 2] {
        try_fill(&one, job, PATHS[job].as_bytes()).unwrap();
    }
    assert!(one.finish(&[1, 2]).iter().all(|(_, end)| end.is_ok()));
    assert!(memory.bytes("tree/c").is_some() && memory.bytes("tree/a").is_none());
    land(&one, &[0, 3]);
    check(&memory, one);
}
