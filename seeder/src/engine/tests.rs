mod folders;
mod sharing;

use super::*;
use std::path::Path;

use crate::activity::Activity;
use crate::folder::Folder;
use crate::index::State;
use sealift_platform::Platform;
use sealift_platform::testing::Share;
use sealift_proto::path::RelativePath;

struct Running {
    handle: Handle,
    activity: mpsc::UnboundedReceiver<Activity>,
    stop: signal::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    home: Share,
    /// As the system's watcher has it.
    hints: mpsc::UnboundedSender<Hint>,
}

fn start_at(share: &Share, home: Share, watching: Watching) -> Running {
    start_in(share.dir.path(), home, watching)
}

fn start_in(dir: &Path, home: Share, watching: Watching) -> Running {
    let name = RelativePath::new("s").unwrap();
    let folder = Folder::new(name, dir.into(), Vec::new());
    let (cache, problem) = Cache::open(&home.root());
    assert!(problem.is_none());
    let (teller, activity) = Teller::new();
    let (engine, inbox, handle) = Engine::new(
        Platform::system(),
        Folders::new(vec![folder]),
        Arc::new(cache),
        watching,
        teller,
    );
    let (stop, stopped) = signal::channel(false);
    let hints = engine.sender.hints.clone();
    let task = tokio::spawn(engine.run(inbox, stopped));
    Running { handle, activity, stop, task, home, hints }
}

fn start(share: &Share, watching: Watching) -> Running {
    start_at(share, Share::new(), watching)
}

impl Running {
    fn root(&self, path: &str) -> Option<[u8; 32]> {
        match self.handle.shared.index().get(path)?.state {
            State::Hashed(root) => Some(root.0),
            _ => None,
        }
    }

    async fn until(&self, limit: Duration, what: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !what(self) {
            assert!(start.elapsed() < limit, "not within {limit:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn until_hash(&self, path: &str, content: &[u8], limit: Duration) {
        let wanted = *blake3::hash(content).as_bytes();
        self.until(limit, |running| running.root(path) == Some(wanted)).await;
    }

    async fn until_scanned(&self) {
        self.until(Duration::from_secs(10), |running| !running.handle.shared.index().scanning)
            .await;
    }

    async fn heard(&mut self, what: impl Fn(&Activity) -> bool) {
        let hear = async {
            while let Some(activity) = self.activity.recv().await {
                if what(&activity) {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(15), hear).await.expect("it is told");
    }

    async fn end(self) -> Share {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
        self.home
    }
}

const SOON: Duration = Duration::from_secs(2);
const POLL_EVERY: Watching = Watching::Poll(Duration::from_millis(200));

#[tokio::test]
async fn a_small_file_is_hashed_soon_after_it_is_closed() {
    let share = Share::new();
    let mut running = start(&share, Watching::System);
    running.until_scanned().await;
    share.write("a.txt", "one");
    running.until_hash("s/a.txt", b"one", SOON).await;
    running.heard(|a| matches!(a, Activity::Added(name, 3) if &**name == "s/a.txt")).await;
    share.write("a.txt", "second");
    running.until_hash("s/a.txt", b"second", SOON).await;
    running.heard(|a| matches!(a, Activity::Changed(_, 6))).await;
    std::fs::remove_file(share.path("a.txt")).unwrap();
    running.until(SOON, |r| r.handle.shared.index().get("s/a.txt").is_none()).await;
    running.end().await;
}

#[tokio::test]
async fn without_events_a_file_is_hashed_once_it_is_quiet() {
    let share = Share::new();
    let running = start(&share, POLL_EVERY);
    running.until_scanned().await;
    share.write("sub/a.txt", "one");
    running.until_hash("s/sub/a.txt", b"one", Duration::from_secs(5)).await;
    running.end().await;
}

/// T086
#[tokio::test]
async fn a_file_still_being_written_is_not_offered_as_complete() {
    use std::io::Write;
    let share = Share::new();
    let running = start(&share, Watching::System);
    running.until_scanned().await;
    let mut file = std::fs::File::create(share.path("copy")).unwrap();
    for _ in 0..12 {
        file.write_all(b"more").unwrap();
        file.flush().unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(running.root("s/copy").is_none());
        assert!(running.handle.shared.index().entry("s/copy").is_none_or(|e| e.root.is_none()));
    }
    drop(file);
    running.until_hash("s/copy", &b"more".repeat(12), SOON).await;
    running.end().await;
}

#[tokio::test]
async fn renames_and_moves_are_not_read_again_even_over_a_restart() {
    let share = Share::new();
    share.write("dir/a", vec![1; 3 << 20]);
    share.write("dir/b", "b");
    let running = start(&share, Watching::System);
    running.until_hash("s/dir/a", &vec![1; 3 << 20], Duration::from_secs(10)).await;
    running.until_hash("s/dir/b", b"b", Duration::from_secs(10)).await;
    let read = running.handle.shared.bytes_read();
    std::fs::rename(share.path("dir"), share.path("moved")).unwrap();
    std::fs::rename(share.path("moved/a"), share.path("c")).unwrap();
    running.until_hash("s/c", &vec![1; 3 << 20], SOON).await;
    running.until_hash("s/moved/b", b"b", SOON).await;
    running.until(SOON, |r| r.handle.shared.index().get("s/dir/a").is_none()).await;
    assert_eq!(running.handle.shared.bytes_read(), read);
    let home = running.end().await;
    std::fs::rename(share.path("c"), share.path("d")).unwrap();
    let running = start_at(&share, home, Watching::System);
    running.until_scanned().await;
    running.until_hash("s/d", &vec![1; 3 << 20], SOON).await;
    running.until_hash("s/moved/b", b"b", SOON).await;
    assert_eq!(running.handle.shared.bytes_read(), 0);
    running.end().await;
}

#[tokio::test]
async fn what_somebody_wants_is_read_at_once() {
    let share = Share::new();
    let running = start(&share, POLL_EVERY);
    running.until_scanned().await;
    share.write("a", "now");
    let listed = |r: &Running| r.handle.shared.index().get("s/a").is_some();
    running.until(SOON, listed).await;
    let since = Instant::now();
    let answer = running.handle.want("s/a".into()).await;
    assert_eq!(answer, Ok((Root(*blake3::hash(b"now").as_bytes()), 3)));
    assert!(since.elapsed() < Duration::from_secs(1));
    assert_eq!(running.handle.want("s/none".into()).await, Err(Missing::Gone));
    running.end().await;
}

/// T089
async fn goes_and_comes_back(watching: Watching) {
    let outer = Share::new();
    outer.write("share/a", "x");
    let mut running = start_in(&outer.path("share"), Share::new(), watching);
    let long = Duration::from_secs(10);
    running.until_hash("s/a", b"x", long).await;
    std::fs::rename(outer.path("share"), outer.path("away")).unwrap();
    running.until(long, |r| r.handle.shared.index().status().files == 0).await;
    running.heard(|a| matches!(a, Activity::FolderGone { .. })).await;
    outer.write("share/b", "y");
    running.until_hash("s/b", b"y", long).await;
    running.heard(|a| matches!(a, Activity::FolderBack { .. })).await;
    std::fs::remove_dir_all(outer.path("share")).unwrap();
    running.until(long, |r| r.handle.shared.index().status().files == 0).await;
    std::fs::rename(outer.path("away"), outer.path("share")).unwrap();
    running.until_hash("s/a", b"x", long).await;
    outer.write("share/c", "z");
    running.until_hash("s/c", b"z", long).await;
    running.end().await;
}

#[tokio::test]
async fn a_watched_folder_that_goes_offers_nothing_until_it_is_back() {
    goes_and_comes_back(Watching::System).await;
}

#[tokio::test]
async fn a_polled_folder_that_goes_offers_nothing_until_it_is_back() {
    goes_and_comes_back(POLL_EVERY).await;
}

#[tokio::test]
async fn rules_count_as_soon_as_they_change() {
    let share = Share::new();
    share.write("a.log", "x");
    let running = start(&share, Watching::System);
    running.until_hash("s/a.log", b"x", Duration::from_secs(10)).await;
    share.write(".sealiftignore", "*.log\n");
    running.until(SOON, |r| r.handle.shared.index().get("s/a.log").is_none()).await;
    std::fs::remove_file(share.path(".sealiftignore")).unwrap();
    // It may be about to be written anew: what it kept out stays out for a while.
    running.until_hash("s/a.log", b"x", SOON + crate::rules::RULES_SETTLE).await;
    running.end().await;
}

#[cfg(unix)]
#[tokio::test]
async fn bad_entries_are_told_once_and_do_not_stop_the_rest() {
    let share = Share::new();
    share.write("a", "x");
    share.write("bad\nname", "x");
    std::os::unix::fs::symlink("a", share.path("link")).unwrap();
    let mut running = start(&share, POLL_EVERY);
    running.until_hash("s/a", b"x", Duration::from_secs(10)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut skipped = Vec::new();
    while let Ok(activity) = running.activity.try_recv() {
        if let Activity::Skipped { place, .. } = activity {
            skipped.push(place.strip_prefix(share.dir.path()).unwrap().to_owned());
        }
    }
    skipped.sort();
    assert_eq!(skipped, [Path::new("bad\nname"), Path::new("link")]);
    running.end().await;
}

#[tokio::test]
async fn after_lost_events_the_whole_folder_is_walked() {
    let share = Share::new();
    share.write("a", "x");
    let running = start(&share, Watching::System);
    running.until_hash("s/a", b"x", Duration::from_secs(10)).await;
    let lost: Name = "s/a".into();
    running.handle.shared.index().remove(&lost);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(running.root("s/a").is_none(), "no event tells of it");
    running.hints.send(Hint::Rescan { folder: 0 }).unwrap();
    running.until_hash("s/a", b"x", SOON).await;
    running.end().await;
}

/// As it is copied by hand, into a folder that no program has marked.
#[tokio::test]
async fn a_copy_of_a_key_is_never_published_and_told_once() {
    let share = Share::new();
    let key = "sealift-private owner-key 1 00\n{}\n";
    share.write("backup-of-owner.key", key);
    share.write("a", "x");
    let mut running = start(&share, POLL_EVERY);
    running.until_hash("s/a", b"x", Duration::from_secs(10)).await;
    share.write("later", key);
    let names = ["s/backup-of-owner.key", "s/later"];
    for name in names {
        running
            .heard(|told| {
                matches!(told, Activity::Skipped { place, why }
            if place.ends_with(&name[2..]) && why.contains("own files"))
            })
            .await;
        assert!(running.handle.shared.index().entry(name).is_none());
        assert_eq!(running.handle.want(name.into()).await, Err(Missing::Unreadable));
    }
    share.write("b", "y");
    running.until_hash("s/b", b"y", Duration::from_secs(10)).await;
    let mut again = std::iter::from_fn(|| running.activity.try_recv().ok());
    assert!(!again.any(|told| matches!(told, Activity::Skipped { .. })));
    running.end().await;
}

#[tokio::test]
async fn what_was_offered_goes_when_a_program_makes_its_home_there() {
    let share = Share::new();
    share.write("home/x", "x");
    share.write("a", "a");
    let running = start(&share, Watching::System);
    running.until_hash("s/home/x", b"x", Duration::from_secs(10)).await;
    running.until_hash("s/a", b"a", Duration::from_secs(10)).await;
    sealift_platform::private::open(&*Platform::system().disk, &share.path("home")).unwrap();
    running.until(SOON, |r| r.handle.shared.index().get("s/home/x").is_none()).await;
    share.write(".sealift-private", "");
    running.until(SOON, |r| r.handle.shared.index().status().files == 0).await;
    running.end().await;
}

/// T088
#[tokio::test]
async fn a_watcher_that_fails_is_replaced_by_walking() {
    let share = Share::new();
    let mut running = start(&share, Watching::System);
    running.until_scanned().await;
    let why = crate::watch::WatchError::Limit;
    running.hints.send(Hint::Broken { folder: 0, why }).unwrap();
    running
        .heard(|activity| match activity {
            Activity::Polling { why: Some(why), .. } => *why == crate::watch::WatchError::Limit,
            _ => false,
        })
        .await;
    share.write("a", "x");
    running.until_hash("s/a", b"x", Duration::from_secs(6)).await;
    running.end().await;
}
