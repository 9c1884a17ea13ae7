//! A file of several chunks on its way: a hidden part file, and the record of what is in it.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use sealift_platform::disk::{Buffer, File, Root as Folder, read_whole};
use sealift_platform::sync::lock;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::{CHUNK, Layout};

use super::chunks::Chunks;
use super::claim::{Claim, Wanted};
use super::record::{self, Record};
use super::target::Target;
use crate::landing::sink::Begun;

/// After so many bytes what has come is made durable beside what goes on, so that little is left for the end.
const SYNC_AFTER: u64 = 64 * CHUNK;
/// Files of so many bytes and more pass by the system's cache: what goes into it costs a copy into pages that must be found first,
/// and drives out what the user works with.
const LARGE: u64 = 64 * CHUNK;
/// Files of up to so many chunks have no record: fetching them again costs no more than an interruption may.
const UNRECORDED: u64 = 2;

/// A part file, claimed.
pub(super) struct Part {
    folder: Arc<dyn Folder>,
    path: PathBuf,
    file: Box<dyn File>,
    /// The file has had its full length from the start.
    full: bool,
    root: Root,
    layout: Layout,
    state: Mutex<State>,
    record: Mutex<Option<Record>>,
    /// Held while the content is flushed: never twice at once.
    flushing: Mutex<()>,
    /// Bytes that all parts of this process have still to take: room that is promised.
    promised: Arc<AtomicU64>,
}

struct State {
    /// Written, by this process or an earlier one.
    written: Chunks,
    /// Of these, what this process has verified.
    verified: Chunks,
    /// Of these, what a flush of this process has made durable.
    durable: Chunks,
    /// Words of `written` that the record lacks.
    unrecorded: Option<Range<usize>>,
    /// Bytes written since the last flush began.
    unsynced: u64,
    /// Nothing has been written at this place or behind it.
    len: u64,
    /// A flush failed: what was not durable before is lost, and nothing more is taken.
    lost: bool,
}

impl Part {
    /// Claims a part file for what is `wanted` and reads its record.
    pub(super) fn claim(
        folder: &Arc<dyn Folder>,
        wanted: &Wanted<'_>,
        promised: &Arc<AtomicU64>,
    ) -> io::Result<Self> {
        let Claim { path, mut file } = wanted.claim()?;
        let (root, layout) = (wanted.root, wanted.layout);
        let opened = Record::open(&**folder, &record::path_for(&path), root, layout)?;
        let len = file.stat()?.len;
        // Without a record, or longer than the file is to be, it is no part of this file.
        let opened = opened.filter(|(_, written)| written.len() > 0 && len <= layout.size());
        let none = Chunks::none(layout.chunks());
        let (record, written) =
            opened.map_or((None, none.clone()), |(record, written)| (Some(record), written));
        let len = cut(&*file, len, written.end(layout))?;
        let full =
            layout.size() >= LARGE && file.pass_cache() && file.set_len(layout.size()).is_ok();
        promised.fetch_add(layout.size() - written.bytes(layout), Ordering::Relaxed);
        let state = State {
            written,
            verified: none.clone(),
            durable: none,
            unrecorded: None,
            unsynced: 0,
            len,
            lost: false,
        };
        Ok(Self {
            folder: folder.clone(),
            path,
            file,
            full,
            root,
            layout,
            state: Mutex::new(state),
            record: Mutex::new(record),
            flushing: Mutex::default(),
            promised: promised.clone(),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn is_of(&self, root: Root, layout: Layout) -> bool {
        self.root == root && self.layout == layout && !self.state().lost
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// What is missing, and what is to be verified again. When all was taken but not finished, all is to be verified again:
    /// "nothing to do" means a file that has landed.
    pub(super) fn begun(&self) -> Begun {
        let mut state = self.state();
        if state.verified.is_all() {
            state.verified = Chunks::none(self.layout.chunks());
        }
        let earlier = state.written.without(&state.verified);
        Begun { missing: state.written.missing(), earlier, starts: Vec::new() }
    }

    /// Writes a verified chunk; whether enough has come for a flush.
    pub(super) fn write(&self, index: u64, chunk: &[u8]) -> io::Result<bool> {
        if !self.leaves_hole(index, chunk)? {
            self.file.write_all_at(chunk, index * CHUNK)?;
        }
        let due = {
            let mut state = self.state();
            if state.written.insert(index) {
                self.promised.fetch_sub(self.layout.chunk_len(index), Ordering::Relaxed);
            }
            state.verified.insert(index);
            state.changed(Chunks::word_of(index));
            state.unsynced += self.layout.chunk_len(index);
            state.is_due()
        };
        self.note()?;
        Ok(due)
    }

    /// Whether a chunk of zeros could be left as a hole where nothing has been written yet; the file is as long then as if
    /// it had been written. Otherwise its place is taken for the writing that follows.
    fn leaves_hole(&self, index: u64, chunk: &[u8]) -> io::Result<bool> {
        let zeros = is_zeros(chunk);
        let start = index * CHUNK;
        let end = start + self.layout.chunk_len(index);
        let within = {
            let mut state = self.state();
            state.check_kept()?;
            // Under the lock: others who write further behind take their place before they do.
            let within = start < state.len;
            if zeros && !within && !self.full {
                self.file.set_len(end)?;
            }
            state.len = state.len.max(end);
            within
        };
        if !zeros || !within {
            return Ok(zeros);
        }
        // What was never written before something that came early reads as zeros already.
        let mut there = Buffer::new(chunk.len());
        Ok(read_whole(&*self.file, &mut there, start)? && is_zeros(&there))
    }

    /// Reads again what an earlier process wrote; its length if it is what it should be. If not, it is missing.
    pub(super) fn check(
        &self,
        index: u64,
        fits: &dyn Fn(&[u8]) -> bool,
    ) -> io::Result<Option<u64>> {
        self.state().check_kept()?;
        let len = self.layout.chunk_len(index);
        let mut chunk = Buffer::new(usize::try_from(len).unwrap_or(0));
        // What cannot be read is missing too: writing it anew may help.
        let good =
            read_whole(&*self.file, &mut chunk, index * CHUNK).unwrap_or(false) && fits(&chunk);
        {
            let mut state = self.state();
            if good {
                state.verified.insert(index);
                return Ok(Some(len));
            }
            if state.written.remove(index) {
                self.promised.fetch_add(len, Ordering::Relaxed);
            }
            state.changed(Chunks::word_of(index));
        }
        self.note()?;
        Ok(None)
    }

    /// Fills `buffer` from `offset`; whether the file goes far enough.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<bool> {
        self.state().check_kept()?;
        read_whole(&*self.file, buffer, offset)
    }

    /// Brings the record up to date. One thread does it at a time; the others leave theirs to it and go on.
    fn note(&self) -> io::Result<()> {
        let mut record = match self.record.try_lock() {
            Ok(record) => record,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        self.note_into(&mut record)
    }

    fn note_into(&self, record: &mut Option<Record>) -> io::Result<()> {
        if self.layout.chunks() <= UNRECORDED {
            return Ok(());
        }
        loop {
            let (at, words) = {
                let mut state = self.state();
                let Some(range) = state.unrecorded.take() else { return Ok(()) };
                (range.start, state.written.words(range).to_vec())
            };
            if record.is_none() {
                let path = record::path_for(&self.path);
                *record = Some(Record::begin(&*self.folder, &path, self.root, self.layout)?);
            }
            if let Some(record) = record {
                record.write(at, &words)?;
            }
        }
    }

    /// Flushes, unless that is under way already.
    pub(super) fn sync_behind(&self) -> io::Result<()> {
        if matches!(self.flushing.try_lock(), Err(TryLockError::WouldBlock)) {
            return Ok(());
        }
        self.sync_with_record()
    }

    /// Makes content and record survive a power cut, for a file that is not complete.
    pub(super) fn sync_with_record(&self) -> io::Result<()> {
        self.sync()?;
        let mut record = lock(&self.record);
        self.note_into(&mut record)?;
        if let Some(record) = &*record {
            record.sync()?;
            self.folder.sync_folder(self.path.parent().unwrap_or(Path::new("")))?;
        }
        Ok(())
    }

    /// Makes the content survive a power cut. If that fails, only what was durable before counts, for later processes too.
    pub(super) fn sync(&self) -> io::Result<()> {
        let _alone = lock(&self.flushing);
        let durable = {
            let mut state = self.state();
            state.check_kept()?;
            state.unsynced = 0;
            state.written.clone()
        };
        match self.file.sync() {
            Ok(()) => {
                self.state().durable = durable;
                Ok(())
            }
            Err(error) => {
                self.lose();
                Err(error)
            }
        }
    }

    fn lose(&self) {
        {
            let mut state = self.state();
            let State { written, durable, .. } = &mut *state;
            let before = written.bytes(self.layout);
            written.keep(durable);
            let kept = written.bytes(self.layout);
            self.promised.fetch_add(before - kept, Ordering::Relaxed);
            state.lost = true;
            state.unrecorded = Some(0..state.written.word_count());
        }
        let mut record = lock(&self.record);
        // A record that cannot be put right must not be believed: the system may show lost pages until it forgets them.
        if self.note_into(&mut record).is_err() {
            let _ = record::forget(&*self.folder, &record::path_for(&self.path));
        }
    }

    /// Whether an interruption now would lose something worth keeping.
    pub(super) fn is_worth_recording(&self) -> bool {
        let state = self.state();
        self.layout.chunks() > UNRECORDED && state.unsynced > 0 && !state.lost
    }

    /// Checks that every chunk was verified, and sets what is known of the file beside its content.
    pub(super) fn seal(&self, target: &Target, executable: u32) -> io::Result<()> {
        let complete = {
            let state = self.state();
            state.check_kept()?;
            state.verified.is_all() && state.written.is_all()
        };
        if !complete {
            return Err(io::Error::other("not every chunk of it was verified"));
        }
        let stat = self.file.stat()?;
        if stat.len != self.layout.size() {
            return Err(io::Error::other("another program changed its length"));
        }
        self.file.set_modified(target.modified_ns())?;
        // Also takes away what an earlier process, told otherwise, gave it.
        let mode = (stat.mode & !0o111) | if target.executable { executable } else { 0 };
        if mode == stat.mode { Ok(()) } else { set_mode(&*self.file, mode) }
    }

    /// Removes the record, once the file has its name. One that stays harms nobody.
    pub(super) fn forget_record(&self) {
        let mut record = lock(&self.record);
        if record.take().is_some() {
            let _ = record::forget(&*self.folder, &record::path_for(&self.path));
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let there = self.state().written.bytes(self.layout);
        self.promised.fetch_sub(self.layout.size() - there, Ordering::Relaxed);
    }
}

impl State {
    fn changed(&mut self, word: usize) {
        let range = self.unrecorded.take().unwrap_or(word..word);
        self.unrecorded = Some(range.start.min(word)..range.end.max(word + 1));
    }

    /// Whether a flush is due; tells it once.
    fn is_due(&mut self) -> bool {
        let due = self.unsynced >= SYNC_AFTER;
        if due {
            self.unsynced = 0;
        }
        due
    }

    fn check_kept(&self) -> io::Result<()> {
        if self.lost { Err(io::Error::other("the disk has lost part of it")) } else { Ok(()) }
    }
}

/// Takes away what lies behind `end`, where no chunk is recorded: a hole must be one. How long the file of `len` bytes is then.
fn cut(file: &dyn File, len: u64, end: u64) -> io::Result<u64> {
    if len > end {
        file.set_len(end)?;
    }
    Ok(len.min(end))
}

/// Sets the rights of a file of ours, on file systems that know any.
pub(super) fn set_mode(file: &dyn File, mode: u32) -> io::Result<()> {
    match file.set_mode(mode) {
        Err(error)
            if matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::PermissionDenied) =>
        {
            Ok(())
        }
        other => other,
    }
}

/// Whether there is anything, and all of it is zero.
pub(super) fn is_zeros(chunk: &[u8]) -> bool {
    // Block by block, so that the processor looks at many bytes at a time.
    let mut blocks = chunk.chunks(512);
    !chunk.is_empty() && blocks.all(|block| block.iter().fold(0, |all, byte| all | byte) == 0)
}
