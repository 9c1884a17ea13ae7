//! Blocks of an index file: some thousand consecutive paths with what search needs, and their details apart.
//!
//! ```text
//! text    u32 count ‖ u32 path bytes ‖ u32 folded bytes ‖ i64 modified × count ‖ u8 flags × count
//!         ‖ u32 start × count ‖ paths, each with a newline ‖ [u32 folded start × count ‖ folded paths]
//! detail  per entry: u64 size, of a folder the names not shared ‖ root [32] ‖ u64 segment ‖ u32 place in it
//! ```
//!
//! A newline cannot be part of a path, so that one search over the text never matches across two of them. The folded
//! paths are there only when folding does more than lower ASCII letters.

use sealift_proto::catalogue::Root;

use super::{Corrupt, Kind, Place, Stored};
use crate::text;

/// Entries after which a block is full.
pub(super) const BLOCK_ENTRIES: usize = 2048;
/// Path bytes after which a block is full; such that a block is read and searched within the processor's cache.
pub(super) const BLOCK_BYTES: usize = 128 * 1024;
/// Longest text part that a writer makes: a full block plus one longest path, folded to up to three times its length.
pub(super) const TEXT_MAX: u32 = 4 * 1024 * 1024;
/// Bytes of an entry's detail.
pub(super) const DETAIL: usize = 52;

const HEADER: usize = 12;
const REMOVED: u8 = 0x80;
const HASHED: u8 = 0x40;
const FOLDER: u8 = 0x20;
/// Bits of an entry's own flags that are kept.
const OWN: u8 = 0x1f;

/// Collects entries until a block is full.
#[derive(Default)]
pub(super) struct Builder {
    paths: Vec<u8>,
    starts: Vec<u32>,
    modified: Vec<i64>,
    flags: Vec<u8>,
    detail: Vec<u8>,
    beyond_ascii: bool,
    first: String,
}

impl Builder {
    pub(super) fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.starts.len() >= BLOCK_ENTRIES || self.paths.len() >= BLOCK_BYTES
    }

    pub(super) fn push(&mut self, path: &str, entry: Option<&Stored>) {
        if self.is_empty() {
            path.clone_into(&mut self.first);
        }
        // A block is full long before 4 GiB.
        self.starts.push(u32::try_from(self.paths.len()).unwrap_or(u32::MAX));
        self.paths.extend_from_slice(path.as_bytes());
        self.paths.push(b'\n');
        self.beyond_ascii |= text::folds_beyond_ascii(path);
        let mut detail = [0; DETAIL];
        match entry {
            None => {
                self.modified.push(0);
                self.flags.push(REMOVED);
            }
            Some(stored) => {
                self.modified.push(stored.modified);
                let hashed = if stored.root.is_some() { HASHED } else { 0 };
                let folder = if stored.is_file() { 0 } else { FOLDER };
                self.flags.push((stored.flags & OWN) | hashed | folder);
                write_detail(&mut detail, stored);
            }
        }
        self.detail.extend_from_slice(&detail);
    }

    /// The finished block: first path, how many, text, detail. The builder is empty again.
    pub(super) fn finish(&mut self) -> Block {
        let done = std::mem::take(self);
        let count = done.starts.len();
        let folded = if done.beyond_ascii { fold_lines(&done.paths) } else { Default::default() };
        let mut text = Vec::with_capacity(HEADER + count * 17 + done.paths.len() + folded.1.len());
        for len in [count, done.paths.len(), folded.1.len()] {
            text.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
        }
        done.modified.iter().for_each(|time| text.extend_from_slice(&time.to_be_bytes()));
        text.extend_from_slice(&done.flags);
        done.starts.iter().for_each(|start| text.extend_from_slice(&start.to_be_bytes()));
        text.extend_from_slice(&done.paths);
        folded.0.iter().for_each(|start| text.extend_from_slice(&start.to_be_bytes()));
        text.extend_from_slice(&folded.1);
        Block { first: done.first, count, text, detail: done.detail }
    }
}

/// A finished block.
pub(super) struct Block {
    pub(super) first: String,
    pub(super) count: usize,
    pub(super) text: Vec<u8>,
    pub(super) detail: Vec<u8>,
}

fn fold_lines(paths: &[u8]) -> (Vec<u32>, Vec<u8>) {
    let mut starts = Vec::new();
    let mut folded = Vec::with_capacity(paths.len());
    for line in String::from_utf8_lossy(paths).split_terminator('\n') {
        starts.push(u32::try_from(folded.len()).unwrap_or(u32::MAX));
        folded.extend_from_slice(text::fold(line).as_bytes());
        folded.push(b'\n');
    }
    (starts, folded)
}

fn write_detail(out: &mut [u8; DETAIL], stored: &Stored) {
    let number = match stored.kind {
        Kind::File => stored.size,
        Kind::Folder { unshared, left_out } => u64::from(left_out) << 32 | u64::from(unshared),
    };
    out[..8].copy_from_slice(&number.to_be_bytes());
    if let Some(root) = stored.root {
        out[8..40].copy_from_slice(&root.0);
    }
    out[40..48].copy_from_slice(&stored.place.position.to_be_bytes());
    out[48..].copy_from_slice(&stored.place.index.to_be_bytes());
}

/// The text part of a block, borrowed from the bytes read; its bounds have been checked.
pub(crate) struct Text<'a> {
    count: usize,
    modified: &'a [u8],
    flags: &'a [u8],
    lines: Lines<'a>,
    folded: Option<Lines<'a>>,
}

/// Lines laid end to end, each with its newline.
#[derive(Clone, Copy)]
pub(crate) struct Lines<'a> {
    starts: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Lines<'a> {
    fn check(self, count: usize) -> Result<(), Corrupt> {
        let mut after = 0;
        for line in 0..count {
            let start = self.start(line);
            let ended = start == 0 || self.bytes.get(start - 1) == Some(&b'\n');
            if (line == 0) != (start == 0) || start < after || !ended {
                return Err(Corrupt("block"));
            }
            after = start + 1;
        }
        let whole = count > 0 && after <= self.bytes.len() && self.bytes.last() == Some(&b'\n');
        if whole { Ok(()) } else { Err(Corrupt("block")) }
    }

    fn start(self, line: usize) -> usize {
        let at = line * 4;
        let bytes = self.starts.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(self.bytes.len(), |bytes| u32::from_be_bytes(bytes) as usize)
    }

    /// Bytes of line `line`, without the newline.
    pub(crate) fn line(self, line: usize) -> &'a [u8] {
        let end = self.start(line + 1).saturating_sub(1);
        self.bytes.get(self.start(line)..end).unwrap_or_default()
    }

    /// Which line from `line` on the byte at `offset` belongs to, and where the next one starts.
    pub(crate) fn line_at(self, line: usize, offset: usize) -> (usize, usize) {
        let count = self.starts.len() / 4;
        // Hits mostly lie close together: steps that double find the neighbourhood.
        let (mut low, mut step) = (line, 1);
        while low + step < count && self.start(low + step) <= offset {
            low += step;
            step *= 2;
        }
        let mut high = count.min(low + step);
        while high - low > 1 {
            let middle = usize::midpoint(low, high);
            if self.start(middle) <= offset { low = middle } else { high = middle }
        }
        (low, self.start(low + 1))
    }

    /// The same lines with ASCII letters lowered into `buffer`.
    pub(crate) fn lowered<'b>(self, buffer: &'b mut Vec<u8>) -> Lines<'b>
    where
        'a: 'b,
    {
        buffer.clear();
        buffer.extend_from_slice(self.bytes);
        buffer.make_ascii_lowercase();
        Lines { starts: self.starts, bytes: buffer }
    }

    /// All lines at once.
    pub(crate) const fn bytes(self) -> &'a [u8] {
        self.bytes
    }
}

impl<'a> Text<'a> {
    /// Views `bytes` and checks that lines and columns hang together.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let text = Self::view(bytes)?;
        text.lines.check(text.count)?;
        text.folded.map(|folded| folded.check(text.count)).transpose()?;
        Ok(text)
    }

    /// Views `bytes` that [`Text::parse`] accepted before.
    pub(super) fn view(bytes: &'a [u8]) -> Result<Self, Corrupt> {
        let corrupt = Corrupt("block");
        let (header, rest) = bytes.split_at_checked(HEADER).ok_or(corrupt)?;
        let number = |at: usize| {
            header[at..at + 4].try_into().map_or(0, |bytes| u32::from_be_bytes(bytes) as usize)
        };
        let (count, path_bytes, folded_bytes) = (number(0), number(4), number(8));
        let (modified, rest) =
            rest.split_at_checked(count.checked_mul(8).ok_or(corrupt)?).ok_or(corrupt)?;
        let (flags, rest) = rest.split_at_checked(count).ok_or(corrupt)?;
        let (starts, rest) = rest.split_at_checked(count * 4).ok_or(corrupt)?;
        let (paths, rest) = rest.split_at_checked(path_bytes).ok_or(corrupt)?;
        let lines = Lines { starts, bytes: paths };
        let folded = if folded_bytes == 0 {
            None
        } else {
            let (starts, bytes) = rest.split_at_checked(count * 4).ok_or(corrupt)?;
            if bytes.len() != folded_bytes {
                return Err(corrupt);
            }
            Some(Lines { starts, bytes })
        };
        Ok(Self { count, modified, flags, lines, folded })
    }

    pub(crate) const fn count(&self) -> usize {
        self.count
    }

    pub(crate) const fn lines(&self) -> Lines<'a> {
        self.lines
    }

    /// The folded lines, where lowering ASCII letters is not enough.
    pub(crate) const fn folded(&self) -> Option<Lines<'a>> {
        self.folded
    }

    pub(crate) fn path(&self, entry: usize) -> Result<&'a str, Corrupt> {
        std::str::from_utf8(self.lines.line(entry)).map_err(|_| Corrupt("path"))
    }

    pub(crate) fn is_removed(&self, entry: usize) -> bool {
        self.flags.get(entry).is_some_and(|flags| flags & REMOVED != 0)
    }

    pub(crate) fn modified(&self, entry: usize) -> i64 {
        let at = entry * 8;
        let bytes = self.modified.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, i64::from_be_bytes)
    }

    /// First entry whose path is `path` or comes after it.
    pub(crate) fn lower_bound(&self, path: &str) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.lines.line(middle) < path.as_bytes() { low = middle + 1 } else { high = middle }
        }
        low
    }

    /// The entry of `path`, if it is in this block.
    pub(crate) fn position(&self, path: &str) -> Option<usize> {
        let entry = self.lower_bound(path);
        (entry < self.count && self.lines.line(entry) == path.as_bytes()).then_some(entry)
    }

    /// The entry with its detail from the block's detail part; `None` if it is a removal.
    pub(crate) fn stored(&self, entry: usize, detail: &[u8]) -> Result<Option<Stored>, Corrupt> {
        if self.is_removed(entry) {
            return Ok(None);
        }
        let at = entry * DETAIL;
        let detail: &[u8; DETAIL] = detail
            .get(at..at + DETAIL)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or(Corrupt("detail"))?;
        let flags = self.flags.get(entry).copied().unwrap_or(0);
        let root = (flags & HASHED != 0).then(|| Root(part(detail, 8)));
        let number = u64::from_be_bytes(part(detail, 0));
        let (kind, size) = match flags & FOLDER {
            0 => (Kind::File, number),
            _ => {
                let half = |number| u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX);
                (Kind::Folder { unshared: half(number), left_out: half(number >> 32) }, 0)
            }
        };
        Ok(Some(Stored {
            kind,
            size,
            modified: self.modified(entry),
            flags: flags & OWN,
            root,
            place: Place {
                position: u64::from_be_bytes(part(detail, 40)),
                index: u32::from_be_bytes(part(detail, 48)),
            },
        }))
    }
}

/// `N` bytes of a detail from `at`.
fn part<const N: usize>(detail: &[u8; DETAIL], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&detail[at..at + N]);
    out
}
