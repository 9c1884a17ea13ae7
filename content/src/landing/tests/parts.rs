use super::*;

/// Begins job 0 and writes the chunks `indices`.
fn write(landing: &Landing, content: &[u8], indices: &[u64]) {
    begin(landing, 0, content).unwrap();
    for index in indices {
        landing.write(0, *index, chunk(content, *index)).unwrap();
    }
}

#[test]
fn zeros_are_left_as_holes_and_read_as_zeros() {
    let mut content = vec![0; (4 << 20) + 7];
    content[(2 << 20) + 5] = 1;
    // In any order, also over what an earlier process left there.
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 4, 0, 2, 3]] {
        let memory = Memory::new();
        let first = landing(&memory, &["a"]);
        begin(&first, 0, &content).unwrap();
        let part = part_of(&memory);
        kill(&memory, first);
        memory.alter(&part, |bytes| bytes.resize(1 << 20, 9));
        let landing = landing(&memory, &["a"]);
        write(&landing, &content, &order);
        assert_eq!(finish(&landing), Ok(()));
        assert!(memory.bytes("a").unwrap() == content, "{order:?}");
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_wrote() {
    let memory = Memory::new();
    let content = content(5 << 20);
    let first = landing(&memory, &["a"]);
    write(&first, &content, &[0, 3]);
    kill(&memory, first);
    let second = landing(&memory, &["a"]);
    let begun = begin(&second, 0, &content).unwrap();
    assert_eq!((begun.missing, begun.earlier), (vec![1..3, 4..5], vec![0..1, 3..4]));
    assert_eq!(fill(&second, &content), 3);
    assert_eq!(second.resumed(), 2 << 20);
    assert_eq!(finish(&second), Ok(()));
    assert_eq!(memory.bytes("a").unwrap(), content);
    assert_eq!(memory.files(), ["a"]);
}

#[test]
fn a_job_begun_again_goes_on() {
    let memory = Memory::new();
    let content = content(4 << 20);
    let landing = landing(&memory, &["a"]);
    write(&landing, &content, &[1]);
    let begun = begin(&landing, 0, &content).unwrap();
    assert_eq!((begun.missing, begun.earlier), (vec![0..1, 2..4], vec![]));
    write(&landing, &content, &[0, 2, 3]);
    let begun = begin(&landing, 0, &content).unwrap();
    assert_eq!((begun.missing, begun.earlier.as_slice()), (vec![], std::slice::from_ref(&(0..4))));
    assert!(finish(&landing).is_err(), "not verified again");
    assert_eq!(fill(&landing, &content), 0);
    assert_eq!(finish(&landing), Ok(()));
    // Something else under the name begins from nothing.
    let other = self::content((3 << 20) + 1);
    let landing = self::landing(&memory, &["b"]);
    write(&landing, &content, &[0, 1]);
    assert_eq!(fill(&landing, &other), 4);
    assert_eq!(finish(&landing), Ok(()));
    assert_eq!(memory.bytes("b").unwrap(), other);
}

#[test]
fn a_damaged_chunk_is_missing_alone() {
    let content = content((5 << 20) + 3);
    for damaged in 0..6 {
        let memory = Memory::new();
        let first = landing(&memory, &["a"]);
        write(&first, &content, &[0, 1, 2, 3, 4, 5]);
        kill(&memory, first);
        let part = part_of(&memory);
        memory.alter(&part, |bytes| bytes[(damaged << 20) + 2] ^= 1);
        let second = landing(&memory, &["a"]);
        assert_eq!(fill(&second, &content), 1);
        assert_eq!(finish(&second), Ok(()));
        assert_eq!(memory.bytes("a").unwrap(), content);
    }
}

#[test]
fn a_truncated_part_costs_what_is_missing() {
    let memory = Memory::new();
    let content = content(6 << 20);
    let first = landing(&memory, &["a"]);
    write(&first, &content, &[0, 1, 2, 3, 4]);
    kill(&memory, first);
    memory.alter(&part_of(&memory), |bytes| bytes.truncate((2 << 20) + 1));
    let second = landing(&memory, &["a"]);
    assert_eq!(fill(&second, &content), 4);
    assert_eq!(finish(&second), Ok(()));
    assert_eq!(memory.bytes("a").unwrap(), content);
}

#[test]
fn a_part_that_was_touched_before_it_is_finished_does_not_land() {
    let memory = Memory::new();
    let content = content(3 << 20);
    let landing = landing(&memory, &["a"]);
    fill(&landing, &content);
    memory.alter(&part_of(&memory), |bytes| bytes.push(0));
    assert!(matches!(finish(&landing), Err(LandingError::Disk { .. })));
    assert!(memory.bytes("a").is_none());
}

#[test]
fn the_part_of_another_file_is_never_taken_for_this_one() {
    let (one, two) = (content(4 << 20), vec![7; 4 << 20]);
    let memory = Memory::new();
    let first = landing(&memory, &["a"]);
    write(&first, &one, &[0, 1]);
    kill(&memory, first);
    let (left, record) = (part_of(&memory), format!("{}.record", part_of(&memory)));
    let (bytes, noted) = (memory.bytes(&left).unwrap(), memory.bytes(&record).unwrap());
    let memory = Memory::new();
    let second = landing(&memory, &["a"]);
    write(&second, &two, &[3]);
    kill(&memory, second);
    // With the other's record too: it names another content.
    let part = part_of(&memory);
    memory.put_file(&part, &bytes);
    memory.put_file(&format!("{part}.record"), &noted);
    let third = landing(&memory, &["a"]);
    assert_eq!(fill(&third, &two), 4);
    assert_eq!(finish(&third), Ok(()));
    assert!(memory.bytes("a").unwrap() == two);
    assert_eq!(memory.files(), ["a"]);
}

#[test]
fn the_record_of_another_version_is_ignored() {
    let memory = Memory::new();
    let content = content(4 << 20);
    let first = landing(&memory, &["a"]);
    write(&first, &content, &[0, 1]);
    kill(&memory, first);
    memory.alter(&format!("{}.record", part_of(&memory)), |bytes| bytes[15] = b'9');
    let second = landing(&memory, &["a"]);
    assert_eq!(fill(&second, &content), 4);
    assert_eq!(finish(&second), Ok(()));
    assert_eq!(memory.files(), ["a"]);
}

#[test]
fn a_part_with_a_further_name_is_left_alone() {
    let memory = Memory::new();
    let content = content(3 << 20);
    let first = landing(&memory, &["a"]);
    write(&first, &content, &[0, 1]);
    kill(&memory, first);
    let part = part_of(&memory);
    memory.link_further(&part);
    let second = landing(&memory, &["a"]);
    assert_eq!(fill(&second, &content), 3);
    assert_eq!(finish(&second), Ok(()));
    assert_eq!(memory.bytes("a").unwrap(), content);
    assert!(memory.bytes(&part).is_some());
}

#[test]
fn of_two_parts_left_the_fuller_is_used_and_the_other_removed() {
    let memory = Memory::new();
    let content = content(8 << 20);
    let (one, two) = (landing(&memory, &["a"]), landing(&memory, &["a"]));
    write(&one, &content, &[0]);
    write(&two, &content, &[1, 2, 3]);
    kill(&memory, one);
    kill(&memory, two);
    let third = landing(&memory, &["a"]);
    assert_eq!(third.missing_bytes(0, Some(root_of(&content)), 8 << 20), 5 << 20);
    assert_eq!(fill(&third, &content), 5);
    assert_eq!(finish(&third), Ok(()));
    assert_eq!(memory.files(), ["a"]);
}

#[test]
fn what_is_there_counts_before_room_is_asked_for() {
    let memory = Memory::of_capacity(6 << 20);
    let content = content(5 << 20);
    let root = root_of(&content);
    let first = landing(&memory, &["a"]);
    assert_eq!(first.missing_bytes(0, Some(root), 5 << 20), 5 << 20);
    write(&first, &content, &[0, 1, 2]);
    kill(&memory, first);
    let second = landing(&memory, &["a"]);
    assert_eq!(second.missing_bytes(0, Some(root), 5 << 20), 2 << 20);
    assert_eq!(fill(&second, &content), 2);
    assert_eq!(finish(&second), Ok(()));
    assert_eq!(second.missing_bytes(0, Some(root), 5 << 20), 0);
    let room = landing(&memory, &["b"]).check_room(u64::MAX);
    assert!(matches!(room, Err(LandingError::NoRoom { needed: u64::MAX, .. })));
}

#[test]
fn room_is_promised_once() {
    // The records take some of it.
    let memory = Memory::of_capacity((10 << 20) + 4096);
    let landing = landing(&memory, &["a", "b", "c"]);
    let (one, two) = (content(6 << 20), vec![7; 5 << 20]);
    begin(&landing, 0, &one).unwrap();
    assert!(matches!(begin(&landing, 1, &two), Err(LandingError::NoRoom { .. })));
    // What is let go of is free again, what is written is not.
    begin(&landing, 0, &two).unwrap();
    begin(&landing, 1, &two).unwrap();
    try_fill(&landing, 0, &two).unwrap();
    assert!(begin(&landing, 2, &vec![8; 2 << 20]).is_err());
    assert_eq!(landing.promised.load(Ordering::Relaxed), 5 << 20);
    try_fill(&landing, 1, &two).unwrap();
    assert!(landing.finish(&[0, 1]).into_iter().all(|(_, end)| end == Ok(())));
    assert_eq!(landing.promised.load(Ordering::Relaxed), 0);
}

#[test]
fn a_hostile_size_is_refused_before_anything_is_made() {
    let memory = Memory::of_capacity(1 << 30);
    let landing = landing(&memory, &["a"]);
    let failure = landing.begin(0, Root([1; 32]), 1 << 43).unwrap_err();
    assert!(matches!(failure, LandingError::NoRoom { .. }), "{failure}");
    assert!(landing.begin(0, Root([1; 32]), u64::MAX).is_err());
    assert!(memory.files().is_empty());
}

/// 16 TiB of holes on the machine's disk, of which nearly nothing is written.
#[test]
fn the_largest_file_costs_a_few_bits_for_each_chunk() {
    let layout = sealift_proto::manifest::Layout::new(sealift_proto::manifest::FILE_MAX).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let disk = Platform::system().disk.open(folder.path()).unwrap();
    let wanted =
        claim::Wanted { folder: &*disk, target: Path::new("a"), root: Root([1; 32]), layout };
    let last = layout.chunks() - 1;
    let promised = Arc::new(AtomicU64::new(0));
    let part = Part::claim(&disk, &wanted, &promised).unwrap();
    assert_eq!(part.begun().missing.as_slice(), std::slice::from_ref(&(0..last + 1)));
    part.write(0, &vec![7; 1 << 20]).unwrap();
    // As long as a file may be here, which is less than 16 TiB on some disks.
    let far = 1 << 20;
    part.write(far, &vec![8; 1 << 20]).unwrap();
    assert_eq!(promised.load(Ordering::Relaxed), layout.size() - (2 << 20));
    drop(part);
    assert_eq!(promised.load(Ordering::Relaxed), 0);
    let part = Part::claim(&disk, &wanted, &promised).unwrap();
    assert_eq!(part.begun().earlier, [0..1, far..far + 1]);
    assert_eq!(part.begun().missing, [1..far, far + 1..last + 1]);
    assert_eq!(part.check(far, &|bytes| bytes == [8; 1 << 20]).unwrap(), Some(1 << 20));
}

/// A file that is as long as it is to be from the start: what lies behind the last recorded chunk is still no part of it.
#[test]
fn zeros_in_a_large_file_stay_zeros_over_what_a_killed_process_left() {
    let mut content = vec![0; (66 << 20) + 5];
    (0..2).for_each(|at| content[(at << 20) + 3] = 1);
    let memory = Memory::new();
    let first = landing(&memory, &["a"]);
    write(&first, &content, &[0, 1, 2]);
    assert_eq!(memory.bytes(&part_of(&memory)).unwrap().len(), content.len());
    kill(&memory, first);
    // Written, and not recorded any more.
    memory.alter(&part_of(&memory), |bytes| bytes[9 << 20..12 << 20].fill(7));
    let second = landing(&memory, &["a"]);
    assert_eq!(
        begin(&second, 0, &content).unwrap().earlier.as_slice(),
        std::slice::from_ref(&(0..3))
    );
    assert_eq!(fill(&second, &content), 64);
    assert_eq!(finish(&second), Ok(()));
    assert!(memory.bytes("a").unwrap() == content);
}
