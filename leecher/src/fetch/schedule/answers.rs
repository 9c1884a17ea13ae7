//! What a source says, and what follows from it.

use std::collections::BTreeSet;
use std::ops::Range;

use blake3::hazmat::ChainingValue;
use sealift_proto::catalogue::Root;
use sealift_proto::message::Missing;
use tokio::time::Instant;

use super::source::Asked;
use super::{Arrival, OutOfTurn, Reason, Schedule, SourceId, State};

impl Schedule {
    /// Bytes have come from source `id`, whatever they are.
    pub fn heard(&mut self, id: SourceId, bytes: u64, now: Instant) {
        if let Some(source) = self.sources.get_mut(&id) {
            source.pace.arrived(bytes, now);
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
            Some(Asked::Page((job, _))) => self.gives_not(id, job, why),
            Some(Asked::Probe(job)) => self.probed(id, job, Some(why)),
            None => {
                let flight = source.flights.pop_front();
                let flight = flight.filter(|flight| flight.request == request).ok_or(OutOfTurn)?;
                let jobs: BTreeSet<_> = flight.items.iter().map(|(job, _)| *job).collect();
                self.release(flight.items.into_iter().collect());
                jobs.into_iter().for_each(|job| self.gives_not(id, job, why));
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
    ) -> Result<Vec<(usize, Range<u64>)>, OutOfTurn> {
        let source = self.source(id)?;
        let flight = source.flights.front().ok_or(OutOfTurn)?;
        if flight.request != request || flight.items.len() != items {
            return Err(OutOfTurn);
        }
        source.pace.answered(now.duration_since(flight.asked));
        Ok(flight.items.iter().cloned().collect())
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
        self.came(id, bytes);
        self.release(vec![(job, chunks)]);
        if let Some(why) = why {
            self.gives_not(id, job, why);
        }
    }

    /// So many bytes of the run that is coming have come.
    pub(super) fn came(&mut self, id: SourceId, bytes: u64) {
        let flight = self.source(id).ok().and_then(|source| source.flights.front_mut());
        if let Some(flight) = flight {
            flight.left = flight.left.saturating_sub(bytes);
        }
    }

    /// Chunk `index` of `job`, the next of the run that is coming, has come from source `id`.
    pub fn chunk_came(&mut self, id: SourceId, job: usize, index: u64) -> Arrival {
        let len = self.layout(job).map_or(0, |layout| layout.chunk_len(index));
        self.came(id, len);
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
