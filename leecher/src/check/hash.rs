//! Hashes files of this machine, several at once.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use sealift_content::hashes::file::SMALL;
use sealift_platform::disk::{Buffer, Root as Folder};
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::CHUNK;
use tokio::task::JoinSet;

/// Files read at once at most: beyond, disks get slower, not faster.
const AT_ONCE: usize = 8;

/// The content of a file, or why it is not known.
pub type Outcome = io::Result<Root>;

/// Hashes that are being made. Dropping it ends the work.
pub struct Hashing {
    shared: Arc<Shared>,
    workers: JoinSet<Vec<(usize, Outcome)>>,
}

struct Shared {
    folder: Arc<dyn Folder>,
    files: Vec<(usize, PathBuf)>,
    next: AtomicUsize,
    read: AtomicU64,
    stopped: AtomicBool,
}

impl Hashing {
    /// Begins to hash `files` beneath `folder`, each known by a number.
    #[must_use]
    pub fn start(folder: Arc<dyn Folder>, files: Vec<(usize, PathBuf)>) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let count = threads.min(AT_ONCE).min(files.len());
        let (next, read) = (AtomicUsize::default(), AtomicU64::default());
        let stopped = AtomicBool::default();
        let shared = Arc::new(Shared { folder, files, next, read, stopped });
        let mut workers = JoinSet::new();
        for _ in 0..count {
            let shared = shared.clone();
            workers.spawn_blocking(move || shared.work());
        }
        Self { shared, workers }
    }

    /// Bytes read so far.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.shared.read.load(Ordering::Relaxed)
    }

    /// What the next worker to end has found; `None` when all have ended.
    ///
    /// # Errors
    /// When a worker broke.
    pub async fn next(&mut self) -> io::Result<Option<Vec<(usize, Outcome)>>> {
        self.workers.join_next().await.transpose().map_err(io::Error::other)
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn work(&self) -> Vec<(usize, Outcome)> {
        let mut done = Vec::new();
        let mut buffer = Buffer::new(usize::try_from(CHUNK).unwrap_or(1 << 20));
        while let Some((number, path)) = self.files.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            done.push((*number, self.hash(path, &mut buffer)));
        }
        done
    }

    /// The content of a file that stays as it is while it is read.
    fn hash(&self, path: &Path, buffer: &mut [u8]) -> Outcome {
        let mut file = self.folder.open(path)?;
        let before = file.stat()?;
        if before.len > SMALL {
            file.spare_cache();
        }
        let mut hasher = blake3::Hasher::new();
        let mut offset = 0;
        loop {
            if self.stopped.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let count = match file.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            offset += count as u64;
            self.read.fetch_add(count as u64, Ordering::Relaxed);
        }
        let after = file.stat()?;
        if (after.len, after.modified_ns) != (before.len, before.modified_ns) || offset != after.len
        {
            return Err(io::Error::other("it changed while it was read"));
        }
        Ok(Root(hasher.finalize().into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_platform::testing::MemoryDisk;

    #[tokio::test]
    async fn each_file_gets_its_own_hash_or_its_own_error() {
        let disk = MemoryDisk::new();
        let content = |number: usize| vec![number as u8; number * 70_001];
        for number in 0..40 {
            disk.put_file(&format!("f{number}"), &content(number));
        }
        let files = (0..41).map(|number| (number, PathBuf::from(format!("f{number}")))).collect();
        let mut hashing = Hashing::start(disk.root(), files);
        let mut found = Vec::new();
        while let Some(some) = hashing.next().await.unwrap() {
            found.extend(some);
        }
        found.sort_unstable_by_key(|(number, _)| *number);
        assert_eq!(found.len(), 41);
        for (number, outcome) in &found[..40] {
            let expected = Root(blake3::hash(&content(*number)).into());
            assert_eq!(outcome.as_ref().ok(), Some(&expected), "{number}");
        }
        assert_eq!(found[40].1.as_ref().unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(hashing.read(), (0..40).map(|number| number * 70_001).sum::<u64>());
    }
}
