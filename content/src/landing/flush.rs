//! Making many files and names durable at once.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sealift_platform::disk::Root as Folder;
use sealift_platform::sync::lock;

/// From so many files on, one flush of the whole file system costs less than one for each file. Below, it may have to wait for
/// what others write.
pub(super) const MANY_FILES: usize = 64;
/// From so many folders on, likewise.
const MANY_FOLDERS: usize = 16;
/// How many files are flushed side by side otherwise. File systems make such flushes one.
const SIDE_BY_SIDE: usize = 16;

/// Flushes of a whole file system. A failure is told once, so it counts for everything that was written before it.
#[derive(Default)]
pub(super) struct Flush {
    losses: AtomicU64,
    /// Held by whoever flushes: of two at once only one would be told of a failure.
    alone: Mutex<()>,
}

impl Flush {
    /// How many have failed. What was begun to be written when there were fewer may be lost. Never waits: files are written
    /// while others are flushed.
    pub(super) fn losses(&self) -> u64 {
        self.losses.load(Ordering::SeqCst)
    }

    /// Flushes everything; `false` where that cannot be done.
    pub(super) fn all(&self, folder: &dyn Folder) -> io::Result<bool> {
        let _alone = lock(&self.alone);
        match folder.sync_all() {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(false),
            Err(error) => {
                self.losses.fetch_add(1, Ordering::SeqCst);
                Err(error)
            }
        }
    }

    /// Makes the names in `folders` durable; those that failed, with why.
    pub(super) fn names<'a, P: AsRef<std::path::Path> + Sync>(
        &self,
        folder: &dyn Folder,
        folders: &'a [P],
    ) -> Vec<(&'a P, io::Error)> {
        if folders.len() >= MANY_FOLDERS {
            match self.all(folder) {
                Ok(true) => return Vec::new(),
                Ok(false) => {}
                Err(error) => {
                    let kind = error.kind();
                    return folders.iter().map(|path| (path, kind.into())).collect();
                }
            }
        }
        let ends = each(folders, |path| folder.sync_folder(path.as_ref()));
        let failed = folders.iter().zip(ends);
        failed.filter_map(|(path, end)| Some((path, end.err()?))).collect()
    }
}

/// Does `work` for all items, several side by side, since each waits for the disk.
pub(super) fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if items.len() <= 1 {
        return items.iter().map(work).collect();
    }
    let share = items.len().div_ceil(SIDE_BY_SIDE);
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = items
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(work).collect::<Vec<_>>()))
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<R>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().flat_map(join).collect()
    })
}
