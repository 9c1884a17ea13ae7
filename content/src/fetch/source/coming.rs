//! A chunk that is coming. On a slow way it takes its time, and its link may be lost before the end: what came counts.

use std::sync::Arc;
use std::time::Duration;

use sealift_platform::disk::Buffer;
use sealift_proto::catalogue::Root;
use sealift_proto::link::Direction;
use sealift_proto::manifest::Layout;
use sealift_transport::session::{RunReader, SessionError};
use tokio::time::Instant;

use super::Source;
use crate::landing::sink::Start;

/// What has come of a chunk is kept on disk, and shown, each time that so long has passed: never where chunks come quickly.
const KEEP_AFTER: Duration = Duration::from_secs(1);

/// A chunk that is coming from a source.
pub(super) struct ComingChunk<'a> {
    source: &'a Source<'a>,
    /// Of which file.
    pub(super) job: usize,
    root: Root,
    /// Which chunk of it.
    pub(super) index: u64,
    bytes: Buffer,
    done: usize,
    /// How much of it was there before.
    start: usize,
    kept: Instant,
}

impl<'a> ComingChunk<'a> {
    /// A chunk whose `start`, if any, is there already.
    pub(super) fn new(
        source: &'a Source<'a>,
        (job, root, index): (usize, Root, u64),
        layout: Layout,
        start: Option<Arc<[u8]>>,
    ) -> Result<Self, SessionError> {
        // A chunk has 1 MiB at most.
        let len = usize::try_from(layout.chunk_len(index)).map_err(|_| SessionError::Malformed)?;
        let mut bytes = source.shared.delivery.buffer(len);
        let start = start.unwrap_or_default();
        bytes.get_mut(..start.len()).ok_or(SessionError::Malformed)?.copy_from_slice(&start);
        let (start, kept) = (start.len(), Instant::now());
        Ok(Self { source, job, root, index, bytes, done: start, start, kept })
    }

    /// Reads the rest of it; whether it was put together from two parts.
    pub(super) async fn fill(
        &mut self,
        run: &mut RunReader<'_, impl Direction>,
    ) -> Result<bool, SessionError> {
        while self.done < self.bytes.len() {
            let read = match run.read(&mut self.bytes[self.done..]).await? {
                0 => return Err(SessionError::Malformed),
                read => read,
            };
            self.done += read;
            self.source.heard(read);
            if self.kept.elapsed() >= KEEP_AFTER && self.done < self.bytes.len() {
                self.kept = Instant::now();
                self.keep().await;
            }
        }
        Ok(self.start > 0)
    }

    async fn keep(&self) {
        let shared = self.source.shared.clone();
        shared.schedule().coming(self.source.id, (self.done - self.start) as u64);
        let bytes = self.bytes[..self.done].into();
        let (job, root) = (self.job, self.root);
        let start = Start { index: self.index, device: self.source.device, bytes };
        // A panic in it costs what would have been kept; there is none.
        let _ = tokio::task::spawn_blocking(move || shared.sink.keep(job, root, &start)).await;
    }

    /// The whole chunk.
    pub(super) fn take(&mut self) -> Buffer {
        std::mem::take(&mut self.bytes)
    }
}

impl Drop for ComingChunk<'_> {
    fn drop(&mut self) {
        let mut schedule = self.source.shared.schedule();
        schedule.coming(self.source.id, 0);
        if self.done > self.start && self.done < self.bytes.len() {
            let bytes = &self.bytes[..self.done];
            schedule.interrupted(self.source.id, self.job, self.index, bytes);
        }
    }
}
