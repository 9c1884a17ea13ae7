//! A log written anew, some entries at a time: what is offered may be far more than should be in memory twice.

use std::collections::VecDeque;
use std::io;

use sealift_proto::catalogue::{Change, fold, fold_all};
use sealift_proto::log::chain_next;

use super::published::{Digest, PathNumber, note};
use super::{Author, LogError, Stored, body, seal, weight};
use sealift_content::numbers::Numbers;

/// The records of a new base, and what is to be known of them when all have been taken.
pub(super) struct Base<'a, B> {
    author: &'a Author,
    batches: B,
    position: u64,
    chain: [u8; 32],
    ready: VecDeque<Vec<u8>>,
    ended: bool,
    pub(super) written: Written,
}

/// What was written.
#[derive(Default)]
pub(super) struct Written {
    /// The segments, their places still to come.
    pub(super) segments: Vec<Stored>,
    pub(super) published: Numbers<PathNumber, Digest>,
    pub(super) changes: usize,
    pub(super) weight: u64,
    /// Why it ended before everything was.
    pub(super) failed: Option<LogError>,
}

impl<'a, B: Iterator<Item = Vec<Change>>> Base<'a, B> {
    pub(super) fn new(author: &'a Author, batches: B, position: u64, chain: [u8; 32]) -> Self {
        let (ready, written) = Default::default();
        Self { author, batches, position, chain, ready, ended: false, written }
    }

    /// Makes the segments of the next entries ready.
    fn fold(&mut self) -> Result<(), LogError> {
        let Some(changes) = self.batches.next() else {
            self.ended = true;
            if self.written.segments.is_empty() {
                // A base without a segment would have the position of the head before and another chain.
                self.add(&fold(&[])?);
            }
            return Ok(());
        };
        self.written.changes += changes.len();
        self.written.weight = weight(self.written.weight, &changes)?;
        changes.iter().for_each(|change| note(&mut self.written.published, change));
        fold_all(&changes)?.iter().for_each(|folded| self.add(folded));
        Ok(())
    }

    fn add(&mut self, folded: &[u8]) {
        let sealed = seal(self.author, folded, self.position);
        self.chain = chain_next(&self.chain, &sealed);
        self.written.segments.push(Stored { place: 0, len: sealed.len(), chain: self.chain });
        self.ready.push_back(body(self.position, &sealed));
        self.position += 1;
    }
}

impl<B: Iterator<Item = Vec<Change>>> Iterator for Base<'_, B> {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        while self.ready.is_empty() && !self.ended {
            if let Err(error) = self.fold() {
                self.ended = true;
                self.written.failed = Some(error);
                return Some(Err(io::ErrorKind::Other.into()));
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
