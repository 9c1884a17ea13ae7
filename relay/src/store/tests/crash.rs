//! A disk that loses power: after each flush, what was written since may or may not be there.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use sealift_platform::disk::{File, Kind, Listed, Lock, Root, Stat};

use super::*;

/// One file, and what it looked like at each flush.
#[derive(Default)]
struct Memory {
    now: Vec<u8>,
    synced: Vec<u8>,
    /// Writes since the last flush.
    pending: Vec<(u64, Vec<u8>)>,
}

#[derive(Clone, Default)]
struct Volatile(Arc<Mutex<Memory>>);

impl Volatile {
    /// What a power cut now leaves: the flushed content and those of the later writes that `kept` picks.
    fn cut(&self, mut kept: impl FnMut() -> bool) -> Self {
        let memory = self.0.lock().unwrap();
        let mut left = memory.synced.clone();
        left.resize(memory.now.len().max(left.len()), 0);
        for (offset, bytes) in &memory.pending {
            if kept() {
                let start = usize::try_from(*offset).unwrap();
                left[start..start + bytes.len()].copy_from_slice(bytes);
            }
        }
        Self(Arc::new(Mutex::new(Memory { synced: left.clone(), now: left, pending: Vec::new() })))
    }
}

impl File for Volatile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let memory = self.0.lock().unwrap();
        let rest = memory.now.get(usize::try_from(offset).unwrap()..).unwrap_or(&[]);
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut memory = self.0.lock().unwrap();
        let start = usize::try_from(offset).unwrap();
        let end = start + bytes.len();
        if memory.now.len() < end {
            memory.now.resize(end, 0);
        }
        memory.now[start..end].copy_from_slice(bytes);
        memory.pending.push((offset, bytes.to_vec()));
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().now.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut memory = self.0.lock().unwrap();
        memory.synced = memory.now.clone();
        memory.pending.clear();
        Ok(())
    }

    fn stat(&self) -> io::Result<Stat> {
        let len = self.0.lock().unwrap().now.len() as u64;
        Ok(Stat {
            kind: Kind::File,
            len,
            modified_ns: 0,
            changed_ns: 0,
            inode: 1,
            device: 1,
            links: 1,
            owner: 0,
            mode: 0o600,
        })
    }

    fn set_modified(&self, _: i128) -> io::Result<()> {
        Ok(())
    }

    fn set_mode(&self, _: u32) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self) -> io::Result<bool> {
        Ok(true)
    }
}

/// A folder with that one file.
struct OneFile(Mutex<Option<Volatile>>);

impl OneFile {
    fn file(&self) -> io::Result<Volatile> {
        self.0.lock().unwrap().clone().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Root for OneFile {
    fn list(&self, _: &Path) -> io::Result<Vec<Listed>> {
        Ok(Vec::new())
    }
    fn stat(&self, _: &Path) -> io::Result<Stat> {
        self.file()?.stat()
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.open_write(path)
    }
    fn open_write(&self, _: &Path) -> io::Result<Box<dyn File>> {
        Ok(Box::new(self.file()?))
    }
    fn create(&self, _: &Path, _: bool) -> io::Result<Box<dyn File>> {
        let file = Volatile::default();
        *self.0.lock().unwrap() = Some(file.clone());
        Ok(Box::new(file))
    }
    fn create_folder(&self, _: &Path, _: bool) -> io::Result<()> {
        Ok(())
    }
    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn rename_new(&self, _: &Path, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn remove(&self, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }
    fn remove_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }
    fn watchable(&self) -> bool {
        false
    }
    fn try_lock(&self, _: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        Ok(None)
    }
}

/// A short generator, so that each run loses the same writes.
fn coin(seed: u64) -> impl FnMut() -> bool {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state & 1 == 1
    }
}

#[test]
fn what_was_acknowledged_outlives_a_power_cut_at_any_moment() {
    let root = Arc::new(OneFile(Mutex::new(None)));
    let mut store = Held::open(Arc::clone(&root) as Arc<dyn Root>, &Limits::default());
    let mut parts = Vec::new();
    let mut last: Option<Vec<u8>> = None;
    for round in 0..30_u8 {
        let more = vec![segment(round, 3000), segment(round, 50)];
        store.stage(2, 7, parts.len() as u64, &more);
        after_a_cut(&root, u64::from(round) * 100, last.as_deref(), &parts);
        parts.extend(more);
        let next = signed(head(2, 7, 0, &parts), 2);
        store.publish(2, LOG, last.as_deref(), &next).unwrap();
        last = Some(next);
        for seed in 1..6 {
            after_a_cut(&root, u64::from(round) * 100 + seed, last.as_deref(), &parts);
        }
    }
}

/// Opens what a power cut leaves, expects the acknowledged state, and goes on from it.
fn after_a_cut(root: &OneFile, seed: u64, last: Option<&[u8]>, parts: &[Vec<u8>]) {
    let left = root.file().unwrap().cut(coin(seed));
    let root: Arc<dyn Root> = Arc::new(OneFile(Mutex::new(Some(left))));
    let mut store = Held::open(root, &Limits::default());
    let heads = store.heads();
    assert_eq!(heads.first().map(|head| &head.statement[..]), last);
    for (position, part) in parts.iter().enumerate() {
        let position = position as u64;
        let found = store.segments(2, 7, position, position + 1);
        assert_eq!(found, Some(vec![part.clone()]), "segment {position}");
    }
    let more = [parts, &[segment(99, 10)]].concat();
    store.stage(2, 7, parts.len() as u64, &[segment(99, 10)]);
    store.publish(2, LOG, last, &signed(head(2, 7, 0, &more), 2)).unwrap();
}
