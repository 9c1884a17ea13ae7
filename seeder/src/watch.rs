//! Hints that something changed, from the system's watcher.
//!
//! A hint is never believed: the path is looked at again. Where the system does not watch (network file systems, its limit
//! reached, or a simulation), the folder is walked again and again instead, which [`Watching::Poll`] asks for from the start.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, mpsc as thread_mpsc};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use sealift_platform::sync::lock;

/// How long events are gathered: part of the two seconds within which a file is to be found.
const GATHER: Duration = Duration::from_millis(120);

/// How folders are watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Watching {
    /// By the system where it can, else by walking them.
    #[default]
    System,
    /// By walking them this often.
    Poll(Duration),
}

/// Something that may have changed in a folder.
#[derive(Debug)]
pub enum Hint {
    /// At or beneath `local`.
    Changed {
        /// Number of the folder.
        folder: usize,
        /// Path beneath it.
        local: PathBuf,
        /// Whether a file was closed after writing, or put there whole.
        closed: bool,
    },
    /// Anywhere: events were lost.
    Rescan {
        /// Number of the folder.
        folder: usize,
    },
    /// The watcher does not work any more.
    Broken {
        /// Number of the folder.
        folder: usize,
        /// Why.
        why: WatchError,
    },
}

/// Why a folder is not watched by the system.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    /// As many folders are watched as the system allows.
    #[error("the system watches no more folders for this user")]
    Limit,
    /// The file system is of a kind that reports nothing.
    #[error("the system does not report changes there")]
    Unreported,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Whether the system is told of each folder by itself. On others one call watches all that is beneath.
const EACH: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// A running watcher; it ends when it is dropped.
pub struct Watcher {
    folder: usize,
    watcher: Mutex<RecommendedWatcher>,
    hints: mpsc::UnboundedSender<Hint>,
}

impl Watcher {
    /// Has the folder at `dir` watched too, if that takes a call of its own. To be called before it is listed, whenever it
    /// is: then nothing is missed, and a folder that cannot be read is left out alone, by whoever lists it.
    pub fn enter(&self, dir: &Path) {
        if !EACH {
            return;
        }
        let mut watcher = lock(&self.watcher);
        if let Err(error) = watcher.watch(dir, RecursiveMode::NonRecursive)
            && !is_of_the_folder(&error)
        {
            let _ = self.hints.send(Hint::Broken { folder: self.folder, why: explain(&error) });
        }
    }
}

/// Whether one folder alone cannot be watched: it is gone, or nobody may read it.
fn is_of_the_folder(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::PathNotFound => true,
        ErrorKind::Io(error) => {
            error.kind() == std::io::ErrorKind::PermissionDenied || crate::scan::is_absence(error)
        }
        _ => false,
    }
}

/// Has the system watch the folder at `dir`, and each folder beneath it that is entered; hints about it carry the number
/// `folder`. Blocks.
///
/// # Errors
/// [`WatchError`].
pub fn watch(
    folder: usize,
    dir: &Path,
    hints: mpsc::UnboundedSender<Hint>,
) -> Result<Watcher, WatchError> {
    let (sender, events) = thread_mpsc::channel();
    let handler = move |event: notify::Result<Event>| {
        // Reading a file is no change, and the seeder itself reads thousands: it must cost nothing here.
        if event.as_ref().map_or(true, tells_of_change) {
            // Nobody listens only while everything ends.
            let _ = sender.send(event);
        }
    };
    let config = notify::Config::default().with_follow_symlinks(false);
    let mut watcher = RecommendedWatcher::new(handler, config).map_err(|error| explain(&error))?;
    let gathering = Gathering { folder, base: dir.to_owned(), hints: hints.clone() };
    std::thread::Builder::new()
        .name("changes".to_owned())
        .spawn(move || gathering.run(&events))
        .map_err(|error| WatchError::Other(error.to_string()))?;
    let mode = if EACH { RecursiveMode::NonRecursive } else { RecursiveMode::Recursive };
    watcher.watch(dir, mode).map_err(|error| explain(&error))?;
    Ok(Watcher { folder, watcher: Mutex::new(watcher), hints })
}

fn tells_of_change(event: &Event) -> bool {
    let closed = AccessKind::Close(AccessMode::Write);
    event.need_rescan() || !event.kind.is_access() || event.kind == EventKind::Access(closed)
}

/// Makes hints of events. Many changes of one file within a moment are one.
struct Gathering {
    folder: usize,
    base: PathBuf,
    hints: mpsc::UnboundedSender<Hint>,
}

impl Gathering {
    /// Goes on until the watcher has ended.
    fn run(&self, events: &thread_mpsc::Receiver<notify::Result<Event>>) {
        while let Ok(first) = events.recv() {
            let end = Instant::now() + GATHER;
            let mut changed = HashMap::new();
            let mut next = Some(first);
            while let Some(event) = next {
                match event {
                    Ok(event) => self.take(event, &mut changed),
                    Err(error) => {
                        self.hint(Hint::Broken { folder: self.folder, why: explain(&error) })
                    }
                }
                next = events.recv_timeout(end.saturating_duration_since(Instant::now())).ok();
            }
            for (local, closed) in changed {
                self.hint(Hint::Changed { folder: self.folder, local, closed });
            }
        }
    }

    /// Notes which paths changed, and whether they were closed or renamed.
    fn take(&self, event: Event, changed: &mut HashMap<PathBuf, bool>) {
        if event.need_rescan() {
            return self.hint(Hint::Rescan { folder: self.folder });
        }
        let renamed = matches!(event.kind, EventKind::Modify(ModifyKind::Name(_)));
        for path in event.paths {
            if let Ok(local) = path.strip_prefix(&self.base) {
                *changed.entry(local.to_owned()).or_default() |= renamed || event.kind.is_access();
            }
        }
    }

    fn hint(&self, hint: Hint) {
        let _ = self.hints.send(hint);
    }
}

fn explain(error: &notify::Error) -> WatchError {
    let limit = match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(error) => {
            error.kind() == std::io::ErrorKind::StorageFull || error.raw_os_error() == Some(EMFILE)
        }
        _ => false,
    };
    if limit { WatchError::Limit } else { WatchError::Other(error.to_string()) }
}

/// What Linux answers when a user has too many watchers.
const EMFILE: i32 = 24;

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::collections::HashSet;

    async fn hints_until(
        hints: &mut mpsc::UnboundedReceiver<Hint>,
        wanted: &[(&str, bool)],
    ) -> bool {
        let mut missing: HashSet<_> = wanted.iter().copied().collect();
        let collect = async {
            while !missing.is_empty() {
                if let Some(Hint::Changed { local, closed, .. }) = hints.recv().await {
                    missing.retain(|seen| *seen != (local.to_str().unwrap(), closed));
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), collect).await.is_ok()
    }

    #[tokio::test]
    async fn closing_moving_and_removing_are_hinted() {
        let share = sealift_platform::testing::Share::new();
        let outside = tempfile::tempdir().unwrap();
        share.write("sub/before", "x");
        let (sender, mut hints) = mpsc::unbounded_channel();
        let watcher = watch(3, share.dir.path(), sender).unwrap();
        watcher.enter(&share.path("sub"));
        share.write("sub/a", "x");
        assert!(hints_until(&mut hints, &[("sub/a", true)]).await);
        std::fs::rename(share.path("sub/a"), share.path("b")).unwrap();
        assert!(hints_until(&mut hints, &[("sub/a", true), ("b", true)]).await);
        std::fs::rename(share.path("b"), outside.path().join("b")).unwrap();
        assert!(hints_until(&mut hints, &[("b", true)]).await);
        std::fs::remove_file(share.path("sub/before")).unwrap();
        assert!(hints_until(&mut hints, &[("sub/before", false)]).await);
        std::fs::create_dir(share.path("new")).unwrap();
        assert!(hints_until(&mut hints, &[("new", false)]).await);
        watcher.enter(&share.path("new"));
        watcher.enter(&share.path("never there"));
        std::fs::write(share.path("new/inner"), "x").unwrap();
        assert!(hints_until(&mut hints, &[("new/inner", true)]).await);
    }
}
