//! Landing files in `--out`: nothing outside it, nothing overwritten, nothing half under its final name.
//!
//! A file grows as a hidden part file beside its final name, or in a folder that is new and hidden itself. The name appears in
//! one step, and only once every chunk is verified and on disk. What an earlier process left of a file of several chunks is used
//! again after it has been read again.

mod begin;
mod chunks;
mod claim;
mod empty;
mod error;
mod finish;
mod flush;
mod folders;
mod mark;
mod part;
mod probe;
mod record;
pub mod sink;
mod small;
mod stage;
mod starts;
mod stdout;
mod target;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use sealift_platform::Platform;
use sealift_platform::disk::{Root as Folder, read_whole};
use sealift_platform::random::Random;
use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;

use crate::landing::sink::{Begun, Sink, Start};
use flush::Flush;
use folders::Folders;
use part::Part;
use small::{Small, Smalls};
use starts::Starts;

pub use begin::forget_older;
pub use claim::PREFIX;
pub use empty::{EmptyTarget, make_folders};
pub use error::LandingError;
pub(crate) use probe::Probe;
pub use stdout::Stdout;
pub use target::Target;

/// The folder that files land in.
pub struct Landing {
    folder: Arc<dyn Folder>,
    place: PathBuf,
    targets: Vec<Target>,
    random: Arc<dyn Random>,
    /// The execute bits that files may get.
    executable: u32,
    /// Names are given in one step that never replaces anything.
    safely: bool,
    jobs: Mutex<HashMap<usize, State>>,
    folders: Folders,
    smalls: Smalls,
    starts: Starts,
    flush: Flush,
    /// Held while names are made durable: who reports a file must not pass by a folder that somebody else is flushing.
    naming: Mutex<()>,
    written: AtomicU64,
    resumed: AtomicU64,
    promised: Arc<AtomicU64>,
}

#[derive(Clone)]
enum State {
    /// The same content is there already, under this name.
    There(PathBuf),
    /// A file of one chunk, begun.
    Awaited,
    /// A file of one chunk, written.
    Small(Arc<Small>),
    /// A file of several chunks, on its way.
    Part(Arc<Part>),
    /// Landed under this name.
    Landed(PathBuf),
}

impl Landing {
    /// Opens the folder `out`, made if missing.
    ///
    /// # Errors
    /// When it cannot be made, or is no folder.
    pub fn open(
        platform: &Platform,
        out: &Path,
        targets: Vec<Target>,
    ) -> Result<Self, LandingError> {
        let fail = |error| LandingError::disk(out, error);
        let folder = platform.disk.open_or_create(out, false).map_err(fail)?;
        let random = platform.random.clone();
        Self::within(folder, out, targets, random).map_err(fail)
    }

    fn within(
        folder: Arc<dyn Folder>,
        out: &Path,
        targets: Vec<Target>,
        random: Arc<dyn Random>,
    ) -> io::Result<Self> {
        // A folder that cannot be written is told before anything is asked of a seeder.
        let (executable, safely) = {
            let probe = Probe::begin(&*folder, &*random)?;
            (probe.executable()?, probe.names_safely()?)
        };
        let smalls = Smalls::new(folder.clone());
        // A folder that may be written and not be listed is one to land in all the same.
        let listed = folder.list(Path::new("")).unwrap_or_default();
        mark::sweep(&*folder, &listed, &targets);
        probe::sweep(&*folder, &listed);
        Ok(Self {
            starts: Starts::new(folder.clone(), &listed),
            folders: Folders::new(folder.clone()),
            smalls,
            folder,
            place: out.to_owned(),
            targets,
            random,
            executable,
            safely,
            jobs: Mutex::default(),
            flush: Flush::default(),
            naming: Mutex::default(),
            written: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            promised: Arc::default(),
        })
    }

    /// Whether the file system cannot give a file a name in one step that never replaces another one.
    #[must_use]
    pub const fn is_careless(&self) -> bool {
        !self.safely
    }

    /// Checks that `bytes` more fit.
    ///
    /// # Errors
    /// When they do not, with how many are missing.
    pub fn check_room(&self, bytes: u64) -> Result<(), LandingError> {
        let free = self.folder.free_bytes().map_err(|error| self.disk(Path::new(""), error))?;
        if bytes <= free {
            return Ok(());
        }
        Err(LandingError::NoRoom { place: self.place.clone(), needed: bytes, free })
    }

    /// Bytes of earlier processes that were verified and did not have to come again.
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

    /// Makes durable what is worth keeping of unfinished files, and removes the rest: for the end of a command. What cannot
    /// be kept is fetched again by the next one.
    pub fn record(&self) {
        let parts: Vec<_> = self.jobs().values().filter_map(State::part).collect();
        for part in parts.iter().filter(|part| part.is_worth_recording()) {
            let _ = part.sync_with_record();
        }
        // Here, since whoever else holds this may do so until the process is gone.
        self.jobs().retain(|_, state| !matches!(state, State::Small(_)));
        self.smalls.end();
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<usize, State>> {
        lock(&self.jobs)
    }

    fn state(&self, job: usize) -> Option<State> {
        self.jobs().get(&job).cloned()
    }

    fn disk(&self, path: &Path, error: io::Error) -> LandingError {
        LandingError::disk(self.place.join(path), error)
    }

    fn target(&self, job: usize) -> Result<&Target, LandingError> {
        self.targets.get(job).ok_or(LandingError::NoTarget)
    }

    fn write_part(&self, part: &Arc<Part>, index: u64, chunk: &[u8]) -> io::Result<()> {
        if !part.write(index, chunk)? {
            return Ok(());
        }
        // Flushing is for another thread where there is one to be had: this one has chunks to write. A failure is final for
        // the part, and told by whoever uses it next.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => {
                let part = part.clone();
                drop(runtime.spawn_blocking(move || drop(part.sync_behind())));
                Ok(())
            }
            Err(_) => part.sync_behind(),
        }
    }

    fn write_small(&self, job: usize, chunk: &[u8]) -> Result<(), LandingError> {
        let target = self.target(job)?;
        let losses = self.flush.losses();
        let spot = self.smalls.spot(target);
        if spot.is_none() {
            // Also where it was to grow in a folder that has its name meanwhile.
            self.make_folder(target.parent())?;
        }
        let small = self.smalls.write(job, target, spot, self.executable, chunk, losses);
        let small = small.map_err(|error| self.disk(&target.path, error))?;
        self.jobs().insert(job, State::Small(Arc::new(small)));
        Ok(())
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
    fn begin(&self, job: usize, root: Root, size: u64) -> Result<Begun, LandingError> {
        self.begin_job(job, root, size)
    }

    fn write(&self, job: usize, index: u64, chunk: &[u8]) -> Result<(), LandingError> {
        match self.state(job) {
            Some(State::Awaited) => self.write_small(job, chunk)?,
            Some(State::Part(part)) => {
                let written = self.write_part(&part, index, chunk);
                written.map_err(|error| self.disk(part.path(), error))?;
            }
            _ => return Err(LandingError::NotBegun),
        }
        self.written.fetch_add(u64::try_from(chunk.len()).unwrap_or(0), Ordering::Relaxed);
        self.starts.forget(job, index);
        Ok(())
    }

    fn keep(&self, job: usize, root: Root, start: &Start) {
        if let Some(target) = self.targets.get(job) {
            let _ = self.starts.keep(job, &target.path, root, start);
        }
    }

    fn forget(&self, job: usize, index: u64) {
        self.starts.forget(job, index);
    }

    fn check(
        &self,
        job: usize,
        index: u64,
        fits: &dyn Fn(&[u8]) -> bool,
    ) -> Result<bool, LandingError> {
        let Some(State::Part(part)) = self.state(job) else { return Err(LandingError::NotBegun) };
        let len = part.check(index, fits).map_err(|error| self.disk(part.path(), error))?;
        self.resumed.fetch_add(len.unwrap_or(0), Ordering::Relaxed);
        Ok(len.is_some())
    }

    fn read(&self, job: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let whole = match self.state(job).ok_or(io::ErrorKind::NotFound)? {
            State::Part(part) => part.read(offset, buffer)?,
            State::Small(small) => read_whole(&*self.folder.open(small.path())?, buffer, offset)?,
            State::There(path) | State::Landed(path) => {
                read_whole(&*self.folder.open(&path)?, buffer, offset)?
            }
            State::Awaited => false,
        };
        if whole { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    fn finish(&self, jobs: &[usize]) -> Vec<(usize, Result<(), LandingError>)> {
        self.finish_jobs(jobs)
    }
}

#[cfg(test)]
mod tests;
