//! A download from start to end: sessions with those who have the files, what happens when one is lost, when to give up.

mod relayless;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sealift_command::args::CommonArgs;
use sealift_command::exit::{Exit, Failure};
use sealift_peer::connect::{Speaker, jittered};
use sealift_peer::direct::Direct;
use sealift_peer::path::Allowed;
use sealift_peer::session::{SessionError, WrapChoice};
use sealift_proto::identity::DeviceId;
use sealift_proto::message::Missing;
use sealift_space::profile::space::SpaceState;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::background;
use super::elsewhere::Elsewhere;
use super::schedule::{Offer, Outcome, Reason, Schedule};
use super::session::{self, Teller, Ways};
use super::shared::Shared;
use super::view::{Names, View};
use crate::freshen::{Connection, online};
use crate::online::{Online, Presence};
use sealift_content::landing::sink::Sink;

/// Pause between two tries; doubled up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How often it is looked at how things go.
const TICK: Duration = Duration::from_millis(250);
/// One source is enough for so few bytes, as long as it is quick.
const SMALL: u64 = 8 * 1024 * 1024;
/// What is waited for while there is no way to anybody.
const RELAY: &str = "the relay";
/// After so long it is not quick.
const QUICK: Duration = Duration::from_secs(1);

/// A file to fetch.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What to call it in messages, escaped.
    pub label: String,
    /// Who has it; the content is the same everywhere, or not stated yet at a single holder.
    pub offers: Vec<Offer>,
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
    /// Most seeders at once.
    pub sources: usize,
    /// Which ways content may take.
    pub path: Allowed,
    /// Whether the content may come from others than those who offer the file under its name.
    pub elsewhere: bool,
}

/// A seeder that was lost, and when to try again.
struct Lost {
    until: Instant,
    pause: Duration,
}

/// A download under way.
pub struct Download<'a> {
    speaker: &'a Speaker,
    common: &'a CommonArgs,
    connection: Option<Connection>,
    direct: Option<Direct>,
    space: SpaceState,
    shared: Arc<Shared>,
    labels: Arc<[String]>,
    elsewhere: Elsewhere,
    manner: Manner,
    names: Names,
    sources: JoinSet<(DeviceId, Result<(), SessionError>)>,
    running: BTreeSet<DeviceId>,
    lost: BTreeMap<DeviceId, Lost>,
    /// What was the matter last.
    trouble: Option<Failure>,
    looked: bool,
    begin: Instant,
    /// Somebody has answered, so that patience applies.
    started: bool,
    /// Bytes that had come when it was looked last, also of chunks that are not whole.
    written: u64,
    last_progress: Instant,
    pause: Duration,
    told: bool,
    /// It was told that something else answers where the relay was.
    refused: bool,
}

impl<'a> Download<'a> {
    /// Prepares to fetch `wanted` over `connection`, or a new one. The sink knows each by its place in the list.
    #[must_use]
    pub fn new(
        speaker: &'a Speaker,
        common: &'a CommonArgs,
        space: SpaceState,
        connection: Option<Connection>,
        wanted: Vec<Wanted>,
        sink: Arc<dyn Sink>,
        manner: Manner,
    ) -> Self {
        let (labels, offers): (Vec<_>, Vec<_>) =
            wanted.into_iter().map(|wanted| (wanted.label, wanted.offers)).unzip();
        let elsewhere = Elsewhere::new(&offers, manner.elsewhere);
        let mut schedule = Schedule::new(offers, sink.window());
        schedule.let_relay_carry(manner.path != Allowed::Direct);
        let platform = speaker.profile.platform();
        let direct = (manner.path != Allowed::Relay).then(|| Direct::new(platform.clone()));
        let now = Instant::now();
        Self {
            speaker,
            common,
            connection,
            direct,
            space,
            shared: Arc::new(Shared::new(schedule, sink)),
            labels: labels.into(),
            elsewhere,
            manner,
            names: Arc::default(),
            sources: JoinSet::new(),
            running: BTreeSet::new(),
            lost: BTreeMap::new(),
            trouble: None,
            looked: false,
            begin: now,
            started: false,
            written: 0,
            last_progress: now,
            pause: PAUSE.0,
            told: false,
            refused: false,
        }
    }

    /// Says that the file at this place of the list is there already.
    pub fn skip(&mut self, job: usize) {
        self.shared.schedule().end(job, Outcome::Done);
    }

    /// What can be seen of it from outside.
    #[must_use]
    pub fn view(&self) -> View {
        View::new(self.shared.clone(), self.names.clone(), self.labels.clone())
    }

    /// Fetches until every file has come to an end; in the order of the list.
    pub async fn run(mut self) -> Vec<Outcome> {
        let mut background = JoinSet::new();
        background.spawn(background::land(self.shared.clone()));
        background.spawn(background::check(self.shared.clone()));
        while !self.is_over() {
            self.step().await;
        }
        self.tell_wrong();
        // DONE leaves, and what is on its way to the disk gets there.
        while self.sources.join_next().await.is_some() {}
        self.shared.delivery.settled().await;
        background.shutdown().await;
        if let Some(direct) = &self.direct {
            direct.close().await;
        }
        let no_end = || Outcome::Failed(Failure::new(Exit::Other, "the download ended early"));
        let outcomes = self.shared.schedule().outcomes();
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(no_end)).collect()
    }

    fn is_over(&self) -> bool {
        self.shared.schedule().is_over()
    }

    /// Looks at how things stand, does what is to be done, and waits for something to happen.
    async fn step(&mut self) {
        // Direct links may bring the rest while the relay is being looked for.
        let shared = self.shared.clone();
        let online = tokio::select! {
            online = self.connected() => online,
            () = shared.over() => None,
        };
        let Some(online) = online else { return };
        self.shared.set_came(online.presence().borrow().came.clone());
        self.note_progress();
        self.tell_wrong();
        self.end_hopeless(&online);
        if !std::mem::replace(&mut self.looked, true) && self.manner.wait.is_none() {
            self.end_absent(&online);
        }
        self.elsewhere.step(self.speaker, &online, &self.shared.schedule).await;
        self.open_sessions(&online);
        if self.is_over() {
            return;
        }
        if self.running.is_empty() && !self.is_settling() {
            self.wait_or_end(&online).await;
        } else {
            self.watch(&online).await;
        }
    }

    /// Whether something that has come is on its way to the disk: it may be what decides how a file ends.
    fn is_settling(&self) -> bool {
        self.shared.schedule().is_under_way()
    }

    /// The connection, made anew if it ended. `None` after a try that failed.
    async fn connected(&mut self) -> Option<Arc<Online>> {
        let standing = self.connection.as_ref().filter(|connection| connection.online.is_of_use());
        if let Some(connection) = standing {
            return Some(connection.online.clone());
        }
        self.connection = None;
        let found = online(self.speaker, self.common, self.space.clone()).await;
        // A session that has just broken may have begun all the same.
        self.note_progress();
        match found {
            Ok(connection) => {
                let online = connection.online.clone();
                self.space = online.space().clone();
                self.connection = Some(connection);
                self.lost.clear();
                self.shared.renew();
                return Some(online);
            }
            Err(failure) if failure.exit == Exit::Relay && self.speaker.lan => {
                return self.on_lan(failure).await;
            }
            Err(failure)
                if failure.exit == Exit::Disk
                    || !failure.may_pass()
                    || !self.started && self.manner.wait.is_none() =>
            {
                self.end_all(&words::no_relay(failure));
            }
            Err(failure) => {
                if failure.exit != Exit::Relay && !std::mem::replace(&mut self.refused, true) {
                    words::tell_refused(self.speaker, &failure);
                }
                self.reap();
                self.note_progress();
                if self.running.is_empty() {
                    self.pause_or_end(&failure, RELAY.to_owned()).await;
                } else {
                    self.go_on_without_relay(&failure).await;
                }
            }
        }
        None
    }

    /// Whatever came counts, also of a file that is not complete: patience begins when it stopped coming.
    fn note_progress(&mut self) {
        if !self.started && self.shared.met.load(Ordering::Relaxed) {
            self.started = true;
            self.last_progress = Instant::now();
        }
        let (started, coming) = self.shared.schedule().parts();
        let written = self.shared.sink.written() + started + coming;
        if written > self.written {
            self.shared.wait_for(None);
            self.written = written;
            self.started = true;
            self.last_progress = Instant::now();
            self.pause = PAUSE.0;
            self.told = false;
        }
    }

    /// Opens a session with everybody who is needed, serves, and is not being waited for.
    fn open_sessions(&mut self, online: &Arc<Online>) {
        let now = Instant::now();
        let serving = online.presence().borrow().serving.clone();
        for device in serving {
            let waits = self.lost.get(&device).is_some_and(|lost| now < lost.until);
            if waits || self.running.contains(&device) || self.running.len() >= self.manner.sources
            {
                continue;
            }
            if self.is_needed(device) {
                self.open_session(online, device);
            }
        }
    }

    /// Whether a session with `device` is worth its cost.
    fn is_needed(&self, device: DeviceId) -> bool {
        let schedule = self.shared.schedule();
        let small = schedule.bytes_left() <= SMALL && self.begin.elapsed() < QUICK;
        schedule.needs(device, small.then_some(&self.running))
    }

    fn open_session(&mut self, online: &Arc<Online>, device: DeviceId) {
        self.running.insert(device);
        sealift_platform::sync::lock(&self.names).insert(device, online.name_of(&device));
        let (online, shared, wrap) = (online.clone(), self.shared.clone(), self.manner.wrap);
        let ways = Ways {
            direct: self.direct.clone(),
            control: online.relay().ok().cloned(),
            teller: Teller::new(self.speaker.console.clone(), online.name_of(&device), self.begin),
        };
        self.sources.spawn(async move {
            let ended = match online.session(device, wrap).await {
                Ok(session) => {
                    shared.met.store(true, Ordering::Relaxed);
                    session::fetch(&shared, device, session, ways).await
                }
                Err(error) => Err(error),
            };
            (device, ended)
        });
    }

    /// Waits until a source ends, somebody comes or goes, everything is over, or it is time to look again.
    async fn watch(&mut self, online: &Online) {
        let mut presence = online.presence();
        presence.mark_unchanged();
        let mut news = self.shared.news();
        let tick = Instant::now() + TICK;
        loop {
            tokio::select! {
                Some(ended) = self.sources.join_next() => {
                    if let Ok((device, ended)) = ended {
                        self.ended(device, ended);
                    }
                    return;
                }
                _ = presence.changed() => return,
                _ = news.changed() => if self.shared.schedule().is_over() {
                    return;
                },
                () = sleep_until(tick) => return,
            }
        }
    }

    /// Books how the work with one seeder ended.
    fn ended(&mut self, device: DeviceId, ended: Result<(), SessionError>) {
        self.running.remove(&device);
        self.note_progress();
        let Err(error) = ended else { return };
        let failure = error.failure(&self.name_of(&device));
        if !error.is_passing() {
            self.shared.schedule().exclude_all(device, &Reason::Refused(failure));
            return;
        }
        self.trouble = Some(failure);
        let pause = self.lost.get(&device).map_or(PAUSE.0, |lost| (lost.pause * 2).min(PAUSE.1));
        // One that has just delivered is asked again soon.
        let pause = if self.last_progress.elapsed() < PAUSE.1 { PAUSE.0 } else { pause };
        let until = Instant::now() + jittered(pause, self.speaker);
        self.lost.insert(device, Lost { until, pause });
    }

    /// Name of a device with which there is or was a session, escaped.
    fn name_of(&self, device: &DeviceId) -> String {
        let names = sealift_platform::sync::lock(&self.names);
        names.get(device).cloned().unwrap_or_else(|| device.short())
    }

    fn end_all(&mut self, failure: &Failure) {
        let mut schedule = self.shared.schedule();
        for job in schedule.open().collect::<Vec<_>>() {
            schedule.end(job, Outcome::Failed(failure.clone()));
        }
    }

    fn deadline(&self) -> Instant {
        let patience = if self.started { Some(self.manner.patience) } else { self.manner.wait };
        self.last_progress + patience.unwrap_or(Duration::ZERO)
    }

    /// Nobody is at work: waits for the time to try again or for a seeder, or gives up if that has lasted too long.
    async fn wait_or_end(&mut self, online: &Online) {
        let now = Instant::now();
        let retry = self.lost.values().map(|lost| lost.until).filter(|until| *until > now).min();
        match (self.trouble.take(), retry) {
            (Some(trouble), _) => self.pause_or_end(&trouble, self.absent(online)).await,
            (None, Some(retry)) => {
                let mut presence = online.presence();
                presence.mark_unchanged();
                let _ = timeout_at(retry, presence.changed()).await;
            }
            (None, None) => self.wait_for_seeder(online.presence(), online).await,
        }
    }

    /// After a loss: waits a little, or gives up if it has lasted too long.
    async fn pause_or_end(&mut self, failure: &Failure, whom: String) {
        let why = failure.why.clone().unwrap_or_else(|| failure.what.clone());
        if Instant::now() + self.pause > self.deadline() {
            let failure = words::lost(self.started, &why);
            self.end_all(&failure);
            return;
        }
        if !std::mem::replace(&mut self.told, true) {
            let left = self.deadline().saturating_duration_since(Instant::now());
            words::tell_interrupted(self.speaker, &why, left);
        }
        self.shared.wait_for(Some((whom, self.deadline())));
        let until = Instant::now() + jittered(self.pause, self.speaker);
        self.pause = (self.pause * 2).min(PAUSE.1);
        sleep_until(until).await;
    }

    async fn wait_for_seeder(&mut self, mut presence: watch::Receiver<Presence>, online: &Online) {
        let deadline = self.deadline();
        if Instant::now() >= deadline {
            let open: Vec<_> = self.shared.schedule().open().collect();
            let failure = words::lost(self.started, &self.away(online, &open));
            self.end_all(&failure);
            return;
        }
        if !std::mem::replace(&mut self.told, true) {
            self.speaker.console.note(
                "waiting for a seeder that has it",
                &json!({"type": "waiting", "for": "seeder"}),
            );
        }
        self.shared.wait_for(Some((self.absent(online), deadline)));
        presence.mark_unchanged();
        // Whatever happens next, the loop looks again.
        let _ = timeout_at(deadline, presence.changed()).await;
    }

    /// Ends files that nobody can give any more.
    fn end_hopeless(&mut self, online: &Online) {
        let mut schedule = self.shared.schedule();
        for job in schedule.hopeless() {
            let label = self.labels.get(job).map_or("a file", String::as_str);
            let failure = words::hopeless(label, job, &schedule, online);
            let changed = |why: &Missing| matches!(why, Missing::Gone | Missing::Changed);
            let end = match schedule.reason(job) {
                Some((_, Reason::Missing(why))) if changed(why) => Outcome::Stale(failure),
                _ => Outcome::Failed(failure),
            };
            schedule.end(job, end);
        }
    }

    /// Ends files that nobody serves at the start; the others are fetched meanwhile.
    fn end_absent(&mut self, online: &Online) {
        let open: Vec<_> = self.shared.schedule().open().collect();
        for job in open {
            let served = self.shared.schedule().offering(job).any(|device| online.serves(&device));
            if !served {
                let failure = words::lost(self.started, &self.away(online, &[job]));
                self.shared.schedule().end(job, Outcome::Failed(failure));
            }
        }
    }

    /// Who has the files of `jobs`.
    fn away(&self, online: &Online, jobs: &[usize]) -> String {
        format!("away: {}", self.holders(online, jobs))
    }

    fn holders(&self, online: &Online, jobs: &[usize]) -> String {
        let schedule = self.shared.schedule();
        let holders: BTreeSet<_> = jobs.iter().flat_map(|job| schedule.offering(*job)).collect();
        let names: BTreeSet<_> = holders.iter().map(|device| online.name_of(device)).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    }

    /// Who has what is not there yet.
    fn absent(&self, online: &Online) -> String {
        let open: Vec<_> = self.shared.schedule().open().collect();
        self.holders(online, &open)
    }

    /// Names those who sent something wrong.
    fn tell_wrong(&self) {
        let wrong = self.shared.schedule().take_wrong();
        for device in wrong {
            let who = self.name_of(&device);
            self.speaker.console.warn(
                format!("{who} sent a wrong chunk; nothing more is taken from it"),
                &json!({"type": "tampering", "by": "seeder", "seeder": who, "what": "wrong chunk"}),
            );
        }
        let excused = self.shared.schedule().take_excused();
        for (device, job) in excused {
            let who = self.name_of(&device);
            let label = self.labels.get(job).map_or("a file", String::as_str);
            self.speaker.console.warn(
                format!("{who} sent something else than {label}, and says that the file has changed there"),
                &json!({"type": "wrong", "by": "seeder", "seeder": who, "name": label, "excuse": "changed"}),
            );
        }
    }
}
