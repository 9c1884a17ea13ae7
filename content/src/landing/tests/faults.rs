use super::*;

/// Lands three files of one chunk and one of several; what became of all.
fn land(landing: &Landing, contents: &[Vec<u8>]) -> Result<(), LandingError> {
    for (job, content) in contents.iter().enumerate() {
        try_fill(landing, job, content)?;
    }
    let ends = landing.finish(&(0..contents.len()).collect::<Vec<_>>());
    ends.into_iter().try_for_each(|(_, end)| end)
}

/// Whatever operation of the disk fails, from there on or once: a name appears only with the whole content, and the same
/// command afterwards ends well and leaves nothing beside the files.
#[test]
fn a_failing_disk_never_leaves_half_a_file() {
    let names = ["f/a", "f/b", "g/c", "f/g/d"];
    let contents = [content((3 << 20) + 9), b"b".to_vec(), Vec::new(), content(1 << 20)];
    for once in [false, true] {
        for count in 0.. {
            let memory = Memory::new();
            let landing = landing(&memory, &names);
            if once {
                memory.fail_at(count)
            } else {
                memory.stop_after(Some(count))
            }
            let ended = land(&landing, &contents);
            let over = ended.is_ok() && !memory.is_failing();
            drop(landing);
            memory.stop_after(None);
            for (name, content) in names.iter().zip(&contents) {
                let there = memory.bytes(name);
                assert!(there.is_none_or(|there| there == *content), "{name} after {count}");
            }
            if let Err(failure) = &ended {
                assert!(matches!(failure, LandingError::Disk { .. }), "{failure}");
            }
            let again = self::landing(&memory, &names);
            assert_eq!(land(&again, &contents), Ok(()), "after {count}");
            drop(again);
            assert_eq!(memory.files().len(), names.len(), "after {count}: {:?}", memory.files());
            if over {
                assert!(count > 20);
                break;
            }
        }
    }
}
