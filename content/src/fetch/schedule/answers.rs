//! What a source says, and what follows from it.

use std::ops::Range;

use blake3::hazmat::ChainingValue;
use sealift_proto::catalogue::Root;
use sealift_proto::message::Missing;
use tokio::time::Instant;

use super::source::Asked;
use super::{Arrival, Coming, OutOfTurn, Reason, Schedule, SourceId, State};

/// After so many wrong chunks in two parts a device's chunks are taken whole only: else one that sends wrong starts would
/// spoil what it sends for ever without being named.
const JOINED_WRONG: u32 = 2;

impl Schedule {
    /// Bytes have come from source `id`, whatever they are.
    pub fn heard(&mut self, id: SourceId, bytes: u64, now: Instant) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.pace.arrived(bytes, now);
        }
    }

    /// Source `id` is sending something that is not whole yet: it is not silent.
    pub fn stirred(&mut self, id: SourceId, now: Instant) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.pace.stirred(now);
        }
    }

    /// Of the chunk that is coming from source `id` so many bytes are there, beside its start.
    pub fn coming(&mut self, id: SourceId, bytes: u64) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.coming = bytes;
        }
    }

    /// The answer to a Want.
    ///
    /// # Errors
    /// [`OutOfTurn`] if it answers nothing.
    pub fn stated(
        &mut self,
        id: SourceId,
        request: u32,
        root: Root,
        size: u64,
    ) -> Result<(), OutOfTurn> {
        self.source(id)?.reading = None;
        let Some(Asked::Want(job)) = self.source(id)?.asked.remove(&request) else {
            return Err(OutOfTurn);
        };
        let of = self.jobs.get_mut(job).ok_or(OutOfTurn)?;
        if matches!(of.state, State::Asked) {
            of.state = State::Known(root, size);
            self.known.insert(job);
            self.roots.entry(root).or_insert(job);
            self.set_unassigned(job, size);
        }
        Ok(())
    }

    /// The answer to a Want takes a while: so much has been read of so much.
    pub fn reading(&mut self, id: SourceId, request: u32, done: u64, size: u64) {
        if let Ok(source) = self.source(id)
            && matches!(source.asked.get(&request), Some(Asked::Want(_)))
        {
            source.reading = Some((done.min(size), size));
        }
    }

    /// A page has come.
    ///
    /// # Errors
    /// [`OutOfTurn`] if it answers nothing.
    pub fn page(
        &mut self,
        id: SourceId,
        request: u32,
        values: Vec<ChainingValue>,
    ) -> Result<(), OutOfTurn> {
        match self.source(id)?.asked.remove(&request) {
            Some(Asked::Page((job, page))) => {
                let Some(file) = self.file(job) else { return Ok(()) };
                let needed = page.is_none_or(|page| !file.has_page(page));
                if needed && file.pages.take(page, values).is_err() {
                    self.suspect(id, job);
                }
                Ok(())
            }
            Some(Asked::Probe(job)) => {
                self.probed(id, job, None);
                Ok(())
            }
            Some(Asked::Want(_)) | None => Err(OutOfTurn),
        }
    }

    /// The source says that a file is no longer what was hashed.
    pub fn changed(&mut self, id: SourceId, root: Root) {
        if let Ok(source) = self.source(id)
            && source.changed.len() < source.flights.len() + source.asked.len() + 4096
        {
            source.changed.insert(root);
        }
    }

    /// A request cannot be met.
    ///
    /// # Errors
    /// [`OutOfTurn`] if there is no such request.
    pub fn failed(&mut self, id: SourceId, request: u32, why: Missing) -> Result<(), OutOfTurn> {
        let partial = self.is_partial(id);
        let source = self.source(id)?;
        let device = source.device;
        if why == Missing::NotHere {
            return self.not_here(id, request);
        }
        match source.asked.remove(&request) {
            Some(Asked::Want(job)) => {
                self.exclude(job, device, Reason::Missing(why));
                self.unasked(job);
            }
            // Whoever has a part may not know it.
            Some(Asked::Page(_)) if partial => {}
            Some(Asked::Page((job, _))) => self.gives_not(id, job, why),
            Some(Asked::Probe(job)) => self.probed(id, job, Some(why)),
            None => {
                let flight = source.flights.pop_front();
                let flight = flight.filter(|flight| flight.request == request).ok_or(OutOfTurn)?;
                let items: Vec<_> = flight.items.into_iter().collect();
                self.release(items.clone());
                items.into_iter().for_each(|(job, chunks)| self.not_given(id, job, chunks, why));
            }
        }
        Ok(())
    }

    /// The device gives nothing on this link, whatever it is asked for.
    fn not_here(&mut self, id: SourceId, request: u32) -> Result<(), OutOfTurn> {
        let source = self.source(id)?;
        source.carries_not = true;
        match source.asked.remove(&request) {
            Some(Asked::Want(job)) => self.unasked(job),
            Some(Asked::Page(_) | Asked::Probe(_)) => {}
            None => {
                let flight = source.flights.pop_front();
                let flight = flight.filter(|flight| flight.request == request).ok_or(OutOfTurn)?;
                self.release(flight.items.into_iter().collect());
            }
        }
        Ok(())
    }

    /// The source does not give these chunks of the file of `job`: one that has all of it gives nothing of it then.
    fn not_given(&mut self, id: SourceId, job: usize, chunks: Range<u64>, why: Missing) {
        if self.is_partial(id) {
            self.unnamed(id, job, chunks);
        } else {
            self.gives_not(id, job, why);
        }
    }

    /// The source does not give the file of `job`.
    pub(super) fn gives_not(&mut self, id: SourceId, job: usize, why: Missing) {
        if let Ok(source) = self.source(id) {
            let device = source.device;
            self.exclude(job, device, Reason::Missing(why));
        }
    }

    /// Something of `job` did not verify. The file may have changed while it was read, which the seeder says right behind
    /// the run: so it is asked about the file once more, and what it says before the answer counts.
    pub(super) fn suspect(&mut self, id: SourceId, job: usize) {
        if let Ok(source) = self.source(id)
            && source.suspect.insert(job)
        {
            source.to_probe.push_back(job);
        }
    }

    /// The source has answered about a file of which something did not verify.
    pub(super) fn probed(&mut self, id: SourceId, job: usize, why: Option<Missing>) {
        let root = self.root_of(job);
        let Ok(source) = self.source(id) else { return };
        let device = source.device;
        let gone = matches!(why, Some(Missing::Changed | Missing::Gone | Missing::Unreadable));
        if gone || root.is_some_and(|root| source.changed.contains(&root)) {
            self.exclude(job, device, Reason::Missing(Missing::Changed));
            self.excused.push((device, job));
        } else {
            self.lied(device);
        }
    }

    /// A run has begun to come: which chunks of which jobs it must bring, item by item.
    ///
    /// # Errors
    /// [`OutOfTurn`] if it is not the one to come, or has not as many items.
    pub fn run_came(
        &mut self,
        id: SourceId,
        request: u32,
        items: usize,
        now: Instant,
    ) -> Result<Vec<Coming>, OutOfTurn> {
        let source = self.source(id)?;
        let flight = source.flights.front().ok_or(OutOfTurn)?;
        if flight.request != request || flight.items.len() != items {
            return Err(OutOfTurn);
        }
        source.pace.answered(now.duration_since(flight.asked));
        let coming = flight.items.iter().cloned().map(|(job, chunks)| {
            let start = flight.starts.get(&(job, chunks.start)).cloned();
            Coming { job, chunks, start }
        });
        Ok(coming.collect())
    }

    /// The run has come to its end.
    pub fn run_ended(&mut self, id: SourceId, now: Instant) {
        if let Ok(source) = self.source(id) {
            source.flights.pop_front();
            source.pace.finished_run(now);
        }
    }

    /// The next item of the run that is coming will not be taken: because the source does not give it, or because its file
    /// has come to an end.
    pub fn item_passed(&mut self, id: SourceId, why: Option<Missing>) {
        let flight = self.source(id).ok().and_then(|source| source.flights.front_mut());
        let Some((job, chunks)) = flight.and_then(|flight| flight.items.pop_front()) else {
            return;
        };
        let bytes = self.file(job).map_or(0, |file| file.bytes(chunks.clone()));
        let skipped = self.forget_start(id, job, chunks.start);
        self.came(id, bytes.saturating_sub(skipped));
        self.release(vec![(job, chunks.clone())]);
        if let Some(why) = why {
            self.not_given(id, job, chunks, why);
        }
    }

    /// So many bytes of the run that is coming have come.
    pub(super) fn came(&mut self, id: SourceId, bytes: u64) {
        let flight = self.source(id).ok().and_then(|source| source.flights.front_mut());
        if let Some(flight) = flight {
            flight.left = flight.left.saturating_sub(bytes);
        }
    }

    /// The start of chunk `index` of `job` has been used, or was good for nothing; how many bytes it has.
    fn forget_start(&mut self, id: SourceId, job: usize, index: u64) -> u64 {
        let Some(source) = self.sources.get_mut(&id) else { return 0 };
        let device = source.device;
        let flight = source.flights.front_mut();
        let Some(start) = flight.and_then(|flight| flight.starts.remove(&(job, index))) else {
            return 0;
        };
        if let Some(file) = self.file(job) {
            file.starts.remove(&(index, device));
        }
        start.len() as u64
    }

    /// The link was lost in the midst of chunk `index` of `job`: `bytes` are what is there of its start.
    pub fn interrupted(&mut self, id: SourceId, job: usize, index: u64, bytes: &[u8]) {
        let Some(device) = self.sources.get(&id).map(|source| source.device) else { return };
        if self.joined_wrong.get(&device).is_some_and(|times| *times >= JOINED_WRONG) {
            return;
        }
        let Some(file) = self.file(job).filter(|file| file.wants(index)) else { return };
        let known = file.starts.get(&(index, device)).map_or(0, |start| start.len());
        if bytes.len() > known {
            file.starts.insert((index, device), bytes.into());
            self.started.insert(job);
        }
    }

    /// Chunk `index` of `job`, put together from what source `id` sent at two times, is not what it should be. That
    /// accuses nobody: its start may have lain on a disk, or the file may have been another in between. It is asked
    /// for as a whole, and whoever sends a wrong one then is named.
    pub fn joined_wrongly(&mut self, id: SourceId, job: usize, index: u64) {
        if let Some(device) = self.sources.get(&id).map(|source| source.device) {
            *self.joined_wrong.entry(device).or_default() += 1;
        }
        if let Some(file) = self.file(job) {
            file.verifying.remove(index..index + 1);
        }
        self.release(vec![(job, index..index + 1)]);
    }

    /// Chunk `index` of `job`, the next of the run that is coming, has come from source `id`.
    pub fn chunk_came(&mut self, id: SourceId, job: usize, index: u64) -> Arrival {
        let len = self.layout(job).map_or(0, |layout| layout.chunk_len(index));
        let skipped = self.forget_start(id, job, index);
        self.came(id, len.saturating_sub(skipped));
        let flight = self.source(id).ok().and_then(|source| source.flights.front_mut());
        if let Some(flight) = flight {
            if let Some((_, chunks)) = flight.items.front_mut() {
                chunks.start = (index + 1).min(chunks.end);
            }
            if flight.items.front().is_some_and(|(_, chunks)| chunks.is_empty()) {
                flight.items.pop_front();
            }
        }
        let Some(file) = self.file(job).filter(|file| file.wants(index)) else {
            return Arrival::Drop;
        };
        let (layout, root) = (file.layout, file.root);
        match file.pages.value(index) {
            Some(value) => {
                file.missing.remove(index..index + 1);
                file.verifying.insert(index..index + 1);
                self.settle(job);
                Arrival::Take { layout, root, value }
            }
            // Its page was asked for before it and has not come, or did not verify.
            None => {
                self.suspect(id, job);
                self.release(vec![(job, index..index + 1)]);
                Arrival::Drop
            }
        }
    }
}
