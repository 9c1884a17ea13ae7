use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use sealift_platform::disk::Root as Folder;
use sealift_proto::catalogue::{self, Change, Entry, Root};
use sealift_proto::identity::SecretKey;
use sealift_proto::path::RelativePath;
use sealift_proto::space::SpaceId;

use super::*;
use sealift_platform::testing::MemoryDisk;

const LOG: [u8; 16] = [3; 16];

fn key() -> LogKey {
    let device = SecretKey::from_seed([9; 32]).id();
    LogKey { space: SpaceId::from_bytes([1; 32]), device, log: 2 }
}

fn put(path: &str, size: u64) -> Change {
    Change::Put(Entry {
        path: RelativePath::new(path).unwrap(),
        size,
        modified: i64::try_from(size).unwrap() - 5,
        flags: 1,
        root: (!size.is_multiple_of(3)).then(|| Root([u8::try_from(size % 251).unwrap(); 32])),
    })
}

fn folder(path: &str, unshared: u64) -> Change {
    let path = RelativePath::new(path).unwrap();
    let unshared = u32::try_from(unshared).unwrap();
    Change::Folder(catalogue::Folder { path, modified: 3, unshared, left_out: unshared / 2 })
}

fn remove(path: &str) -> Change {
    Change::Remove(RelativePath::new(path).unwrap())
}

fn begin(root: &Arc<dyn Folder>, base: u64, position: u64) -> Update {
    Update::begin(root, &key(), LOG, base, position, false).unwrap().unwrap()
}

fn paths(view: &LogView) -> Vec<(String, u64)> {
    view.entries("")
        .unwrap()
        .map(|step| step.map(|(path, e)| (path, number(&e))).unwrap())
        .collect()
}

/// Its size, or how many names in it are not shared.
fn number(stored: &Stored) -> u64 {
    assert_eq!(stored.left_out(), stored.unshared() / 2);
    stored.size + stored.unshared()
}

fn open(root: &Arc<dyn Folder>) -> LogView {
    LogView::open(root, &key()).unwrap().unwrap()
}

#[test]
fn the_newest_change_of_a_path_counts() {
    let disk = MemoryDisk::new();
    let root = disk.root();
    assert!(LogView::open(&root, &key()).unwrap().is_none());
    let mut update = begin(&root, 0, 3);
    update.apply([1; 32], 0, vec![put("s/b", 1), put("s/a", 2), put("s/É", 4)]).unwrap();
    update.apply([2; 32], 0, vec![put("s/b", 7), remove("s/a")]).unwrap();
    update.commit(vec![1]).unwrap();
    let before = open(&root);
    let mut update = begin(&root, 0, 3);
    assert_eq!((update.position(), *update.chain()), (2, [2; 32]));
    update.apply([3; 32], 0, vec![remove("s/É"), put("s/c", 9)]).unwrap();
    update.commit(vec![2]).unwrap();

    assert_eq!(paths(&before), [("s/b".into(), 7), ("s/É".into(), 4)]);
    let after = open(&root);
    assert_eq!(paths(&after), [("s/b".into(), 7), ("s/c".into(), 9)]);
    assert_eq!((after.state().position, after.state().head.as_slice()), (3, &[2][..]));
    assert_eq!(after.find("s/É").unwrap(), None);
    let found = after.find("s/b").unwrap().unwrap();
    assert_eq!(found.place, Place { position: 1, index: 0 });
    assert_eq!((found.modified, found.flags, found.root), (2, 1, Some(Root([7; 32]))));
    assert_eq!(after.find("s/c").unwrap().unwrap().root, None);
    assert_eq!(logs(&*root, &key().space).unwrap(), [key()]);
}

#[test]
fn one_writes_and_the_others_do_not_wait() {
    let root = MemoryDisk::new().root();
    let first = begin(&root, 0, 1);
    assert!(Update::begin(&root, &key(), LOG, 0, 1, false).unwrap().is_none());
    first.discard().unwrap();
    begin(&root, 0, 1);
}

#[test]
fn another_generation_or_base_starts_anew() {
    let root = MemoryDisk::new().root();
    let mut update = begin(&root, 0, 1);
    update.apply([1; 32], 0, vec![put("s/old", 1)]).unwrap();
    update.commit(vec![1]).unwrap();
    let mut update = begin(&root, 5, 6);
    assert_eq!(update.position(), 5);
    assert_eq!(paths(&open(&root)), [("s/old".into(), 1)], "until the new one is verified");
    update.apply([2; 32], 0, vec![put("s/new", 2)]).unwrap();
    update.commit(vec![2]).unwrap();
    assert_eq!(paths(&open(&root)), [("s/new".into(), 2)]);
}

#[test]
fn a_sync_broken_off_goes_on_where_it_stood() {
    let root = MemoryDisk::new().root();
    let mut update = begin(&root, 0, 2);
    update.apply([1; 32], 0, vec![put("s/a", 1)]).unwrap();
    drop(update);
    assert!(LogView::open(&root, &key()).unwrap().is_none(), "nothing is verified yet");
    let mut update = begin(&root, 0, 2);
    assert_eq!((update.position(), *update.chain()), (1, [1; 32]));
    update.apply([2; 32], 0, vec![put("s/b", 2)]).unwrap();
    update.commit(vec![1]).unwrap();
    assert_eq!(paths(&open(&root)), [("s/a".into(), 1), ("s/b".into(), 2)]);
}

#[test]
fn starting_anew_leaves_what_is_known_until_it_is_verified() {
    let root = MemoryDisk::new().root();
    let mut update = begin(&root, 0, 1);
    update.apply([1; 32], 0, vec![put("s/a", 1)]).unwrap();
    update.commit(vec![1]).unwrap();
    let mut update = Update::begin(&root, &key(), LOG, 0, 1, true).unwrap().unwrap();
    assert_eq!(update.position(), 0);
    update.apply([2; 32], 0, vec![put("s/b", 1)]).unwrap();
    assert_eq!(paths(&open(&root)), [("s/a".into(), 1)]);
    update.discard().unwrap();
    assert_eq!(paths(&open(&root)), [("s/a".into(), 1)]);
}

#[test]
fn what_does_not_verify_leaves_no_trace() {
    let disk = MemoryDisk::new();
    let root = disk.root();
    let mut update = begin(&root, 0, 1);
    update.apply([1; 32], 0, vec![put("s/good", 1)]).unwrap();
    update.commit(vec![1]).unwrap();
    let files = disk.files();
    let mut update = begin(&root, 0, 9);
    update.apply([2; 32], 0, vec![put("s/bad", 1)]).unwrap();
    update.discard().unwrap();
    assert_eq!(disk.files(), files);
    assert_eq!(paths(&open(&root)), [("s/good".into(), 1)]);
}

/// Many small syncs, some hundred entries each: the number of files and the bytes written stay bounded.
#[test]
fn small_additions_do_not_rewrite_everything() {
    let disk = MemoryDisk::new();
    let root = disk.root();
    let mut update = begin(&root, 0, 1);
    let many = (0..20_000).map(|n| put(&format!("s/{n:06}"), n + 1)).collect();
    update.apply([0; 32], 0, many).unwrap();
    update.commit(vec![1]).unwrap();
    let large = disk.files().into_iter().find(|name| name.ends_with(".index")).unwrap();
    for round in 0..100u64 {
        let mut update = begin(&root, 0, round + 2);
        update.apply([1; 32], 0, vec![put(&format!("s/x{round}"), round)]).unwrap();
        update.commit(vec![1]).unwrap();
        assert!(disk.files().contains(&large), "the large file is left alone");
        let count = disk.files().iter().filter(|name| name.ends_with(".index")).count();
        assert!(count < 10, "{count} files");
    }
    assert_eq!(paths(&open(&root)).len(), 20_100);
}

#[test]
fn damage_is_noticed_and_built_anew() {
    let disk = MemoryDisk::new();
    let root = disk.root();
    let fill = || {
        let mut update = begin(&root, 0, 1);
        if update.position() == 0 {
            update.apply([1; 32], 0, vec![put("s/a", 1), put("s/ü", 2)]).unwrap();
        }
        update.commit(vec![1]).unwrap();
    };
    fill();
    let whole: Vec<_> = disk.files().into_iter().filter(|name| !name.ends_with("lock")).collect();
    let saved: BTreeMap<_, _> =
        whole.iter().map(|name| (name.clone(), disk.bytes(name).unwrap())).collect();
    for (name, bytes) in &saved {
        let damages: Vec<Vec<u8>> = (0..bytes.len())
            .step_by(3)
            .map(|at| {
                let mut damaged = bytes.clone();
                damaged[at] ^= 4;
                damaged
            })
            .chain([Vec::new(), bytes[..bytes.len() / 2].to_vec()])
            .collect();
        for damaged in damages {
            disk.put_file(name, &damaged);
            let read = LogView::open(&root, &key()).and_then(|view| {
                let view = view.unwrap();
                view.entries("").and_then(|entries| entries.collect::<Result<Vec<_>, _>>())
            });
            assert!(matches!(read, Err(ReplicaError::Corrupt(_))), "{name}");
            disk.put_file(name, bytes);
        }
    }
    // Damage within a file shows when it is read: it is then forgotten and built anew.
    for (name, bytes) in &saved {
        let mut damaged = bytes.clone();
        damaged[0] ^= 1;
        disk.put_file(name, &damaged);
        forget(&root, &key()).unwrap();
        fill();
        assert_eq!(paths(&open(&root)).len(), 2, "{name}");
    }
    // A damaged or missing file is replaced by the next sync.
    for name in disk.files().into_iter().filter(|name| !name.ends_with("lock")) {
        disk.put_file(&name, b"garbage");
        fill();
        assert_eq!(paths(&open(&root)).len(), 2, "{name}");
    }
}

/// A writer stopped at any of its disk operations leaves the state before or after, and the next one ends right.
#[test]
fn a_stopped_writer_harms_nothing() {
    for stop in 0.. {
        let disk = MemoryDisk::new();
        let root = disk.root();
        let mut update = begin(&root, 0, 1);
        update.apply([1; 32], 0, vec![put("s/a", 1), put("s/b", 2)]).unwrap();
        update.commit(vec![1]).unwrap();
        let change = |root: &Arc<dyn Folder>| -> Result<(), ReplicaError> {
            let mut update = Update::begin(root, &key(), LOG, 0, 2, false)?.unwrap();
            if update.position() == 1 {
                update.apply([2; 32], 0, vec![put("s/c", 3), remove("s/a")])?;
            }
            update.commit(vec![2])
        };
        disk.stop_after(Some(stop));
        let stopped = change(&root).is_err();
        disk.stop_after(None);
        let now: Vec<_> = paths(&open(&root)).into_iter().map(|(path, _)| path).collect();
        assert!(now == ["s/a", "s/b"] || now == ["s/b", "s/c"], "{stop}: {now:?}");
        change(&root).unwrap();
        let now: Vec<_> = paths(&open(&root)).into_iter().map(|(path, _)| path).collect();
        assert_eq!(now, ["s/b", "s/c"], "{stop}");
        if !stopped {
            break;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the order of changes and syncs, the replica equals a plain map, of files and of folders.
    #[test]
    fn equals_a_map(
        syncs in prop::collection::vec(
            prop::collection::vec((0u8..40, prop::bool::weighted(0.7), 1u64..1000), 0..60),
            1..12,
        ),
    ) {
        let root = MemoryDisk::new().root();
        let mut model = BTreeMap::new();
        for (position, changes) in syncs.iter().enumerate() {
            let mut update = begin(&root, 0, position as u64 + 1);
            let changes = changes.iter().map(|(name, present, size)| {
                let path = format!("s/d{}/É{name}", name % 4);
                if *present {
                    model.insert(path.clone(), *size);
                    if size % 5 == 0 { folder(&path, *size) } else { put(&path, *size) }
                } else {
                    model.remove(&path);
                    remove(&path)
                }
            }).collect();
            update.apply([0; 32], 0, changes).unwrap();
            update.commit(vec![1]).unwrap();
        }
        let view = open(&root);
        let expected: Vec<_> = model.iter().map(|(path, size)| (path.clone(), *size)).collect();
        prop_assert_eq!(paths(&view), expected);
        for folder in ["s/d1", "s/d3", "s/d", "x"] {
            let beneath = view.beneath(folder).unwrap().count();
            let prefix = format!("{folder}/");
            prop_assert_eq!(beneath, model.keys().filter(|p| p.starts_with(&prefix)).count());
        }
        for name in 0..40 {
            let path = format!("s/d{}/É{name}", name % 4);
            let found = view.find(&path).unwrap();
            prop_assert_eq!(found.as_ref().map(number), model.get(&path).copied());
            prop_assert!(found.is_none_or(|stored| stored.is_file() != number(&stored).is_multiple_of(5)));
        }
    }
}
