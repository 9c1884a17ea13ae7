//! Starts of chunks whose links were lost: kept for the next process in hidden files of their own, `.sealift-part-start-…`
//! in `--out`. Nothing in them is believed: a chunk put together with one is verified like any other.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use sealift_platform::disk::{File, Kind, Listed, Root as Folder};
use sealift_platform::sync;
use sealift_proto::catalogue::Root;
use sealift_proto::identity::DeviceId;
use sealift_proto::manifest::{CHUNK, Layout};
use sealift_proto::text::hex;

use super::claim::{PREFIX, lock};
use super::record::read_up_to;
use crate::landing::sink::Start;

/// What follows [`PREFIX`] in their names.
const KIND: &str = "start-";
/// How such a file begins; the number is the version.
const MAGIC: &[u8; 16] = b"sealift start 1\0";
/// Bytes before the content: magic, root, chunk, device, and a hash of these.
const HEADER: usize = 16 + 32 + 8 + 32 + 32;

/// The starts in one folder.
pub(super) struct Starts {
    folder: Arc<dyn Folder>,
    /// What earlier processes left, by the target that it is for.
    left: Mutex<BTreeMap<String, Vec<PathBuf>>>,
    held: Mutex<Vec<Held>>,
}

/// A start that this process has on disk.
struct Held {
    job: usize,
    root: Root,
    index: u64,
    device: DeviceId,
    path: PathBuf,
    file: Box<dyn File>,
    len: usize,
}

impl Starts {
    /// The starts in `folder`, in which these names were found.
    pub(super) fn new(folder: Arc<dyn Folder>, listed: &[Listed]) -> Self {
        let mut left: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for listed in listed.iter().filter(|listed| listed.kind == Kind::File) {
            let name = listed.name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            let named = name.and_then(|name| name.strip_prefix(KIND)?.split_once('-'));
            if let Some((target, _)) = named {
                left.entry(target.to_owned()).or_default().push(PathBuf::from(&listed.name));
            }
        }
        Self { folder, left: Mutex::new(left), held: Mutex::default() }
    }

    /// What is there of the file of `job`, which has the content `root`. What is there of an older content is removed, and
    /// what is no start of a chunk: in its place none could be kept.
    pub(super) fn begin(
        &self,
        job: usize,
        target: &Path,
        root: Root,
        layout: Layout,
    ) -> Vec<Start> {
        let fits = |held: &Held| held.root == root && held.is_start_in(layout);
        for path in self.take_left(target) {
            match self.open(job, &path) {
                Ok(Some(held)) if fits(&held) => self.held().push(held),
                // Somebody else's, or one that cannot be removed, stays and harms nobody.
                Ok(Some(_)) => drop(self.folder.remove(&path)),
                Ok(None) | Err(_) => {}
            }
        }
        let held = self.held();
        let own = held.iter().filter(|held| held.job == job && held.root == root);
        own.filter_map(|held| held.start().ok()).collect()
    }

    /// Removes what earlier processes left for `target`.
    pub(super) fn tidy(&self, target: &Path) {
        for path in self.take_left(target) {
            if matches!(self.open(0, &path), Ok(Some(_))) {
                let _ = self.folder.remove(&path);
            }
        }
    }

    fn take_left(&self, target: &Path) -> Vec<PathBuf> {
        let mut left = sync::lock(&self.left);
        if left.is_empty() { Vec::new() } else { left.remove(&tag(target)).unwrap_or_default() }
    }

    /// Opens and locks what an earlier process left; `None` if it is not ours alone.
    fn open(&self, job: usize, path: &Path) -> io::Result<Option<Held>> {
        let file = self.folder.open_write(path)?;
        if !lock(&*self.folder, path, &*file)? {
            return Ok(None);
        }
        let mut head = [0; HEADER];
        read_up_to(&*file, &mut head, 0)?;
        let len = usize::try_from(file.stat()?.len).unwrap_or(0).saturating_sub(HEADER);
        let Some((root, index, device)) = parse(&head) else {
            self.folder.remove(path)?;
            return Ok(None);
        };
        let (path, len) = (path.to_owned(), len.min(usize::try_from(CHUNK).unwrap_or(0)));
        Ok(Some(Held { job, root, index, device, path, file, len }))
    }

    /// Keeps `start` of a chunk of the file of `job`, in place of a shorter one.
    ///
    /// # Errors
    /// What the disk says.
    pub(super) fn keep(
        &self,
        job: usize,
        target: &Path,
        root: Root,
        start: &Start,
    ) -> io::Result<()> {
        let mut held = self.held();
        let same = |held: &&mut Held| {
            (held.job, held.root, held.index, held.device) == (job, root, start.index, start.device)
        };
        if let Some(held) = held.iter_mut().find(same) {
            return held.grow(&start.bytes);
        }
        let path = path_for(target, root, start);
        let file = self.folder.create(&path, true)?;
        if !lock(&*self.folder, &path, &*file)? {
            return Ok(());
        }
        file.write_all_at(&header(root, start), 0)?;
        let (index, device) = (start.index, start.device);
        let mut new = Held { job, root, index, device, path, file, len: 0 };
        new.grow(&start.bytes)?;
        held.push(new);
        Ok(())
    }

    /// Chunk `index` of the file of `job` is there, or its start is good for nothing.
    pub(super) fn forget(&self, job: usize, index: u64) {
        self.remove(|held| (held.job, held.index) == (job, index));
    }

    /// The file of `job` is complete.
    pub(super) fn end(&self, job: usize) {
        self.remove(|held| held.job == job);
    }

    fn remove(&self, of: impl Fn(&Held) -> bool) {
        self.held().retain(|held| {
            let goes = of(held);
            if goes {
                // One that stays is used or removed by the next process.
                let _ = self.folder.remove(&held.path);
            }
            !goes
        });
    }

    fn held(&self) -> MutexGuard<'_, Vec<Held>> {
        sync::lock(&self.held)
    }
}

impl Held {
    /// Whether it is shorter than its chunk.
    fn is_start_in(&self, layout: Layout) -> bool {
        u64::try_from(self.len).is_ok_and(|len| len < layout.chunk_len(self.index))
    }

    fn start(&self) -> io::Result<Start> {
        let mut bytes = vec![0; self.len];
        let read = read_up_to(&*self.file, &mut bytes, HEADER)?;
        bytes.truncate(read);
        Ok(Start { index: self.index, device: self.device, bytes: bytes.into() })
    }

    fn grow(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(fresh) = bytes.get(self.len..) {
            let at = u64::try_from(HEADER + self.len).unwrap_or(u64::MAX);
            self.file.write_all_at(fresh, at)?;
            self.len = bytes.len();
        }
        Ok(())
    }
}

fn tag(target: &Path) -> String {
    hex(&blake3::hash(target.as_os_str().as_encoded_bytes()).as_bytes()[..8])
}

/// The name says nothing of content or name to others.
fn path_for(target: &Path, root: Root, start: &Start) -> PathBuf {
    let chunk = hex(&blake3::hash(&header(root, start)).as_bytes()[..8]);
    PathBuf::from(format!("{PREFIX}{KIND}{}-{chunk}", tag(target)))
}

fn header(root: Root, start: &Start) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..16].copy_from_slice(MAGIC);
    header[16..48].copy_from_slice(&root.0);
    header[48..56].copy_from_slice(&start.index.to_le_bytes());
    header[56..88].copy_from_slice(start.device.as_bytes());
    let check = blake3::hash(&header[..88]);
    header[88..].copy_from_slice(check.as_bytes());
    header
}

fn parse(header: &[u8; HEADER]) -> Option<(Root, u64, DeviceId)> {
    let sound =
        header[..16] == MAGIC[..] && header[88..] == blake3::hash(&header[..88]).as_bytes()[..];
    let root = header[16..].first_chunk()?;
    let index = header[48..].first_chunk()?;
    let device = DeviceId::new(*header[56..].first_chunk()?).ok()?;
    sound.then(|| (Root(*root), u64::from_le_bytes(*index), device))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_platform::testing::MemoryDisk as Memory;

    const ONE: Root = Root([1; 32]);
    const TARGET: &str = "d/a.txt";

    /// Eight whole chunks and one of six bytes.
    fn layout() -> Layout {
        Layout::new(8 * CHUNK + 6).unwrap()
    }

    fn starts(memory: &Memory) -> Starts {
        let folder = memory.root();
        let listed = folder.list(Path::new("")).unwrap();
        Starts::new(folder, &listed)
    }

    fn start(index: u64, bytes: &[u8]) -> Start {
        let device = sealift_proto::identity::SecretKey::from_seed([2; 32]).id();
        Start { index, device, bytes: bytes.into() }
    }

    #[test]
    fn a_start_grows_and_is_there_for_the_next_process() {
        let (memory, target) = (Memory::new(), Path::new(TARGET));
        let first = starts(&memory);
        for len in [3, 5, 4] {
            first.keep(0, target, ONE, &start(7, &[9; 5][..len])).unwrap();
        }
        first.keep(0, target, ONE, &start(8, &[1])).unwrap();
        let beside = starts(&memory);
        assert!(beside.begin(0, target, ONE, layout()).is_empty(), "it is another process's");
        drop(first);
        let next = starts(&memory);
        assert!(next.begin(1, Path::new("other"), ONE, layout()).is_empty());
        let mut found = next.begin(1, target, ONE, layout());
        found.sort_by_key(|start| start.index);
        assert_eq!(found, [start(7, &[9; 5]), start(8, &[1])]);
        next.forget(1, 8);
        assert_eq!(next.begin(1, target, ONE, layout()).len(), 1);
        next.end(1);
        assert!(memory.files().is_empty());
    }

    #[test]
    fn what_is_left_of_an_older_content_or_damaged_is_removed() {
        let (memory, target) = (Memory::new(), Path::new(TARGET));
        for at in [20, 100] {
            starts(&memory).keep(0, target, Root([3; 32]), &start(0, &[1])).unwrap();
            let name = memory.files().pop().unwrap();
            memory.alter(&name, |bytes| bytes[at] ^= 1);
            assert!(starts(&memory).begin(0, target, ONE, layout()).is_empty());
            assert!(memory.files().is_empty(), "byte {at}");
        }
        starts(&memory).keep(0, target, Root([3; 32]), &start(0, &[1])).unwrap();
        assert!(starts(&memory).begin(0, target, ONE, layout()).is_empty());
        starts(&memory).keep(0, target, ONE, &start(0, &[1])).unwrap();
        starts(&memory).tidy(target);
        assert!(memory.files().is_empty());
    }

    #[test]
    fn one_as_long_as_its_chunk_gives_way_to_what_comes() {
        let (memory, target) = (Memory::new(), Path::new(TARGET));
        starts(&memory).keep(0, target, ONE, &start(8, &[1; 3])).unwrap();
        let name = memory.files().pop().unwrap();
        memory.alter(&name, |bytes| bytes.extend([7; 3]));
        let next = starts(&memory);
        assert!(next.begin(0, target, ONE, layout()).is_empty());
        next.keep(0, target, ONE, &start(8, &[2; 4])).unwrap();
        drop(next);
        assert_eq!(starts(&memory).begin(0, target, ONE, layout()), [start(8, &[2; 4])]);
    }
}
