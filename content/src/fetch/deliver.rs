//! Chunks on their way from a source to the disk: verified and written off the runtime's threads, in memory that is used
//! again and again.

use std::sync::{Arc, Mutex};

use blake3::hazmat::ChainingValue;
use sealift_platform::disk::Buffer;
use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::{Layout, chunk_fits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::schedule::{Outcome, SourceId};
use super::shared::Shared;
use crate::hashes::file::CHUNK_LEN;
use crate::landing::LandingError;

/// Batches on their way at a time, over all sources; each is a chunk of a large file or many small files.
const BATCHES: usize = 12;
/// Bytes of small chunks that make a batch.
pub(super) const BATCH: usize = 512 * 1024;

/// A chunk as it came.
pub(super) struct Piece {
    pub(super) job: usize,
    pub(super) index: u64,
    pub(super) bytes: Buffer,
    pub(super) layout: Layout,
    pub(super) root: Root,
    /// Its value in the manifest; `None` for a file of one chunk.
    pub(super) value: Option<ChainingValue>,
    /// It was put together from what came at two times.
    pub(super) joined: bool,
}

enum Verdict {
    Taken,
    Wrong,
    Failed(LandingError),
}

/// Room for what is on its way.
pub(super) struct Delivery {
    room: Arc<Semaphore>,
    spare: Mutex<Vec<Buffer>>,
}

impl Default for Delivery {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(BATCHES)), spare: Mutex::default() }
    }
}

impl Delivery {
    /// Memory for a chunk of `len` bytes, at most one of a large file.
    pub(super) fn buffer(&self, len: usize) -> Buffer {
        // Small ones are not worth keeping, and would keep large ones for small files.
        if len < BATCH {
            return vec![0; len].into();
        }
        let spare = lock(&self.spare).pop();
        let mut buffer = spare.unwrap_or_else(|| Buffer::new(CHUNK_LEN));
        buffer.reuse(len);
        buffer
    }

    /// Takes memory back.
    pub(super) fn give_back(&self, buffer: Buffer) {
        if buffer.room() < BATCH {
            return;
        }
        let mut spare = lock(&self.spare);
        if spare.len() < BATCHES {
            spare.push(buffer);
        }
    }

    /// Waits until there is room for another batch.
    pub(super) async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.room.clone().acquire_owned().await.ok()
    }

    /// Waits until nothing is on its way.
    pub(super) async fn settled(&self) {
        // It is never closed.
        let _ = self.room.acquire_many(u32::try_from(BATCHES).unwrap_or(1)).await;
    }
}

/// Verifies what came from source `id` and writes what holds; the schedule learns of each.
pub(super) fn deliver(
    shared: &Arc<Shared>,
    id: SourceId,
    batch: Vec<Piece>,
    room: OwnedSemaphorePermit,
) {
    let shared = shared.clone();
    tokio::task::spawn_blocking(move || {
        let verdicts: Vec<_> = batch.iter().map(|piece| verify(piece, &shared)).collect();
        let mut schedule = shared.schedule();
        for (piece, verdict) in batch.iter().zip(verdicts) {
            match verdict {
                Verdict::Taken => schedule.taken(id, piece.job, piece.index),
                Verdict::Wrong if piece.joined => {
                    schedule.joined_wrongly(id, piece.job, piece.index);
                }
                Verdict::Wrong => schedule.refused(id, piece.job, piece.index),
                Verdict::Failed(error) => schedule.end(piece.job, Outcome::Failed(error.into())),
            }
        }
        drop(schedule);
        batch.into_iter().for_each(|piece| shared.delivery.give_back(piece.bytes));
        drop(room);
        shared.tell();
    });
}

fn verify(piece: &Piece, shared: &Shared) -> Verdict {
    if !chunk_fits(piece.layout, &piece.root, piece.value.as_ref(), piece.index, &piece.bytes) {
        shared.sink.forget(piece.job, piece.index);
        return Verdict::Wrong;
    }
    match shared.sink.write(piece.job, piece.index, &piece.bytes) {
        Ok(()) => Verdict::Taken,
        Err(error) => Verdict::Failed(error),
    }
}
