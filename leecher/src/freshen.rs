//! Catalogues brought up to date before a command looks at them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sealift_proto::identity::DeviceId;
use sealift_proto::space::Role;
use sealift_space::members::Members;
use sealift_space::profile::file::{FileError, Kept};
use sealift_space::profile::space::SpaceState;
use sealift_transport::client::{Farewell, LiveSpace};
use sealift_transport::connect::{Connected, GIVE_UP, Patience, connect, relay_of};
use sealift_transport::control::DialError;
use sealift_transport::device::ThisDevice;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::Leecher;
use crate::error::Error;
use crate::event::{Event, Stale};
use crate::online::{Online, Reading};
use crate::replica::{self, LogKey, LogView, ReplicaError};
use crate::sync::{Short, Sync};

/// How long a command that can do without waits for news of catalogues that it has already.
const DELTA: Duration = Duration::from_secs(1);

/// How much a command needs to know what has changed since the catalogues were last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It does not ask.
    None,
    /// It would like to, but what is known will do after a moment.
    Wanted,
    /// It waits as long as it takes to reach a relay; a second space's is given a moment more.
    Needed,
    /// It waits as long as it takes to reach all relays.
    All,
}

impl News {
    /// What a command line means: nobody is asked with `--offline`.
    #[must_use]
    pub const fn wanted(offline: bool) -> Self {
        if offline { Self::None } else { Self::Wanted }
    }
}
/// The time of the last sync is written again only after so long, seconds: it tells an age, not a moment.
const SYNCED_STEP: u64 = 10;

/// When the catalogues of a space were last compared with the relay's.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct SyncedFile {
    time: u64,
}

impl Kept for SyncedFile {
    const KIND: &'static str = "synced";
}

/// A space whose relay answered.
pub struct Connection {
    /// The space, online.
    pub online: Arc<Online>,
    /// Reads its events.
    pub reading: Reading,
    /// Why catalogues are not as new as they could be: our disk, or what the relay does to them.
    pub short: Option<Short>,
}

/// One space as a command sees it.
pub struct Known {
    /// The space.
    pub space: SpaceState,
    /// Its members, as far as they are known.
    pub members: Members,
    /// The catalogues known.
    pub views: Vec<LogView>,
    /// The relay, if it answered and its news were taken.
    pub connection: Option<Connection>,
    /// The relay has not answered in the moment that it was given, and may still.
    pub late: bool,
}

/// What is known of each space that is asked for, with `news` from the relay first. A relay that cannot be reached is told, with the age of what is known.
///
/// # Errors
/// When nothing is known yet and the relay cannot be reached, when the relay refuses, or when the disk fails.
pub async fn freshen(leecher: &Leecher, news: News) -> Result<Vec<Known>, Error> {
    let spaces = leecher.profile.spaces_named(leecher.space.as_deref())?;
    let alone = spaces.len() == 1;
    let mut tasks = JoinSet::new();
    for (number, space) in spaces.iter().cloned().enumerate() {
        let leecher = leecher.clone();
        tasks.spawn(async move { (number, one(&leecher, space, news).await) });
    }
    let mut found: Vec<Option<Result<Known, Error>>> = spaces.iter().map(|_| None).collect();
    let mut deadline = None;
    while let Some((number, known)) = next(&mut tasks, deadline).await {
        // Once there is an answer, the relays of other spaces hold it up no more than a moment.
        if news != News::All && known.is_ok() {
            deadline = deadline.or_else(|| Some(Instant::now() + DELTA));
        }
        found[number] = Some(known);
    }
    // Only if nothing can be said of any space is that the end.
    let any = found.iter().flatten().any(Result::is_ok);
    let mut all = Vec::new();
    for (space, known) in spaces.into_iter().zip(found) {
        all.push(match known {
            Some(Ok(known)) => known,
            Some(Err(error)) if alone || !any || error.is_disk() => return Err(error),
            Some(Err(error)) => without(leecher, space, error)?,
            None => late(leecher, space)?,
        });
    }
    Ok(all)
}

/// What the next task has to say; `None` when all have, or at `deadline`.
async fn next<T: 'static>(tasks: &mut JoinSet<T>, deadline: Option<Instant>) -> Option<T> {
    let next = tasks.join_next();
    let ended = match deadline {
        Some(deadline) => timeout_at(deadline, next).await.ok()?,
        None => next.await,
    };
    ended?.ok()
}

/// A space whose relay does not answer as it should, beside others.
fn without(leecher: &Leecher, space: SpaceState, error: Error) -> Result<Known, Error> {
    leecher.tell(Event::SpaceFailed { space: space.display_name(), error });
    known(leecher, space, None)
}

/// A space whose relay has not answered in the moment that it was given.
fn late(leecher: &Leecher, space: SpaceState) -> Result<Known, Error> {
    tell_age(leecher, &space, Stale::Late)?;
    Ok(Known { late: true, ..known(leecher, space, None)? })
}

async fn one(leecher: &Leecher, space: SpaceState, news: News) -> Result<Known, Error> {
    if news == News::None {
        return known(leecher, space, None);
    }
    let first = synced(leecher, &space)?.is_none();
    if first {
        let shown = LiveSpace::new(Arc::new(space));
        let connection = online(leecher, shown, Farewell::default()).await?;
        return known_of(leecher, connection);
    }
    let patience = if news == News::Wanted { DELTA } else { Duration::MAX };
    let Ok(dialled) = timeout(patience, dial(leecher, space.clone())).await else {
        return late(leecher, space);
    };
    let connected = match dialled {
        Ok(connected) => connected,
        // Whoever took the relay's place is not asked, which is no worse than a relay that is away; but it is told.
        Err(error) if news == News::Wanted && leecher.relay.is_none() && is_another(&error) => {
            leecher.tell(Event::AnotherRelay(error.into()));
            tell_age(leecher, &space, Stale::NotAsked)?;
            return known(leecher, space, None);
        }
        Err(error) => return without_relay(leecher, space, error.into()),
    };
    let shown = LiveSpace::new(Arc::new(space.clone()));
    match timeout(patience, updated(leecher, connected, shown)).await {
        Ok(Ok(connection)) => known_of(leecher, connection),
        Ok(Err(failure)) => without_relay(leecher, space, failure),
        Err(_) => late(leecher, space),
    }
}

/// What is known of a space whose relay is away; any other error stays one.
fn without_relay(leecher: &Leecher, space: SpaceState, error: Error) -> Result<Known, Error> {
    if !error.is_relays() {
        return Err(error);
    }
    tell_age(leecher, &space, Stale::Away(error))?;
    known(leecher, space, None)
}

/// Whether another relay answers at the relay's address.
const fn is_another(error: &sealift_transport::Error) -> bool {
    matches!(error, sealift_transport::Error::Dial { error: DialError::OtherKey { .. }, .. })
}

/// How long the relay may take where the local network is asked too.
const BESIDE_LAN: Duration = Duration::from_secs(2);

/// Connects the space that is `shown`, which shows it as it is from then on, and brings its catalogues up to date. Where its
/// relay has said `farewell`, that is heeded.
///
/// # Errors
/// When the relay cannot be reached within ten seconds or refuses, or the disk fails.
pub async fn online(
    leecher: &Leecher,
    shown: LiveSpace,
    mut farewell: Farewell,
) -> Result<Connection, Error> {
    farewell.turn(&*leecher.profile.platform().random).await;
    let space = SpaceState::clone(&shown.borrow());
    while let Some(place) = farewell.place() {
        let patience = Patience::AtMost(Farewell::MOVED);
        // One that is not there, or is another, is passed over.
        if let Ok(connected) = connect(leecher, space.clone(), &place, false, patience).await {
            return updated(leecher, connected, shown).await;
        }
    }
    updated(leecher, dial(leecher, space).await?, shown).await
}

async fn dial(leecher: &Leecher, space: SpaceState) -> Result<Connected, sealift_transport::Error> {
    let relay = relay_of(&leecher.profile, &space, leecher.relay.as_ref())?;
    let patience = if leecher.lan { BESIDE_LAN } else { GIVE_UP };
    connect(leecher, space, &relay, false, Patience::AtMost(patience)).await
}

/// Brings the catalogues of a connected space up to date.
async fn updated(
    leecher: &Leecher,
    connected: Connected,
    shown: LiveSpace,
) -> Result<Connection, Error> {
    let (online, heads, reading) = Online::start(leecher, connected, shown);
    let space = online.space().id();
    let progress = |done, total| leecher.tell(Event::Syncing { space, done, total });
    let synced = Sync::new(leecher, &online, &progress)?.run(&heads).await?;
    leecher.tell(Event::Synced(space));
    // A catalogue that could not be had is no reason to take the others for everything there is.
    if synced.failed == 0 {
        note_synced(leecher, &online.space());
    }
    Ok(Connection { online, reading, short: synced.short })
}

fn known_of(leecher: &Leecher, connection: Connection) -> Result<Known, Error> {
    let space = SpaceState::clone(&connection.online.space());
    known(leecher, space, Some(connection))
}

fn known(
    leecher: &Leecher,
    space: SpaceState,
    connection: Option<Connection>,
) -> Result<Known, Error> {
    let members = Members::load(&leecher.profile, &space, leecher.now())?;
    let views = views(leecher, &space, &members)?;
    Ok(Known { space, members, views, connection, late: false })
}

/// The catalogues of those who may offer files now. One that is damaged is told and left out: the next sync builds it anew.
pub(crate) fn views(
    leecher: &Leecher,
    space: &SpaceState,
    members: &Members,
) -> Result<Vec<LogView>, Error> {
    let root = leecher.profile.cache().root();
    let logs = replica::logs(&**root, &space.id()).map_err(|error| copies(leecher, error))?;
    let mut views = Vec::new();
    let offers = |device: &DeviceId| {
        members.get(device).is_some_and(|member| member.membership.role.allows(Role::OFFER))
    };
    for key in logs.into_iter().filter(|key| offers(&key.device)) {
        match LogView::open(root, &key) {
            Ok(view) => views.extend(view),
            Err(ReplicaError::Corrupt(_)) => forget(leecher, &key)?,
            Err(ReplicaError::Disk(error)) => return Err(copies(leecher, error)),
        }
    }
    Ok(views)
}

/// Forgets the copy of a catalogue, which is damaged: the next sync builds it anew.
///
/// # Errors
/// When the disk does not take it.
pub fn forget(leecher: &Leecher, key: &LogKey) -> Result<(), Error> {
    leecher.tell(Event::Damaged(key.device));
    replica::forget(leecher.profile.cache().root(), key).map_err(|error| copies(leecher, error))
}

fn copies(leecher: &Leecher, error: io::Error) -> Error {
    Error::Copies { place: leecher.profile.cache().place("replica"), error }
}

/// That reading the replica failed. A catalogue that is damaged is found and forgotten, so that trying again helps.
pub fn unreadable<'v>(
    leecher: &Leecher,
    views: impl IntoIterator<Item = &'v LogView>,
    error: ReplicaError,
) -> Error {
    for view in views {
        let read = view.entries("").and_then(|mut entries| entries.try_for_each(|e| e.map(drop)));
        if matches!(read, Err(ReplicaError::Corrupt(_))) && forget(leecher, view.key()).is_err() {
            break;
        }
    }
    Error::Unreadable(error)
}

fn synced_path(space: &SpaceState) -> String {
    format!("spaces/{}/synced.json", space.id().short())
}

/// When the catalogues were last compared with the relay's, unix seconds.
///
/// # Errors
/// When the profile is damaged or cannot be read.
pub fn synced(this: &ThisDevice, space: &SpaceState) -> Result<Option<u64>, FileError> {
    let file: Option<SyncedFile> = this.profile.folder().read(&synced_path(space))?;
    Ok(file.map(|file| file.time))
}

/// Where it cannot be written, the age that is told later is too high, and nothing worse.
fn note_synced(leecher: &Leecher, space: &SpaceState) {
    let now = leecher.now();
    let fresh = |time: u64| now.saturating_sub(time) < SYNCED_STEP;
    if synced(leecher, space).is_ok_and(|time| time.is_some_and(fresh)) {
        return;
    }
    let written =
        leecher.profile.folder().write(&synced_path(space), &SyncedFile { time: now }, true);
    if let Err(error) = written {
        leecher.unwritten(Arc::new(error.into()));
    }
}

fn tell_age(leecher: &Leecher, space: &SpaceState, why: Stale) -> Result<(), Error> {
    let age = synced(leecher, space)?.map(|time| leecher.now().saturating_sub(time));
    leecher.tell(Event::Stale { space: space.display_name(), why, age });
    Ok(())
}
