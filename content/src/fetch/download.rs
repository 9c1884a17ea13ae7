//! A download from start to end: sessions with those who have the files, what happens when one is lost, when to give up.

mod giving;
mod relayless;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sealift_platform::Platform;
use sealift_proto::identity::DeviceId;
use sealift_proto::message::Missing;
use sealift_transport::client::Presence;
use sealift_transport::connect::jittered;
use sealift_transport::direct::Direct;
use sealift_transport::path::Allowed;
use sealift_transport::session::SessionError;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::background;
use super::error::{FetchError, Obstacle, Trouble, Unreachable};
use super::event::{Event, Listener};
use super::partners::Partners;
use super::schedule::{Offer, Outcome, Reason, Schedule};
use super::session::{self, Ways};
use super::shared::{Shared, Whom};
use super::space::{Offers, Reached, Space};
use super::view::View;
use crate::landing::sink::Sink;

/// Pause between two tries; doubled up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// How often it is looked at how things go.
const TICK: Duration = Duration::from_millis(250);
/// One source is enough for so few bytes, as long as it is quick.
const SMALL: u64 = 8 * 1024 * 1024;
/// After so long it is not quick.
const QUICK: Duration = Duration::from_secs(1);
/// Those who are there and are asked for nothing for so long bring nothing any more.
const STILL: Duration = Duration::from_secs(30);

/// How to go about it.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// How long to wait for a seeder that is not there at the start.
    pub wait: Option<Duration>,
    /// How long to go on when all are lost.
    pub patience: Duration,
    /// Most seeders at once.
    pub sources: usize,
    /// Which ways content may take.
    pub path: Allowed,
    /// Whether others who fetch the same are given what has come, and asked for what they have.
    pub swarm: bool,
}

/// A seeder that was lost, and when to try again.
struct Lost {
    until: Instant,
    pause: Duration,
}

/// A download under way.
pub struct Download<S: Space> {
    space: S,
    reached: Option<Arc<S::Reached>>,
    platform: Platform,
    listener: Arc<dyn Listener>,
    direct: Option<Direct>,
    shared: Arc<Shared>,
    manner: Manner,
    sources: JoinSet<(DeviceId, Result<(), SessionError>)>,
    background: JoinSet<()>,
    /// The space as it is reached now, for those who fetch the same.
    shown: watch::Sender<Option<Arc<S::Reached>>>,
    running: BTreeSet<DeviceId>,
    lost: BTreeMap<DeviceId, Lost>,
    /// What was the matter last.
    trouble: Option<(DeviceId, Arc<SessionError>)>,
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

impl<S: Space> Download<S> {
    /// Prepares to fetch the files that `offers` are of from `space`, which may be reached already. The sink knows each by its
    /// place in the list: those who have one state the same content, or there is one of them.
    #[must_use]
    pub fn new(
        platform: &Platform,
        (space, reached): (S, Option<Arc<S::Reached>>),
        offers: Vec<Vec<Offer>>,
        sink: Arc<dyn Sink>,
        manner: Manner,
        listener: Arc<dyn Listener>,
    ) -> Self {
        let mut schedule = Schedule::new(offers, sink.window());
        schedule.let_relay_carry(manner.path != Allowed::Direct);
        schedule.set_turn(u64::from_be_bytes(platform.random.bytes()));
        let direct = (manner.path != Allowed::Relay).then(|| Direct::new(platform.clone()));
        // Others are given content directly alone.
        let swarm = manner.swarm && direct.is_some();
        let now = Instant::now();
        Self {
            space,
            background: JoinSet::new(),
            shown: watch::Sender::new(reached.clone()),
            reached,
            platform: platform.clone(),
            listener,
            direct,
            shared: Arc::new(Shared::new(schedule, sink, swarm)),
            manner,
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
        View::new(self.shared.clone())
    }

    /// Fetches until every file has come to an end; in the order of the list. Sessions end with that, unless it `stays`: then they
    /// go on until [`Download::give`] has ended.
    pub async fn run(&mut self, stays: bool) -> Vec<Outcome> {
        self.shared.set_stays(stays);
        self.background.spawn(background::land(self.shared.clone()));
        self.background.spawn(background::check(self.shared.clone()));
        self.meet_partners();
        while !self.is_over() {
            self.step().await;
        }
        self.tell_wrong();
        if !stays {
            self.end().await;
        }
        self.shared.delivery.settled().await;
        let no_end = || Outcome::Failed(FetchError::Ended);
        let outcomes = self.shared.schedule().outcomes();
        outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(no_end)).collect()
    }

    fn meet_partners(&mut self) {
        if let (Some(_), Some(direct)) = (&self.shared.swarm, &self.direct) {
            let partners = Partners {
                shared: self.shared.clone(),
                reached: self.shown.subscribe(),
                accepted: self.space.accept(),
                direct: direct.clone(),
                listener: self.listener.clone(),
                random: self.platform.random.clone(),
            };
            self.background.spawn(partners.run());
        }
    }

    /// Ends all sessions, and waits until DONE has left and what is on its way to the disk has got there.
    async fn end(&mut self) {
        self.shared.set_stays(false);
        while self.sources.join_next().await.is_some() {}
        self.shared.delivery.settled().await;
        self.background.shutdown().await;
        if let Some(direct) = &self.direct {
            direct.close().await;
        }
    }

    fn is_over(&self) -> bool {
        self.shared.schedule().is_over()
    }

    /// Looks at how things stand, does what is to be done, and waits for something to happen.
    async fn step(&mut self) {
        // Direct links may bring the rest while the relay is being looked for.
        let shared = self.shared.clone();
        let reached = tokio::select! {
            reached = self.connected() => reached,
            () = shared.over() => None,
        };
        let Some(reached) = reached else { return };
        self.shared.set_came(reached.presence().borrow().came.clone());
        self.note_progress();
        self.tell_wrong();
        self.end_hopeless();
        if !std::mem::replace(&mut self.looked, true) && self.manner.wait.is_none() {
            self.end_absent(&*reached);
        }
        self.space.look(&Offers(&self.shared.schedule)).await;
        self.open_sessions(&reached);
        if self.is_over() {
            return;
        }
        if self.running.is_empty() && !self.is_settling() {
            self.wait_or_end(&*reached).await;
        } else if !self.end_still() {
            self.watch(&*reached).await;
        }
    }

    /// Whether something that has come is on its way to the disk: it may be what decides how a file ends.
    fn is_settling(&self) -> bool {
        self.shared.schedule().is_under_way()
    }

    /// The space, reached anew if the connection ended. `None` after a try that failed.
    async fn connected(&mut self) -> Option<Arc<S::Reached>> {
        let standing = self.reached.as_ref().filter(|reached| reached.is_of_use());
        if let Some(reached) = standing {
            return Some(reached.clone());
        }
        self.reached = None;
        let found = self.space.reach().await;
        // A session that has just broken may have begun all the same.
        self.note_progress();
        match found {
            Ok(reached) => {
                self.show(&reached);
                self.lost.clear();
                self.shared.renew();
                Some(reached)
            }
            Err(why) => self.without_relay(why).await,
        }
    }

    fn show(&mut self, reached: &Arc<S::Reached>) {
        self.reached = Some(reached.clone());
        self.shown.send_replace(Some(reached.clone()));
    }

    /// The relay was not reached: whoever is on the local network may do, or it is tried again.
    async fn without_relay(&mut self, why: Unreachable) -> Option<Arc<S::Reached>> {
        let absent = why.obstacle == Obstacle::Relay;
        if absent && let Some(near) = self.space.near() {
            return self.on_lan(why, near).await;
        }
        let waits = self.started || self.manner.wait.is_some();
        if why.obstacle == Obstacle::Disk || !why.passing || !waits {
            self.end_all(&FetchError::NoRelay(why));
            return None;
        }
        if !absent && !std::mem::replace(&mut self.refused, true) {
            self.listener.hear(Event::Refused(why.clone()));
        }
        self.reap();
        self.note_progress();
        if self.running.is_empty() {
            self.pause_or_end(Trouble::Space(why), Whom::Relay).await;
        } else if !self.end_still() {
            self.go_on_without_relay(why).await;
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
    fn open_sessions(&mut self, reached: &Arc<S::Reached>) {
        let now = Instant::now();
        let serving = reached.presence().borrow().serving.clone();
        for device in serving {
            let waits = self.lost.get(&device).is_some_and(|lost| now < lost.until);
            if waits || self.running.contains(&device) || self.running.len() >= self.manner.sources
            {
                continue;
            }
            if self.is_needed(device) {
                self.open_session(reached, device);
            }
        }
    }

    /// Whether a session with `device` is worth its cost.
    fn is_needed(&self, device: DeviceId) -> bool {
        let schedule = self.shared.schedule();
        let small = schedule.bytes_left() <= SMALL && self.begin.elapsed() < QUICK;
        schedule.needs(device, small.then_some(&self.running))
    }

    fn open_session(&mut self, reached: &Arc<S::Reached>, device: DeviceId) {
        self.running.insert(device);
        let (reached, shared) = (reached.clone(), self.shared.clone());
        let ways = Ways {
            direct: self.direct.clone(),
            control: reached.relay(),
            listener: self.listener.clone(),
        };
        self.sources.spawn(async move {
            let ended = match reached.session(device).await {
                Ok(session) => {
                    shared.met.store(true, Ordering::Relaxed);
                    let member = session.0.peer.membership;
                    let fetching = session::fetch(&shared, device, session, ways);
                    session::while_member(fetching, reached.removed(member)).await
                }
                Err(error) => Err(error),
            };
            (device, ended)
        });
    }

    /// Waits until a source ends, somebody comes or goes, everything is over, or it is time to look again.
    async fn watch(&mut self, reached: &S::Reached) {
        let mut presence = reached.presence();
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
        let error = Arc::new(error);
        if !error.is_passing() {
            self.shared.schedule().exclude_all(device, &Reason::Refused(error));
            return;
        }
        self.trouble = Some((device, error));
        let pause = self.lost.get(&device).map_or(PAUSE.0, |lost| (lost.pause * 2).min(PAUSE.1));
        // One that has just delivered is asked again soon.
        let pause = if self.last_progress.elapsed() < PAUSE.1 { PAUSE.0 } else { pause };
        let until = Instant::now() + jittered(pause, &*self.platform.random);
        self.lost.insert(device, Lost { until, pause });
    }

    fn end_all(&mut self, error: &FetchError) {
        let mut schedule = self.shared.schedule();
        for job in schedule.open().collect::<Vec<_>>() {
            schedule.end(job, Outcome::Failed(error.clone()));
        }
    }

    fn deadline(&self) -> Instant {
        let patience = if self.started { Some(self.manner.patience) } else { self.manner.wait };
        self.last_progress + patience.unwrap_or(Duration::ZERO)
    }

    /// Nobody is at work: waits for the time to try again or for a seeder, or gives up if that has lasted too long.
    async fn wait_or_end(&mut self, reached: &S::Reached) {
        let now = Instant::now();
        let retry = self.lost.values().map(|lost| lost.until).filter(|until| *until > now).min();
        match (self.trouble.take(), retry) {
            (Some((device, why)), _) => {
                self.pause_or_end(Trouble::Session(device, why), self.absent()).await;
            }
            (None, Some(retry)) => {
                let mut presence = reached.presence();
                presence.mark_unchanged();
                self.until(retry, presence.changed()).await;
            }
            (None, None) => self.wait_for_seeder(reached.presence()).await,
        }
    }

    /// After a loss: waits a little, or gives up if it has lasted too long.
    async fn pause_or_end(&mut self, why: Trouble, whom: Whom) {
        if Instant::now() + self.pause > self.deadline() {
            self.end_all(&FetchError::Lost { started: self.started, why });
            return;
        }
        if !std::mem::replace(&mut self.told, true) {
            let patience = self.deadline().saturating_duration_since(Instant::now());
            self.listener.hear(Event::Interrupted { why, patience });
        }
        self.shared.wait_for(Some((whom, self.deadline())));
        let until = Instant::now() + jittered(self.pause, &*self.platform.random);
        self.pause = (self.pause * 2).min(PAUSE.1);
        self.until(until, std::future::pending::<()>()).await;
    }

    /// Gives up when those who are at work have nothing that is missing, and that has lasted too long; whether it did.
    fn end_still(&mut self) -> bool {
        let now = Instant::now();
        let still = self.shared.schedule().stillness(now);
        if !self.started || still < STILL || now < self.deadline() {
            return false;
        }
        let open: Vec<_> = self.shared.schedule().open().collect();
        let holders = self.holders(&open);
        let error = match self.running.iter().find(|device| holders.contains(*device)) {
            Some(device) => {
                let why = Trouble::Session(*device, Arc::new(SessionError::Timeout));
                FetchError::Lost { started: true, why }
            }
            None => self.away(&open),
        };
        self.end_all(&error);
        true
    }

    async fn wait_for_seeder(&mut self, mut presence: watch::Receiver<Presence>) {
        let deadline = self.deadline();
        if Instant::now() >= deadline {
            let open: Vec<_> = self.shared.schedule().open().collect();
            let error = self.away(&open);
            self.end_all(&error);
            return;
        }
        if !std::mem::replace(&mut self.told, true) {
            self.listener.hear(Event::WaitingForSeeder);
        }
        self.shared.wait_for(Some((self.absent(), deadline)));
        presence.mark_unchanged();
        // Whatever happens next, the loop looks again.
        self.until(deadline, presence.changed()).await;
    }

    /// Waits for `event` until `time`, or until everything is over: others who fetch the same may bring the rest.
    async fn until<T>(&self, time: Instant, event: impl Future<Output = T>) {
        tokio::select! {
            _ = timeout_at(time, event) => {}
            () = self.shared.over() => {}
        }
    }

    /// Ends files that nobody can give any more.
    fn end_hopeless(&mut self) {
        let mut schedule = self.shared.schedule();
        for job in schedule.hopeless() {
            let error = hopeless(job, &schedule);
            let changed = |why: &Missing| matches!(why, Missing::Gone | Missing::Changed);
            let end = match &error {
                FetchError::NotGiven { why, .. } if changed(why) => Outcome::Stale(error),
                _ => Outcome::Failed(error),
            };
            schedule.end(job, end);
        }
    }

    /// Ends files that nobody serves at the start; the others are fetched meanwhile.
    fn end_absent(&mut self, reached: &S::Reached) {
        let serving = reached.presence().borrow().serving.clone();
        let open: Vec<_> = self.shared.schedule().open().collect();
        for job in open {
            let served =
                self.shared.schedule().offering(job).any(|device| serving.contains(&device));
            if !served {
                let error = self.away(&[job]);
                self.shared.schedule().end(job, Outcome::Failed(error));
            }
        }
    }

    /// Nobody has the files of `jobs` who is there.
    fn away(&self, jobs: &[usize]) -> FetchError {
        FetchError::Away { started: self.started, holders: self.holders(jobs) }
    }

    fn holders(&self, jobs: &[usize]) -> BTreeSet<DeviceId> {
        let schedule = self.shared.schedule();
        jobs.iter().flat_map(|job| schedule.offering(*job)).collect()
    }

    /// Who has what is not there yet.
    fn absent(&self) -> Whom {
        let open: Vec<_> = self.shared.schedule().open().collect();
        Whom::Devices(self.holders(&open))
    }

    /// Names those who sent something wrong.
    fn tell_wrong(&self) {
        let (wrong, excused) = {
            let mut schedule = self.shared.schedule();
            (schedule.take_wrong(), schedule.take_excused())
        };
        wrong.into_iter().for_each(|by| self.listener.hear(Event::WrongChunk { by }));
        excused.into_iter().for_each(|(by, job)| self.listener.hear(Event::Excused { by, job }));
    }
}

/// Why nobody gives the file of `job` any more.
fn hopeless(job: usize, schedule: &Schedule) -> FetchError {
    match schedule.reason(job) {
        Some((by, Reason::Wrong)) => FetchError::WrongChunk { by },
        Some((with, Reason::Refused(why))) => FetchError::NoSession { with, why: why.clone() },
        Some((_, Reason::Missing(why))) => {
            FetchError::NotGiven { holders: schedule.offering(job).collect(), why: *why }
        }
        None => FetchError::Nobody,
    }
}
