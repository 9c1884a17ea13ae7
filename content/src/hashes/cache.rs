//! Hashes of files read before, in one file: losing it costs reading the files again and nothing else.
//!
//! A file is found by its inode, size and time of change, so that renames and moves cost nothing. In memory is only where in the
//! file each record is, some 18 bytes for each.
//!
//! ```text
//! record = 0 ‖ key [24] ‖ i64 changed ‖ u64 device ‖ u64 path ‖ root [32]      key = u64 inode ‖ u64 size ‖ i64 modified
//!        | 1 ‖ root [32] ‖ chaining values [32] …
//! ```

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use blake3::hazmat::ChainingValue;
use sealift_platform::disk::Root as Folder;
use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::{CHUNK, Layout, Manifest};

use super::file::Hashed;
use super::print::Print;
use crate::journal::{Journal, Reader};
use crate::numbers::Numbers;

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

/// What is remembered of files read before.
pub struct Cache {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    journal: Option<Journal>,
    /// Where records of files are, by a number made of their keys. What is there says itself which it is.
    files: Numbers<u64, u64>,
    /// Where chaining values are, by a number made of their roots.
    values: Numbers<u64, u64>,
    /// What is not in the file yet.
    waiting: HashMap<Key, Record>,
    waiting_values: HashMap<Root, Vec<ChainingValue>>,
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
        let record = inner.record(&key(print))?;
        let same_device = record.device == print.device;
        let same_path = record.path == path_number(path);
        let trusted = if record.changed_ns == print.changed_ns {
            same_device || same_path
        } else {
            same_device && !same_path
        };
        let complete = print.size <= CHUNK || inner.has_values(&record.root);
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
        inner.waiting.insert(key(print), record);
        if !hashed.values.is_empty() && !inner.has_values(&hashed.root) {
            inner.waiting_values.insert(hashed.root, hashed.values);
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
    pub fn prune(&self, live: impl Iterator<Item = Print>) -> io::Result<()> {
        let live: HashSet<u64> = live.map(|print| number(&key(&print))).collect();
        self.lock().rewrite(&live)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }
}

impl Inner {
    fn load(&mut self, place: u64, body: &[u8]) {
        match body.split_first() {
            Some((0, body)) => {
                if let Some((key, _)) = Record::decode(body) {
                    self.stored += 1;
                    self.files.insert(number(&key), place);
                }
            }
            Some((1, body)) => {
                if let Some((root, _)) = body.split_first_chunk::<32>() {
                    self.values.insert(number(root), place);
                }
            }
            _ => {}
        }
    }

    fn record(&self, key: &Key) -> Option<Record> {
        if let Some(record) = self.waiting.get(key) {
            return Some(*record);
        }
        let place = self.files.get(number(key))?;
        let (found, record) = stored_record(&self.journal.as_ref()?.reader(), place)?;
        (found == *key).then_some(record)
    }

    fn has_values(&self, root: &Root) -> bool {
        self.waiting_values.contains_key(root) || self.values.contains(number(&root.0))
    }

    fn read_values(&self, root: &Root) -> Option<Vec<ChainingValue>> {
        if let Some(values) = self.waiting_values.get(root) {
            return Some(values.clone());
        }
        let place = self.values.get(number(&root.0))?;
        let body = self.journal.as_ref()?.reader().body(place).ok()?;
        let (found, values) = body.get(1..)?.split_first_chunk::<32>()?;
        (*found == root.0).then(|| values.as_chunks::<32>().0.to_vec())
    }

    fn flush(&mut self) -> io::Result<()> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        if self.waiting.is_empty() && self.waiting_values.is_empty() {
            return Ok(());
        }
        // Values first: a record must not count without them.
        let (roots, mut bodies): (Vec<_>, Vec<_>) = self
            .waiting_values
            .iter()
            .map(|(root, values)| (number(&root.0), values_body(root, values)))
            .unzip();
        let records = self.waiting.iter().map(|(key, record)| (number(key), record.encode(key)));
        let (keys, records): (Vec<_>, Vec<_>) = records.unzip();
        bodies.extend(records);
        let places = journal.append(bodies.iter().map(Vec::as_slice))?;
        (self.waiting, self.waiting_values) = Default::default();
        let (values, files) = places.split_at(roots.len());
        self.values.extend(roots.into_iter().zip(values.iter().copied()));
        self.files.extend(keys.into_iter().zip(files.iter().copied()));
        self.stored += files.len();
        Ok(())
    }

    /// Writes the file anew, with what belongs to files of the numbers `live`.
    fn rewrite(&mut self, live: &HashSet<u64>) -> io::Result<()> {
        self.flush()?;
        let Some(journal) = &mut self.journal else { return Ok(()) };
        let old = journal.reader();
        // What is damaged goes, too.
        let mut roots = HashSet::new();
        let files = kept(&self.files, |number, place| {
            let record = live.contains(number).then(|| stored_record(&old, place)).flatten();
            record.is_some_and(|(_, record)| {
                roots.insert(self::number(&record.root.0));
                true
            })
        });
        let values =
            kept(&self.values, |number, place| roots.contains(number) && old.body(place).is_ok());
        let bodies = values.iter().chain(&files).map(|(_, place)| old.body(*place));
        let places = journal.rewrite(bodies)?;
        let (placed, rest) = places.split_at(values.len());
        let at = |kept: Vec<(u64, u64)>, places: &[u64]| {
            kept.into_iter().zip(places).map(|((number, _), place)| (number, *place)).collect()
        };
        self.stored = files.len();
        (self.values, self.files) = (at(values, placed), at(files, rest));
        Ok(())
    }
}

/// Those of `all` that are to be kept, in the order in which they lie.
fn kept(all: &Numbers<u64, u64>, mut keep: impl FnMut(&u64, u64) -> bool) -> Vec<(u64, u64)> {
    let mut all: Vec<_> = all.iter().collect();
    all.sort_unstable_by_key(|(_, place)| *place);
    all.retain(|(number, place)| keep(number, *place));
    all
}

/// The record of a file that lies at `place`.
fn stored_record(journal: &Reader, place: u64) -> Option<(Key, Record)> {
    let body = journal.body(place).ok()?;
    body.split_first().filter(|(kind, _)| **kind == 0).and_then(|(_, body)| Record::decode(body))
}

fn values_body(root: &Root, values: &[ChainingValue]) -> Vec<u8> {
    [&[1], &root.0[..], values.as_flattened()].concat()
}

/// A number for a key or root: two that have the same cost a reading.
fn number(bytes: &[u8]) -> u64 {
    let hash = blake3::hash(bytes);
    u64::from_be_bytes(*hash.as_bytes().first_chunk().unwrap_or(&[0; 8]))
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
    number(path.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_platform::testing::Share;

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
        let layout = Layout::new(2 * CHUNK).unwrap();
        let values = vec![[1; 32], [2; 32]];
        let root = Manifest::new(layout, values.clone()).unwrap().root().unwrap();
        let large = Print { size: 2 * CHUNK, ..print(3) };
        assert!(cache.wants_pruning(2) && !cache.wants_pruning(50));
        cache.put(&large, "s/l", Hashed { root, values: values.clone() });
        cache.prune([print(1), print(2), large].into_iter()).unwrap();
        assert_eq!(
            (cache.find(&large, "s/l"), cache.values(&root, layout)),
            (Some(root), Some(values))
        );
        assert_eq!(find(&cache, &print(1), "s/a"), Some(7));
        assert_eq!(find(&cache, &print(500), "s/a"), None);
        assert!(std::fs::metadata(share.path(FILE)).unwrap().len() < before / 100);
        drop(cache);
        let (cache, problem) = Cache::open(&share.root());
        assert!(problem.is_none() && find(&cache, &print(2), "s/a") == Some(7));
    }
}
