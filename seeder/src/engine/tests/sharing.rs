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
