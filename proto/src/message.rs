//! Messages within a session (PROTOCOL.md section 10), sealed on a link.
//!
//! ```text
//! the end that asks                   the end that serves
//!                                   ← Head or Have       what there is
//! Want, GetPage, Get                → Root, Page, run, Failed, Changed
//! Done                              →
//! ```
//!
//! Both ends may ask and serve: the messages of both directions are the same.
//!
//! A run is not an enum variant but a message kind of its own: `u32 header length ‖ RunHeader ‖ bytes`.

use serde::{Deserialize, Serialize};

use crate::catalogue::Root;
use crate::codec::{self, Bytes, CodecError, List};
use crate::control::{Address, Hash};
use crate::direct::Candidates;
use crate::limits::{CHUNK, FILE_MAX, PAGE_CHUNKS, STATEMENT_MAX};

pub use crate::limits::{
    HAVE_MAX, ITEMS_MAX, MESSAGE_MAX, OTHERS_MAX, PATHS_MAX, RUN_HEADER_MAX, RUN_MAX,
};

/// [`PAGE_CHUNKS`] as a length in memory.
const PAGE_VALUES: usize = 4096;
const _: () = assert!(PAGE_VALUES as u64 == PAGE_CHUNKS);

/// Consecutive chunks of one file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Item {
    /// The file's content.
    pub root: Root,
    /// First chunk.
    pub first: u64,
    /// How many chunks, at least 1.
    pub count: u32,
    /// Bytes at the start of the first chunk that are there already and are left out; less than it has.
    pub skip: u32,
}

/// A file that the sender has, verified and on disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finished {
    /// Its content.
    pub root: Root,
    /// Its length, bytes.
    pub size: u64,
}

/// Consecutive chunks that an end has verified.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChunkRun {
    /// The first.
    pub first: u64,
    /// How many, at least 1.
    pub count: u64,
}

impl ChunkRun {
    /// Whether a file can have these chunks: at least one, and none behind the last of the longest file.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let end = self.first.checked_add(self.count);
        self.count > 0 && end.is_some_and(|end| end <= FILE_MAX / CHUNK)
    }
}

/// Why something is not given.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, thiserror::Error)]
pub enum Missing {
    /// 0: no such entry, or none that this member may read.
    #[error("no longer offered")]
    Gone,
    /// 1: the file is not what was hashed.
    #[error("changed at the seeder")]
    Changed,
    /// 2: it cannot be read.
    #[error("cannot be read at the seeder")]
    Unreadable,
    /// 3: a request that cannot be met as it stands.
    #[error("the seeder refused the request")]
    Refused,
    /// 4: not on this link; another of the session may carry it.
    #[error("the seeder sends content over direct links only")]
    NotHere,
}

/// What either end of a session says. `request` numbers are those of the end that asks, and come back in the answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SessionMessage {
    /// The sender's newest signed catalogue head, straight from it.
    Head {
        /// Encoding of the signed statement; empty when there is none yet.
        statement: Bytes<STATEMENT_MAX>,
    },
    /// Hash this entry before others and tell its root.
    Want {
        /// Comes back in Root, Failed and Reading.
        request: u32,
        /// The log that lists it.
        #[serde(with = "codec::array")]
        log_id: [u8; 16],
        /// Position of the segment.
        position: u64,
        /// Place of the change within the segment.
        index: u32,
    },
    /// Send the values of one page of the manifest.
    GetPage {
        /// Comes back in Page or Failed.
        request: u32,
        /// Of which file.
        root: Root,
        /// Which page; `None` asks for the values of the pages themselves.
        page: Option<u64>,
    },
    /// Send these chunks as one run, [`RUN_MAX`] bytes at most.
    Get {
        /// Comes back in the run, or in Failed.
        request: u32,
        /// What to send, in this order.
        items: List<Item, ITEMS_MAX>,
    },
    /// These files are complete; nothing more is wanted of them.
    Done {
        /// Which.
        files: List<Finished, ITEMS_MAX>,
    },
    /// Where the sender may be reached for direct links; replaces what it named before. None means that it wants none.
    Paths {
        /// The addresses.
        candidates: Candidates,
    },
    /// Answers Want.
    Root {
        /// As asked.
        request: u32,
        /// The content.
        root: Root,
        /// Its length, bytes.
        size: u64,
    },
    /// Answers GetPage.
    Page {
        /// As asked.
        request: u32,
        /// Chaining values in order.
        values: List<Hash, PAGE_VALUES>,
    },
    /// The request cannot be met.
    Failed {
        /// As asked.
        request: u32,
        /// Why.
        why: Missing,
    },
    /// The file is no longer what was hashed; content of it in the run just sent may be wrong.
    Changed {
        /// The content it had.
        root: Root,
    },
    /// The answer to Want takes a while: the file is being read, or waits to be.
    Reading {
        /// As asked.
        request: u32,
        /// Bytes read so far.
        done: u64,
        /// Of so many; both may change when the file does.
        size: u64,
    },
    /// Who else fetches a content from the sender now; replaces what it named for that content before.
    Others {
        /// The content.
        root: Root,
        /// Their addresses in the space.
        addresses: List<Address, OTHERS_MAX>,
    },
    /// Chunks that the sender has verified and gives to the other end, beside those that it named before.
    Have {
        /// The content.
        root: Root,
        /// Which chunks.
        chunks: List<ChunkRun, HAVE_MAX>,
    },
}

/// What became of one item of a Get.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Outcome {
    /// So many bytes of it are in the run.
    Data {
        /// Bytes.
        len: u32,
    },
    /// Nothing of it is.
    Missing(Missing),
}

/// What stands before the bytes of a run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RunHeader {
    /// The Get it answers.
    pub request: u32,
    /// One for each of its items, in order.
    pub outcomes: List<Outcome, ITEMS_MAX>,
}

impl RunHeader {
    /// `u32 length (big-endian) ‖ encoding`: the start of a run.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let body = codec::encode(self);
        // At most 4,096 outcomes of 6 bytes.
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
        [&length.to_be_bytes()[..], &body].concat()
    }

    /// Length of the encoding that follows the first four bytes of a run.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] over [`RUN_HEADER_MAX`].
    pub fn body_len(first: [u8; 4]) -> Result<usize, CodecError> {
        match usize::try_from(u32::from_be_bytes(first)) {
            Ok(len) if len <= RUN_HEADER_MAX => Ok(len),
            _ => Err(CodecError::TooLong),
        }
    }

    /// Bytes of content that follow; `None` over [`RUN_MAX`].
    #[must_use]
    pub fn content_len(&self) -> Option<u64> {
        let sum: u64 = self
            .outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::Data { len } => u64::from(*len),
                Outcome::Missing(_) => 0,
            })
            .sum();
        (sum <= RUN_MAX).then_some(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_page_and_a_full_get_fit_a_message() {
        let page = SessionMessage::Page {
            request: u32::MAX,
            values: List::new(vec![Hash([7; 32]); 4096]).unwrap(),
        };
        assert!(codec::encode(&page).len() <= MESSAGE_MAX);
        let item = Item { root: Root([7; 32]), first: 0, count: 1, skip: 0 };
        let get =
            SessionMessage::Get { request: 0, items: List::new(vec![item; ITEMS_MAX]).unwrap() };
        assert!(codec::encode(&get).len() <= MESSAGE_MAX);
    }

    #[test]
    fn a_run_header_says_how_much_follows() {
        let outcomes = vec![
            Outcome::Data { len: 5 },
            Outcome::Missing(Missing::Gone),
            Outcome::Data { len: 7 },
        ];
        let header = RunHeader { request: 3, outcomes: List::new(outcomes).unwrap() };
        let bytes = header.to_bytes();
        assert_eq!(RunHeader::body_len(bytes[..4].try_into().unwrap()), Ok(bytes.len() - 4));
        assert_eq!(codec::decode(&bytes[4..]), Ok(header.clone()));
        assert_eq!(header.content_len(), Some(12));
        let much = vec![Outcome::Data { len: u32::MAX }; 2];
        assert_eq!(
            RunHeader { request: 0, outcomes: List::new(much).unwrap() }.content_len(),
            None
        );
    }
}
