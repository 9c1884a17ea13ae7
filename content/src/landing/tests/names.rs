use super::*;
use sealift_platform::disk::Kind;
use sealift_platform::testing::Node;

#[test]
fn files_of_every_size_land_whole() {
    for len in [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 5] {
        let memory = Memory::new();
        let landing = landing(&memory, &["a/b/c.bin"]);
        let content = content(len);
        fill(&landing, &content);
        assert_eq!(finish(&landing), Ok(()));
        assert_eq!(landing.written(), len as u64);
        drop(landing);
        assert_eq!(memory.bytes("a/b/c.bin").unwrap(), content);
        assert_eq!(memory.files(), ["a/b/c.bin"], "nothing is left beside it");
    }
}

#[test]
fn nothing_is_overwritten_and_the_same_is_not_fetched_again() {
    let memory = Memory::new();
    memory.put_file("a.txt", b"other");
    memory.put_file("a (1).txt", b"another");
    let landing1 = landing(&memory, &["a.txt"]);
    fill(&landing1, b"wanted");
    assert_eq!(finish(&landing1), Ok(()));
    assert_eq!(landing1.landed(0), Some((PathBuf::from("out/a (2).txt"), false)));
    assert_eq!(memory.bytes("a.txt").unwrap(), b"other");
    let again = landing(&memory, &["a.txt"]);
    assert_eq!(begin(&again, 0, b"wanted"), Ok(Begun::default()));
    assert_eq!(finish(&again), Ok(()));
    assert_eq!(again.landed(0), Some((PathBuf::from("out/a (2).txt"), true)));
}

#[test]
fn something_else_in_the_way_is_said() {
    let memory = Memory::new();
    memory.put_file("a", b"a file");
    let failure = begin(&landing(&memory, &["a/b"]), 0, b"x").unwrap_err();
    assert!(
        matches!(&failure, LandingError::InTheWay { place } if place == Path::new("out/a")),
        "{failure}"
    );
}

#[test]
fn links_and_pipes_are_neither_followed_nor_replaced() {
    let memory = Memory::new();
    memory.put("a", Node::Link);
    memory.put("a (1)", Node::Other);
    memory.put("f", Node::Link);
    let one = landing(&memory, &["a"]);
    fill(&one, b"wanted");
    assert_eq!(finish(&one), Ok(()));
    assert_eq!(one.landed(0), Some((PathBuf::from("out/a (2)"), false)));
    let failure = begin(&landing(&memory, &["f/b"]), 0, b"x").unwrap_err();
    assert!(matches!(failure, LandingError::InTheWay { .. }), "{failure}");
}

#[test]
fn of_two_at_once_one_lands_and_the_other_finds_it_there() {
    for len in [5, 2 << 20, 4 << 20] {
        let memory = Memory::new();
        let content = content(len);
        let (one, two) = (landing(&memory, &["a"]), landing(&memory, &["a"]));
        fill(&one, &content);
        fill(&two, &content);
        assert_eq!((finish(&one), finish(&two)), (Ok(()), Ok(())));
        assert_eq!(one.landed(0), Some((PathBuf::from("out/a"), false)));
        assert_eq!(two.landed(0), Some((PathBuf::from("out/a"), true)));
        drop((one, two));
        assert_eq!(memory.bytes("a").unwrap(), content);
        assert_eq!(memory.files(), ["a"]);
    }
}

/// The bits that a file gets, with and without being asked for, whole in one chunk or resumed.
#[test]
fn the_executable_bit_is_set_only_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Platform::system().disk.open(folder.path()).unwrap();
    let mode = |name: &str| disk.stat(Path::new(name)).unwrap().mode;
    std::fs::create_dir(folder.path().join("umask")).unwrap();
    let allowed = mode("umask") & 0o111;
    for len in [3, 3 << 20] {
        for executable in [false, true] {
            let name = format!("{len}-{executable}");
            let mut landing = open(disk.clone(), &[&name]);
            landing.targets[0].executable = executable;
            fill(&landing, &content(len));
            assert_eq!(finish(&landing), Ok(()));
            let expected = if executable { allowed } else { 0 };
            assert_eq!(mode(&name) & 0o7111, expected, "{name}");
        }
    }
}

#[test]
fn times_are_kept_and_clamped() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Platform::system().disk.open(folder.path()).unwrap();
    for (name, time) in [("old", i64::MIN), ("new", i64::MAX), ("usual", 1_234_567_890_123)] {
        for len in [3, 2 << 20] {
            let name = format!("{name}-{len}");
            let mut landing = open(disk.clone(), &[&name]);
            landing.targets[0].modified_ms = time;
            fill(&landing, &content(len));
            assert_eq!(finish(&landing), Ok(()));
            let there = disk.stat(Path::new(&name)).unwrap();
            assert_eq!(there.len, len as u64);
            if time == 1_234_567_890_123 {
                assert_eq!(there.modified_ns, 1_234_567_890_123_000_000);
            }
        }
    }
}

/// As many processes at once as there are threads, all after the same files.
#[test]
fn many_at_once_all_end_well() {
    const LANDINGS: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let disk = Platform::system().disk.open(folder.path()).unwrap();
    let contents = [content(10), content((3 << 20) + 1), content(2 << 20), Vec::new()];
    let names = ["f/small", "f/large", "f/g/two", "empty"];
    let start = std::sync::Barrier::new(LANDINGS);
    let one = || {
        let landing = open(disk.clone(), &names);
        start.wait();
        for (job, content) in contents.iter().enumerate() {
            try_fill(&landing, job, content).unwrap();
        }
        let ends = landing.finish(&[0, 1, 2, 3]);
        assert!(ends.into_iter().all(|(_, end)| end == Ok(())));
        std::array::from_fn::<_, 4, _>(|job| landing.landed(job).unwrap().0)
    };
    let landed: Vec<[PathBuf; 4]> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..LANDINGS).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut all = std::collections::BTreeSet::new();
    for (path, content) in landed.iter().flat_map(|paths| paths.iter().zip(&contents)) {
        let path = folder.path().join(path.strip_prefix("out").unwrap());
        assert_eq!(&std::fs::read(&path).unwrap(), content, "{}", path.display());
        all.insert(path);
    }
    let mut there = 0;
    for within in ["", "f", "f/g"] {
        let listed = disk.list(Path::new(within)).unwrap();
        there += listed.iter().filter(|listed| listed.kind == Kind::File).count();
    }
    assert_eq!(there, all.len(), "nothing else is left");
}

#[test]
fn a_disk_that_renames_over_others_still_keeps_what_is_there() {
    let memory = Memory::that_replaces();
    memory.put_file("a.txt", b"other");
    for (path, content) in [("a.txt", content(9)), ("d/a.bin", content((2 << 20) + 1))] {
        let landing = landing(&memory, &[path]);
        assert!(landing.is_careless());
        fill(&landing, &content);
        assert_eq!(finish(&landing), Ok(()));
    }
    assert_eq!(memory.bytes("a.txt").unwrap(), b"other");
    assert_eq!(memory.files(), ["a (1).txt", "a.txt", "d/a.bin"]);
    assert!(!landing(&Memory::new(), &["a"]).is_careless());
}
