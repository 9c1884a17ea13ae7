//! What can be seen of a schedule.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sealift_proto::catalogue::Root;
use sealift_proto::identity::DeviceId;
use sealift_proto::manifest::Layout;
use sealift_transport::path::Way;
use tokio::time::Instant;

use super::source::Source;
use super::{Job, Outcome, Reason, Schedule, SourceId, SourceView, State};

impl Schedule {
    /// Whether every file has come to an end.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.open == 0
    }

    /// Files that have not come to an end.
    pub fn open(&self) -> impl Iterator<Item = usize> {
        let open = |job: &Job| !matches!(job.state, State::Ended(_));
        self.jobs.iter().enumerate().filter(move |(_, job)| open(job)).map(|(number, _)| number)
    }

    /// How each file ended; `None` for one that did not.
    #[must_use]
    pub fn outcomes(&self) -> Vec<Option<Outcome>> {
        let outcome = |job: &Job| match &job.state {
            State::Ended(outcome) => Some(outcome.clone()),
            _ => None,
        };
        self.jobs.iter().map(outcome).collect()
    }

    /// Who may still serve `job`.
    pub fn holders(&self, job: usize) -> impl Iterator<Item = DeviceId> {
        let job = self.jobs.get(job);
        let offers =
            job.into_iter().flat_map(|job| job.offers.iter().map(move |o| (job, o.device)));
        offers.filter(|(job, device)| !job.excluded.contains_key(device)).map(|(_, device)| device)
    }

    /// Everybody who offers `job`.
    pub fn offering(&self, job: usize) -> impl Iterator<Item = DeviceId> {
        self.jobs.get(job).into_iter().flat_map(|job| &job.offers).map(|offer| offer.device)
    }

    /// Open files that nobody serves any more and that do not need anybody.
    #[must_use]
    pub fn hopeless(&self) -> Vec<usize> {
        let hopeless = |job: &usize| {
            let state = self.jobs.get(*job).map(|of| &of.state);
            let done = match state {
                Some(State::Landing(_) | State::Beginning(..)) => true,
                // What has come may be all that was missing.
                Some(State::Open(file)) => !file.verifying.is_empty(),
                _ => false,
            };
            !done && self.holders(*job).next().is_none()
        };
        self.open().filter(hopeless).collect()
    }

    /// Whether anything is on its way to the disk.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.jobs.iter().any(|of| match &of.state {
            State::Landing(_) | State::Beginning(..) => true,
            State::Open(file) => !file.verifying.is_empty(),
            _ => false,
        })
    }

    /// For how long, as far as it was asked before, there has been nothing that could bring any file further: there are sources,
    /// and none of them is asked for anything; and nothing that has come, or was left, is being looked at.
    pub fn stillness(&mut self, now: Instant) -> Duration {
        let busy = self.sources.is_empty()
            || self.sources.values().any(Source::is_awaited)
            || self.is_under_way()
            || self.has_checks()
            || self
                .jobs
                .iter()
                .any(|of| matches!(&of.state, State::Open(file) if file.is_checked()));
        let since = if busy { now } else { self.still_since.unwrap_or(now) };
        self.still_since = Some(since);
        now.saturating_duration_since(since)
    }

    /// Why those who do not serve `job` any more do not, the gravest first.
    #[must_use]
    pub fn reason(&self, job: usize) -> Option<(DeviceId, &Reason)> {
        let job = self.jobs.get(job)?;
        let wrong = job.excluded.iter().find(|(_, reason)| matches!(reason, Reason::Wrong));
        let last = || job.excluded.iter().next_back();
        wrong.or_else(last).map(|(device, reason)| (*device, reason))
    }

    /// Bytes that have not come, as far as sizes are known.
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        self.unassigned + self.sources.values().map(|source| source.in_flight()).sum::<u64>()
    }

    /// Bytes of chunks that have come in part only: before their links were lost, and of those that are coming slowly.
    #[must_use]
    pub fn parts(&self) -> (u64, u64) {
        let starts = self.started.iter().filter_map(|job| match &self.jobs.get(*job)?.state {
            State::Open(file) => Some(file.started()),
            _ => None,
        });
        (starts.sum(), self.sources.values().map(|source| source.coming).sum())
    }

    /// The content of the file of `job`, while it is under way.
    #[must_use]
    pub fn root(&self, job: usize) -> Option<Root> {
        self.root_of(job)
    }

    /// The sources as they are now.
    #[must_use]
    pub fn sources(&self, now: Instant) -> Vec<SourceView> {
        let view = |source: &Source| SourceView {
            device: source.device,
            way: source.way,
            stands_by: source.stands_by,
            delivered: self.delivered.get(&(source.device, source.way)).copied().unwrap_or(0),
            speed: source.pace.speed(now).map(|speed| speed as u64),
            reading: source.reading,
        };
        self.sources.values().map(view).collect()
    }

    /// Verified bytes taken from each device, by the way they took.
    #[must_use]
    pub const fn delivered(&self) -> &BTreeMap<(DeviceId, Way), u64> {
        &self.delivered
    }

    /// How many files are on disk under their final names.
    #[must_use]
    pub fn files_done(&self) -> usize {
        self.done
    }

    /// The file of which a chunk came last.
    #[must_use]
    pub const fn latest(&self) -> Option<usize> {
        self.latest
    }

    /// Bytes that an earlier process left of the files begun so far.
    #[must_use]
    pub const fn found(&self) -> u64 {
        self.found
    }

    /// Whether an unfinished file could be served by `device`, and, if `running` are at work already, by none of them.
    #[must_use]
    pub fn needs(&self, device: DeviceId, running: Option<&BTreeSet<DeviceId>>) -> bool {
        self.open().any(|job| {
            let landing = matches!(self.jobs.get(job).map(|of| &of.state), Some(State::Landing(_)));
            let holds = |device: &DeviceId| self.holders(job).any(|holder| holder == *device);
            let served = running.is_some_and(|running| running.iter().any(holds));
            !landing && holds(&device) && !served
        })
    }

    /// How long source `id` has sent nothing although something was to come; and whether that is only a file's content,
    /// which it may have to read first.
    #[must_use]
    pub fn silence(&self, id: SourceId, now: Instant) -> Option<(Duration, bool)> {
        let source = self.sources.get(&id)?;
        let reads = source.flights.is_empty() && source.asked.len() == source.wants();
        source.is_awaited().then(|| (source.pace.silence(now), reads))
    }

    /// Whether source `id` is known to have lied: nothing more is taken from it.
    #[must_use]
    pub fn has_lied(&self, id: SourceId) -> bool {
        self.sources.get(&id).is_some_and(|source| self.said_wrong.contains(&source.device))
    }

    /// How long chunk `index` of `job` is; `None` when the file is not under way any more.
    #[must_use]
    pub fn layout(&self, job: usize) -> Option<Layout> {
        match &self.jobs.get(job)?.state {
            State::Open(file) => Some(file.layout),
            _ => None,
        }
    }

    /// Whether there is a chunk that can be read again now.
    #[must_use]
    pub fn has_checks(&self) -> bool {
        self.earlier.iter().any(|job| match self.jobs.get(*job).map(|of| &of.state) {
            Some(State::Open(file)) => file.can_check(),
            _ => false,
        })
    }

    /// How many files are complete, and whether anything else is under way or to be done.
    #[must_use]
    pub fn completeness(&self) -> (usize, bool) {
        (self.complete.len(), self.open > self.complete.len())
    }
}
