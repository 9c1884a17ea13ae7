//! One file on its way: a hidden part file, claimed by one process, and the record of what is in it.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blake3::hazmat::ChainingValue;
use sealift_platform::disk::{File, Lock, Root as Folder};
use sealift_platform::random::Random;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::{CHUNK, Layout, Manifest, chunk_value};

use super::record::{self, Chunks};

/// What every part file's name begins with: seeders never offer such files.
pub const PREFIX: &str = ".sealift-part-";
/// After so many bytes what has come is made durable and recorded.
const RECORD_AFTER: u64 = 64 * CHUNK;
/// How many processes may fetch the same file into the same folder at once.
const CLAIMS: u32 = 64;

/// A part file, claimed.
pub(super) struct Part {
    folder: Arc<dyn Folder>,
    path: PathBuf,
    file: Box<dyn File>,
    // The claim on the part file lasts as long as this.
    _lock: Box<dyn Lock>,
    root: Root,
    layout: Layout,
    state: Mutex<State>,
}

struct State {
    /// Verified and written by this process, with their values; those of a file of one chunk have none.
    fresh: Chunks,
    values: Vec<Option<ChainingValue>>,
    /// Verified, written and recorded by an earlier process: to be read again before they count.
    earlier: Chunks,
    /// Bytes written since the record was written.
    unrecorded: u64,
    /// Nothing has been written at this place or behind it.
    len: u64,
}

/// How a part ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checked {
    /// All of it is what it should be.
    Whole,
    /// Something that an earlier process wrote is not what it wrote: it is missing again.
    Damaged,
}

impl Part {
    /// Claims the part file for `root` under the name `name` in the folder `parent`.
    pub(super) fn claim(
        folder: &Arc<dyn Folder>,
        parent: &Path,
        name: &str,
        root: Root,
        layout: Layout,
    ) -> io::Result<Self> {
        let tag = tag(name, root);
        for attempt in 0..CLAIMS {
            let suffix = if attempt == 0 { String::new() } else { format!("-{attempt}") };
            let path = parent.join(format!("{PREFIX}{tag}{suffix}"));
            if let Some((file, lock)) = claim_one(&**folder, &path)? {
                return Self::open(folder, path, file, lock, root, layout);
            }
        }
        Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "too many programs fetch this file into this folder",
        ))
    }

    /// Bytes that the record of such a part names.
    pub(super) fn recorded(
        folder: &dyn Folder,
        parent: &Path,
        name: &str,
        root: Root,
        layout: Layout,
    ) -> u64 {
        if layout.chunks() == 1 {
            return 0;
        }
        let path = record_path(&parent.join(format!("{PREFIX}{}", tag(name, root))));
        let chunks = record::read(folder, &path, root, layout);
        chunks.map_or(0, |chunks| chunks.iter().map(|index| layout.chunk_len(index)).sum())
    }

    fn open(
        folder: &Arc<dyn Folder>,
        path: PathBuf,
        file: Box<dyn File>,
        lock: Box<dyn Lock>,
        root: Root,
        layout: Layout,
    ) -> io::Result<Self> {
        let mut earlier = record::read(&**folder, &record_path(&path), root, layout)?;
        let mut len = file.stat()?.len;
        if len > layout.size() {
            // Not a part of this file, whatever the record says.
            earlier.clear();
            file.set_len(0)?;
            len = 0;
        }
        let chunks = layout.chunks();
        let values = vec![None; usize::try_from(chunks).unwrap_or(0)];
        let state = State { fresh: Chunks::none(chunks), values, earlier, unrecorded: 0, len };
        Ok(Self {
            folder: folder.clone(),
            path,
            file,
            _lock: lock,
            root,
            layout,
            state: Mutex::new(state),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chunks to be fetched.
    pub(super) fn missing(&self) -> Vec<Range<u64>> {
        self.state().have().missing()
    }

    /// Bytes that are there already, as far as the record tells.
    pub(super) fn have_bytes(&self) -> u64 {
        self.state().have().iter().map(|index| self.layout.chunk_len(index)).sum()
    }

    /// Writes a verified chunk.
    pub(super) fn write(
        &self,
        index: u64,
        chunk: &[u8],
        value: Option<ChainingValue>,
    ) -> io::Result<()> {
        if !self.leaves_hole(index, chunk)? {
            self.file.write_all_at(chunk, index * CHUNK)?;
        }
        let due = {
            let mut state = self.state();
            state.fresh.insert(index);
            if let Some(slot) = usize::try_from(index).ok().and_then(|at| state.values.get_mut(at))
            {
                *slot = value;
            }
            state.unrecorded += self.layout.chunk_len(index);
            state.unrecorded >= RECORD_AFTER
        };
        if due { self.record() } else { Ok(()) }
    }

    /// Whether a chunk of zeros could be left as a hole where nothing has been written yet; the file is as long then as if
    /// it had been written. Otherwise its place is taken for the writing that follows.
    fn leaves_hole(&self, index: u64, chunk: &[u8]) -> io::Result<bool> {
        let zeros = !chunk.is_empty() && chunk.iter().all(|byte| *byte == 0);
        let start = index * CHUNK;
        let end = start + self.layout.chunk_len(index);
        let mut state = self.state();
        // Under the lock: others who write further behind take their place before they do.
        let hole = zeros && start >= state.len;
        if hole {
            self.file.set_len(end)?;
        }
        state.len = state.len.max(end);
        Ok(hole)
    }

    /// Makes what has come durable and records it.
    pub(super) fn record(&self) -> io::Result<()> {
        let have = {
            let mut state = self.state();
            state.unrecorded = 0;
            state.have()
        };
        self.file.sync()?;
        record::write(&*self.folder, &record_path(&self.path), self.root, self.layout, &have)
    }

    /// Whether an interruption now would lose something worth keeping.
    pub(super) fn is_worth_recording(&self) -> bool {
        self.layout.chunks() > 1 && self.state().unrecorded > 0
    }

    /// Reads again what an earlier process wrote, and checks that everything together is the file.
    pub(super) fn check(&self) -> io::Result<Checked> {
        let (earlier, mut values) = {
            let state = self.state();
            (state.earlier.clone(), state.values.clone())
        };
        let fresh = self.state().fresh.clone();
        let reread: Vec<_> = earlier.iter().filter(|index| !fresh.contains(*index)).collect();
        if reread.is_empty() {
            return Ok(Checked::Whole);
        }
        let mut buffer = vec![0; usize::try_from(CHUNK).unwrap_or(0)];
        for index in reread {
            let len = usize::try_from(self.layout.chunk_len(index)).unwrap_or(0);
            let chunk = &mut buffer[..len];
            let whole = read_whole(&*self.file, chunk, index * CHUNK)?;
            if self.layout.chunks() == 1 {
                let same = whole && blake3::hash(chunk) == self.root.0;
                return Ok(if same { Checked::Whole } else { self.damaged() });
            }
            if let Some(slot) = usize::try_from(index).ok().and_then(|at| values.get_mut(at)) {
                *slot = whole.then(|| chunk_value(index, chunk));
            }
        }
        let values: Option<Vec<_>> = values.into_iter().collect();
        let manifest = values.and_then(|values| Manifest::new(self.layout, values).ok());
        let same = manifest.and_then(|manifest| manifest.root()) == Some(self.root);
        Ok(if same { Checked::Whole } else { self.damaged() })
    }

    fn damaged(&self) -> Checked {
        self.state().earlier.clear();
        Checked::Damaged
    }

    /// Makes the content durable, with the time it has at its owner.
    pub(super) fn seal(&self, modified_ms: i64) -> io::Result<()> {
        self.file.set_modified(i128::from(modified_ms) * 1_000_000)?;
        self.file.sync()
    }

    /// Removes the record, once the file has its name.
    pub(super) fn forget_record(&self) -> io::Result<()> {
        match self.folder.remove(&record_path(&self.path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

impl State {
    fn have(&self) -> Chunks {
        let mut have = self.earlier.clone();
        for index in self.fresh.iter() {
            have.insert(index);
        }
        have
    }
}

/// Makes and removes a file, to see whether that can be done.
pub(super) fn probe(folder: &dyn Folder, random: &dyn Random) -> io::Result<()> {
    let mark = sealift_proto::text::hex(&random.bytes::<8>());
    let path = PathBuf::from(format!("{PREFIX}probe-{mark}"));
    drop(folder.create(&path, true)?);
    folder.remove(&path)
}

/// Names the part of one content under one name; says nothing of either.
fn tag(name: &str, root: Root) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&root.0).update(name.as_bytes());
    sealift_proto::text::hex(&hasher.finalize().as_bytes()[..8])
}

fn record_path(part: &Path) -> PathBuf {
    let mut name = part.as_os_str().to_owned();
    name.push(".record");
    PathBuf::from(name)
}

/// An open part file, and the lock that keeps others off it.
type Claim = (Box<dyn File>, Box<dyn Lock>);

/// Opens and locks the part at `path`, made if missing; `None` if another process has it.
fn claim_one(folder: &dyn Folder, path: &Path) -> io::Result<Option<Claim>> {
    match folder.create(path, false) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let Some(lock) = folder.try_lock(path)? else {
        return Ok(None);
    };
    let file = folder.open_write(path)?;
    // Between creating and locking another process may have finished the file and renamed it away.
    // A further name for it would let somebody write into what is verified.
    let (named, open) = (folder.stat(path)?, file.stat()?);
    Ok((named.inode == open.inode && open.links <= 1).then_some((file, lock)))
}

fn read_whole(file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<bool> {
    let mut done = 0;
    while done < buffer.len() {
        let at = offset + u64::try_from(done).unwrap_or(u64::MAX);
        match file.read_at(&mut buffer[done..], at)? {
            0 => return Ok(false),
            read => done += read,
        }
    }
    Ok(true)
}
