//! Verifying chunks and handing them to the disk, off the runtime's threads.

use blake3::hazmat::ChainingValue;
use sealift_peer::exit::Failure;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::{Layout, chunk_fits};

use super::source::{Landed, Sink};

/// A chunk as it came.
pub(super) struct Piece {
    pub(super) job: usize,
    pub(super) index: u64,
    pub(super) bytes: Vec<u8>,
    pub(super) layout: Layout,
    pub(super) root: Root,
    /// Its value in the manifest; `None` for a file of one chunk.
    pub(super) value: Option<ChainingValue>,
}

/// What became of it, or of a file that landed.
pub(super) enum Verdict {
    /// It is what it should be, and written.
    Written(usize),
    /// It is not what it should be.
    Wrong(usize),
    /// It could not be written.
    Failed(usize, Failure),
    /// The file has its final name, or could not get it.
    Landed(usize, Result<Landed, Failure>),
}

/// Pieces of a batch that make it worth while to write them side by side: they are small files then, and each waits for
/// the disk to say that it is safe.
const MANY: usize = 16;
/// How many wait for the disk at a time. File systems make such waits durable together.
const SIDE_BY_SIDE: usize = 16;

/// Verifies each piece and writes those that hold.
pub(super) fn verify(pieces: &[Piece], sink: &dyn Sink) -> Vec<Verdict> {
    if pieces.len() < MANY {
        return pieces.iter().map(|piece| verify_one(piece, sink)).collect();
    }
    let share = pieces.len().div_ceil(SIDE_BY_SIDE);
    std::thread::scope(|scope| {
        let work = |share: &'_ [Piece]| share.iter().map(|piece| verify_one(piece, sink)).collect();
        let threads: Vec<_> =
            pieces.chunks(share).map(|share| scope.spawn(move || work(share))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Vec<Verdict>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().flat_map(join).collect()
    })
}

fn verify_one(piece: &Piece, sink: &dyn Sink) -> Verdict {
    if !chunk_fits(piece.layout, &piece.root, piece.value.as_ref(), piece.index, &piece.bytes) {
        return Verdict::Wrong(piece.job);
    }
    match sink.write(piece.job, piece.index, &piece.bytes, piece.value) {
        Ok(()) => Verdict::Written(piece.job),
        Err(failure) => Verdict::Failed(piece.job, failure),
    }
}
