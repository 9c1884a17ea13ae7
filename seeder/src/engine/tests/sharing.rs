//! Folders that come and go while the engine runs.

use super::*;

fn other(share: &Share, name: &str) -> Arc<Folder> {
    Arc::new(Folder::new(RelativePath::new(name).unwrap(), share.dir.path().into(), Vec::new()))
}

async fn come_and_go(watching: Watching) {
    let (first, second) = (Share::new(), Share::new());
    first.write("a.txt", "one");
    second.write("b.txt", "two");
    let running = start(&first, watching);
    running.until_hash("s/a.txt", b"one", SOON * 5).await;
    for _ in 0..2 {
        running.handle.share(other(&second, "t")).await.unwrap();
        running.until_hash("t/b.txt", b"two", SOON * 5).await;
        running.until_scanned().await;
        second.write("c.txt", "three");
        running.until_hash("t/c.txt", b"three", SOON * 5).await;
        running.handle.unshare("t").await.unwrap();
        let index = running.handle.shared.index();
        assert!(index.names().all(|name| name.starts_with("s/")), "at once");
        assert!(!index.scanning && index.get("s/a.txt").is_some());
        drop(index);
        std::fs::remove_file(second.path("c.txt")).unwrap();
    }
    // What happens there is nothing to it any more.
    second.write("d.txt", "four");
    running.handle.unshare("no such").await.unwrap();
    running.handle.unshare("s").await.unwrap();
    assert_eq!(running.handle.shared.index().status().files, 0);
    first.write("e.txt", "five");
    running.handle.share(other(&first, "u")).await.unwrap();
    running.until_hash("u/e.txt", b"five", SOON * 5).await;
    assert!(running.handle.shared.index().names().all(|name| name.starts_with("u/")));
    let handle = running.handle.clone();
    running.end().await;
    assert_eq!(handle.unshare("u").await, Err(EngineEnded));
}

#[tokio::test]
async fn folders_come_and_go_while_others_stay() {
    come_and_go(Watching::System).await;
}

#[tokio::test]
async fn folders_that_are_walked_come_and_go_too() {
    come_and_go(POLL_EVERY).await;
}

fn one_file(share: &Share) -> Arc<Folder> {
    let name = RelativePath::new("files/plan").unwrap();
    let dir = share.dir.path().canonicalize().unwrap();
    Arc::new(Folder::with_only(name, dir, "a.txt".into(), Vec::new()))
}

async fn one_file_alone(watching: Watching) {
    let (other, share) = (Share::new(), Share::new());
    for name in ["a.txt", "b.txt", "sub/a.txt", "plan"] {
        share.write(name, "old");
    }
    // Somebody named the file: what rules of its folder say is not about that.
    share.write(".sealiftignore", "a.txt");
    let running = start(&other, watching);
    running.handle.share(one_file(&share)).await.unwrap();
    running.until_hash("files/plan", b"old", SOON * 5).await;
    // As editors save.
    share.write("b.txt", "neighbour");
    share.write("a.txt.new", "new");
    std::fs::rename(share.path("a.txt.new"), share.path("a.txt")).unwrap();
    running.until_hash("files/plan", b"new", SOON * 5).await;
    let gone = |running: &Running| running.root("files/plan").is_none();
    std::fs::rename(share.path("a.txt"), share.path("moved")).unwrap();
    running.until(SOON * 5, gone).await;
    std::fs::rename(share.path("moved"), share.path("a.txt")).unwrap();
    running.until_hash("files/plan", b"new", SOON * 5).await;
    #[cfg(unix)]
    {
        std::fs::remove_file(share.path("a.txt")).unwrap();
        std::os::unix::fs::symlink("b.txt", share.path("a.txt")).unwrap();
        running.until(SOON * 5, gone).await;
        std::fs::remove_file(share.path("a.txt")).unwrap();
        share.write("a.txt", "back");
        running.until_hash("files/plan", b"back", SOON * 5).await;
    }
    // A program of Sealift keeps its files there by now.
    share.write(".sealift-private", "");
    running.until(SOON * 5, gone).await;
    std::fs::remove_file(share.path(".sealift-private")).unwrap();
    running.until(SOON * 5, |running| !gone(running)).await;
    let names: Vec<_> = running.handle.shared.index().names().collect();
    assert_eq!(names, [Name::from("files/plan")], "nothing else of its folder");
    assert!(running.handle.shared.index().folders().iter().all(|name| !name.starts_with("files")));
    running.handle.unshare("files/plan").await.unwrap();
    assert!(gone(&running));
    running.end().await;
}

#[tokio::test]
async fn of_a_watched_folder_one_file_is_offered_alone() {
    one_file_alone(Watching::System).await;
}

#[tokio::test]
async fn of_a_polled_folder_one_file_is_offered_alone() {
    one_file_alone(POLL_EVERY).await;
}

#[tokio::test]
async fn a_key_is_not_offered_although_somebody_named_it() {
    let (other, share) = (Share::new(), Share::new());
    share.write("a.txt", "sealift-private device-key 1 00\n{}\n");
    let mut running = start(&other, Watching::System);
    running.handle.share(one_file(&share)).await.unwrap();
    running.heard(|told| matches!(told, Activity::Skipped { .. })).await;
    assert!(running.handle.shared.index().entry("files/plan").is_none());
    running.end().await;
}
