use sealift_proto::catalogue::Entry;

use super::*;
use crate::catalogue::plan::{Shown, compare};
use sealift_platform::random::SystemRandom;
use sealift_platform::testing::Share;
use sealift_proto::catalogue::{Root, fold};
use sealift_proto::keys::EpochSecret;
use sealift_proto::path::RelativePath;

fn author() -> Author {
    Author {
        key: SecretKey::from_seed([1; 32]),
        space: SpaceId::from_bytes([2; 32]),
        epoch: 1,
        catalogue: EpochSecret::new([3; 32]).keys().catalogue,
        random: Arc::new(SystemRandom),
    }
}

fn open(home: &Share) -> Log {
    Log::open(author(), &Folder::new(home.root(), home.dir.path()), "").unwrap()
}

fn entry(number: u32, hashed: bool) -> Entry {
    Entry {
        path: RelativePath::new(format!("s/f{number}")).unwrap(),
        size: u64::from(number),
        modified: 5,
        flags: 0,
        root: hashed.then_some(Root([7; 32])),
    }
}

fn put(number: u32, hashed: bool) -> Change {
    Change::Put(entry(number, hashed))
}

fn folder(path: &str, unshared: u32) -> Change {
    let path = RelativePath::new(path).unwrap();
    Change::Folder(catalogue::Folder { path, modified: 9, unshared, left_out: 0 })
}

fn puts(numbers: std::ops::Range<u32>) -> Vec<Change> {
    numbers.map(|number| Change::Put(entry(number, true))).collect()
}

/// The files that a reader of the log finds, and a check that the chain leads to the head.
fn read(log: &Log) -> Vec<String> {
    let head = log.head().unwrap().verify(&author().key.id()).unwrap().clone();
    let mut chain = chain_start(&head.log_id, head.base);
    let mut files = std::collections::BTreeSet::new();
    for position in head.base..head.position {
        let sealed = log.segment(position).unwrap();
        chain = chain_next(&chain, &sealed);
        for change in open_segment(&author(), position, &sealed).unwrap() {
            match change {
                Change::Put(entry) => files.insert(entry.path.as_str().to_owned()),
                Change::Folder(folder) => files.insert(format!("{}/", folder.path.as_str())),
                Change::Remove(path) => {
                    files.remove(&format!("{}/", path.as_str()));
                    files.remove(path.as_str())
                }
            };
        }
    }
    assert_eq!(chain, head.chain);
    files.into_iter().collect()
}

const STATUS: Status = Status { waiting: 1, files: 2, scanning: true };

#[test]
fn a_restart_goes_on_with_differences() {
    let home = Share::new();
    let mut log = open(&home);
    assert!(log.head().is_none() && !log.is_stale(0));
    log.append(&puts(0..3), &STATUS, 1000).unwrap();
    let before = log.head().map(Signed::to_bytes);
    let mut log = open(&home);
    assert_eq!(log.head().map(Signed::to_bytes), before);
    let name: Name = "s/f1".into();
    assert_eq!(log.change(&name, Some(put(1, true))), None);
    assert_eq!(log.change(&name, Some(put(1, false))), Some(put(1, false)));
    let removed = log.change(&name, None).unwrap();
    assert_eq!(log.change(&"s/other".into(), None), None);
    log.append(&[removed], &STATUS, 900).unwrap();
    let log = open(&home);
    assert_eq!(read(&log), ["s/f0", "s/f2"]);
    let head = log.head().unwrap().unverified();
    assert!(head.time > 1000 && head.position == 2);
    let place =
        object::open::<object::HeadStatus>(&author().catalogue, &author().place(2), &head.status);
    assert_eq!(codec::decode(&place.unwrap()), Ok(STATUS));
    assert_eq!(log.lookup(&head.log_id, 0, 2).as_deref(), Some("s/f2"));
    assert_eq!(log.lookup(&head.log_id, 0, 3), None);
    assert_eq!(log.lookup(&head.log_id, 1, 0), None);
    assert_eq!(log.lookup(&[0; 16], 0, 0), None);
}

#[test]
fn folders_are_published_as_files_are_and_survive_a_restart() {
    let home = Share::new();
    let mut log = open(&home);
    let name: Name = "s/d".into();
    log.append(&[folder("s/d", 0), folder("s", 2), put(1, true)], &STATUS, 1).unwrap();
    let mut log = open(&home);
    assert_eq!(read(&log), ["s/", "s/d/", "s/f1"]);
    assert_eq!(log.change(&name, Some(folder("s/d", 0))), None);
    assert_eq!(log.change(&name, Some(folder("s/d", 1))), Some(folder("s/d", 1)));
    let log_id = log.head().unwrap().unverified().log_id;
    assert_eq!(log.lookup(&log_id, 0, 0), None, "nothing to ask for");
    let left = log.names_of(log.published_but(["s", "s/f1"].iter())).unwrap();
    assert_eq!(left, std::slice::from_ref(&name));
    let gone = log.change(&name, None).unwrap();
    log.append(&[gone], &STATUS, 2).unwrap();
    assert_eq!(read(&open(&home)), ["s/", "s/f1"]);
    log.rebase([vec![put(1, true)], vec![folder("s/e", 0)]].into_iter(), &STATUS, 3).unwrap();
    assert_eq!(read(&open(&home)), ["s/e/", "s/f1"]);
}

#[test]
fn a_growing_file_that_was_not_read_is_published_once() {
    let home = Share::new();
    let mut log = open(&home);
    log.append(&[put(1, false)], &STATUS, 1).unwrap();
    let grown = Change::Put(Entry { size: 99, modified: 77, ..entry(1, false) });
    assert_eq!(log.change(&"s/f1".into(), Some(grown)), None);
    assert!(log.change(&"s/f1".into(), Some(put(1, true))).is_some());
}

#[test]
fn it_is_written_anew_when_it_is_mostly_past() {
    let home = Share::new();
    let mut log = open(&home);
    for round in 0..60 {
        log.append(&puts(0..2), &STATUS, round).unwrap();
    }
    assert!(log.is_stale(2) && !log.is_stale(60));
    let position = log.head().unwrap().unverified().position;
    log.rebase([vec![put(8, true), put(9, true)]].into_iter(), &STATUS, 5).unwrap();
    let head = log.head().unwrap().unverified().clone();
    assert_eq!((head.base, head.position), (position, position + 1));
    assert_eq!(read(&open(&home)), ["s/f8", "s/f9"]);
    log.rebase((0..3).map(|n| vec![put(n, true), put(n + 5, true)]), &STATUS, 5).unwrap();
    assert_eq!(read(&open(&home)), ["s/f0", "s/f1", "s/f2", "s/f5", "s/f6", "s/f7"]);
    log.rebase([Vec::new()].into_iter(), &STATUS, 5).unwrap();
    let empty = log.head().unwrap().unverified();
    assert!(empty.position > head.position);
    let log = open(&home);
    assert!(read(&log).is_empty() && !log.is_broken());
}

#[test]
fn what_is_published_and_not_offered_is_named() {
    let home = Share::new();
    let mut log = open(&home);
    log.append(&puts(0..5), &STATUS, 1).unwrap();
    log.append(&[Change::Remove(entry(2, true).path)], &STATUS, 2).unwrap();
    log.append(&puts(3..6), &STATUS, 3).unwrap();
    let left = |log: &Log, offered: &[&str]| {
        let numbers = log.published_but(offered.iter());
        log.names_of(numbers).unwrap().iter().map(|name| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(left(&log, &["s/f0", "s/f3", "s/other"]), ["s/f1", "s/f4", "s/f5"]);
    drop(log);
    assert_eq!(left(&open(&home), &["s/f0", "s/f1", "s/f3", "s/f4"]), ["s/f5"]);
}

#[test]
fn what_could_not_be_written_anew_is_written_anew_next_time() {
    let home = Share::new();
    let mut log = open(&home);
    log.append(&puts(0..3), &STATUS, 1).unwrap();
    let deep = format!("{}/", "y".repeat(250)).repeat(16);
    let path = |number| RelativePath::new(format!("{deep}{number}")).unwrap();
    let heavy = |number| Change::Put(Entry { path: path(number), ..entry(number, true) });
    let most = u32::try_from(CATALOGUE_MAX / 4000).unwrap();
    let batches = (0..=most / 64).map(|batch| (batch * 64..(batch + 1) * 64).map(heavy).collect());
    assert!(matches!(log.rebase(batches, &STATUS, 2), Err(LogError::TooLarge)));
    assert!(log.is_broken());
    log.rebase([puts(0..4)].into_iter(), &STATUS, 3).unwrap();
    assert_eq!((read(&log).len(), log.is_broken()), (4, false));
}

#[test]
fn more_than_others_take_is_not_published() {
    let home = Share::new();
    let mut log = open(&home);
    log.append(&puts(0..3), &STATUS, 1).unwrap();
    log.weight = CATALOGUE_MAX - 100;
    assert!(log.is_stale(1) && !log.is_stale(3), "written anew where that makes room");
    assert!(matches!(log.append(&puts(3..5), &STATUS, 2), Err(LogError::TooLarge)));
    assert_eq!(read(&log), ["s/f0", "s/f1", "s/f2"], "what was published stays");
    log.append(&puts(3..4), &STATUS, 3).unwrap();
    log.rebase([vec![put(1, true)]].into_iter(), &STATUS, 4).unwrap();
    let weight = catalogue::weight(0, &puts(1..2));
    assert_eq!((log.weight, open(&home).weight), (weight, weight));
}

#[test]
fn every_cut_of_the_journal_is_survived() {
    let home = Share::new();
    let mut log = open(&home);
    log.append(&puts(0..3), &STATUS, 1).unwrap();
    log.append(&puts(3..6), &STATUS, 2).unwrap();
    let position = log.head().unwrap().unverified().position;
    drop(log);
    let good = std::fs::read(home.path("catalogue")).unwrap();
    for len in (0..good.len()).step_by(7).chain([good.len()]) {
        std::fs::write(home.path("catalogue"), &good[..len]).unwrap();
        let log = open(&home);
        assert_eq!(log.is_broken(), len < good.len());
        assert_eq!(log.head().unwrap().unverified().position, position);
    }
    let mut log = open(&home);
    // A crash between journal and head: the segment counts for nothing.
    let sealed = log.seal_all(&[fold(&puts(6..9)).unwrap()], position);
    log.journal.append([&body(position, &sealed[0])[..]]).unwrap();
    drop(log);
    let mut log = open(&home);
    assert!(!log.is_broken());
    log.append(&puts(9..10), &STATUS, 3).unwrap();
    assert_eq!(read(&open(&home)).len(), 7);
}

#[test]
fn heads_of_the_past_are_told_from_those_of_a_copy() {
    let home = Share::new();
    let mut log = open(&home);
    let nobody = open(&Share::new());
    assert_eq!(compare(&log, None), Shown::Nothing);
    log.append(&puts(0..3), &STATUS, 1000).unwrap();
    let first = log.head().unwrap().clone();
    assert_eq!(compare(&log, Some(&first)), Shown::Newest);
    assert_eq!(compare(&nobody, Some(&first)), Shown::Foreign);
    let copied = Share::new();
    for file in ["catalogue", "catalogue-head.json"] {
        std::fs::copy(home.path(file), copied.path(file)).unwrap();
    }
    let mut copy = open(&copied);
    log.append(&puts(3..5), &STATUS, 2000).unwrap();
    assert_eq!(compare(&log, Some(&first)), Shown::Behind { from: 1 });
    copy.append(&puts(7..9), &STATUS, 1500).unwrap();
    let fork = copy.head().unwrap().clone();
    assert_eq!(compare(&log, Some(&fork)), Shown::Foreign);
    assert_eq!(compare(&copy, log.head()), Shown::Foreign);
    log.rebase([vec![put(1, true)]].into_iter(), &STATUS, 3000).unwrap();
    assert_eq!(compare(&log, Some(&first)), Shown::Behind { from: 2 });
    let mut other = author();
    other.key = SecretKey::from_seed([9; 32]);
    let stranger = Share::new();
    let mut theirs =
        Log::open(other, &Folder::new(stranger.root(), stranger.dir.path()), "").unwrap();
    theirs.append(&[], &STATUS, 1).unwrap();
    assert_eq!(compare(&log, theirs.head()), Shown::Forged);
    // The copy gives way: it goes on behind what it found.
    copy.adopt(log.head().unwrap());
    assert!(copy.is_stale(1));
    copy.rebase([vec![put(4, true)]].into_iter(), &STATUS, 10).unwrap();
    let (after, before) = (copy.head().unwrap().unverified(), log.head().unwrap().unverified());
    assert_eq!((after.log_id, after.base), (before.log_id, before.position));
    assert!(after.time > before.time);
    assert_eq!(read(&open(&copied)), ["s/f4"]);
}

#[test]
fn a_new_epoch_begins_anew() {
    let home = Share::new();
    let mut log = open(&home);
    log.append(&puts(0..3), &STATUS, 1).unwrap();
    let next =
        Author { epoch: 2, catalogue: EpochSecret::new([4; 32]).keys().catalogue, ..author() };
    log.set_author(next.clone());
    assert!(log.is_broken());
    drop(log);
    let folder = Folder::new(home.root(), home.dir.path());
    assert!(Log::open(next, &folder, "").unwrap().is_broken());
}

#[test]
fn why_nothing_new_is_seen_is_told_in_one_line() {
    let full = FileError::Disk {
        place: "catalogue-head.json".into(),
        error: io::ErrorKind::StorageFull.into(),
    };
    let told = LogError::from(full).to_string();
    assert_eq!(told, "cannot use catalogue-head.json: no storage space");
}
