//! Landing files in `--out`: nothing outside it, nothing overwritten, nothing half under its final name.
//!
//! A file grows as a hidden part file beside its final name. The name appears in one step, and only once every chunk is
//! verified and on disk. What an earlier process left is used again after it has been read again.

mod part;
mod record;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blake3::hazmat::ChainingValue;
use sealift_peer::escape::escape_os;
use sealift_peer::exit::{Exit, Failure};
use sealift_peer::human;
use sealift_platform::Platform;
use sealift_platform::disk::{Kind, Root as Folder};
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::{CHUNK, Layout};

use crate::fetch::source::{Landed, Sink};
use crate::naming::numbered;
use part::{Checked, Part};

pub use part::PREFIX;

/// Most names tried for a file whose own is taken: `a (1)`, `a (2)`, …
const NAMES: u32 = 10_000;

/// Where a file is to land.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Path beneath `--out`; every name in it is safe on this system.
    pub path: PathBuf,
    /// Time of last change, unix milliseconds.
    pub modified_ms: i64,
}

/// The folder that files land in.
pub struct Landing {
    folder: Arc<dyn Folder>,
    place: PathBuf,
    targets: Vec<Target>,
    jobs: Mutex<HashMap<usize, State>>,
    written: AtomicU64,
    resumed: AtomicU64,
}

#[derive(Clone)]
enum State {
    /// The same content is there already, under this name.
    There(PathBuf),
    /// A file of one chunk, which lands as soon as its chunk comes: no part of it is held open until then.
    Small(Root, Layout),
    /// On its way.
    Part(Arc<Part>),
    /// Landed under this name.
    Landed(PathBuf),
}

impl Landing {
    /// Opens the folder `out`, made if missing.
    ///
    /// # Errors
    /// When it cannot be made, or is no folder.
    pub fn open(platform: &Platform, out: &Path, targets: Vec<Target>) -> Result<Self, Failure> {
        let folder = platform
            .disk
            .open_or_create(out, false)
            .map_err(|error| Failure::disk(escape_os(out.as_os_str()), &error))?;
        // A folder that cannot be written is told before anything is asked of a seeder.
        part::probe(&*folder, &*platform.random)
            .map_err(|error| Failure::disk(escape_os(out.as_os_str()), &error))?;
        Ok(Self {
            folder,
            place: out.to_owned(),
            targets,
            jobs: Mutex::default(),
            written: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
        })
    }

    /// Checks that `bytes` more fit.
    ///
    /// # Errors
    /// When they do not, with how many are missing.
    pub fn check_room(&self, bytes: u64) -> Result<(), Failure> {
        let free = self.folder.free_bytes().map_err(|error| self.disk(Path::new(""), &error))?;
        if bytes <= free {
            return Ok(());
        }
        let place = escape_os(self.place.as_os_str());
        Err(Failure::new(Exit::Disk, format!("{place} has too little space"))
            .why(format!("{} are needed, {} are free", human::size(bytes), human::size(free)))
            .next("free some space, or choose another folder with --out"))
    }

    /// How many of the `size` bytes of the file of `job` are not there yet, as far as can be told without reading them.
    #[must_use]
    pub fn missing_bytes(&self, job: usize, root: Option<Root>, size: u64) -> u64 {
        let (Some(target), Some(root)) = (self.targets.get(job), root) else { return size };
        let stat = self.folder.stat(&target.path);
        if stat.is_ok_and(|stat| stat.kind == Kind::File && stat.len == size) {
            return 0;
        }
        size.saturating_sub(self.recorded(target, root, size))
    }

    /// Whether the content of `job` is there already: then nobody has to be asked for it.
    ///
    /// # Errors
    /// What the disk says.
    pub fn find_there(&self, job: usize, root: Root, size: u64) -> Result<bool, Failure> {
        let target = self.target(job)?;
        let there = self.same_content(target, root, size);
        let there = there.map_err(|error| self.disk(&target.path, &error))?;
        let found = there.is_some();
        if let Some(path) = there {
            self.jobs().insert(job, State::There(path));
        }
        Ok(found)
    }

    /// Bytes of the file that an earlier process left, as recorded.
    fn recorded(&self, target: &Target, root: Root, size: u64) -> u64 {
        let Ok(layout) = Layout::new(size) else { return 0 };
        let parent = target.path.parent().unwrap_or(Path::new(""));
        let name = target.path.file_name().unwrap_or_default().to_string_lossy();
        Part::recorded(&*self.folder, parent, &name, root, layout)
    }

    /// Bytes that an earlier process left and that did not have to come again.
    #[must_use]
    pub fn resumed(&self) -> u64 {
        self.resumed.load(Ordering::Relaxed)
    }

    /// Where the file of `job` is, and whether it was there already.
    #[must_use]
    pub fn landed(&self, job: usize) -> Option<(PathBuf, bool)> {
        match self.jobs().get(&job) {
            Some(State::There(path)) => Some((self.place.join(path), true)),
            Some(State::Landed(path)) => Some((self.place.join(path), false)),
            _ => None,
        }
    }

    /// Makes durable what is worth keeping of unfinished files.
    ///
    /// # Errors
    /// What the disk says.
    pub fn record(&self) -> Result<(), Failure> {
        let parts: Vec<_> = self.jobs().values().filter_map(State::part).collect();
        for part in parts.iter().filter(|part| part.is_worth_recording()) {
            part.record().map_err(|error| self.disk(part.path(), &error))?;
        }
        Ok(())
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<usize, State>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn disk(&self, path: &Path, error: &io::Error) -> Failure {
        Failure::disk(escape_os(self.place.join(path).as_os_str()), error)
    }

    fn target(&self, job: usize) -> Result<&Target, Failure> {
        self.targets.get(job).ok_or_else(|| Failure::new(Exit::Other, "a file without a target"))
    }

    fn begin_at(&self, target: &Target, root: Root, layout: Layout) -> Result<State, Failure> {
        let fail = |error: &io::Error| self.disk(&target.path, error);
        if let Some(path) =
            self.same_content(target, root, layout.size()).map_err(|error| fail(&error))?
        {
            return Ok(State::There(path));
        }
        let parent = target.path.parent().unwrap_or(Path::new(""));
        self.make_folders(parent)?;
        if layout.chunks() == 1 {
            self.check_room(layout.size())?;
            return Ok(State::Small(root, layout));
        }
        // Before memory and a file are given to a size that a stranger claims.
        self.check_room(layout.size().saturating_sub(self.recorded(target, root, layout.size())))?;
        let name = target.path.file_name().unwrap_or_default().to_string_lossy();
        let part =
            Part::claim(&self.folder, parent, &name, root, layout).map_err(|error| fail(&error))?;
        let have = part.have_bytes();
        self.resumed.fetch_add(have, Ordering::Relaxed);
        Ok(State::Part(Arc::new(part)))
    }

    /// The name under which this very content is there already: the wanted one or one given to a further copy.
    fn same_content(&self, target: &Target, root: Root, size: u64) -> io::Result<Option<PathBuf>> {
        for number in 0..NAMES {
            let path = numbered(&target.path, number);
            let stat = match self.folder.stat(&path) {
                Err(error) if is_absence(&error) => return Ok(None),
                other => other?,
            };
            if stat.kind == Kind::File
                && stat.len == size
                && hash_file(&*self.folder, &path)? == Some(root)
            {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    fn make_folders(&self, parent: &Path) -> Result<(), Failure> {
        let mut path = PathBuf::new();
        for name in parent {
            path.push(name);
            match self.folder.create_folder(&path, false) {
                Ok(()) => {
                    let above = path.parent().unwrap_or(Path::new(""));
                    self.folder.sync_folder(above).map_err(|error| self.disk(&path, &error))?;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    self.check_folder(&path)?
                }
                Err(error) => return Err(self.disk(&path, &error)),
            }
        }
        Ok(())
    }

    fn check_folder(&self, path: &Path) -> Result<(), Failure> {
        let stat = self.folder.stat(path).map_err(|error| self.disk(path, &error))?;
        if stat.kind == Kind::Folder {
            return Ok(());
        }
        let place = escape_os(self.place.join(path).as_os_str());
        Err(Failure::new(Exit::Disk, format!("{place} is in the way"))
            .why("a folder of that name is needed, and it is something else")
            .next("move it away, or choose another folder with --out"))
    }

    fn finish_one(&self, job: usize) -> Result<Landed, Failure> {
        let target = self.target(job)?;
        let state = self.jobs().get(&job).cloned();
        let part = match state {
            Some(State::Part(part)) => part,
            Some(State::There(_) | State::Landed(_)) => return Ok(Landed::Done),
            Some(State::Small(..)) | None => {
                return Err(Failure::new(Exit::Other, "a file that was never begun"));
            }
        };
        let fail = |error: &io::Error| self.disk(&target.path, error);
        if part.check().map_err(|error| fail(&error))? == Checked::Damaged {
            part.record().map_err(|error| fail(&error))?;
            // The claim ends with the part: the next try begins it anew.
            self.jobs().remove(&job);
            return Ok(Landed::Again);
        }
        part.seal(target.modified_ms).map_err(|error| fail(&error))?;
        let path = self.name(part.path(), &target.path).map_err(|error| fail(&error))?;
        part.forget_record().map_err(|error| fail(&error))?;
        self.jobs().insert(job, State::Landed(path));
        Ok(Landed::Done)
    }

    /// Writes a file of one chunk, whole: part file, content, name. The name is made durable when it is finished.
    fn land_small(
        &self,
        job: usize,
        root: Root,
        layout: Layout,
        chunk: &[u8],
    ) -> Result<(), Failure> {
        let target = self.target(job)?;
        let parent = target.path.parent().unwrap_or(Path::new(""));
        let name = target.path.file_name().unwrap_or_default().to_string_lossy();
        let land = || {
            let part = Part::claim(&self.folder, parent, &name, root, layout)?;
            part.write(0, chunk, None)?;
            part.seal(target.modified_ms)?;
            self.name(part.path(), &target.path)
        };
        let path = land().map_err(|error| self.disk(&target.path, &error))?;
        self.jobs().insert(job, State::Landed(path));
        Ok(())
    }

    /// Gives the part its final name, or the next one that is free; never over anything.
    fn name(&self, part: &Path, wanted: &Path) -> io::Result<PathBuf> {
        for number in 0..NAMES {
            let path = numbered(wanted, number);
            match self.folder.rename_new(part, &path) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl State {
    fn part(&self) -> Option<Arc<Part>> {
        match self {
            Self::Part(part) => Some(part.clone()),
            _ => None,
        }
    }
}

impl Sink for Landing {
    fn begin(&self, job: usize, root: Root, size: u64) -> Result<Vec<Range<u64>>, Failure> {
        let target = self.target(job)?;
        let layout =
            Layout::new(size).map_err(|error| Failure::new(Exit::Other, error.to_string()))?;
        let state = self.begin_at(target, root, layout)?;
        let missing = match &state {
            State::Part(part) => part.missing(),
            State::Small(..) => std::iter::once(0..1).collect(),
            State::There(_) | State::Landed(_) => Vec::new(),
        };
        self.jobs().insert(job, state);
        Ok(missing)
    }

    fn write(
        &self,
        job: usize,
        index: u64,
        chunk: &[u8],
        value: Option<ChainingValue>,
    ) -> Result<(), Failure> {
        let state = self.jobs().get(&job).cloned();
        match state {
            Some(State::Small(root, layout)) => self.land_small(job, root, layout, chunk)?,
            Some(State::Part(part)) => {
                part.write(index, chunk, value).map_err(|error| self.disk(part.path(), &error))?;
            }
            _ => return Err(Failure::new(Exit::Other, "a chunk of a file that was never begun")),
        }
        let len = u64::try_from(chunk.len()).unwrap_or(0);
        self.written.fetch_add(len, Ordering::Relaxed);
        Ok(())
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn finish(&self, jobs: Vec<usize>) -> Vec<(usize, Result<Landed, Failure>)> {
        let mut results: Vec<_> = jobs.into_iter().map(|job| (job, self.finish_one(job))).collect();
        // The names are made durable once for each folder.
        let folders: BTreeSet<PathBuf> = results
            .iter()
            .filter_map(|(job, _)| self.targets.get(*job)?.path.parent().map(Path::to_owned))
            .collect();
        for folder in folders {
            if let Err(error) = self.folder.sync_folder(&folder) {
                let failure = self.disk(&folder, &error);
                for (job, result) in &mut results {
                    let within = self.targets.get(*job).and_then(|target| target.path.parent());
                    if within == Some(&*folder) {
                        *result = Err(failure.clone());
                    }
                }
            }
        }
        results
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// BLAKE3 of the regular file at `path`; `None` if it cannot be opened as one.
fn hash_file(folder: &dyn Folder, path: &Path) -> io::Result<Option<Root>> {
    let Ok(file) = folder.open(path) else { return Ok(None) };
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; usize::try_from(CHUNK).unwrap_or(0)];
    let mut offset = 0;
    loop {
        let read = file.read_at(&mut buffer, offset)?;
        if read == 0 {
            return Ok(Some(Root(hasher.finalize().into())));
        }
        hasher.update(&buffer[..read]);
        offset += u64::try_from(read).unwrap_or(0);
    }
}

#[cfg(test)]
mod tests;
