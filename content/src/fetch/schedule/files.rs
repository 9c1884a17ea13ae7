//! What becomes of the files and their chunks on this side.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;

use blake3::hazmat::ChainingValue;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::Layout;
use sealift_proto::message::Finished;

use super::file::File;
use super::source::Source;
use super::{Outcome, Schedule, SourceId, State};
use crate::landing::LandingError;
use crate::landing::sink::Begun;

impl Schedule {
    /// A file was begun: what is there of it, or why not.
    pub fn begun(&mut self, job: usize, result: Result<Begun, LandingError>) {
        let Some(of) = self.jobs.get_mut(job) else { return };
        let State::Beginning(root, size) = of.state else { return };
        let layout = match (result, Layout::new(size)) {
            (Ok(begun), Ok(layout)) => (begun, layout),
            (Err(error), _) => return self.end(job, Outcome::Failed(error.into())),
            (_, Err(_)) => return self.wrong_size(job),
        };
        let (begun, layout) = layout;
        if !begun.starts.is_empty() {
            self.started.insert(job);
        }
        let mut file = Box::new(File::new(root, layout, begun));
        if let Some(given) = &mut self.given {
            file.keeps_pages = true;
            given.begun(root, job, layout, &file.done);
        }
        self.found += file.bytes_of(&file.earlier) + file.started();
        of.state = State::Open(file);
        self.settle(job);
    }

    /// Somebody states a size that no file has.
    pub(super) fn wrong_size(&mut self, job: usize) {
        for device in self.offering(job).collect::<Vec<_>>() {
            self.lied(device);
        }
        if let Some(of) = self.jobs.get_mut(job) {
            of.state = State::Unstated;
        }
    }

    /// Brings what is noted of an open file in step with it.
    pub(super) fn settle(&mut self, job: usize) {
        let Some(of) = self.jobs.get_mut(job) else { return };
        let State::Open(file) = &mut of.state else { return };
        let note = |set: &mut BTreeSet<usize>, is_in: bool| {
            if is_in {
                set.insert(job)
            } else {
                set.remove(&job)
            };
        };
        note(&mut self.ready, !file.missing.is_empty());
        note(&mut self.earlier, !file.earlier.is_empty());
        let unassigned = file.bytes_of(&file.missing);
        if file.is_complete() {
            let finished = Finished { root: file.root, size: file.layout.size() };
            if let State::Open(file) = std::mem::replace(&mut of.state, State::Landing(finished))
                && let Some(given) = &mut self.given
            {
                given.complete(file.root, job, file.pages);
            }
            self.complete.push(job);
        }
        self.set_unassigned(job, unassigned);
    }

    pub(super) fn set_unassigned(&mut self, job: usize, bytes: u64) {
        if let Some(of) = self.jobs.get_mut(job) {
            self.unassigned = self.unassigned.saturating_sub(of.unassigned).saturating_add(bytes);
            of.unassigned = bytes;
        }
    }

    /// Chunks that were asked for and will not come: they are missing again, unless somebody else was asked for them too.
    pub(super) fn release(&mut self, items: Vec<(usize, Range<u64>)>) {
        let carried: HashSet<_> = self.sources.values().flat_map(Source::carried).collect();
        for (job, chunks) in items {
            let Some(file) = self.file(job) else { continue };
            for index in chunks {
                if file.wants(index) && !carried.contains(&(job, index)) {
                    file.missing.insert(index..index + 1);
                }
            }
            self.settle(job);
        }
    }

    /// A chunk of source `id` is verified and written.
    pub fn taken(&mut self, id: SourceId, job: usize, index: u64) {
        let Some(file) = self.file(job) else { return };
        let len = file.layout.chunk_len(index);
        file.finished(index);
        self.now_given(job, index);
        self.latest = Some(job);
        if let Ok(source) = self.source(id) {
            let device = source.device;
            let way = source.way;
            *self.delivered.entry((device, way)).or_default() += len;
            if let Some(of) = self.jobs.get_mut(job) {
                of.served_by.insert(device);
            }
        }
        self.settle(job);
    }

    /// A chunk of source `id` is not what it should be.
    pub fn refused(&mut self, id: SourceId, job: usize, index: u64) {
        if let Some(file) = self.file(job) {
            file.verifying.remove(index..index + 1);
        }
        self.release(vec![(job, index..index + 1)]);
        self.suspect(id, job);
    }

    /// The next chunk that an earlier process left and that can be read again now: of which job, which, and what it is
    /// verified against.
    pub fn next_check(&mut self) -> Option<(usize, u64, Layout, Root, Option<ChainingValue>)> {
        for job in self.earlier.iter().copied().collect::<Vec<_>>() {
            let Some(file) = self.file(job) else { continue };
            let (layout, root) = (file.layout, file.root);
            if let Some((index, value)) = file.next_check() {
                self.settle(job);
                return Some((job, index, layout, root, value));
            }
        }
        None
    }

    /// What became of a chunk that was read again.
    pub fn checked(&mut self, job: usize, index: u64, fits: bool) {
        if let Some(file) = self.file(job) {
            file.checked(index, fits);
            if fits {
                self.now_given(job, index);
            }
            self.settle(job);
        }
    }

    /// Files all of whose chunks are there: to be given their final names.
    pub fn take_complete(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.complete)
    }

    /// A file has its final name, or could not get it. Those who gave something of it may be told, each device once.
    pub fn landed(
        &mut self,
        job: usize,
        result: Result<(), LandingError>,
    ) -> Option<(Finished, BTreeSet<SourceId>)> {
        let of = self.jobs.get(job)?;
        let State::Landing(finished) = of.state else { return None };
        let mut untold = of.served_by.clone();
        let here = self.sources.iter().filter(|(_, source)| untold.remove(&source.device));
        let told = here.map(|(id, _)| *id).collect();
        match result {
            Ok(()) => {
                self.end(job, Outcome::Done);
                Some((finished, told))
            }
            Err(error) => {
                self.end(job, Outcome::Failed(error.into()));
                None
            }
        }
    }
}
