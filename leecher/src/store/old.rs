//! The store as the engine before [`crate::fetch::sink`] wants it; goes with that engine.

use std::ops::Range;

use blake3::hazmat::ChainingValue;
use sealift_peer::exit::Failure;
use sealift_proto::catalogue::Root;

use super::{Landing, State};
use crate::fetch::sink::Sink as New;
use crate::fetch::source::{Landed, Sink};

impl Sink for Landing {
    fn begin(&self, job: usize, root: Root, size: u64) -> Result<Vec<Range<u64>>, Failure> {
        New::begin(self, job, root, size).map(|begun| begun.missing)
    }

    fn write(
        &self,
        job: usize,
        index: u64,
        chunk: &[u8],
        _: Option<ChainingValue>,
    ) -> Result<(), Failure> {
        New::write(self, job, index, chunk)
    }

    fn written(&self) -> u64 {
        New::written(self)
    }

    fn finish(&self, jobs: Vec<usize>) -> Vec<(usize, Result<Landed, Failure>)> {
        let whole = |job: &usize| self.verify_earlier(*job);
        let (whole, again): (Vec<_>, Vec<_>) = jobs.into_iter().partition(whole);
        let again = again.into_iter().map(|job| (job, Ok(Landed::Again)));
        let ends = New::finish(self, &whole).into_iter();
        ends.map(|(job, end)| (job, end.map(|()| Landed::Done))).chain(again).collect()
    }
}

impl Landing {
    /// Whether what an earlier process left of a file makes it whole; otherwise all of that is missing.
    fn verify_earlier(&self, job: usize) -> bool {
        let Some(State::Part(part)) = self.state(job) else { return true };
        let earlier = part.unverified();
        let same = earlier.is_empty()
            || super::begin::hash_file(&*self.folder, part.path()).ok().flatten()
                == Some(part.root());
        for index in earlier.into_iter().flatten() {
            // What fails here shows when the file is finished or written to.
            let _ = New::check(self, job, index, &|_| same);
        }
        if !same {
            self.jobs().remove(&job);
        }
        same
    }
}
