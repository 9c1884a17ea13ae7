use super::*;
use crate::memory::{MemoryDisk as Memory, Node};
use sealift_proto::manifest::chunk_value;

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 7 % 251) as u8).collect()
}

fn root_of(content: &[u8]) -> Root {
    Root(blake3::hash(content).into())
}

fn landing(memory: &Memory, paths: &[&str]) -> Landing {
    let target = |path: &&str| Target { path: PathBuf::from(path), modified_ms: 1_700_000_000_000 };
    Landing {
        folder: memory.root(),
        place: PathBuf::from("out"),
        targets: paths.iter().map(target).collect(),
        jobs: Mutex::default(),
        written: AtomicU64::new(0),
        resumed: AtomicU64::new(0),
    }
}

fn chunk(content: &[u8], index: u64) -> (&[u8], Option<ChainingValue>) {
    let chunk = content.chunks(1 << 20).nth(index as usize).unwrap_or(&[]);
    (chunk, (content.len() > 1 << 20).then(|| chunk_value(index, chunk)))
}

/// Begins job 0 and writes what is missing; how many chunks that were.
fn fill(landing: &Landing, content: &[u8]) -> u64 {
    let missing = landing.begin(0, root_of(content), content.len() as u64).unwrap();
    let mut written = 0;
    for index in missing.into_iter().flatten() {
        let (chunk, value) = chunk(content, index);
        landing.write(0, index, chunk, value).unwrap();
        written += 1;
    }
    written
}

fn finish(landing: &Landing) -> Result<Landed, Failure> {
    landing.finish(vec![0]).remove(0).1
}

#[test]
fn files_of_every_size_land_whole() {
    for len in [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 5] {
        let memory = Memory::new();
        let landing = landing(&memory, &["a/b/c.bin"]);
        let content = content(len);
        fill(&landing, &content);
        assert_eq!(finish(&landing), Ok(Landed::Done));
        assert_eq!(memory.bytes("a/b/c.bin").unwrap(), content);
        assert_eq!(memory.files(), ["a/b/c.bin"], "nothing is left beside it");
    }
}

#[test]
fn zeros_are_left_as_holes_and_read_as_zeros() {
    let mut content = vec![0; (4 << 20) + 7];
    content[(2 << 20) + 5] = 1;
    let root = root_of(&content);
    // In any order, also over what an earlier process left there.
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 4, 0, 2, 3]] {
        let memory = Memory::new();
        let landing = landing(&memory, &["a"]);
        landing.begin(0, root, content.len() as u64).unwrap();
        let part = memory.files().into_iter().next().unwrap();
        memory.alter(&part, |bytes| bytes.resize(1 << 20, 9));
        drop(landing);
        let landing = self::landing(&memory, &["a"]);
        landing.begin(0, root, content.len() as u64).unwrap();
        for index in order {
            let (chunk, value) = chunk(&content, index);
            landing.write(0, index, chunk, value).unwrap();
        }
        assert_eq!(finish(&landing), Ok(Landed::Done));
        assert!(memory.bytes("a").unwrap() == content, "{order:?}");
    }
}

#[test]
fn nothing_is_overwritten_and_the_same_is_not_fetched_again() {
    let memory = Memory::new();
    memory.put_file("a.txt", b"other");
    memory.put_file("a (1).txt", b"another");
    let landing1 = landing(&memory, &["a.txt"]);
    fill(&landing1, b"wanted");
    assert_eq!(finish(&landing1), Ok(Landed::Done));
    assert_eq!(landing1.landed(0), Some((PathBuf::from("out/a (2).txt"), false)));
    assert_eq!(memory.bytes("a.txt").unwrap(), b"other");
    let again = landing(&memory, &["a.txt"]);
    assert_eq!(fill(&again, b"wanted"), 0);
    assert_eq!(finish(&again), Ok(Landed::Done));
    assert_eq!(again.landed(0), Some((PathBuf::from("out/a (2).txt"), true)));
}

#[test]
fn an_interrupted_file_goes_on_from_its_record() {
    let memory = Memory::new();
    let content = content(5 << 20);
    let root = root_of(&content);
    let first = landing(&memory, &["a"]);
    assert_eq!(first.begin(0, root, 5 << 20).unwrap().as_slice(), std::slice::from_ref(&(0..5)));
    for index in [0, 3] {
        let (chunk, value) = chunk(&content, index);
        first.write(0, index, chunk, value).unwrap();
    }
    first.record().unwrap();
    drop(first);
    let second = landing(&memory, &["a"]);
    assert_eq!(fill(&second, &content), 3);
    assert_eq!(second.resumed(), 2 << 20);
    assert_eq!(finish(&second), Ok(Landed::Done));
    assert_eq!(memory.bytes("a").unwrap(), content);
    assert_eq!(memory.files(), ["a"]);
}

#[test]
fn a_damaged_part_is_found_before_the_name_appears() {
    let memory = Memory::new();
    let content = content(3 << 20);
    let first = landing(&memory, &["a"]);
    fill(&first, &content);
    first.record().unwrap();
    drop(first);
    let part = memory.files().into_iter().find(|name| !name.ends_with(".record")).unwrap();
    memory.alter(&part, |bytes| bytes[(1 << 20) + 7] ^= 1);
    let second = landing(&memory, &["a"]);
    assert_eq!(fill(&second, &content), 0);
    assert_eq!(finish(&second), Ok(Landed::Again));
    assert!(memory.bytes("a").is_none());
    assert_eq!(fill(&second, &content), 3);
    assert_eq!(finish(&second), Ok(Landed::Done));
    assert_eq!(memory.bytes("a").unwrap(), content);
}

#[test]
fn two_at_once_do_not_mix() {
    let memory = Memory::new();
    let content = content(2 << 20);
    let (one, two) = (landing(&memory, &["a"]), landing(&memory, &["a"]));
    assert_eq!((fill(&one, &content), fill(&two, &content)), (2, 2));
    assert_eq!(finish(&one), Ok(Landed::Done));
    assert_eq!(finish(&two), Ok(Landed::Done));
    assert_eq!(memory.bytes("a").unwrap(), content);
    assert_eq!(memory.bytes("a (1)").unwrap(), content);
}

#[test]
fn something_else_in_the_way_is_said() {
    let memory = Memory::new();
    memory.put_file("a", b"a file");
    let failure = landing(&memory, &["a/b"]).begin(0, root_of(b"x"), 1).unwrap_err();
    assert_eq!(failure.exit, Exit::Disk);
    assert!(failure.what.contains("out/a"), "{failure}");
}

#[test]
fn links_and_pipes_are_neither_followed_nor_replaced() {
    let memory = Memory::new();
    memory.put("a", Node::Link);
    memory.put("a (1)", Node::Other);
    memory.put("f", Node::Link);
    let one = landing(&memory, &["a"]);
    fill(&one, b"wanted");
    assert_eq!(finish(&one), Ok(Landed::Done));
    assert_eq!(one.landed(0), Some((PathBuf::from("out/a (2)"), false)));
    let failure = landing(&memory, &["f/b"]).begin(0, root_of(b"x"), 1).unwrap_err();
    assert_eq!(failure.exit, Exit::Disk);
}

#[test]
fn what_is_there_counts_before_room_is_asked_for() {
    let memory = Memory::of_capacity(6 << 20);
    let content = content(5 << 20);
    let root = root_of(&content);
    let first = landing(&memory, &["a"]);
    assert_eq!(first.missing_bytes(0, Some(root), 5 << 20), 5 << 20);
    first.begin(0, root, 5 << 20).unwrap();
    for index in 0..3 {
        let (chunk, value) = chunk(&content, index);
        first.write(0, index, chunk, value).unwrap();
    }
    first.record().unwrap();
    drop(first);
    let second = landing(&memory, &["a"]);
    assert_eq!(second.missing_bytes(0, Some(root), 5 << 20), 2 << 20);
    assert_eq!(fill(&second, &content), 2);
    assert_eq!(finish(&second), Ok(Landed::Done));
    assert_eq!(second.missing_bytes(0, Some(root), 5 << 20), 0);
    assert_eq!(landing(&memory, &["b"]).check_room(u64::MAX).unwrap_err().exit, Exit::Disk);
}

#[test]
fn a_hostile_size_is_refused_before_anything_is_made() {
    let memory = Memory::of_capacity(1 << 30);
    let landing = landing(&memory, &["a"]);
    let failure = landing.begin(0, Root([1; 32]), 1 << 43).unwrap_err();
    assert_eq!(failure.exit, Exit::Disk);
    assert!(landing.begin(0, Root([1; 32]), u64::MAX).is_err());
    assert!(memory.bytes("a").is_none());
}

/// Whatever operation of the disk fails, the name appears only with the whole content.
#[test]
fn a_failing_disk_never_leaves_half_a_file() {
    let content = content((2 << 20) + 9);
    for count in 0.. {
        let memory = Memory::new();
        memory.stop_after(Some(count));
        let landing = landing(&memory, &["f/a"]);
        let whole = (|| {
            let missing = landing.begin(0, root_of(&content), content.len() as u64)?;
            for index in missing.into_iter().flatten() {
                let (chunk, value) = chunk(&content, index);
                landing.write(0, index, chunk, value)?;
            }
            finish(&landing)
        })();
        memory.stop_after(None);
        if let Some(bytes) = memory.bytes("f/a") {
            assert_eq!(bytes, content, "after {count}");
        }
        match whole {
            Ok(_) => return assert!(memory.bytes("f/a").is_some() && count > 5),
            Err(failure) => assert_eq!(failure.exit, Exit::Disk, "{failure}"),
        }
    }
}
