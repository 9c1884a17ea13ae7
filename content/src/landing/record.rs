//! The record beside a part file: which chunks were written.
//!
//! It is changed in place, chunk by chunk, and flushed only now and then: whatever it says is believed of no chunk before that
//! chunk was read again and verified. So a record torn by a power cut costs some chunks and can do no harm.

use std::io;
use std::path::{Path, PathBuf};

use sealift_platform::disk::{File, Root as Folder};
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::Layout;

use super::chunks::Chunks;

/// Begins a record; the number is the version. Records of other versions are ignored, and the file fetched anew.
const MAGIC: &[u8; 16] = b"sealift record 2";
/// Bytes before the bits: magic, root, size, and a hash of these.
const HEADER: usize = 16 + 32 + 8 + 32;

/// A record held open.
pub(super) struct Record {
    file: Box<dyn File>,
}

impl Record {
    /// Begins a record without chunks, in place of whatever is there.
    pub(super) fn begin(
        folder: &dyn Folder,
        path: &Path,
        root: Root,
        layout: Layout,
    ) -> io::Result<Self> {
        forget(folder, path)?;
        let file = folder.create(path, true)?;
        file.write_all_at(&header(root, layout), 0)?;
        Ok(Self { file })
    }

    /// Opens the record at `path` to go on with it, with the chunks in it; `None` if there is none of this content.
    pub(super) fn open(
        folder: &dyn Folder,
        path: &Path,
        root: Root,
        layout: Layout,
    ) -> io::Result<Option<(Self, Chunks)>> {
        // Whatever cannot be opened is no record of ours.
        let Ok(file) = folder.open_write(path) else { return Ok(None) };
        // Somebody else's name for it would let them have written to.
        if file.stat()?.links > 1 {
            return Ok(None);
        }
        let chunks = parse(&*file, root, layout)?;
        Ok(chunks.map(|chunks| (Self { file }, chunks)))
    }

    /// Writes the words from number `at` on.
    pub(super) fn write(&self, at: usize, words: &[u64]) -> io::Result<()> {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.file.write_all_at(&bytes, u64::try_from(HEADER + at * 8).unwrap_or(u64::MAX))
    }

    /// Makes it survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

/// The chunks in the record at `path`; none if there is none of this very content.
pub(super) fn read(folder: &dyn Folder, path: &Path, root: Root, layout: Layout) -> Chunks {
    let chunks = folder.open(path).ok().and_then(|file| parse(&*file, root, layout).ok().flatten());
    chunks.unwrap_or_else(|| Chunks::none(layout.chunks()))
}

/// Removes the record at `path`, if there is one.
pub(super) fn forget(folder: &dyn Folder, path: &Path) -> io::Result<()> {
    match folder.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where the record of `part` is.
pub(super) fn path_for(part: &Path) -> PathBuf {
    let mut name = part.as_os_str().to_owned();
    name.push(".record");
    PathBuf::from(name)
}

fn header(root: Root, layout: Layout) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..16].copy_from_slice(MAGIC);
    header[16..48].copy_from_slice(&root.0);
    header[48..56].copy_from_slice(&layout.size().to_le_bytes());
    let check = blake3::hash(&header[..56]);
    header[56..].copy_from_slice(check.as_bytes());
    header
}

fn parse(file: &dyn File, root: Root, layout: Layout) -> io::Result<Option<Chunks>> {
    let mut head = [0; HEADER];
    if read_up_to(file, &mut head, 0)? < HEADER || head != header(root, layout) {
        return Ok(None);
    }
    let bytes = usize::try_from(layout.chunks().div_ceil(64) * 8).unwrap_or(0);
    let mut bits = vec![0; bytes];
    // Words that were never written are missing at the end, or zeros.
    read_up_to(file, &mut bits, HEADER)?;
    let words = bits.chunks_exact(8).map(|word| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(word);
        u64::from_le_bytes(bytes)
    });
    Ok(Some(Chunks::of(layout.chunks(), words)))
}

/// Fills `buffer` as far as the file goes.
pub(super) fn read_up_to(file: &dyn File, buffer: &mut [u8], from: usize) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        let at = u64::try_from(from + done).unwrap_or(u64::MAX);
        match file.read_at(&mut buffer[done..], at)? {
            0 => break,
            read => done += read,
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_platform::testing::MemoryDisk as Memory;

    const ONE: Root = Root([1; 32]);

    fn set(folder: &dyn Folder, layout: Layout, index: u64) {
        let record = Record::begin(folder, Path::new("record"), ONE, layout).unwrap();
        let mut chunks = Chunks::none(layout.chunks());
        chunks.insert(index);
        let word = Chunks::word_of(index);
        record.write(word, chunks.words(word..word + 1)).unwrap();
    }

    #[test]
    fn a_record_counts_for_its_own_content_only() {
        let memory = Memory::new();
        let folder = memory.root();
        let path = Path::new("record");
        let layout = Layout::new(10 << 20).unwrap();
        assert!(Record::open(&*folder, path, ONE, layout).unwrap().is_none());
        set(&*folder, layout, 3);
        let (record, chunks) = Record::open(&*folder, path, ONE, layout).unwrap().unwrap();
        assert!(chunks.contains(3) && chunks.len() == 1);
        record.write(0, &[9]).unwrap();
        assert!(read(&*folder, path, ONE, layout).contains(0));
        assert_eq!(read(&*folder, path, Root([2; 32]), layout).len(), 0);
        let longer = Layout::new((10 << 20) + 1).unwrap();
        assert_eq!(read(&*folder, path, ONE, longer).len(), 0);
    }

    #[test]
    fn a_torn_record_says_nothing_or_less() {
        let memory = Memory::new();
        let folder = memory.root();
        let layout = Layout::new(1000 << 20).unwrap();
        set(&*folder, layout, 999);
        let bytes = memory.bytes("record").unwrap();
        for at in 0..HEADER {
            memory.alter("record", |bytes| bytes[at] ^= 1);
            assert_eq!(read(&*folder, Path::new("record"), ONE, layout).len(), 0, "byte {at}");
            memory.alter("record", |bytes| bytes[at] ^= 1);
        }
        for len in 0..bytes.len() {
            memory.put_file("record", &bytes[..len]);
            let chunks = read(&*folder, Path::new("record"), ONE, layout);
            assert_eq!(chunks.len(), u64::from(chunks.contains(999)), "{len} bytes");
        }
    }

    #[test]
    fn records_of_the_largest_files_are_read_back() {
        let memory = Memory::new();
        let folder = memory.root();
        let layout = Layout::new(16 << 40).unwrap();
        set(&*folder, layout, layout.chunks() - 1);
        let chunks = read(&*folder, Path::new("record"), ONE, layout);
        assert_eq!(chunks.missing().as_slice(), std::slice::from_ref(&(0..layout.chunks() - 1)));
    }
}
