use super::*;

const F: &str = "home/file";

fn disk() -> (SimDisk, Arc<dyn Root>) {
    let disk = SimDisk::new(Arc::new(sealift_platform::clock::SystemClock));
    let root = disk.open_or_create(Path::new("/home"), true).unwrap();
    (disk, root)
}

fn reopen(disk: &SimDisk, loss: &Loss) -> Arc<dyn Root> {
    disk.restart(loss);
    disk.open(Path::new("/home")).unwrap()
}

fn path(text: &str) -> &Path {
    Path::new(text)
}

#[test]
fn what_was_synced_stays_and_the_rest_goes() {
    let (disk, root) = disk();
    let file = root.create(path("file"), true).unwrap();
    file.write_all_at(b"kept", 0).unwrap();
    file.sync().unwrap();
    root.sync_folder(path("")).unwrap();
    file.write_all_at(b" and lost", 4).unwrap();
    assert_eq!(disk.get(F).unwrap(), b"kept and lost");
    let root = reopen(&disk, &Loss::All);
    assert_eq!(disk.get(F).unwrap(), b"kept");
    assert!(file.read_at(&mut [0; 4], 0).is_err(), "what was open before is dead");
    root.open(path("file")).unwrap();
}

#[test]
fn a_new_name_needs_its_folder_synced() {
    let (disk, root) = disk();
    let file = root.create(path("file"), true).unwrap();
    file.write_all_at(b"content", 0).unwrap();
    file.sync().unwrap();
    reopen(&disk, &Loss::All);
    assert!(disk.get(F).is_err());
}

#[test]
fn a_rename_may_be_lost_and_never_leaves_two_or_none() {
    for seed in 0..20 {
        for loss in [Loss::All, Loss::Some(SimRandom::new(seed))] {
            let (disk, root) = disk();
            disk.put("home/old", b"content").unwrap();
            root.rename(path("old"), path("file")).unwrap();
            let root = reopen(&disk, &loss);
            assert_eq!(root.list(path("")).unwrap().len(), 1);
            if matches!(loss, Loss::All) {
                assert_eq!(disk.get("home/old").unwrap(), b"content");
            }
        }
    }
}

#[test]
fn a_rename_before_the_sync_of_the_file_keeps_a_name_without_content() {
    let (disk, root) = disk();
    let file = root.create(path("part"), true).unwrap();
    file.write_all_at(b"content", 0).unwrap();
    root.rename(path("part"), path("file")).unwrap();
    root.sync_folder(path("")).unwrap();
    reopen(&disk, &Loss::All);
    assert_eq!(disk.get(F).unwrap(), b"");
}

#[test]
fn some_loss_keeps_whole_pages_of_either_time() {
    let mut mixed = false;
    for seed in 0..50 {
        let (disk, root) = disk();
        disk.put(F, &[1; 4 * 4096]).unwrap();
        root.open_write(path("file")).unwrap().write_all_at(&[2; 4 * 4096], 0).unwrap();
        reopen(&disk, &Loss::Some(SimRandom::new(seed)));
        let content = disk.get(F).unwrap();
        assert!(content.chunks(4096).all(|page| page == [1; 4096] || page == [2; 4096]));
        mixed |= content.contains(&1) && content.contains(&2);
    }
    assert!(mixed);
}

#[test]
fn a_removed_name_comes_back_unless_its_folder_was_synced() {
    let (disk, root) = disk();
    disk.put(F, b"content").unwrap();
    root.remove(path("file")).unwrap();
    assert!(disk.get(F).is_err());
    let root = reopen(&disk, &Loss::All);
    assert_eq!(disk.get(F).unwrap(), b"content");
    root.remove(path("file")).unwrap();
    root.sync_folder(path("")).unwrap();
    reopen(&disk, &Loss::All);
    assert!(disk.get(F).is_err());
}

#[test]
fn an_open_file_outlives_its_name() {
    let (disk, root) = disk();
    disk.put(F, b"content").unwrap();
    let file = root.open(path("file")).unwrap();
    root.remove(path("file")).unwrap();
    let mut buffer = [0; 7];
    assert_eq!(file.read_at(&mut buffer, 0).unwrap(), 7);
    assert_eq!(file.stat().unwrap().links, 0);
}

#[test]
fn a_failed_sync_is_final() {
    let (disk, root) = disk();
    disk.put(F, b"old").unwrap();
    let file = root.open_write(path("file")).unwrap();
    file.write_all_at(b"new", 0).unwrap();
    disk.fail_at(0, Fault::Broken);
    assert!(file.sync().is_err());
    file.sync().unwrap();
    reopen(&disk, &Loss::All);
    assert_eq!(disk.get(F).unwrap(), b"old");
}

#[test]
fn faults_come_when_planned_and_once() {
    let (disk, root) = disk();
    disk.fail_at(1, Fault::Full);
    let file = root.create(path("file"), true).unwrap();
    let error = file.write_all_at(b"x", 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    file.write_all_at(b"x", 0).unwrap();
    assert_eq!(disk.operations(), 3);
}

#[tokio::test]
async fn a_power_cut_stops_everything_until_the_restart() {
    let (disk, root) = disk();
    disk.fail_at(0, Fault::PowerCut);
    assert!(root.create(path("file"), true).is_err());
    disk.power_gone().await;
    assert!(root.list(path("")).is_err());
    assert!(disk.open(path("/home")).is_err());
    let root = reopen(&disk, &Loss::All);
    assert!(root.list(path("")).unwrap().is_empty());
}

#[test]
fn it_is_full_when_it_is_full() {
    let (disk, root) = disk();
    disk.set_capacity(10);
    let file = root.create(path("file"), true).unwrap();
    file.write_all_at(&[0; 10], 0).unwrap();
    assert_eq!(file.write_all_at(&[0; 1], 10).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(file.set_len(u64::MAX).unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(root.free_bytes().unwrap(), 0);
}

#[test]
fn links_and_pipes_are_seen_and_not_opened() {
    let (disk, root) = disk();
    disk.put("home/inside/file", b"").unwrap();
    disk.put_link("home/link").unwrap();
    disk.put_pipe("home/pipe").unwrap();
    for name in ["link", "pipe", "inside"] {
        assert!(root.open(path(name)).is_err(), "{name}");
    }
    assert!(root.open(path("link/file")).is_err());
    assert!(root.open(path("../home/inside/file")).is_err());
    assert_eq!(root.list(path("")).unwrap().len(), 3);
}

#[test]
fn names_are_taken_once_and_locks_held_once() {
    let (disk, root) = disk();
    disk.put(F, b"").unwrap();
    disk.put("home/other", b"").unwrap();
    assert_eq!(root.create(path("file"), true).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
    let error = root.rename_new(path("other"), path("file")).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    let lock = root.try_lock(path("lock")).unwrap().unwrap();
    assert!(root.try_lock(path("lock")).unwrap().is_none());
    drop(lock);
    let held = root.try_lock(path("lock")).unwrap();
    assert!(held.is_some());
    let root = reopen(&disk, &Loss::All);
    assert!(root.try_lock(path("lock")).unwrap().is_some(), "a crash lets go");
}

#[test]
fn a_sync_of_everything_keeps_everything() {
    let (disk, root) = disk();
    root.create_folder(path("inside"), true).unwrap();
    root.create(path("inside/file"), true).unwrap().write_all_at(b"content", 0).unwrap();
    root.sync_all().unwrap();
    reopen(&disk, &Loss::All);
    assert_eq!(disk.get("home/inside/file").unwrap(), b"content");
}

#[test]
fn a_failed_sync_of_everything_is_told_once_by_each_file_too() {
    let (disk, root) = disk();
    let file = root.create(path("file"), true).unwrap();
    file.write_all_at(b"lost", 0).unwrap();
    disk.fail_at(0, Fault::Broken);
    assert!(root.sync_all().is_err());
    root.sync_all().unwrap();
    assert!(file.sync().is_err());
    file.sync().unwrap();
    // Only what is written anew is kept.
    let other = root.create(path("other"), true).unwrap();
    other.write_all_at(b"kept", 0).unwrap();
    root.sync_all().unwrap();
    reopen(&disk, &Loss::All);
    assert_eq!(disk.get(F).unwrap(), [0; 4]);
    assert_eq!(disk.get("home/other").unwrap(), b"kept");
}
