//! Hashes of files read before, in one file: losing it costs reading the files again and nothing else.
//!
//! A file is found by its inode, size and time of change, so that renames and moves cost nothing. All of it but the chaining
//! values is kept in memory while the seeder runs, about 100 bytes a file.
//!
//! ```text
//! record = 0 ‖ key [24] ‖ i64 changed ‖ u64 device ‖ u64 path ‖ root [32]      key = u64 inode ‖ u64 size ‖ i64 modified
//!        | 1 ‖ root [32] ‖ chaining values [32] …
//! ```

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blake3::hazmat::ChainingValue;
use sealift_platform::disk::Root as Folder;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::{CHUNK, Layout, Manifest};

use super::file::Hashed;
use crate::journal::Journal;
use crate::print::Print;

/// Name of the file.
pub const FILE: &str = "hashes";
const KIND: [u8; 16] = *b"sealift hashes 1";
/// Records that no longer count are thrown away when they are more than those that do and this many.
const SLACK: usize = 10_000;

type Key = [u8; 24];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Record {
    changed_ns: i64,
    device: u64,
    /// First eight bytes of the hash of the path it had.
    path: u64,
    root: Root,
}

enum Values {
    /// Not written yet.
    Waiting(Vec<ChainingValue>),
    /// At a place in the file, so many.
    Stored(u64, usize),
}

/// What is remembered of files read before.
pub struct Cache {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    journal: Option<Journal>,
    files: HashMap<Key, Record>,
    values: HashMap<Root, Values>,
    waiting: Vec<Key>,
    waiting_values: Vec<Root>,
    /// Records in the file, superseded ones included.
    stored: usize,
}

impl Cache {
    /// Opens the cache in `folder`. The text says what is wrong with it; without a usable disk it works in memory. Blocks.
    #[must_use]
    pub fn open(folder: &Arc<dyn Folder>) -> (Self, Option<String>) {
        let mut inner = Inner::default();
        let opened =
            Journal::open(folder, Path::new(FILE), KIND, |place, body| inner.load(place, body));
        let problem = match opened {
            Ok((journal, opened)) => {
                inner.journal = Some(journal);
                let kept = inner.files.len();
                (opened.lost > 0).then(|| {
                    format!("the end of it was damaged; {kept} hashes are left, other files are read again")
                })
            }
            Err(error) => Some(format!("it cannot be used ({error}); hashes are not remembered")),
        };
        (Self { inner: Mutex::new(inner) }, problem)
    }

    /// The content of the file at `path` in the state `print`, if it is known.
    ///
    /// A file whose metadata changed counts as known only where a rename explains it: same device, another path.
    #[must_use]
    pub fn find(&self, print: &Print, path: &str) -> Option<Root> {
        let inner = self.lock();
        let record = inner.files.get(&key(print))?;
        let same_device = record.device == print.device;
        let same_path = record.path == path_number(path);
        let trusted = if record.changed_ns == print.changed_ns {
            same_device || same_path
        } else {
            same_device && !same_path
        };
        let complete = print.size <= CHUNK || inner.values.contains_key(&record.root);
        (trusted && complete).then_some(record.root)
    }

    /// Remembers that the file at `path`, in the state `print`, has the content `hashed`. Written by [`Cache::flush`].
    pub fn put(&self, print: &Print, path: &str, hashed: Hashed) {
        let record = Record {
            changed_ns: print.changed_ns,
            device: print.device,
            path: path_number(path),
            root: hashed.root,
        };
        let mut inner = self.lock();
        inner.files.insert(key(print), record);
        inner.waiting.push(key(print));
        if !hashed.values.is_empty() && !inner.values.contains_key(&hashed.root) {
            inner.values.insert(hashed.root, Values::Waiting(hashed.values));
            inner.waiting_values.push(hashed.root);
        }
    }

    /// How many records wait to be written.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Writes what waits. Blocks.
    ///
    /// # Errors
    /// What the disk says; what waits is then tried again with the next flush.
    pub fn flush(&self) -> io::Result<()> {
        self.lock().flush()
    }

    /// The chaining values of the chunks of `root`, a file of `layout`; `None` if they are not remembered. Blocks.
    #[must_use]
    pub fn values(&self, root: &Root, layout: Layout) -> Option<Vec<ChainingValue>> {
        if layout.pages() == 0 {
            return Some(Vec::new());
        }
        let values = self.lock().read_values(root)?;
        let sound = Manifest::new(layout, values.clone())
            .is_ok_and(|manifest| manifest.root() == Some(*root));
        sound.then_some(values)
    }

    /// Whether much of it would be thrown away by [`Cache::prune`], now that there are `live` files.
    #[must_use]
    pub fn wants_pruning(&self, live: usize) -> bool {
        self.lock().stored > live * 2 + SLACK
    }

    /// Throws away what belongs to no file in `live`. Blocks.
    ///
    /// # Errors
    /// What the disk says.
    pub fn prune<'a>(&self, live: impl Iterator<Item = &'a Print>) -> io::Result<()> {
        let keys: HashSet<Key> = live.map(key).collect();
        let mut inner = self.lock();
        inner.files.retain(|key, _| keys.contains(key));
        let roots: HashSet<Root> = inner.files.values().map(|record| record.root).collect();
        inner.values.retain(|root, _| roots.contains(root));
        inner.rewrite()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn load(&mut self, place: u64, body: &[u8]) {
        match body.split_first() {
            Some((0, body)) => {
                if let Some((key, record)) = Record::decode(body) {
                    self.stored += 1;
                    self.files.insert(key, record);
                }
            }
            Some((1, body)) => {
                if let Some((root, values)) = body.split_first_chunk::<32>() {
                    let stored = Values::Stored(place + 33, values.len() / 32);
                    self.values.insert(Root(*root), stored);
                }
            }
            _ => {}
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.journal.is_none() || (self.waiting.is_empty() && self.waiting_values.is_empty()) {
            return Ok(());
        }
        // Values first: a record must not count without them.
        let roots = self.waiting_values.iter();
        let values: Vec<_> = roots.filter_map(|root| self.values_body(root)).collect();
        let keys = self.waiting.iter();
        let files: Vec<_> = keys.filter_map(|key| Some(self.files.get(key)?.encode(key))).collect();
        let all =
            values.iter().map(|(_, body)| &body[..]).chain(files.iter().map(|body| &body[..]));
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let places = journal.append(all)?;
        self.waiting.clear();
        self.waiting_values.clear();
        for ((root, body), place) in values.iter().zip(places) {
            self.values.insert(*root, Values::Stored(place + 33, body.len() / 32 - 1));
        }
        self.stored += files.len();
        Ok(())
    }

    fn rewrite(&mut self) -> io::Result<()> {
        let roots: Vec<Root> = self.values.keys().copied().collect();
        let values: Vec<_> = roots.iter().filter_map(|root| self.values_body(root)).collect();
        let files: Vec<_> = self.files.iter().map(|(key, record)| record.encode(key)).collect();
        let all =
            values.iter().map(|(_, body)| &body[..]).chain(files.iter().map(|body| &body[..]));
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let places = journal.rewrite(all)?;
        self.values = values
            .iter()
            .zip(places)
            .map(|((root, body), place)| (*root, Values::Stored(place + 33, body.len() / 32 - 1)))
            .collect();
        self.stored = files.len();
        self.waiting.clear();
        self.waiting_values.clear();
        Ok(())
    }

    fn values_body(&self, root: &Root) -> Option<(Root, Vec<u8>)> {
        let values = self.read_values(root)?;
        let mut body = vec![1];
        body.extend_from_slice(&root.0);
        body.extend_from_slice(values.as_flattened());
        Some((*root, body))
    }

    fn read_values(&self, root: &Root) -> Option<Vec<ChainingValue>> {
        match self.values.get(root)? {
            Values::Waiting(values) => Some(values.clone()),
            Values::Stored(place, count) => {
                let bytes = self.journal.as_ref()?.read(*place, count * 32).ok()?;
                Some(bytes.as_chunks::<32>().0.to_vec())
            }
        }
    }
}

impl Record {
    fn encode(&self, key: &Key) -> Vec<u8> {
        let parts: [&[u8]; 6] = [
            &[0],
            key,
            &self.changed_ns.to_be_bytes(),
            &self.device.to_be_bytes(),
            &self.path.to_be_bytes(),
            &self.root.0,
        ];
        parts.concat()
    }

    fn decode(body: &[u8]) -> Option<(Key, Self)> {
        let (key, rest) = body.split_first_chunk()?;
        let (changed, rest) = rest.split_first_chunk()?;
        let (device, rest) = rest.split_first_chunk()?;
        let (path, root) = rest.split_first_chunk()?;
        let record = Self {
            changed_ns: i64::from_be_bytes(*changed),
            device: u64::from_be_bytes(*device),
            path: u64::from_be_bytes(*path),
            root: Root(root.try_into().ok()?),
        };
        Some((*key, record))
    }
}

fn key(print: &Print) -> Key {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&print.inode.to_be_bytes());
    key[8..16].copy_from_slice(&print.size.to_be_bytes());
    key[16..].copy_from_slice(&print.modified_ns.to_be_bytes());
    key
}

fn path_number(path: &str) -> u64 {
    let hash = blake3::hash(path.as_bytes());
    u64::from_be_bytes(*hash.as_bytes().first_chunk().unwrap_or(&[0; 8]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Share;

    fn print(inode: u64) -> Print {
        Print { size: 5, modified_ns: 1_000, changed_ns: 2_000, inode, device: 9 }
    }

    fn hashed(byte: u8) -> Hashed {
        Hashed { root: Root([byte; 32]), values: Vec::new() }
    }

    fn find(cache: &Cache, print: &Print, path: &str) -> Option<u8> {
        cache.find(print, path).map(|root| root.0[0])
    }

    #[test]
    fn hashes_survive_a_restart_and_a_move() {
        let share = Share::new();
        let (cache, problem) = Cache::open(&share.root());
        assert!(problem.is_none());
        cache.put(&print(1), "s/a", hashed(7));
        assert_eq!(find(&cache, &print(1), "s/a"), Some(7));
        cache.flush().unwrap();
        assert_eq!(cache.waiting(), 0);
        drop(cache);
        let (cache, problem) = Cache::open(&share.root());
        assert!(problem.is_none());
        assert_eq!(find(&cache, &print(1), "s/a"), Some(7));
        // A folder above was renamed; the file itself was; the file system was mounted again under another number.
        assert_eq!(find(&cache, &print(1), "t/a"), Some(7));
        assert_eq!(find(&cache, &Print { changed_ns: 3, ..print(1) }, "s/b"), Some(7));
        assert_eq!(find(&cache, &Print { device: 1, ..print(1) }, "s/a"), Some(7));
        // Content may have changed under the same times; or it is a file of another file system.
        assert_eq!(find(&cache, &Print { changed_ns: 3, ..print(1) }, "s/a"), None);
        assert_eq!(find(&cache, &Print { device: 1, ..print(1) }, "s/b"), None);
        assert_eq!(find(&cache, &Print { size: 6, ..print(1) }, "s/a"), None);
        assert_eq!(find(&cache, &Print { modified_ns: 6, ..print(1) }, "s/a"), None);
        assert_eq!(find(&cache, &print(2), "s/a"), None);
    }

    #[test]
    fn large_files_are_known_only_with_their_values() {
        let share = Share::new();
        let layout = Layout::new(3 * CHUNK).unwrap();
        let values = vec![[1; 32], [2; 32], [3; 32]];
        let root = Manifest::new(layout, values.clone()).unwrap().root().unwrap();
        let large = Print { size: 3 * CHUNK, ..print(1) };
        let (cache, _) = Cache::open(&share.root());
        cache.put(&large, "s/a", Hashed { root, values: values.clone() });
        assert_eq!(cache.values(&root, layout), Some(values.clone()));
        cache.flush().unwrap();
        assert_eq!(cache.values(&root, layout), Some(values.clone()));
        drop(cache);
        let (cache, _) = Cache::open(&share.root());
        assert_eq!(cache.values(&root, layout), Some(values));
        assert_eq!(cache.find(&large, "s/a"), Some(root));
        assert!(cache.values(&Root([0; 32]), layout).is_none());
        cache.put(&Print { inode: 2, ..large }, "s/b", hashed(4));
        assert_eq!(cache.find(&Print { inode: 2, ..large }, "s/b"), None);
    }

    #[test]
    fn a_damaged_cache_goes_on_with_what_is_left_and_says_so() {
        let share = Share::new();
        let (cache, _) = Cache::open(&share.root());
        for inode in 0..2000 {
            cache.put(&print(inode), "s/a", hashed(7));
        }
        cache.flush().unwrap();
        let good = std::fs::read(share.path(FILE)).unwrap();
        for at in (0..good.len()).step_by(good.len() / 40) {
            let mut bad = good.clone();
            bad[at] ^= 0x55;
            std::fs::write(share.path(FILE), &bad).unwrap();
            let (cache, problem) = Cache::open(&share.root());
            assert!(problem.unwrap().contains("damaged"));
            for inode in [0, 77, 1999] {
                assert!(find(&cache, &print(inode), "s/a").is_none_or(|byte| byte == 7));
            }
            cache.put(&print(9999), "s/a", hashed(8));
            cache.flush().unwrap();
            let (cache, problem) = Cache::open(&share.root());
            assert!(problem.is_none());
            assert_eq!(find(&cache, &print(9999), "s/a"), Some(8));
        }
    }

    #[test]
    fn what_is_no_longer_offered_goes_once_there_is_much_of_it() {
        let share = Share::new();
        let (cache, _) = Cache::open(&share.root());
        for inode in 0..(SLACK as u64 + 100) {
            cache.put(&print(inode), "s/a", hashed(7));
        }
        cache.flush().unwrap();
        let before = std::fs::metadata(share.path(FILE)).unwrap().len();
        assert!(cache.wants_pruning(2) && !cache.wants_pruning(50));
        cache.prune([print(1), print(2)].iter()).unwrap();
        assert_eq!(find(&cache, &print(1), "s/a"), Some(7));
        assert_eq!(find(&cache, &print(500), "s/a"), None);
        assert!(std::fs::metadata(share.path(FILE)).unwrap().len() < before / 100);
    }
}
