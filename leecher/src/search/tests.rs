use std::sync::Arc;

use sealift_platform::disk::Root as Folder;
use sealift_proto::catalogue::{self, Change, Entry};
use sealift_proto::identity::SecretKey;
use sealift_proto::path::RelativePath;
use sealift_proto::space::SpaceId;

use super::*;
use crate::replica::Update;
use sealift_platform::testing::MemoryDisk;

fn key(device: u8) -> LogKey {
    let device = SecretKey::from_seed([device; 32]).id();
    LogKey { space: SpaceId::from_bytes([1; 32]), device, log: 2 }
}

fn put(path: &str, content: u8, modified: i64) -> Change {
    let root = (content > 0).then_some(Root([content; 32]));
    let path = RelativePath::new(path).unwrap();
    Change::Put(Entry { path, size: 1, modified, flags: 0, root })
}

fn sync(root: &Arc<dyn Folder>, device: u8, changes: Vec<Change>) {
    let mut update = Update::begin(root, &key(device), [0; 16], 0, 99, false).unwrap().unwrap();
    update.apply([0; 32], 0, changes).unwrap();
    update.commit(vec![1]).unwrap();
}

fn view(root: &Arc<dyn Folder>, device: u8) -> LogView {
    LogView::open(root, &key(device)).unwrap().unwrap()
}

fn found(views: &[LogView], pattern: &str) -> Vec<String> {
    let found = search(views, pattern, 100).unwrap();
    assert_eq!(found.more, 0);
    found.hits.into_iter().map(|hit| hit.holdings[0].path.clone()).collect()
}

fn folder(path: &str, unshared: u32) -> Change {
    let path = RelativePath::new(path).unwrap();
    Change::Folder(catalogue::Folder { path, modified: 5, unshared, left_out: 0 })
}

#[test]
fn of_folders_the_empty_ones_are_found_once_for_all_who_have_them() {
    let root = MemoryDisk::new().root();
    let full = [put("s/drafts/a", 1, 1), folder("s/drafts", 2)];
    sync(&root, 1, [&full[..], &[folder("s/old drafts", 0)]].concat());
    sync(&root, 2, vec![folder("s/old drafts", 1), put("s/x", 1, 1), folder("s/gone", 0)]);
    sync(&root, 2, vec![Change::Remove(RelativePath::new("s/gone").unwrap())]);
    let views = [view(&root, 1), view(&root, 2)];
    let found = search(&views, "drafts", 9).unwrap().hits;
    let paths: Vec<_> = found.iter().map(|hit| &*hit.holdings[0].path).collect();
    assert_eq!(paths, ["s/old drafts", "s/drafts/a"]);
    assert!(found[0].holdings.len() == 2 && !found[0].holdings[0].stored.is_file());
    assert!(search(&views, "gone", 9).unwrap().hits.is_empty());
}

#[test]
fn best_first() {
    let root = MemoryDisk::new().root();
    sync(
        &root,
        1,
        vec![
            put("s/report.pdf", 1, 10),
            put("s/old/Report.pdf", 2, 20),
            put("s/report.pdf.bak", 3, 1),
            put("s/annual report.pdf", 4, 1),
            put("s/report.pdf/readme", 5, 1),
            put("s/x.txt", 6, 1),
        ],
    );
    let views = [view(&root, 1)];
    assert_eq!(
        found(&views, "report.pdf"),
        [
            "s/report.pdf",
            "s/old/Report.pdf",
            "s/report.pdf.bak",
            "s/annual report.pdf",
            "s/report.pdf/readme"
        ]
    );
    assert_eq!(found(&views, "REPORT.PDF")[0], "s/old/Report.pdf", "the newest of the inexact");
    assert_eq!(found(&views, "*.txt"), ["s/x.txt"]);
    assert_eq!(found(&views, "reprot.pfd")[..2], ["s/old/Report.pdf", "s/report.pdf"]);
    assert!(found(&views, "nothing like it").is_empty());
    assert_eq!(found(&views, "").len(), 6, "an empty pattern is everything");
    assert_eq!(found(&views, "*").len(), 6);
}

#[test]
fn one_content_at_two_seeders_is_one_hit() {
    let root = MemoryDisk::new().root();
    sync(&root, 1, vec![put("s/a.txt", 1, 5), put("s/b.txt", 0, 5)]);
    sync(&root, 2, vec![put("t/deep/a.txt", 1, 9), put("s/b.txt", 0, 5), put("s/a.txt", 2, 1)]);
    let views = [view(&root, 1), view(&root, 2)];
    let result = search(&views, "a.txt", 10).unwrap();
    let shape: Vec<_> = result.hits.iter().map(|hit| hit.holdings.len()).collect();
    assert_eq!(shape, [2, 1]);
    assert_eq!(result.hits[0].holdings[0].path, "t/deep/a.txt", "the newest leads");
    assert_eq!(search(&views, "b.txt", 10).unwrap().hits.len(), 2, "unknown contents stay apart");
    let few = search(&views, "txt", 1).unwrap();
    assert_eq!((few.hits.len(), few.more), (1, 3));
}

#[test]
fn what_was_replaced_or_removed_is_not_found() {
    let root = MemoryDisk::new().root();
    sync(&root, 1, (0..6000).map(|n| put(&format!("s/f{n:04}.dat"), 1, n)).collect());
    for (n, change) in [
        Change::Remove(RelativePath::new("s/f0000.dat").unwrap()),
        put("s/f0001.dat", 7, 99_999),
        Change::Remove(RelativePath::new("s/f5999.dat").unwrap()),
        put("s/f0000.new", 2, 1),
    ]
    .into_iter()
    .enumerate()
    {
        sync(&root, 1, vec![change]);
        assert!(view(&root, 1).levels().len() > 1, "{n}");
    }
    let views = [view(&root, 1)];
    assert_eq!(found(&views, "f0000"), ["s/f0000.new"]);
    let close = search(&views, "f5999.dat", usize::MAX).unwrap().hits;
    assert!(
        close.iter().all(|hit| hit.kind == Match::Close && hit.holdings[0].path != "s/f5999.dat")
    );
    let hit = search(&views, "f0001.dat", 10).unwrap().hits.remove(0);
    assert_eq!(hit.holdings[0].stored.root, Some(Root([7; 32])));
    assert_eq!(search(&views, ".dat", 10).unwrap().hits[0].holdings[0].path, "s/f0001.dat");
    let all = search(&views, "dat", usize::MAX).unwrap();
    assert_eq!(all.hits.iter().map(|hit| hit.holdings.len()).sum::<usize>(), 5998);
}

#[test]
fn damage_in_one_log_leaves_the_others() {
    let disk = MemoryDisk::new();
    let root = disk.root();
    sync(&root, 1, vec![put("s/a.txt", 1, 5)]);
    sync(&root, 2, vec![put("s/b.txt", 2, 5)]);
    let views = [view(&root, 1), view(&root, 2)];
    let name = sealift_proto::text::base32(key(1).device.as_bytes());
    let index =
        disk.files().into_iter().find(|path| path.contains(&name) && path.ends_with("index"));
    let first = sealift_platform::private::FIRST_LEN;
    disk.alter(&index.unwrap(), |bytes| bytes[first + 14] ^= 1);
    let result = search(&views, "txt", 10).unwrap();
    assert_eq!(result.damaged, [key(1)]);
    assert_eq!(result.hits.len(), 1);
}

#[test]
fn near_misses_are_paths() {
    let root = MemoryDisk::new().root();
    sync(&root, 1, vec![put("s/holiday.jpg", 1, 5), put("s/x.txt", 2, 5)]);
    let views = [view(&root, 1)];
    assert_eq!(near_misses(&views, "s/hoilday.jpg", 3).unwrap(), ["s/holiday.jpg"]);
}
