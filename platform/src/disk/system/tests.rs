use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::disk::{read_all, replace};

/// Runs `test` with paths resolved by the kernel, and step by step.
fn both_ways(test: impl Fn(&Path, &dyn Root)) {
    for walking in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let opened: OwnedFd = fs::File::open(folder.path()).unwrap().into();
        let beneath = if walking { Beneath::walking(opened) } else { Beneath::new(opened) };
        test(folder.path(), &SystemRoot { beneath });
    }
}

fn p(text: &str) -> &Path {
    Path::new(text)
}

fn kind<T>(result: io::Result<T>) -> io::ErrorKind {
    result.err().expect("must fail").kind()
}

#[test]
fn reads_and_writes_beneath() {
    both_ways(|_, root| {
        root.create_folder(p("a"), true).unwrap();
        root.create_folder(p("a/b"), false).unwrap();
        let file = root.create(p("a/b/x"), true).unwrap();
        file.write_all_at(b"hello", 2).unwrap();
        file.sync().unwrap();
        root.sync_folder(p("a/b")).unwrap();
        root.sync_folder(p("")).unwrap();
        assert_eq!(read_all(root, p("a/b/x"), 7).unwrap(), b"\0\0hello");
        assert_eq!(kind(read_all(root, p("a/b/x"), 6)), io::ErrorKind::InvalidData);
        let stat = root.stat(p("a/b/x")).unwrap();
        assert_eq!((stat.kind, stat.len, stat.mode, stat.links), (Kind::File, 7, 0o600, 1));
        assert_eq!(root.stat(p("a")).unwrap().mode, 0o700);
        assert_eq!(root.stat(p("")).unwrap().kind, Kind::Folder);
        assert!(root.free_bytes().unwrap() > 0);
        file.set_modified(1_500_000_000_123_456_789).unwrap();
        assert_eq!(file.stat().unwrap().modified_ns, 1_500_000_000_123_456_789);
        file.set_modified(i128::MAX).unwrap();
        file.set_modified(i128::MIN).unwrap();
        root.remove(p("a/b/x")).unwrap();
        root.set_folder_modified(p("a/b"), 1_500_000_000_123_456_789).unwrap();
        assert_eq!(root.stat(p("a/b")).unwrap().modified_ns, 1_500_000_000_123_456_789);
        root.remove_folder(p("a/b")).unwrap();
        assert!(root.list(p("a")).unwrap().is_empty());
    });
}

#[test]
fn no_link_is_followed_on_the_way_or_at_the_end() {
    both_ways(|folder, root| {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        fs::create_dir(folder.join("real")).unwrap();
        fs::write(folder.join("real/file"), "y").unwrap();
        symlink(outside.path(), folder.join("out")).unwrap();
        assert!(root.set_folder_modified(p("out"), 1).is_err());
        symlink(outside.path().join("secret"), folder.join("end")).unwrap();
        symlink("real", folder.join("inside")).unwrap();
        symlink("nothing", folder.join("dangling")).unwrap();
        for path in ["out/secret", "end", "inside/file", "dangling"] {
            assert!(root.open(p(path)).is_err(), "{path}");
            assert!(root.open_write(p(path)).is_err(), "{path}");
            assert!(root.try_lock(p(path)).is_err(), "{path}");
        }
        for path in ["out/new", "inside/new", "end", "dangling"] {
            assert!(root.create(p(path), false).is_err(), "{path}");
            assert!(root.create_folder(p(path), false).is_err(), "{path}");
        }
        assert!(root.list(p("inside")).is_err());
        assert!(root.remove(p("out/secret")).is_err());
        assert!(root.rename(p("real/file"), p("out/stolen")).is_err());
        assert!(root.rename_new(p("out/secret"), p("got")).is_err());
        assert_eq!(root.stat(p("inside")).unwrap().kind, Kind::Link);
        assert!(root.stat(p("inside/file")).is_err());
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
        assert!(!folder.join("nothing").exists());
    });
}

#[test]
fn nothing_leads_up_or_starts_at_the_top() {
    both_ways(|folder, root| {
        fs::create_dir(folder.join("a")).unwrap();
        for path in ["..", "../x", "a/../x", "/etc/passwd", "a/..", "a/../../x", "."] {
            assert!(root.open(p(path)).is_err(), "{path}");
            assert!(root.create(p(path), false).is_err(), "{path}");
            assert!(root.remove(p(path)).is_err(), "{path}");
            assert!(root.rename(p("a"), p(path)).is_err(), "{path}");
        }
    });
}

#[test]
fn what_is_no_regular_file_is_refused_without_blocking() {
    both_ways(|folder, root| {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.join("pipe"),
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
        fs::create_dir(folder.join("folder")).unwrap();
        for name in ["pipe", "socket", "folder"] {
            assert_eq!(kind(root.open(p(name))), io::ErrorKind::InvalidInput, "{name}");
            assert_eq!(kind(root.open_write(p(name))), io::ErrorKind::InvalidInput, "{name}");
        }
        let mut listed: Vec<_> =
            root.list(p("")).unwrap().into_iter().map(|e| (e.name, e.kind)).collect();
        listed.sort_by(|a, b| a.0.cmp(&b.0));
        let want = [("folder", Kind::Folder), ("pipe", Kind::Other), ("socket", Kind::Other)];
        assert_eq!(listed, want.map(|(name, kind)| (name.into(), kind)));
    });
}

#[test]
fn create_and_rename_new_never_replace() {
    both_ways(|folder, root| {
        fs::write(folder.join("old"), "old").unwrap();
        fs::write(folder.join("new"), "new").unwrap();
        fs::create_dir(folder.join("folder")).unwrap();
        symlink("nothing", folder.join("link")).unwrap();
        let here: OwnedFd = fs::File::open(folder).unwrap().into();
        for taken in ["old", "folder", "link"] {
            assert_eq!(kind(root.create(p(taken), false)), io::ErrorKind::AlreadyExists);
            assert_eq!(kind(root.rename_new(p("new"), p(taken))), io::ErrorKind::AlreadyExists);
            let linked = link_unlink(&here, p("new"), &here, p(taken));
            assert_eq!(linked, Err(Errno::EXIST));
        }
        assert_eq!(fs::read(folder.join("old")).unwrap(), b"old");
        root.rename_new(p("new"), p("folder/moved")).unwrap();
        assert!(!folder.join("new").exists());
        link_unlink(&here, p("folder/moved"), &here, p("again")).unwrap();
        assert_eq!(fs::read(folder.join("again")).unwrap(), b"new");
        assert!(!folder.join("folder/moved").exists());
        root.rename(p("again"), p("old")).unwrap();
        assert_eq!(fs::read(folder.join("old")).unwrap(), b"new");
    });
}

#[test]
fn a_file_system_that_knows_no_size_has_room() {
    assert_eq!(free_bytes(0, 0, 4096), u64::MAX);
    assert_eq!((free_bytes(9, 0, 4096), free_bytes(9, 2, 4096)), (0, 8192));
}

#[test]
fn replacing_leaves_one_whole_file() {
    both_ways(|folder, root| {
        for content in ["one", "two"] {
            replace(root, p("state"), content.as_bytes(), true).unwrap();
            assert_eq!(fs::read_to_string(folder.join("state")).unwrap(), content);
        }
        let mode = fs::metadata(folder.join("state")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::create_dir(folder.join("taken")).unwrap();
        assert!(replace(root, p("taken"), b"x", true).is_err());
        assert_eq!(fs::read_dir(folder).unwrap().count(), 2, "no temporary file is left");
    });
}

#[test]
fn a_lock_is_held_until_dropped() {
    both_ways(|folder, root| {
        let lock = root.try_lock(p("lock")).unwrap().expect("free");
        lock.describe(b"process 1, long words").unwrap();
        lock.describe(b"process 1").unwrap();
        assert!(root.try_lock(p("lock")).unwrap().is_none());
        assert_eq!(fs::read(folder.join("lock")).unwrap(), b"process 1");
        drop(lock);
        assert!(root.try_lock(p("lock")).unwrap().is_some());
    });
}

#[test]
fn missing_folders_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a/b/c");
    assert_eq!(kind(SystemDisk.open(&path).map(drop)), io::ErrorKind::NotFound);
    for _ in 0..2 {
        SystemDisk.open_or_create(&path, true).unwrap();
    }
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    fs::write(folder.path().join("file"), "").unwrap();
    assert!(SystemDisk.open_or_create(&folder.path().join("file"), true).is_err());
    assert!(SystemDisk.open_or_create(&folder.path().join("file/x"), true).is_err());
}

#[test]
fn a_local_folder_is_watchable() {
    let folder = tempfile::tempdir().unwrap();
    // A file system of the kernel's own is never a network's.
    let local =
        if Path::new("/proc/self").exists() { Path::new("/proc/self") } else { folder.path() };
    assert!(SystemDisk.open(local).unwrap().watchable());
}

#[test]
fn a_temporary_file_of_somebody_else_is_left_alone() {
    both_ways(|folder, root| {
        let pid = std::process::id();
        // Another container may have a process with this very number, in the middle of the same.
        let theirs: Vec<_> =
            (0..200).map(|count| folder.join(format!(".state.{pid}-{count}.tmp"))).collect();
        theirs.iter().for_each(|path| fs::write(path, b"half of it").unwrap());
        replace(root, p("state"), b"ours", true).unwrap();
        assert_eq!(fs::read(folder.join("state")).unwrap(), b"ours");
        assert!(theirs.iter().all(|path| fs::read(path).is_ok_and(|read| read == b"half of it")));
    });
}

#[test]
fn a_file_is_locked_once_until_it_is_closed() {
    both_ways(|_, root| {
        let one = root.create(p("x"), false).unwrap();
        let two = root.open_write(p("x")).unwrap();
        assert!(one.try_lock().unwrap());
        assert!(!two.try_lock().unwrap());
        drop(one);
        assert!(two.try_lock().unwrap());
    });
}

#[test]
fn permission_bits_are_set_without_the_special_ones() {
    both_ways(|_, root| {
        let file = root.create(p("x"), true).unwrap();
        file.set_mode(0o4755).unwrap();
        assert_eq!(file.stat().unwrap().mode, 0o755);
    });
}

#[test]
fn a_whole_file_system_is_flushed_or_that_is_not_offered() {
    both_ways(|_, root| {
        root.create(p("x"), false).unwrap().write_all_at(b"x", 0).unwrap();
        match root.sync_all() {
            Ok(()) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::Unsupported),
        }
    });
}

#[test]
fn what_passes_by_the_cache_and_what_does_not_is_one_content() {
    use crate::disk::{BLOCK, Buffer};
    both_ways(|folder, root| {
        let mut file = root.create(p("x"), true).unwrap();
        file.pass_cache();
        let len = 5 * BLOCK + 77;
        file.set_len(len as u64).unwrap();
        let mut buffer = Buffer::new(len);
        (0..).zip(&mut *buffer).for_each(|(at, byte): (usize, _)| *byte = (at / 3 % 251) as u8 + 1);
        // Blocks, a tail, and parts of blocks over both.
        file.write_all_at(&buffer[3 * BLOCK..], 3 * BLOCK as u64).unwrap();
        file.write_all_at(&buffer[BLOCK + 5..3 * BLOCK], BLOCK as u64 + 5).unwrap();
        file.write_all_at(&buffer[..BLOCK * 2], 0).unwrap();
        file.sync().unwrap();
        assert!(fs::read(folder.join("x")).unwrap() == *buffer);
        let mut file = root.open(p("x")).unwrap();
        file.pass_cache();
        let mut read = Buffer::new(6 * BLOCK);
        assert_eq!(file.read_at(&mut read, BLOCK as u64).unwrap(), len - BLOCK);
        assert!(read[..len - BLOCK] == buffer[BLOCK..]);
        assert_eq!(file.read_at(&mut read[1..10], 7).unwrap(), 9);
        assert_eq!(read[1..10], buffer[7..16]);
        assert_eq!(file.read_at(&mut read, 6 * BLOCK as u64).unwrap(), 0);
        assert!(file.write_all_at(&buffer, 0).is_err(), "it was opened to be read");
    });
}
