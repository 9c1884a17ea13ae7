//! Index files: sorted entries in blocks, with a directory at the end. Written once, never altered.
//!
//! ```text
//! first bytes of a private file · blocks, each text ‖ detail · directory · u64 directory length ‖ BLAKE3 of the directory ‖ "SLindex2"
//! ```
//!
//! Each part of a block has its BLAKE3 value (first 16 bytes) in the directory, the directory's own stands in the footer
//! and, for the right file to be there, in the state that lists the file. Whatever is read is checked first.

use std::path::Path;

use sealift_platform::disk::{File, Root};
use sealift_platform::private;
use sealift_proto::codec;
use serde::{Deserialize, Serialize};

use super::block::{Builder, DETAIL, TEXT_MAX, Text};
use super::{Corrupt, ReplicaError, Stored};

const MAGIC: &[u8; 8] = b"SLindex2";
const FOOTER: u64 = 8 + 32 + 8;
/// Longest directory accepted, bytes: that of some hundred million entries.
const DIRECTORY_MAX: u64 = 256 * 1024 * 1024;
/// Blocks are gathered up to this many bytes before they are written.
const WRITE_BYTES: usize = 1024 * 1024;

type Check = [u8; 16];

/// Where a block is and with which path it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BlockRef {
    offset: u64,
    text_len: u32,
    detail_len: u32,
    #[serde(with = "codec::array")]
    text_check: Check,
    #[serde(with = "codec::array")]
    detail_check: Check,
    /// Its first path; the last one is before that of the next block.
    pub(crate) first: String,
}

/// What identifies a finished index file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Summary {
    pub(super) len: u64,
    pub(super) entries: u64,
    #[serde(with = "codec::array")]
    pub(super) check: [u8; 32],
}

fn check_of(bytes: &[u8]) -> Check {
    let mut check = [0; 16];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    check
}

/// Writes an index file, path by path in order.
pub(super) struct Writer {
    file: Box<dyn File>,
    offset: u64,
    waiting: Vec<u8>,
    builder: Builder,
    directory: Vec<BlockRef>,
    entries: u64,
}

impl Writer {
    /// Starts in the new, empty `file`.
    pub(super) fn new(file: Box<dyn File>) -> Self {
        Self {
            file,
            offset: 0,
            waiting: private::FIRST.as_bytes().to_vec(),
            builder: Builder::default(),
            directory: Vec::new(),
            entries: 0,
        }
    }

    /// Adds an entry, or with `None` a removal. Paths must rise.
    pub(super) fn push(&mut self, path: &str, entry: Option<&Stored>) -> std::io::Result<()> {
        self.builder.push(path, entry);
        self.entries += 1;
        if self.builder.is_full() { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> std::io::Result<()> {
        let block = self.builder.finish();
        let too_long = |_| std::io::Error::other("a block of the replica came out too long");
        self.directory.push(BlockRef {
            offset: self.offset + self.waiting.len() as u64,
            text_len: u32::try_from(block.text.len()).map_err(too_long)?,
            detail_len: u32::try_from(block.count * DETAIL).map_err(too_long)?,
            text_check: check_of(&block.text),
            detail_check: check_of(&block.detail),
            first: block.first,
        });
        self.waiting.extend_from_slice(&block.text);
        self.waiting.extend_from_slice(&block.detail);
        if self.waiting.len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> std::io::Result<()> {
        self.file.write_all_at(&self.waiting, self.offset)?;
        self.offset += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Ends the file and makes it survive a power cut.
    pub(super) fn finish(mut self) -> std::io::Result<Summary> {
        if !self.builder.is_empty() {
            self.end_block()?;
        }
        let directory = codec::encode(&self.directory);
        let check: [u8; 32] = blake3::hash(&directory).into();
        self.waiting.extend_from_slice(&directory);
        self.waiting.extend_from_slice(&(directory.len() as u64).to_be_bytes());
        self.waiting.extend_from_slice(&check);
        self.waiting.extend_from_slice(MAGIC);
        self.write()?;
        self.file.sync()?;
        Ok(Summary { len: self.offset, entries: self.entries, check })
    }
}

/// An open index file.
pub(crate) struct Index {
    file: Box<dyn File>,
    blocks: Vec<BlockRef>,
}

impl Index {
    /// Opens the file at `path`, which must be the one that `summary` describes.
    pub(super) fn open(
        root: &dyn Root,
        path: &Path,
        summary: &Summary,
    ) -> Result<Self, ReplicaError> {
        let file = root.open(path)?;
        let corrupt = Corrupt("index");
        if file.stat()?.len != summary.len {
            return Err(corrupt.into());
        }
        let mut first = [0; private::FIRST_LEN];
        read_exact_at(&*file, &mut first, 0)?;
        if first != *private::FIRST.as_bytes() {
            return Err(corrupt.into());
        }
        let footer_at = summary.len.checked_sub(FOOTER).ok_or(corrupt)?;
        let mut footer = [0; FOOTER as usize];
        read_exact_at(&*file, &mut footer, footer_at)?;
        let (directory_len, rest) = footer.split_at(8);
        let directory_len = directory_len.try_into().map_or(0, u64::from_be_bytes);
        let fits = directory_len <= DIRECTORY_MAX.min(footer_at);
        if !fits || rest[..32] != summary.check || rest[32..] != *MAGIC {
            return Err(corrupt.into());
        }
        let mut directory = vec![0; usize::try_from(directory_len).map_err(|_| corrupt)?];
        read_exact_at(&*file, &mut directory, footer_at - directory_len)?;
        if blake3::hash(&directory) != summary.check {
            return Err(corrupt.into());
        }
        let blocks: Vec<BlockRef> = codec::decode(&directory).map_err(|_| corrupt)?;
        let sound = |block: &BlockRef| block.text_len <= TEXT_MAX && block.detail_len <= TEXT_MAX;
        if blocks.iter().all(sound) { Ok(Self { file, blocks }) } else { Err(corrupt.into()) }
    }

    pub(crate) fn blocks(&self) -> &[BlockRef] {
        &self.blocks
    }

    /// The text of block `block`, read into `buffer`.
    pub(crate) fn text<'b>(
        &self,
        block: usize,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Text<'b>, ReplicaError> {
        let of = self.blocks.get(block).ok_or(Corrupt("block"))?;
        self.read_part(of.offset, of.text_len, &of.text_check, buffer)?;
        Ok(Text::parse(buffer)?)
    }

    /// The text of block `block`, which this process has checked before.
    pub(crate) fn text_again<'b>(
        &self,
        block: usize,
        buffer: &'b mut Vec<u8>,
    ) -> Result<Text<'b>, ReplicaError> {
        let of = self.blocks.get(block).ok_or(Corrupt("block"))?;
        buffer.resize(of.text_len as usize, 0);
        read_exact_at(&*self.file, buffer, of.offset)?;
        Ok(Text::view(buffer)?)
    }

    /// The details of block `block`, read into `buffer`.
    pub(crate) fn detail(&self, block: usize, buffer: &mut Vec<u8>) -> Result<(), ReplicaError> {
        let of = self.blocks.get(block).ok_or(Corrupt("block"))?;
        self.read_part(of.offset + u64::from(of.text_len), of.detail_len, &of.detail_check, buffer)
    }

    fn read_part(
        &self,
        offset: u64,
        len: u32,
        check: &Check,
        buffer: &mut Vec<u8>,
    ) -> Result<(), ReplicaError> {
        buffer.resize(len as usize, 0);
        read_exact_at(&*self.file, buffer, offset)?;
        if check_of(buffer) == *check { Ok(()) } else { Err(Corrupt("block").into()) }
    }

    /// The block that holds `path`, if one does; what comes after it stands there or in the blocks behind.
    pub(crate) fn block_for(&self, path: &str) -> usize {
        self.blocks.partition_point(|block| block.first.as_str() <= path).saturating_sub(1)
    }
}

/// Reads all of `buffer`; a file that ends before is corrupt.
pub(super) fn read_exact_at(
    file: &dyn File,
    buffer: &mut [u8],
    offset: u64,
) -> Result<(), ReplicaError> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64)? {
            0 => return Err(Corrupt("length").into()),
            read => done += read,
        }
    }
    Ok(())
}
