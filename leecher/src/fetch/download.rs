//! A download from start to end: which seeder serves which file, what happens when one is lost, when to give up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sealift_peer::args::CommonArgs;
use sealift_peer::connect::Speaker;
use sealift_peer::exit::{Exit, Failure};
use sealift_peer::session::WrapChoice;
use sealift_proto::identity::DeviceId;
use sealift_proto::message::Missing;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::source::{Ended, Errand, Fate, Sink, fetch};
use crate::freshen::{Connection, online};
use crate::online::Online;
use crate::replica::{LogKey, Stored};

/// Pause between two tries; doubled up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// A seeder that has a file.
#[derive(Debug, Clone, Copy)]
pub struct Holder {
    /// Who, in which log.
    pub key: LogKey,
    /// Which generation of the log.
    pub log_id: [u8; 16],
    /// What is known of the file there.
    pub stored: Stored,
}

/// A file to fetch.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What to call it in messages, escaped.
    pub label: String,
    /// Who has it; the content is the same everywhere, or not stated yet at a single holder.
    pub holders: Vec<Holder>,
}

/// How to go about it.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Which suites to offer.
    pub wrap: WrapChoice,
    /// How long to wait for a seeder that is not there at the start.
    pub wait: Option<Duration>,
    /// How long to go on when all are lost.
    pub patience: Duration,
}

/// What became of a file.
#[derive(Debug, Clone)]
pub enum End {
    /// On disk under its final name.
    Done,
    /// Not, and why.
    Failed(Failure),
}

struct Job {
    wanted: Wanted,
    end: Option<End>,
    excluded: BTreeSet<DeviceId>,
    reason: Option<Reason>,
}

/// Why the last seeder that was asked did not give the file.
#[derive(Debug, Clone)]
enum Reason {
    Missing(Missing),
    Wrong(String),
    Refused(Failure),
}

/// A download under way.
pub struct Download<'a> {
    speaker: &'a Speaker,
    common: &'a CommonArgs,
    connection: Option<Connection>,
    space: sealift_peer::profile::space::SpaceState,
    sink: Arc<dyn Sink>,
    manner: Manner,
    jobs: Vec<Job>,
    looked: bool,
    started: bool,
    last_progress: Instant,
    pause: Duration,
    told: bool,
}

impl<'a> Download<'a> {
    /// Prepares to fetch `wanted` over `connection`, or a new one. The sink knows each by its place in the list.
    #[must_use]
    pub fn new(
        speaker: &'a Speaker,
        common: &'a CommonArgs,
        space: sealift_peer::profile::space::SpaceState,
        connection: Option<Connection>,
        wanted: Vec<Wanted>,
        sink: Arc<dyn Sink>,
        manner: Manner,
    ) -> Self {
        let job = |wanted| Job { wanted, end: None, excluded: BTreeSet::new(), reason: None };
        Self {
            speaker,
            common,
            connection,
            space,
            sink,
            manner,
            jobs: wanted.into_iter().map(job).collect(),
            looked: false,
            started: false,
            last_progress: Instant::now(),
            pause: PAUSE.0,
            told: false,
        }
    }

    /// Says that the file at this place of the list is there already.
    pub fn skip(&mut self, job: usize) {
        if let Some(job) = self.jobs.get_mut(job) {
            job.end = Some(End::Done);
        }
    }

    /// Fetches until every file has come to an end; in the order of the list.
    pub async fn run(mut self) -> Vec<End> {
        while self.jobs.iter().any(|job| job.end.is_none()) {
            let Some(online) = self.connected().await else { continue };
            self.end_hopeless(&online);
            if !std::mem::replace(&mut self.looked, true) && self.manner.wait.is_none() {
                self.end_absent(&online);
            }
            let groups = self.assign(&online);
            if groups.is_empty() {
                self.wait_for_seeder(&online).await;
                continue;
            }
            self.work(&online, groups).await;
        }
        let no_end = || End::Failed(Failure::new(Exit::Other, "the download ended early"));
        self.jobs.into_iter().map(|job| job.end.unwrap_or_else(no_end)).collect()
    }

    /// The connection, made anew if it ended. `None` after a try that failed.
    async fn connected(&mut self) -> Option<Arc<Online>> {
        let standing = self
            .connection
            .as_ref()
            .filter(|connection| !connection.online.presence().borrow().ended);
        if let Some(connection) = standing {
            return Some(connection.online.clone());
        }
        self.connection = None;
        match online(self.speaker, self.common, self.space.clone()).await {
            Ok(connection) => {
                let online = connection.online.clone();
                self.space = online.space().clone();
                self.connection = Some(connection);
                return Some(online);
            }
            Err(failure)
                if failure.exit != Exit::Relay || !self.started && self.manner.wait.is_none() =>
            {
                self.end_all(&failure);
            }
            Err(failure) => self.pause_or_end(&failure).await,
        }
        None
    }

    fn end_all(&mut self, failure: &Failure) {
        for job in self.jobs.iter_mut().filter(|job| job.end.is_none()) {
            job.end = Some(End::Failed(failure.clone()));
        }
    }

    fn deadline(&self) -> Instant {
        let patience = if self.started { Some(self.manner.patience) } else { self.manner.wait };
        self.last_progress + patience.unwrap_or(Duration::ZERO)
    }

    /// After a loss: waits a little, or gives up if it has lasted too long.
    async fn pause_or_end(&mut self, failure: &Failure) {
        let why = failure.why.clone().unwrap_or_else(|| failure.what.clone());
        if Instant::now() + self.pause > self.deadline() {
            self.end_all(&self.lost(&why));
            return;
        }
        if !self.told {
            self.told = true;
            let seconds = self.deadline().saturating_duration_since(Instant::now()).as_secs();
            self.speaker.console.note(
                format!(
                    "interrupted ({why}); trying again for {}",
                    sealift_peer::human::duration(seconds)
                ),
                &json!({"type": "interrupted", "why": why, "patience_seconds": seconds}),
            );
        }
        sleep(sealift_peer::connect::jittered(self.pause, self.speaker)).await;
        self.pause = (self.pause * 2).min(PAUSE.1);
    }

    fn lost(&self, why: &str) -> Failure {
        let what = if self.started { "the seeders were lost" } else { "no seeder of it is online" };
        let next = if self.started {
            "what has come is kept; the same command goes on from there"
        } else {
            "try again later, or add --wait to wait for it"
        };
        Failure::new(Exit::Offline, what).why(why).next(next)
    }

    /// Ends files that nobody can give any more.
    fn end_hopeless(&mut self, online: &Online) {
        for job in self.jobs.iter_mut().filter(|job| job.end.is_none()) {
            let hope =
                job.wanted.holders.iter().any(|held| !job.excluded.contains(&held.key.device));
            if !hope {
                job.end = Some(End::Failed(hopeless(job, online)));
            }
        }
    }

    /// Ends files that nobody serves at the start; the others are fetched meanwhile.
    fn end_absent(&mut self, online: &Online) {
        for at in 0..self.jobs.len() {
            let Some(job) = self.jobs.get(at).filter(|job| job.end.is_none()) else { continue };
            let holders = &job.wanted.holders;
            if holders.iter().any(|held| online.serves(&held.key.device)) {
                continue;
            }
            let away = self.away(online, &[at]);
            let failure = self.lost(&away);
            if let Some(job) = self.jobs.get_mut(at) {
                job.end = Some(End::Failed(failure));
            }
        }
    }

    /// Who has the files of `jobs`.
    fn away(&self, online: &Online, jobs: &[usize]) -> String {
        let holders = jobs.iter().filter_map(|at| self.jobs.get(*at));
        let holders = holders.flat_map(|job| &job.wanted.holders);
        let names: BTreeSet<_> = holders.map(|held| online.name_of(&held.key.device)).collect();
        format!("away: {}", names.into_iter().collect::<Vec<_>>().join(", "))
    }

    /// One serving seeder for each open file.
    fn assign(&self, online: &Online) -> BTreeMap<DeviceId, Vec<Errand>> {
        let mut groups: BTreeMap<DeviceId, Vec<Errand>> = BTreeMap::new();
        for (number, job) in self.jobs.iter().enumerate().filter(|(_, job)| job.end.is_none()) {
            let mut usable = job.wanted.holders.iter().filter(|held| {
                !job.excluded.contains(&held.key.device) && online.serves(&held.key.device)
            });
            if let Some(held) = usable.next() {
                groups.entry(held.key.device).or_default().push(errand(number, held));
            }
        }
        groups
    }

    async fn wait_for_seeder(&mut self, online: &Online) {
        let deadline = self.deadline();
        if Instant::now() >= deadline {
            let open = self.jobs.iter().enumerate().filter(|(_, job)| job.end.is_none());
            let open: Vec<_> = open.map(|(at, _)| at).collect();
            self.end_all(&self.lost(&self.away(online, &open)));
            return;
        }
        if !self.told {
            self.told = true;
            self.speaker.console.note(
                "waiting for a seeder that has it",
                &json!({"type": "waiting", "for": "seeder"}),
            );
        }
        let mut presence = online.presence();
        presence.mark_unchanged();
        // Whatever happens next, the loop looks again.
        let _ = timeout_at(deadline, presence.changed()).await;
    }

    async fn work(&mut self, online: &Arc<Online>, groups: BTreeMap<DeviceId, Vec<Errand>>) {
        let mut running = JoinSet::new();
        for (device, errands) in groups {
            let (online, sink, wrap) = (online.clone(), self.sink.clone(), self.manner.wrap);
            running
                .spawn(async move { (device, serve(&online, device, wrap, errands, sink).await) });
        }
        let mut written = self.sink.written();
        let mut troubles = Vec::new();
        while let Some(ended) = running.join_next().await {
            let Ok((device, (errands, ended))) = ended else { continue };
            // Whatever came counts, also of a file that is not complete: patience begins when it stopped coming.
            if self.sink.written() > written {
                written = self.sink.written();
                self.progressed();
            }
            troubles.extend(self.take(online, device, &errands, ended));
        }
        match troubles.pop() {
            Some(trouble) => self.pause_or_end(&trouble).await,
            None => self.told = false,
        }
    }

    /// Books what became of the files one seeder was to send; a passing trouble is returned.
    fn take(
        &mut self,
        online: &Online,
        device: DeviceId,
        errands: &[usize],
        ended: Ended,
    ) -> Option<Failure> {
        let who = online.name_of(&device);
        if ended.fates.iter().any(|(_, fate)| matches!(fate, Fate::Done)) {
            self.progressed();
        }
        let lied = ended.fates.iter().any(|(_, fate)| matches!(fate, Fate::Wrong));
        for (number, fate) in ended.fates {
            if let Some(job) = self.jobs.get_mut(number) {
                job.take(fate, device, &who);
            }
        }
        if lied {
            self.speaker.console.warn(
                format!("{who} sent a wrong chunk; nothing more is taken from it"),
                &json!({"type": "tampering", "by": "seeder", "seeder": who, "what": "wrong chunk"}),
            );
            self.exclude(errands, device, &Reason::Wrong(who.clone()));
            return None;
        }
        let error = ended.error?;
        if error.is_passing() {
            return Some(error.failure(&who));
        }
        self.exclude(errands, device, &Reason::Refused(error.failure(&who)));
        None
    }

    fn exclude(&mut self, jobs: &[usize], device: DeviceId, reason: &Reason) {
        for number in jobs {
            if let Some(job) = self.jobs.get_mut(*number).filter(|job| job.end.is_none()) {
                job.excluded.insert(device);
                job.reason = Some(reason.clone());
            }
        }
    }

    fn progressed(&mut self) {
        self.started = true;
        self.last_progress = Instant::now();
        self.pause = PAUSE.0;
        self.told = false;
    }
}

impl Job {
    fn take(&mut self, fate: Fate, device: DeviceId, who: &str) {
        match fate {
            Fate::Done => self.end = Some(End::Done),
            Fate::Local(failure) => self.end = Some(End::Failed(failure)),
            Fate::Missing(why) => {
                self.excluded.insert(device);
                self.reason = Some(Reason::Missing(why));
            }
            Fate::Wrong => {
                self.excluded.insert(device);
                self.reason = Some(Reason::Wrong(who.to_owned()));
            }
        }
    }
}

fn hopeless(job: &Job, online: &Online) -> Failure {
    let label = &job.wanted.label;
    let holders: BTreeSet<_> =
        job.wanted.holders.iter().map(|held| online.name_of(&held.key.device)).collect();
    let holders: Vec<_> = holders.into_iter().collect();
    let holders = holders.join(", ");
    match &job.reason {
        Some(Reason::Wrong(who)) => {
            Failure::new(Exit::Tampered, format!("{label} was not what it should be"))
                .why(format!("{who} sent a wrong chunk, and nobody else could serve it"))
                .next(
                    "nothing wrong was kept; try again, or take it from another member with --from",
                )
        }
        Some(Reason::Refused(failure)) => failure.clone(),
        Some(Reason::Missing(why @ Missing::Changed)) => {
            Failure::new(Exit::Other, format!("{label}: {why} ({holders})"))
                .next("search again: the new content is offered as soon as it is read")
        }
        Some(Reason::Missing(why)) => {
            Failure::new(Exit::NotFound, format!("{label}: {why} ({holders})")).next("search again")
        }
        None => Failure::new(Exit::NotFound, format!("nobody has {label}")),
    }
}

fn errand(job: usize, held: &Holder) -> Errand {
    Errand {
        job,
        root: held.stored.root,
        size: held.stored.size,
        log_id: held.log_id,
        place: held.stored.place,
    }
}

/// Opens a session and fetches; gives back which jobs it was about.
async fn serve(
    online: &Online,
    device: DeviceId,
    wrap: WrapChoice,
    errands: Vec<Errand>,
    sink: Arc<dyn Sink>,
) -> (Vec<usize>, Ended) {
    let jobs = errands.iter().map(|errand| errand.job).collect();
    let ended = match online.session(device, wrap).await {
        Ok(session) => fetch(session, errands, sink).await,
        Err(error) => Ended { fates: Vec::new(), error: Some(error) },
    };
    (jobs, ended)
}
