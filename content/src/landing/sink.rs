//! Where verified chunks go.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use sealift_proto::catalogue::Root;
use sealift_proto::identity::DeviceId;

use super::LandingError;

/// The start of a chunk whose end did not come. Nothing of it can be verified before the rest has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// Which chunk.
    pub index: u64,
    /// Who sent it; the rest is asked of nobody else.
    pub device: DeviceId,
    /// What came.
    pub bytes: Arc<[u8]>,
}

/// What is there of a file when it is begun. A chunk is in one of the two or neither, never in both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Begun {
    /// Chunks to be fetched, in order.
    pub missing: Vec<Range<u64>>,
    /// Chunks that an earlier process left: to be read again and verified with [`Sink::check`] before they count.
    pub earlier: Vec<Range<u64>>,
    /// Starts of missing chunks.
    pub starts: Vec<Start>,
}

impl Begun {
    /// Nothing is there yet of a file of `chunks` chunks.
    #[must_use]
    pub fn nothing(chunks: u64) -> Self {
        Self { missing: std::iter::once(0..chunks).collect(), ..Self::default() }
    }
}

/// Takes what has been verified. All calls may block on the disk, and come from any thread; those for one chunk never
/// come side by side.
pub trait Sink: Send + Sync + 'static {
    /// Begins the file of `job`, whose content is `root` and has `size` bytes. Neither missing nor earlier chunks mean that
    /// the file is there already. A job may be begun again when its last try did not come to an end.
    ///
    /// # Errors
    /// Why it cannot be begun; the job then ends with that.
    fn begin(&self, job: usize, root: Root, size: u64) -> Result<Begun, LandingError>;

    /// Takes a verified chunk.
    ///
    /// # Errors
    /// When it cannot be written; the job then ends with that.
    fn write(&self, job: usize, index: u64, chunk: &[u8]) -> Result<(), LandingError>;

    /// Reads again what an earlier process left of a chunk. If it `fits` it counts as taken; otherwise it is missing.
    ///
    /// # Errors
    /// When it cannot be read; the job then ends with that.
    fn check(
        &self,
        job: usize,
        index: u64,
        fits: &dyn Fn(&[u8]) -> bool,
    ) -> Result<bool, LandingError>;

    /// Keeps the start of a chunk of `root` for a later process, in place of a shorter one. What cannot be kept has to come
    /// again.
    fn keep(&self, job: usize, root: Root, start: &Start) {
        let _ = (job, root, start);
    }

    /// Forgets what was kept of a chunk.
    fn forget(&self, job: usize, index: u64) {
        let _ = (job, index);
    }

    /// Verified bytes taken so far, of all jobs.
    fn written(&self) -> u64;

    /// Gives the files of `jobs`, all of whose chunks were taken or checked, their final names; durable when it returns.
    fn finish(&self, jobs: &[usize]) -> Vec<(usize, Result<(), LandingError>)>;

    /// Fills `buffer` from `offset` of the file of `job`, out of chunks that were taken or checked, also once it has its name.
    ///
    /// # Errors
    /// What the disk says; [`io::ErrorKind::Unsupported`] from a sink that keeps nothing.
    fn read(&self, job: usize, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let _ = (job, offset, buffer);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// How many chunks beyond the first one not taken yet may be asked for; `None` for any. A sink that must hand bytes on
    /// in order keeps those that came early in memory.
    fn window(&self) -> Option<u64> {
        None
    }
}
