use super::*;

fn print(inode: u64) -> Print {
    Print { size: KEY_MAX + 1, modified_ns: -1, changed_ns: 2, inode, device: 1 }
}

fn name(text: &str) -> Name {
    text.into()
}

#[test]
fn a_file_goes_from_found_to_hashed_to_gone() {
    let mut index = Index::default();
    let a = name("s/a");
    assert_eq!(index.found(&a, print(1), 0o755, None, 1), Verdict::Fresh(true));
    assert_eq!(index.status(), Status { waiting: 1, files: 1, scanning: false });
    assert_eq!(index.entry("s/a").unwrap().root, None);
    assert_eq!(index.settled("s/a"), Some(print(1)));
    assert!(!index.hashed(&a, &print(2), Root([1; 32])));
    assert!(index.hashed(&a, &print(1), Root([1; 32])));
    let entry = index.entry("s/a").unwrap();
    assert_eq!((entry.root, entry.flags, entry.modified), (Some(Root([1; 32])), 1, -1));
    assert_eq!(index.with_root(&Root([1; 32])), [(a.clone(), print(1))]);
    assert_eq!(index.take_dirty(9), std::slice::from_ref(&a));
    assert_eq!(
        index.found(&a, print(1), 0o755, None, 2),
        Verdict::Same(State::Hashed(Root([1; 32])))
    );
    assert!(!index.is_dirty());
    assert_eq!(index.sweep("s", 3), 1);
    assert!(index.with_root(&Root([1; 32])).is_empty() && index.is_dirty());
    assert_eq!(index.status(), Status::default());
}

#[test]
fn what_may_be_a_copy_of_a_key_is_named_only_when_it_was_read() {
    let mut index = Index::default();
    let (key, large) = (name("s/key"), name("s/large"));
    index.found(&key, print(1), 0o600, None, 1);
    assert!(index.entry("s/key").is_none());
    index.hashed(&key, &print(1), Root([1; 32]));
    assert!(index.entry("s/key").is_some());
    index.found(&large, Print { size: QUIET_MAX + 1, ..print(2) }, 0o600, None, 1);
    assert!(index.entry("s/large").is_some());
    let (copy, letter) = (name("s/copy"), name("s/letter"));
    index.found(&copy, Print { size: KEY_MAX, ..print(3) }, 0o644, None, 1);
    index.found(&letter, Print { size: KEY_MAX + 1, ..print(4) }, 0o644, None, 1);
    assert!(index.entry("s/copy").is_none() && index.entry("s/letter").is_some());
}

#[test]
fn a_sweep_takes_only_what_is_beneath() {
    let mut index = Index::default();
    for text in ["s/a", "s/a/b", "s/a-b", "s/a0", "s/ab/c", "t/a"] {
        index.found(&name(text), print(1), 0o644, Some(Root([1; 32])), 1);
    }
    index.found(&name("s/a/new"), print(1), 0o644, None, 2);
    assert_eq!(index.sweep("s/a", 2), 2);
    let left: Vec<_> = index.names().map(|name| name.to_string()).collect();
    assert_eq!(left, ["s/a-b", "s/a0", "s/a/new", "s/ab/c", "t/a"]);
}

#[test]
fn each_change_is_told_once_and_what_came_back_is_no_removal() {
    let mut index = Index::default();
    for text in ["s/c", "s/a", "s/b"] {
        index.found(&name(text), print(1), 0o644, None, 1);
        index.hashed(&name(text), &print(1), Root([1; 32]));
    }
    assert_eq!(index.take_dirty(2), [name("s/a"), name("s/c")]);
    index.remove("s/b");
    index.remove("s/a");
    // It has the number of one that is gone.
    index.found(&name("s/a"), print(2), 0o644, None, 1);
    index.found(&name("s/new"), print(3), 0o644, None, 1);
    assert_eq!(index.take_dirty(9), [name("s/a"), name("s/b"), name("s/new")]);
    assert!(!index.is_dirty() && index.take_dirty(9).is_empty());
    index.mark(name("s/a"));
    index.mark(name("s/elsewhere"));
    assert_eq!(index.take_dirty(9), [name("s/a"), name("s/elsewhere")]);
}

#[test]
fn of_what_was_put_off_only_what_still_waits_is_handed_out() {
    let mut index = Index::default();
    for text in ["s/a", "s/b", "s/c"] {
        index.found(&name(text), print(1), 0o644, None, 1);
        index.settled(text);
        index.put_off(text);
    }
    index.hashed(&name("s/a"), &print(1), Root([1; 32]));
    index.remove("s/b");
    assert_eq!(index.put_off_on(), [1]);
    assert_eq!(
        (index.next_put_off(2), index.next_put_off(1)),
        (None, Some((name("s/c"), print(1))))
    );
    assert_eq!((index.next_put_off(1), index.put_off_on()), (None, vec![]));
}

#[test]
fn a_folder_is_stated_while_the_files_do_not_tell_of_it() {
    let mut index = Index::default();
    let (a, link) = (name("s/d/a"), name("s/d/link"));
    index.saw_folder("s/d", -7, 1);
    index.saw_folder("s", 1, 1);
    let stated = |unshared, left_out| {
        let path = RelativePath::new("s/d").unwrap();
        Some(Change::Folder(Folder { path, modified: -7, unshared, left_out }))
    };
    assert_eq!(index.take_dirty(9), [name("s"), name("s/d")]);
    assert_eq!((index.stated("s"), index.stated("s/d")), (None, stated(0, 0)));
    index.found(&a, print(1), 0o644, None, 1);
    assert_eq!(index.take_dirty(9), [name("s/d"), a.clone()]);
    assert_eq!(index.stated("s/d"), None);
    index.lacks(&link, 1, Lack::LeftOut);
    index.lacks(&link, 2, Lack::LeftOut);
    assert_eq!((index.stated("s/d"), index.stated("s/d/link")), (stated(0, 1), None));
    assert_eq!(index.lacking_in("s", 9), (Lacks { unshared: 0, left_out: 1 }, vec![]));
    index.lacks(&link, 2, Lack::Unshared);
    assert_eq!(index.stated("s/d"), stated(1, 0));
    assert_eq!(index.lacking_in("s", 9), (Lacks { unshared: 1, left_out: 0 }, vec![link.clone()]));
    assert_eq!(index.status().files, 1);
    // It became a file, and the other one cannot be read.
    index.found(&link, print(2), 0o644, None, 2);
    assert_eq!(index.stated("s/d"), None);
    index.unreadable(&a, &print(1));
    assert_eq!(index.stated("s/d"), stated(1, 0));
    assert_eq!(index.sweep("s/d", 3), 1, "one of them was offered");
    assert_eq!((index.folders(), index.stated("s/d")), (vec![name("s")], None));
}

#[test]
fn what_cannot_be_read_is_not_offered_until_it_changes() {
    let mut index = Index::default();
    let a = name("s/a");
    index.found(&a, print(1), 0o644, None, 1);
    assert!(index.unreadable(&a, &print(1)));
    assert!(index.entry("s/a").is_none());
    assert_eq!(index.status(), Status::default());
    assert_eq!(
        index.found(&a, print(1), 0o644, None, 2),
        Verdict::Same(State::Lacking(Lack::Unshared))
    );
    assert_eq!(index.found(&a, print(2), 0o644, None, 3), Verdict::Fresh(false));
    assert_eq!(index.status().files, 1);
}

#[test]
fn a_name_that_was_told_stays_while_the_file_is_read_again() {
    let mut index = Index::default();
    let note = name("s/note");
    let small = |time| Print { size: KEY_MAX, ..print(time) };
    index.found(&note, small(1), 0o644, None, 1);
    assert!(index.entry("s/note").is_none(), "it may be a copy of a key");
    index.hashed(&note, &small(1), Root([1; 32]));
    for time in 2..4 {
        index.found(&note, small(time), 0o600, None, 1);
        assert_eq!(index.entry("s/note").map(|entry| entry.root), Some(None));
    }
    index.remove("s/note");
    index.found(&note, small(4), 0o644, None, 2);
    assert!(index.entry("s/note").is_none(), "nothing is known of one that is new");
}
