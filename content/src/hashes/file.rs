//! Reads one file and hashes its chunks.
//!
//! A file is read through an open handle, never mapped: a mapped file that shrinks ends the process. Its state is compared
//! before and after, so that a hash always belongs to one state.

use std::io;
use std::path::Path;

use blake3::hazmat::ChainingValue;
use sealift_platform::disk::{Buffer, File, Root as Folder, read_whole};
use sealift_platform::private;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::{CHUNK, Layout, Manifest, chunk_value};

use super::print::Print;

/// Bytes of a chunk as a length in memory.
pub const CHUNK_LEN: usize = 1 << 20;
const _: () = assert!(CHUNK_LEN as u64 == CHUNK);

/// Files of more bytes are read past the system's cache, unless they are in it: what users work with stays there.
pub const SMALL: u64 = CHUNK;

/// A file that was read from its first byte to its last in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashed {
    /// Its content.
    pub root: Root,
    /// Chaining values of its chunks; none for a file of one chunk.
    pub values: Vec<ChainingValue>,
}

/// Why a file has no hash.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// It is not in the state it was found in.
    #[error("it changed while it was read")]
    Changed,
    /// A program of Sealift keeps it.
    #[error("it is one of Sealift's own files, which hold keys and names")]
    Kept,
    /// It says that it is empty, and is not.
    #[error("it is made up by the system as it is read, and has no length")]
    MadeUp,
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
}

/// A file being read. It can be put aside between two chunks.
pub struct Reading {
    file: Box<dyn File>,
    print: Print,
    layout: Layout,
    next: u64,
    values: Vec<ChainingValue>,
    whole: Option<Root>,
}

impl Reading {
    /// Opens the file at `local` beneath `folder`, which must be in the state `print`.
    ///
    /// # Errors
    /// When it cannot be opened or is in another state.
    pub fn open(folder: &dyn Folder, local: &Path, print: Print) -> Result<Self, HashError> {
        let mut file = folder.open(local)?;
        if Print::of(&file.stat()?) != print {
            return Err(HashError::Changed);
        }
        if print.size > SMALL {
            file.spare_cache();
        }
        let layout = Layout::new(print.size)
            .map_err(|error| io::Error::new(io::ErrorKind::FileTooLarge, error))?;
        Ok(Self { file, print, layout, next: 0, values: Vec::new(), whole: None })
    }

    /// Reads on until the end or until `pause` says so, which is asked after each chunk. `buffer` is scratch space.
    /// `progress` is told of each chunk's length. The hash once the end is reached.
    ///
    /// # Errors
    /// When the file cannot be read, changed meanwhile or is never to be offered.
    pub fn advance(
        &mut self,
        buffer: &mut Buffer,
        pause: impl Fn() -> bool,
        progress: impl Fn(u64),
    ) -> Result<Option<Hashed>, HashError> {
        while self.next < self.layout.chunks() {
            let len = usize::try_from(self.layout.chunk_len(self.next)).unwrap_or(CHUNK_LEN);
            buffer.reuse(len);
            let chunk = &mut buffer[..];
            read_exact(&*self.file, chunk, self.next * CHUNK)?;
            if self.next == 0 && private::is_kept(chunk) {
                return Err(HashError::Kept);
            }
            if self.layout.pages() == 0 {
                self.whole = Some(Root(blake3::hash(chunk).into()));
            } else {
                self.values.push(chunk_value(self.next, chunk));
            }
            self.next += 1;
            progress(len as u64);
            if self.next < self.layout.chunks() && pause() {
                return Ok(None);
            }
        }
        self.finish().map(Some)
    }

    fn finish(&mut self) -> Result<Hashed, HashError> {
        let more = self.print.size == 0 && self.file.read_at(&mut [0], 0)? > 0;
        if Print::of(&self.file.stat()?) != self.print {
            return Err(HashError::Changed);
        }
        if more {
            return Err(HashError::MadeUp);
        }
        let values = std::mem::take(&mut self.values);
        let manifest =
            Manifest::new(self.layout, values.clone()).map_err(|_| HashError::Changed)?;
        let root = self.whole.or_else(|| manifest.root()).ok_or(HashError::Changed)?;
        Ok(Hashed { root, values })
    }
}

/// Fills `buffer` from `offset`; a file that ends before is a file that changed.
///
/// # Errors
/// [`HashError`].
pub fn read_exact(file: &dyn File, buffer: &mut [u8], offset: u64) -> Result<(), HashError> {
    if read_whole(file, buffer, offset)? { Ok(()) } else { Err(HashError::Changed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_platform::testing::Share;

    fn reading(share: &Share, name: &str) -> Reading {
        let root = share.root();
        let print = Print::of(&root.stat(Path::new(name)).unwrap());
        Reading::open(&*root, Path::new(name), print).unwrap()
    }

    #[test]
    fn the_hash_is_the_plain_one_at_every_edge() {
        let share = Share::new();
        let mut buffer = Buffer::default();
        for size in
            [0, 1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN, 3 * CHUNK_LEN + 7]
        {
            let content: Vec<u8> = (0..size).map(|i| (i % 253) as u8).collect();
            share.write("f", &content);
            let hashed =
                reading(&share, "f").advance(&mut buffer, || false, |_| {}).unwrap().unwrap();
            assert_eq!(hashed.root.0, *blake3::hash(&content).as_bytes(), "{size}");
            let chunks = size.div_ceil(CHUNK_LEN);
            assert_eq!(hashed.values.len(), if chunks > 1 { chunks } else { 0 });
        }
    }

    #[test]
    fn a_reading_can_be_put_aside() {
        let share = Share::new();
        let content = vec![9; 3 * CHUNK_LEN + 5];
        share.write("f", &content);
        let mut reading = reading(&share, "f");
        let mut buffer = Buffer::default();
        let mut rounds = 0;
        let hashed = loop {
            rounds += 1;
            if let Some(hashed) = reading.advance(&mut buffer, || true, |_| {}).unwrap() {
                break hashed;
            }
        };
        assert_eq!((rounds, hashed.root.0), (4, *blake3::hash(&content).as_bytes()));
    }

    /// T085: whatever happens to a file while it is read, no hash comes of it.
    #[test]
    fn a_file_that_changes_gives_no_hash() {
        let changes: [fn(&Share); 3] = [
            |share| share.write("f", vec![1; 10]),
            |share| share.write("f", vec![1; 3 * CHUNK_LEN]),
            |share| {
                use std::os::unix::fs::FileExt;
                let file = std::fs::File::options().write(true).open(share.path("f")).unwrap();
                file.write_all_at(b"new", 5).unwrap();
            },
        ];
        for change in changes {
            let share = Share::new();
            share.write("f", vec![0; 2 * CHUNK_LEN]);
            let mut reading = reading(&share, "f");
            let mut buffer = Buffer::default();
            assert!(reading.advance(&mut buffer, || true, |_| {}).unwrap().is_none());
            std::thread::sleep(std::time::Duration::from_millis(20));
            change(&share);
            let end = reading.advance(&mut buffer, || false, |_| {});
            assert!(matches!(end, Err(HashError::Changed)));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_only_says_it_is_empty_has_no_hash() {
        use sealift_platform::disk::Disk;
        let proc = sealift_platform::disk::SystemDisk.open(Path::new("/proc")).unwrap();
        let print = Print::of(&proc.stat(Path::new("version")).unwrap());
        let mut reading = Reading::open(&*proc, Path::new("version"), print).unwrap();
        let end = reading.advance(&mut Buffer::default(), || false, |_| {});
        assert!(matches!(end, Err(HashError::MadeUp)), "{end:?}");
    }

    #[test]
    fn another_state_is_not_even_opened() {
        let share = Share::new();
        share.write("f", "x");
        let mut print = Print::of(&share.root().stat(Path::new("f")).unwrap());
        print.modified_ns -= 1;
        let opened = Reading::open(&*share.root(), Path::new("f"), print);
        assert!(matches!(opened, Err(HashError::Changed)));
    }
}
