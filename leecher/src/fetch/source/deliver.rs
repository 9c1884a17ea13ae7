//! What came from a seeder, on its way to the disk: verified beside the reading, landed when complete.

use std::time::Duration;

use sealift_proto::codec::List;
use sealift_proto::manifest::CHUNK;
use sealift_proto::message::{Finished, FromLeecher, ITEMS_MAX, RUN_MAX};

use super::{Fate, IN_FLIGHT, Landed, RUN_TIME, Source};
use crate::fetch::verify::{Piece, Verdict, verify};

/// Verified bytes handed on at once, and how many such batches may be on their way to the disk.
const BATCH: usize = 1 << 20;
const BATCHES: usize = 4;
/// Finished files whose landing is made durable together.
const LANDING: usize = 512;

impl Source {
    /// Takes a chunk as it came; it is verified later, together with others.
    pub(super) async fn hand_on(&mut self, job: usize, index: u64, bytes: Vec<u8>) {
        let Some(file) = self.files.get(&job).filter(|file| !file.suspect) else { return };
        let Some(value) = file.pages.value(index) else {
            // Its page was asked for before it and has not come: the seeder is out of turn.
            self.wrong(job);
            return;
        };
        self.batch_bytes += bytes.len() + 1;
        self.batch.push(Piece { job, index, bytes, layout: file.layout, root: file.root, value });
        if self.batch_bytes >= BATCH {
            self.dispatch().await;
        }
    }

    /// Sends what is gathered to be verified and written, as soon as there is room.
    pub(super) async fn dispatch(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if self.verifying.len() >= BATCHES
            && let Some(Ok(verdicts)) = self.verifying.join_next().await
        {
            self.judge(verdicts);
        }
        self.batch_bytes = 0;
        let (batch, sink) = (std::mem::take(&mut self.batch), self.sink.clone());
        self.verifying.spawn_blocking(move || verify(&batch, &*sink));
    }

    /// Takes the verdicts that have come meanwhile, and lands what is complete.
    pub(super) fn collect_ready(&mut self) {
        while let Some(done) = self.verifying.try_join_next() {
            self.judge(done.unwrap_or_default());
        }
        if self.complete.len() >= LANDING {
            self.land();
        }
    }

    /// Takes what became of chunks and of files that landed.
    pub(super) fn judge(&mut self, verdicts: Vec<Verdict>) {
        let mut landed = Vec::new();
        for verdict in verdicts {
            match verdict {
                Verdict::Written(job) => self.written(job),
                Verdict::Wrong(job) => self.wrong(job),
                Verdict::Failed(job, failure) => {
                    self.plan.forget(job);
                    if self.files.remove(&job).is_some() {
                        self.fates.push((job, Fate::Local(failure)));
                    }
                }
                Verdict::Landed(job, result) => {
                    let finished = self.landing.remove(&job);
                    match result {
                        Ok(Landed::Done) => {
                            landed.extend(finished);
                            self.fates.push((job, Fate::Done));
                        }
                        // Without a fate the file stays open, and is begun anew.
                        Ok(Landed::Again) => {}
                        Err(failure) => self.fates.push((job, Fate::Local(failure))),
                    }
                }
            }
        }
        for files in landed.chunks(ITEMS_MAX) {
            if let Ok(files) = List::new(files.to_vec()) {
                self.send(FromLeecher::Done { files });
            }
        }
    }

    fn written(&mut self, job: usize) {
        if let Some(file) = self.files.get_mut(&job) {
            file.left = file.left.saturating_sub(1);
            if file.left == 0 {
                self.complete.push(job);
            }
        }
    }

    /// Gives complete files their names, beside what else goes on.
    pub(super) fn land(&mut self) {
        let mut jobs = Vec::new();
        for job in std::mem::take(&mut self.complete) {
            let Some(file) = self.files.remove(&job) else { continue };
            let size = file.layout.size();
            self.landing.insert(job, Finished { root: file.root, size });
            jobs.push(job);
        }
        if jobs.is_empty() {
            return;
        }
        let sink = self.sink.clone();
        self.verifying.spawn_blocking(move || {
            let landed = sink.finish(jobs).into_iter();
            landed.map(|(job, result)| Verdict::Landed(job, result)).collect()
        });
    }

    /// Lets what is under way end, and lands what is complete even if the seeder is gone.
    pub(super) async fn settle(&mut self) {
        self.dispatch().await;
        loop {
            while let Some(done) = self.verifying.join_next().await {
                self.judge(done.unwrap_or_default());
            }
            if self.complete.is_empty() {
                return;
            }
            self.land();
        }
    }

    /// Sizes the next runs such that one takes [`RUN_TIME`]; several are in flight, so a run's own time is its share.
    pub(super) fn adapt(&mut self, bytes: u64, took: Duration) {
        let share = took.as_micros().max(1) / (IN_FLIGHT as u128);
        let rate = u128::from(bytes) * 1_000_000 / share.max(1);
        let wanted = rate * RUN_TIME.as_millis() / 1000;
        let wanted = u64::try_from(wanted).unwrap_or(RUN_MAX) / CHUNK * CHUNK;
        self.run_bytes = wanted.clamp(CHUNK, RUN_MAX);
    }
}
