//! Reads a log from its journal, when a seeder starts.

use sealift_content::numbers::Numbers;
use sealift_proto::catalogue;
use sealift_proto::log::{Head, chain_next, chain_start};

use super::published::{Digest, PathNumber, note};
use super::{Author, Stored, open_segment};

/// Takes segments from the journal as long as they are those of the head.
pub(super) struct Loader<'a> {
    author: &'a Author,
    head: Option<&'a Head>,
    next: u64,
    chain: [u8; 32],
    pub(super) segments: Vec<Stored>,
    pub(super) published: Numbers<PathNumber, Digest>,
    pub(super) changes: usize,
    pub(super) weight: u64,
    /// Where the last segment of the head ends in the journal.
    pub(super) end: u64,
    failed: bool,
}

impl<'a> Loader<'a> {
    pub(super) fn new(author: &'a Author, head: Option<&'a Head>) -> Self {
        let (next, chain) =
            head.map_or((0, [0; 32]), |head| (head.base, chain_start(&head.log_id, head.base)));
        let head = head.filter(|head| head.space == author.space && head.epoch == author.epoch);
        let (segments, published) = (Vec::new(), Numbers::default());
        let end = sealift_content::journal::START as u64;
        Self {
            author,
            head,
            next,
            chain,
            segments,
            published,
            changes: 0,
            weight: 0,
            end,
            failed: false,
        }
    }

    pub(super) fn take(&mut self, place: u64, body: &[u8]) {
        let Some(head) = self.head else { return };
        if self.failed || self.next >= head.position {
            return;
        }
        let Some((position, sealed)) = body.split_first_chunk::<8>() else { return };
        let position = u64::from_be_bytes(*position);
        match open_segment(self.author, position, sealed) {
            Some(changes) if position == self.next => {
                self.chain = chain_next(&self.chain, sealed);
                let stored = Stored { place: place + 8, len: sealed.len(), chain: self.chain };
                self.segments.push(stored);
                self.next += 1;
                self.end = place + body.len() as u64;
                self.changes += changes.len();
                self.weight += catalogue::weight(0, &changes);
                changes.iter().for_each(|change| note(&mut self.published, change));
            }
            _ => self.failed = true,
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.head.is_some_and(|head| self.next == head.position && self.chain == head.chain)
    }
}
