//! A file of records that only grows, each with a checksum: what a power cut or a bad disk left of it can be told from what
//! was written.
//!
//! ```text
//! file = first bytes of a private file [16] ‖ kind [16] ‖ record …        record = u32 length (big-endian) ‖ checksum [8] ‖ body
//! ```

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift_platform::disk::{File, Root as Folder, read_whole};
use sealift_platform::private::{FIRST, FIRST_LEN};

const HEAD: usize = 12;
/// Length of a file's kind, bytes.
pub const KIND: usize = 16;
/// Where the first record begins.
pub const START: usize = FIRST_LEN + KIND;
/// Longest body, bytes: the values of the largest file.
const BODY_MAX: usize = 1 << 30;
/// Bytes read or written at once.
const BATCH: usize = 1 << 20;

/// An open journal.
pub struct Journal {
    folder: Arc<dyn Folder>,
    path: PathBuf,
    kind: [u8; KIND],
    file: Arc<dyn File>,
    end: u64,
}

/// What was in a journal when it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// Bytes at the end that were no record: cut off by a crash, or damaged. They are gone now.
    pub lost: u64,
}

impl Journal {
    /// Opens the journal at `path`, making an empty one if there is none, and shows each record with the place of its body
    /// to `visit`. What cannot be read as a record ends it. A file of another kind is replaced. Blocks.
    ///
    /// # Errors
    /// What the disk says.
    pub fn open(
        folder: &Arc<dyn Folder>,
        path: &Path,
        kind: [u8; KIND],
        mut visit: impl FnMut(u64, &[u8]),
    ) -> io::Result<(Self, Opened)> {
        let file = match folder.open_write(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let journal = Self::create(folder, path, kind)?;
                return Ok((journal, Opened { lost: 0 }));
            }
            Err(error) => return Err(error),
        };
        let len = file.stat()?.len;
        let mut found = [0; START];
        if !read_whole(&*file, &mut found, 0)? || found[..] != title(kind) {
            drop(file);
            let journal = Self::create(folder, path, kind)?;
            return Ok((journal, Opened { lost: len }));
        }
        let end = read_records(&*file, len, &mut visit)?;
        if end < len {
            file.set_len(end)?;
        }
        let (folder, file) = (folder.clone(), Arc::from(file));
        let journal = Self { folder, path: path.to_owned(), kind, file, end };
        Ok((journal, Opened { lost: len - end }))
    }

    /// Appends records, which are on disk when it returns; the places of their bodies. Blocks.
    ///
    /// # Errors
    /// What the disk says; none of the records counts then.
    pub fn append<'a>(
        &mut self,
        bodies: impl IntoIterator<Item = &'a [u8]>,
    ) -> io::Result<Vec<u64>> {
        let result = write_records(&*self.file, self.end, bodies.into_iter().map(Ok));
        match result.and_then(|written| self.file.sync().map(|()| written)) {
            Ok((end, places)) => {
                self.end = end;
                Ok(places)
            }
            Err(error) => {
                // What is left behind the end is cut off at the next opening, or overwritten.
                let _ = self.file.set_len(self.end);
                Err(error)
            }
        }
    }

    /// Where the last record ends.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Drops the records behind `end`, where one ended.
    ///
    /// # Errors
    /// What the disk says.
    pub fn cut(&mut self, end: u64) -> io::Result<()> {
        if end < self.end {
            self.file.set_len(end)?;
            self.end = end;
        }
        Ok(())
    }

    /// Puts `bodies` in the place of all records, in one step; they may come from a [`Journal::reader`]. Blocks.
    ///
    /// # Errors
    /// What the disk says, or `bodies`; the records are as before then.
    pub fn rewrite<B: AsRef<[u8]>>(
        &mut self,
        bodies: impl IntoIterator<Item = io::Result<B>>,
    ) -> io::Result<Vec<u64>> {
        let mut places = Vec::new();
        let bodies = bodies.into_iter();
        *self = Self::create_with(&self.folder, &self.path, self.kind, bodies, &mut places)?;
        Ok(places)
    }

    /// What reads records that are there now, also while they are written anew.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader(self.file.clone())
    }

    /// The `len` bytes of a body at `place`. Blocks.
    ///
    /// # Errors
    /// What the disk says.
    pub fn read(&self, place: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        if read_whole(&*self.file, &mut bytes, place)? {
            Ok(bytes)
        } else {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }

    fn create(folder: &Arc<dyn Folder>, path: &Path, kind: [u8; KIND]) -> io::Result<Self> {
        Self::create_with(
            folder,
            path,
            kind,
            std::iter::empty::<io::Result<Vec<u8>>>(),
            &mut Vec::new(),
        )
    }

    fn create_with<B: AsRef<[u8]>>(
        folder: &Arc<dyn Folder>,
        path: &Path,
        kind: [u8; KIND],
        bodies: impl Iterator<Item = io::Result<B>>,
        places: &mut Vec<u64>,
    ) -> io::Result<Self> {
        let beside = path.with_extension("new");
        match folder.remove(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = folder.create(&beside, true)?;
        file.write_all_at(&title(kind), 0)?;
        let (end, written) = write_records(&*file, START as u64, bodies)?;
        file.sync()?;
        folder.rename(&beside, path)?;
        folder.sync_folder(path.parent().unwrap_or(Path::new("")))?;
        *places = written;
        let (folder, file) = (folder.clone(), Arc::from(file));
        Ok(Self { folder, path: path.to_owned(), kind, file, end })
    }
}

/// What a journal of this kind begins with.
fn title(kind: [u8; KIND]) -> Vec<u8> {
    [FIRST.as_bytes(), &kind].concat()
}

/// Reads single records of a journal.
#[derive(Clone)]
pub struct Reader(Arc<dyn File>);

impl Reader {
    /// The body at `place`, as it was written there. Blocks.
    ///
    /// # Errors
    /// What the disk says; `InvalidData` when no record has its body there, or a damaged one.
    pub fn body(&self, place: u64) -> io::Result<Vec<u8>> {
        let start = place.checked_sub(HEAD as u64).ok_or(io::ErrorKind::InvalidInput)?;
        let mut head = [0; HEAD];
        let mut body = Vec::new();
        if read_whole(&*self.0, &mut head, start)?
            && let Some((length, expected)) = head.split_first_chunk()
            && let Some(length) = body_len(*length)
        {
            body.resize(length, 0);
            if read_whole(&*self.0, &mut body, place)? && checksum(&body)[..] == *expected {
                return Ok(body);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }
}

fn body_len(length: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_be_bytes(length)).ok().filter(|length| *length <= BODY_MAX)
}

fn checksum(body: &[u8]) -> [u8; 8] {
    let hash = blake3::hash(body);
    *hash.as_bytes().first_chunk().unwrap_or(&[0; 8])
}

fn write_records<B: AsRef<[u8]>>(
    file: &dyn File,
    start: u64,
    bodies: impl Iterator<Item = io::Result<B>>,
) -> io::Result<(u64, Vec<u64>)> {
    let mut places = Vec::new();
    let mut buffer = Vec::new();
    let mut end = start;
    for body in bodies {
        let body = body?;
        let body = body.as_ref();
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= BODY_MAX);
        let length = length.ok_or(io::ErrorKind::InvalidInput)?;
        buffer.extend_from_slice(&length.to_be_bytes());
        buffer.extend_from_slice(&checksum(body));
        places.push(end + buffer.len() as u64);
        buffer.extend_from_slice(body);
        if buffer.len() >= BATCH {
            file.write_all_at(&buffer, end)?;
            end += buffer.len() as u64;
            buffer.clear();
        }
    }
    file.write_all_at(&buffer, end)?;
    Ok((end + buffer.len() as u64, places))
}

/// Shows each record to `visit`; where the last one ends.
fn read_records(file: &dyn File, len: u64, visit: &mut impl FnMut(u64, &[u8])) -> io::Result<u64> {
    let mut window = Window { file, start: 0, bytes: Vec::new() };
    let mut at = START as u64;
    while len - at >= HEAD as u64 {
        let head = window.get(at, HEAD, len)?;
        let Some((length, sum)) = head.split_first_chunk::<4>() else { break };
        let sum: [u8; 8] = sum.try_into().unwrap_or_default();
        let body_at = at + HEAD as u64;
        let Some(body_len) = body_len(*length).filter(|body| *body as u64 <= len - body_at) else {
            break;
        };
        let body = window.get(body_at, body_len, len)?;
        if checksum(body) != sum {
            break;
        }
        visit(body_at, body);
        at = body_at + body_len as u64;
    }
    Ok(at)
}

/// A part of the file in memory.
struct Window<'a> {
    file: &'a dyn File,
    start: u64,
    bytes: Vec<u8>,
}

impl Window<'_> {
    fn get(&mut self, at: u64, len: usize, file_len: u64) -> io::Result<&[u8]> {
        let inside = at >= self.start && at + len as u64 <= self.start + self.bytes.len() as u64;
        if !inside {
            let left = usize::try_from(file_len - at).unwrap_or(usize::MAX);
            self.bytes.resize(len.max(BATCH).min(left), 0);
            self.start = at;
            if !read_whole(self.file, &mut self.bytes, at)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let from = usize::try_from(at - self.start).unwrap_or(usize::MAX);
        self.bytes.get(from..from + len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_platform::testing::Share;

    const TEST_KIND: [u8; KIND] = *b"sealift test 001";

    fn open(share: &Share) -> (Journal, Vec<Vec<u8>>, u64) {
        let mut seen = Vec::new();
        let folder = share.root();
        let (journal, opened) =
            Journal::open(&folder, Path::new("j"), TEST_KIND, |_, body| seen.push(body.to_vec()))
                .unwrap();
        (journal, seen, opened.lost)
    }

    #[test]
    fn records_come_back_in_order_and_can_be_read_alone() {
        let share = Share::new();
        let (mut journal, seen, lost) = open(&share);
        assert!(seen.is_empty() && lost == 0);
        let large = vec![5; 3 * BATCH];
        let places = journal.append([&b"one"[..], &large, b""]).unwrap();
        journal.append([&b"four"[..]]).unwrap();
        assert_eq!(journal.read(places[0], 3).unwrap(), b"one");
        let reader = journal.reader();
        assert_eq!(reader.body(places[0]).unwrap(), b"one");
        assert!(reader.body(places[0] + 1).is_err() && reader.body(3).is_err());
        drop(journal);
        let (mut journal, seen, lost) = open(&share);
        assert_eq!(seen, [b"one".to_vec(), large, Vec::new(), b"four".to_vec()]);
        assert_eq!(lost, 0);
        assert!(journal.rewrite([Ok(&b"no"[..]), Err(io::ErrorKind::Other.into())]).is_err());
        let old = journal.reader();
        journal.rewrite([Ok(b"new".to_vec()), old.body(places[0])]).unwrap();
        journal.append([&b"next"[..]]).unwrap();
        assert_eq!(open(&share).1, [b"new".to_vec(), b"one".to_vec(), b"next".to_vec()]);
    }

    #[test]
    fn every_cut_and_every_flipped_byte_leaves_what_stands_before_it() {
        let share = Share::new();
        let (mut journal, _, _) = open(&share);
        let bodies: Vec<Vec<u8>> = (0..6_u8).map(|n| vec![n; 20]).collect();
        journal.append(bodies.iter().map(Vec::as_slice)).unwrap();
        let good = std::fs::read(share.path("j")).unwrap();
        for at in 0..good.len() {
            for bad in [good[..at].to_vec(), {
                let mut flipped = good.clone();
                flipped[at] ^= 1;
                flipped
            }] {
                std::fs::write(share.path("j"), &bad).unwrap();
                let (mut journal, seen, _) = open(&share);
                let whole = at.saturating_sub(START) / 32;
                assert_eq!(seen, bodies[..if at < START { 0 } else { whole }]);
                journal.append([&b"after"[..]]).unwrap();
                assert_eq!(open(&share).1.last().unwrap(), b"after");
            }
        }
    }
}
