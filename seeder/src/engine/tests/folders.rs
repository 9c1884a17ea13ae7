//! Folders that hold nothing, and names that cannot be shared.

use std::fs;

use sealift_proto::catalogue::Change;

use super::*;

impl Running {
    /// The folders that are stated, each with how many names in it are not shared: unshared, and ten for each left out.
    fn folders(&self) -> Vec<(String, u32)> {
        let index = self.handle.shared.index();
        let stated = index.folders().into_iter().map(|name| index.stated(&name));
        let folder = |change| match change {
            Some(Change::Folder(folder)) => {
                (folder.path.as_str().to_owned(), folder.unshared + 10 * folder.left_out)
            }
            other => panic!("no folder: {other:?}"),
        };
        stated.map(folder).collect()
    }

    async fn until_folders(&self, expected: &[(&str, u32)]) {
        let expected: Vec<_> = expected.iter().map(|(path, n)| ((*path).to_owned(), *n)).collect();
        let start = Instant::now();
        while self.folders() != expected {
            let late = start.elapsed() > Duration::from_secs(20);
            assert!(!late, "{:?} instead of {expected:?}", self.folders());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn come_and_go(watching: Watching) {
    let share = Share::new();
    let running = start(&share, watching);
    running.until_scanned().await;
    running.until_folders(&[("s", 0)]).await;
    fs::create_dir_all(share.path("a/b/c")).unwrap();
    running.until_folders(&[("s/a/b/c", 0)]).await;
    share.write("a/b/x", "x");
    running.until_hash("s/a/b/x", b"x", Duration::from_secs(10)).await;
    running.until_folders(&[("s/a/b/c", 0)]).await;
    share.write("a/b/c/y", "y");
    running.until_folders(&[]).await;
    fs::remove_file(share.path("a/b/c/y")).unwrap();
    running.until_folders(&[("s/a/b/c", 0)]).await;
    fs::rename(share.path("a/b/c"), share.path("d")).unwrap();
    running.until_folders(&[("s/d", 0)]).await;
    fs::remove_dir(share.path("d")).unwrap();
    fs::remove_dir_all(share.path("a/b")).unwrap();
    running.until_folders(&[("s/a", 0)]).await;
    fs::remove_dir(share.path("a")).unwrap();
    share.write("a", "a file in its place");
    running.until_folders(&[]).await;
    // A small file is named once it was read, and it is read once it was left alone.
    let named = |r: &Running| r.handle.shared.index().entry("s/a").is_some();
    running.until(Duration::from_secs(20), named).await;
    running.end().await;
}

#[tokio::test]
async fn folders_of_a_watched_folder_are_stated_while_they_are_empty() {
    come_and_go(Watching::System).await;
}

#[tokio::test]
async fn folders_of_a_polled_folder_are_stated_while_they_are_empty() {
    come_and_go(POLL_EVERY).await;
}

#[cfg(unix)]
#[tokio::test]
async fn names_that_cannot_be_shared_are_counted_where_they_are_until_they_go() {
    use std::os::unix::ffi::OsStrExt;
    let share = Share::new();
    let bad = share.path(std::ffi::OsStr::from_bytes(b"d/no\xfftext"));
    share.write("d/x", "x");
    share.write("shut/y", "y");
    share.write("shut/.sealiftignore", "a/{\n");
    share.write("rules/.sealiftignore", "*\n");
    share.write("rules/z", "z");
    share.write("home/.sealift-private", "");
    fs::write(&bad, "x").unwrap();
    std::os::unix::fs::symlink("x", share.path("d/link")).unwrap();
    let running = start(&share, Watching::System);
    running.until_scanned().await;
    running.until_folders(&[("s/d", 11), ("s/rules", 0), ("s/shut", 1)]).await;
    let told = running.handle.shared.index().lacking_in("s", 9);
    assert_eq!((told.0.unshared, told.0.left_out, told.1.len()), (2, 1, 2), "{told:?}");
    // What happens beside them makes no difference, and each goes by itself.
    share.write("d/more", "more");
    running.until_hash("s/d/more", b"more", Duration::from_secs(10)).await;
    running.until_folders(&[("s/d", 11), ("s/rules", 0), ("s/shut", 1)]).await;
    fs::remove_file(&bad).unwrap();
    running.until_folders(&[("s/d", 10), ("s/rules", 0), ("s/shut", 1)]).await;
    fs::remove_file(share.path("d/link")).unwrap();
    fs::remove_file(share.path("shut/.sealiftignore")).unwrap();
    running.until_folders(&[("s/rules", 0)]).await;
    running.until_hash("s/shut/y", b"y", Duration::from_secs(10)).await;
    let socket = std::os::unix::net::UnixListener::bind(share.path("d/socket")).unwrap();
    running.until_folders(&[("s/d", 10), ("s/rules", 0)]).await;
    drop(socket);
    running.end().await;
}

#[tokio::test]
async fn a_folder_that_becomes_a_programs_own_is_stated_no_more() {
    let share = Share::new();
    share.write("x", "x");
    fs::create_dir(share.path("home")).unwrap();
    let running = start(&share, Watching::System);
    running.until_folders(&[("s/home", 0)]).await;
    share.write("home/.sealift-private", "");
    running.until_folders(&[]).await;
    running.end().await;
}

#[tokio::test]
async fn of_a_folder_that_is_gone_nothing_is_stated_until_it_is_back() {
    let outer = Share::new();
    fs::create_dir_all(outer.path("share/empty")).unwrap();
    let running = start_in(&outer.path("share"), Share::new(), POLL_EVERY);
    running.until_folders(&[("s/empty", 0)]).await;
    fs::rename(outer.path("share"), outer.path("moved")).unwrap();
    running.until_folders(&[]).await;
    fs::rename(outer.path("moved"), outer.path("share")).unwrap();
    running.until_folders(&[("s/empty", 0)]).await;
    running.end().await;
}
