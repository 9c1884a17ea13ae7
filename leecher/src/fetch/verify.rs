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

/// Verifies each piece and writes those that hold.
pub(super) fn verify(pieces: Vec<Piece>, sink: &dyn Sink) -> Vec<Verdict> {
    pieces.into_iter().map(|piece| verify_one(&piece, sink)).collect()
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
