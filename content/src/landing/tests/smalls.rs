use super::*;

const COUNT: usize = 300;

/// Files of all lengths up to one chunk, some empty and some of zeros, in several folders.
fn many() -> (Vec<String>, Vec<Vec<u8>>) {
    let paths = (0..COUNT).map(|i| format!("tree/{}/{i}.txt", i % 40)).collect();
    let bytes = |i: usize| match i % 7 {
        0 => Vec::new(),
        1 => vec![0; i * 3000],
        _ => format!("content {i}").into_bytes(),
    };
    (paths, (0..COUNT).map(bytes).collect())
}

fn land(landing: &Landing, contents: &[Vec<u8>]) -> Vec<(usize, Result<(), LandingError>)> {
    for (job, content) in contents.iter().enumerate() {
        try_fill(landing, job, content).unwrap();
    }
    landing.finish(&(0..contents.len()).collect::<Vec<_>>())
}

fn check_tree(top: &Path, paths: &[String], contents: &[Vec<u8>]) {
    for (path, content) in paths.iter().zip(contents) {
        assert_eq!(&std::fs::read(top.join(path)).unwrap(), content, "{path}");
    }
    let mut count = 0;
    for folder in std::fs::read_dir(top.join("tree")).unwrap() {
        count += std::fs::read_dir(folder.unwrap().path()).unwrap().count();
    }
    assert_eq!(count, paths.len(), "nothing is left beside them");
    assert_eq!(std::fs::read_dir(top).unwrap().count(), 1);
}

#[test]
fn a_batch_lands_on_the_disk_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Platform::system().disk.open(folder.path()).unwrap();
    let (paths, contents) = many();
    let names: Vec<&str> = paths.iter().map(String::as_str).collect();
    let landing = open(disk.clone(), &names);
    assert!(land(&landing, &contents).into_iter().all(|(_, end)| end == Ok(())));
    drop(landing);
    check_tree(folder.path(), &paths, &contents);
    let again = open(disk, &names);
    for (job, content) in contents.iter().enumerate() {
        assert_eq!(begin(&again, job, content), Ok(Begun::default()));
    }
}

#[test]
fn a_batch_costs_no_flush_for_each_file() {
    let memory = Memory::new();
    let (paths, contents) = many();
    let names: Vec<&str> = paths.iter().map(String::as_str).collect();
    let landing = landing(&memory, &names);
    let before = memory.operations();
    assert!(land(&landing, &contents).into_iter().all(|(_, end)| end == Ok(())));
    // Created and written; then folders and a mark, two flushes, and one name for all.
    let files = 2 * COUNT as u64;
    let spent = memory.operations() - before;
    assert!(spent < files + 60, "{spent} operations");
    assert_eq!(memory.files().len(), COUNT + 1, "the mark stays until the end");
}

#[test]
fn leftovers_of_killed_processes_are_removed() {
    let memory = Memory::new();
    let (paths, contents) = many();
    let names: Vec<&str> = paths.iter().map(String::as_str).collect();
    for _ in 0..3 {
        let killed = landing(&memory, &names);
        for (job, content) in contents.iter().enumerate().take(20) {
            try_fill(&killed, job, content).unwrap();
        }
        kill(&memory, killed);
    }
    assert_eq!(memory.files().len(), 3 * 21 - 2 * 21, "each removes what the one before left");
    // Somebody else's files do not go: one that lives, and one that only looks alike.
    let lives = landing(&memory, &names[..1]);
    fill(&lives, &contents[0]);
    let foreign = ".sealift-part-small-0123";
    memory.put_file(foreign, b"x");
    let last = landing(&memory, &names);
    assert!(land(&last, &contents).into_iter().all(|(_, end)| end == Ok(())));
    assert_eq!(finish(&lives), Ok(()));
    drop((last, lives));
    assert!(memory.bytes(foreign).is_some());
    assert_eq!(memory.files().len(), COUNT + 1);
}

#[test]
fn what_never_gets_its_name_goes_with_the_process() {
    let memory = Memory::new();
    let one = landing(&memory, &["f/a", "f/b"]);
    try_fill(&one, 0, b"one").unwrap();
    try_fill(&one, 1, b"two").unwrap();
    // Begun again, with another content.
    try_fill(&one, 0, b"other").unwrap();
    assert_eq!(memory.files().len(), 3);
    assert_eq!(finish(&one), Ok(()));
    drop(one);
    assert_eq!(memory.files(), ["f/a"]);
    assert_eq!(memory.bytes("f/a").unwrap(), b"other");
}

#[test]
fn a_failed_flush_counts_for_all_that_was_written_before_it() {
    let memory = Memory::new();
    let names: Vec<String> = (0..200).map(|i| i.to_string()).collect();
    let landing = landing(&memory, &names.iter().map(String::as_str).collect::<Vec<_>>());
    (0..200).for_each(|job| assert_eq!(try_fill(&landing, job, b"content"), Ok(1)));
    memory.fail_at(0);
    let first = landing.finish(&(0..100).collect::<Vec<_>>());
    assert!(first.iter().all(|(_, end)| end.is_err()));
    // The same flush was to keep the others too; that a second one succeeds says nothing of them.
    let second = landing.finish(&(100..200).collect::<Vec<_>>());
    assert!(second.iter().all(|(_, end)| end.is_err()));
    assert_eq!(memory.files().len(), 1, "only the mark");
    (0..200).for_each(|job| assert_eq!(try_fill(&landing, job, b"content"), Ok(1)));
    let third = landing.finish(&(0..200).collect::<Vec<_>>());
    assert!(third.iter().all(|(_, end)| end.is_ok()));
}
