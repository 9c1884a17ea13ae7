//! The record beside a part file: which chunks are verified and on disk.

use sealift_platform::disk::{self, Root as Folder};
use sealift_proto::catalogue::Root;
use sealift_proto::codec;
use sealift_proto::manifest::Layout;
use serde::{Deserialize, Serialize};
use std::io;
use std::ops::Range;
use std::path::Path;

/// Version of the record; another one is ignored, and the file fetched anew.
const VERSION: u8 = 1;
/// Longest record, bytes: a bit for each chunk of the largest file, and some.
const RECORD_MAX: usize = 4 * 1024 * 1024;

/// A set of chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Chunks {
    count: u64,
    words: Vec<u64>,
}

impl Chunks {
    /// None of `count` chunks.
    pub(super) fn none(count: u64) -> Self {
        let words = usize::try_from(count.div_ceil(64)).unwrap_or(0);
        Self { count, words: vec![0; words] }
    }

    fn slot(index: u64) -> (usize, u64) {
        (usize::try_from(index / 64).unwrap_or(usize::MAX), 1 << (index % 64))
    }

    pub(super) fn contains(&self, index: u64) -> bool {
        let (word, bit) = Self::slot(index);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    pub(super) fn insert(&mut self, index: u64) {
        let (word, bit) = Self::slot(index);
        if index < self.count
            && let Some(word) = self.words.get_mut(word)
        {
            *word |= bit;
        }
    }

    pub(super) fn clear(&mut self) {
        self.words.fill(0);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        (0..self.count).filter(|index| self.contains(*index))
    }

    /// The chunks that are not in it, as ranges.
    pub(super) fn missing(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for index in (0..self.count).filter(|index| !self.contains(*index)) {
            match ranges.last_mut() {
                Some(last) if last.end == index => last.end += 1,
                _ => ranges.push(index..index + 1),
            }
        }
        ranges
    }
}

#[derive(Serialize, Deserialize)]
struct Body {
    version: u8,
    root: Root,
    size: u64,
    chunks: Chunks,
}

/// Writes the record; the chunks in it must be on disk already.
pub(super) fn write(
    folder: &dyn Folder,
    path: &Path,
    root: Root,
    layout: Layout,
    chunks: &Chunks,
) -> io::Result<()> {
    let body = Body { version: VERSION, root, size: layout.size(), chunks: chunks.clone() };
    let mut bytes = codec::encode(&body);
    let check = *blake3::hash(&bytes).as_bytes();
    bytes.extend_from_slice(&check);
    disk::replace(folder, path, &bytes, true)
}

/// The chunks that the record at `path` lists, if it is one of this very content; none otherwise.
pub(super) fn read(
    folder: &dyn Folder,
    path: &Path,
    root: Root,
    layout: Layout,
) -> io::Result<Chunks> {
    let none = Chunks::none(layout.chunks());
    let bytes = match disk::read_all(folder, path, RECORD_MAX) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(none),
        other => other?,
    };
    Ok(parse(&bytes, root, layout).unwrap_or(none))
}

fn parse(bytes: &[u8], root: Root, layout: Layout) -> Option<Chunks> {
    let (body, check) = bytes.split_last_chunk::<32>()?;
    if blake3::hash(body) != *check {
        return None;
    }
    let body: Body = codec::decode(body).ok()?;
    let right = body.version == VERSION && body.root == root && body.size == layout.size();
    let shaped = body.chunks.count == layout.chunks()
        && u64::try_from(body.chunks.words.len()).ok() == Some(layout.chunks().div_ceil(64));
    (right && shaped).then_some(body.chunks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryDisk as Memory;

    #[test]
    fn gaps_are_found() {
        let mut chunks = Chunks::none(130);
        for index in [0, 1, 64, 129] {
            chunks.insert(index);
        }
        assert_eq!(chunks.missing(), [2..64, 65..129]);
        assert_eq!(chunks.iter().collect::<Vec<_>>(), [0, 1, 64, 129]);
        chunks.insert(1000);
        assert!(!chunks.contains(1000));
    }

    #[test]
    fn a_record_counts_for_its_own_content_only_and_unaltered() {
        let memory = Memory::new();
        let folder = memory.root();
        let path = Path::new("record");
        let layout = Layout::new(10 << 20).unwrap();
        let mut chunks = Chunks::none(10);
        chunks.insert(3);
        write(&*folder, path, Root([1; 32]), layout, &chunks).unwrap();
        assert_eq!(read(&*folder, path, Root([1; 32]), layout).unwrap(), chunks);
        assert_eq!(read(&*folder, path, Root([2; 32]), layout).unwrap().iter().count(), 0);
        let longer = Layout::new((10 << 20) + 1).unwrap();
        assert_eq!(read(&*folder, path, Root([1; 32]), longer).unwrap().iter().count(), 0);
        let bytes = memory.bytes("record").unwrap();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert_eq!(parse(&altered, Root([1; 32]), layout), None);
            assert_eq!(parse(&bytes[..at], Root([1; 32]), layout), None);
        }
    }
}
