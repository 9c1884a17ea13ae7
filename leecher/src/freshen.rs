//! Catalogues brought up to date before a command looks at them.

use std::sync::Arc;
use std::time::Duration;

use sealift_command::args::CommonArgs;
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::human;
use sealift_command::people::speaker::Speaker;
use sealift_proto::identity::DeviceId;
use sealift_proto::space::Role;
use sealift_space::members::Members;
use sealift_space::profile::file::Kept;
use sealift_space::profile::space::SpaceState;
use sealift_transport::Error;
use sealift_transport::connect::{Connected, GIVE_UP, Patience, connect, relay_of};
use sealift_transport::control::DialError;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use crate::online::{Online, Reading};
use crate::progress::SyncBar;
use crate::replica::{self, LogKey, LogView, ReplicaError};
use crate::sync::{Sync, status, tell_unwritten};

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
    pub short: Option<Failure>,
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

/// What is known of each space that `common` names, with `news` from the relay first. A relay that cannot be reached is told, with the age of what is known.
///
/// # Errors
/// When nothing is known yet and the relay cannot be reached, when the relay refuses, or when the disk fails.
pub async fn freshen(
    speaker: &Speaker,
    common: &CommonArgs,
    news: News,
) -> Result<Vec<Known>, Failure> {
    let spaces = speaker.profile.spaces_named(common.space.as_deref())?;
    let alone = spaces.len() == 1;
    let mut tasks = JoinSet::new();
    for (number, space) in spaces.iter().cloned().enumerate() {
        let (speaker, common) = (speaker.clone(), common.clone());
        tasks.spawn(async move { (number, one(&speaker, &common, space, news).await) });
    }
    let mut found: Vec<Option<Result<Known, Failure>>> = spaces.iter().map(|_| None).collect();
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
            Some(Err(failure)) if alone || !any || failure.exit == Exit::Disk => {
                return Err(failure);
            }
            Some(Err(failure)) => without(speaker, space, &failure)?,
            None => late(speaker, space)?,
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
fn without(speaker: &Speaker, space: SpaceState, failure: &Failure) -> Result<Known, Failure> {
    let why = failure.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let name = space.display_name();
    speaker.console.warn(format!("the space {name}: {}{why}", failure.what), &failure.event());
    known(speaker, space, None)
}

/// A space whose relay has not answered in the moment that it was given.
fn late(speaker: &Speaker, space: SpaceState) -> Result<Known, Failure> {
    tell_age(speaker, &space, "the relay has not answered within 1 s")?;
    Ok(Known { late: true, ..known(speaker, space, None)? })
}

async fn one(
    speaker: &Speaker,
    common: &CommonArgs,
    space: SpaceState,
    news: News,
) -> Result<Known, Failure> {
    if news == News::None {
        return known(speaker, space, None);
    }
    let first = synced(speaker, &space)?.is_none();
    if first {
        let connection = online(speaker, common, space.clone()).await?;
        return known(speaker, connection.online.space().clone(), Some(connection));
    }
    let patience = if news == News::Wanted { DELTA } else { Duration::MAX };
    let Ok(dialled) = timeout(patience, dial(speaker, common, space.clone())).await else {
        return late(speaker, space);
    };
    let connected = match dialled {
        Ok(connected) => connected,
        // Whoever took the relay's place is not asked, which is no worse than a relay that is away; but it is told.
        Err(error) if news == News::Wanted && common.relay.is_none() && is_another(&error) => {
            tell_another(speaker, &error.into());
            tell_age(speaker, &space, "it was not asked")?;
            return known(speaker, space, None);
        }
        Err(error) => return without_relay(speaker, space, error.into()),
    };
    match timeout(patience, updated(speaker, connected)).await {
        Ok(Ok(connection)) => known(speaker, connection.online.space().clone(), Some(connection)),
        Ok(Err(failure)) => without_relay(speaker, space, failure),
        Err(_) => late(speaker, space),
    }
}

/// What is known of a space whose relay is away; any other failure stays one.
fn without_relay(speaker: &Speaker, space: SpaceState, failure: Failure) -> Result<Known, Failure> {
    if failure.exit != Exit::Relay {
        return Err(failure);
    }
    tell_age(speaker, &space, &failure.what)?;
    known(speaker, space, None)
}

/// Whether another relay answers at the relay's address.
const fn is_another(error: &Error) -> bool {
    matches!(error, Error::Dial { error: DialError::OtherKey { .. }, .. })
}

fn tell_another(speaker: &Speaker, failure: &Failure) {
    let next = failure.next.as_ref().map(|next| format!("; {next}")).unwrap_or_default();
    speaker.console.warn(format!("{}{next}", failure.in_one_line()), &failure.event());
}

/// How long the relay may take where the local network is asked too.
const BESIDE_LAN: Duration = Duration::from_secs(2);

/// Connects `space` and brings its catalogues up to date.
///
/// # Errors
/// When the relay cannot be reached within ten seconds or refuses, or the disk fails.
pub async fn online(
    speaker: &Speaker,
    common: &CommonArgs,
    space: SpaceState,
) -> Result<Connection, Failure> {
    updated(speaker, dial(speaker, common, space).await?).await
}

async fn dial(
    speaker: &Speaker,
    common: &CommonArgs,
    space: SpaceState,
) -> Result<Connected, Error> {
    let relay = relay_of(&speaker.profile, &space, common.relay.as_ref())?;
    let patience = if speaker.lan { BESIDE_LAN } else { GIVE_UP };
    connect(speaker, space, &relay, false, Patience::AtMost(patience)).await
}

/// Brings the catalogues of a connected space up to date.
async fn updated(speaker: &Speaker, connected: Connected) -> Result<Connection, Failure> {
    let (online, heads, reading) = Online::start(speaker, connected);
    let bar = SyncBar::new(&speaker.console);
    let synced =
        Sync::new(speaker, &online, &|done, total| bar.set(done, total))?.run(&heads).await?;
    bar.end();
    // A catalogue that could not be had is no reason to take the others for everything there is.
    if synced.failed == 0 {
        note_synced(speaker, online.space());
    }
    Ok(Connection { online, reading, short: synced.short })
}

fn known(
    speaker: &Speaker,
    space: SpaceState,
    connection: Option<Connection>,
) -> Result<Known, Failure> {
    let members = Members::load(&speaker.profile, &space, speaker.now())?;
    let views = views(speaker, &space, &members)?;
    Ok(Known { space, members, views, connection, late: false })
}

/// The catalogues of those who may offer files now. One that is damaged is told and left out: the next sync builds it anew.
pub(crate) fn views(
    speaker: &Speaker,
    space: &SpaceState,
    members: &Members,
) -> Result<Vec<LogView>, Failure> {
    let root = speaker.profile.cache().root();
    let logs = replica::logs(&**root, &space.id()).map_err(|error| {
        Failure::disk(speaker.profile.cache().place("replica").display(), &error)
    })?;
    let mut views = Vec::new();
    let offers = |device: &DeviceId| {
        members.get(device).is_some_and(|member| member.membership.role.allows(Role::OFFER))
    };
    for key in logs.into_iter().filter(|key| offers(&key.device)) {
        match LogView::open(root, &key) {
            Ok(view) => views.extend(view),
            Err(ReplicaError::Corrupt(_)) => forget(speaker, &key)?,
            Err(ReplicaError::Disk(error)) => {
                return Err(Failure::disk(
                    speaker.profile.cache().place("replica").display(),
                    &error,
                ));
            }
        }
    }
    Ok(views)
}

/// Forgets the copy of a catalogue, which is damaged: the next sync builds it anew.
pub(crate) fn forget(speaker: &Speaker, key: &LogKey) -> Result<(), Failure> {
    speaker.console.warn(
        format!(
            "the local copy of the catalogue of {} is damaged; it is left out, and built anew by the next sync",
            key.device
        ),
        &Event::Damaged { what: "catalogue".into(), device: key.device.short() },
    );
    replica::forget(speaker.profile.cache().root(), key)
        .map_err(|error| Failure::disk(speaker.profile.cache().place("replica").display(), &error))
}

/// Why reading the replica failed, in words. A catalogue that is damaged is found and forgotten, so that trying again helps.
pub(crate) fn unreadable<'v>(
    speaker: &Speaker,
    views: impl IntoIterator<Item = &'v LogView>,
    error: &ReplicaError,
) -> Failure {
    for view in views {
        let read = view.entries("").and_then(|mut entries| entries.try_for_each(|e| e.map(drop)));
        if matches!(read, Err(ReplicaError::Corrupt(_))) && forget(speaker, view.key()).is_err() {
            break;
        }
    }
    Failure::new(Exit::Disk, "the local copy of the catalogues cannot be read")
        .why(error)
        .next("run the same command again: it fetches the catalogue anew")
}

fn synced_path(space: &SpaceState) -> String {
    format!("spaces/{}/synced.json", space.id().short())
}

/// When the catalogues were last compared with the relay's, unix seconds.
///
/// # Errors
/// When the profile is damaged or cannot be read.
pub fn synced(speaker: &Speaker, space: &SpaceState) -> Result<Option<u64>, Failure> {
    let file: Option<SyncedFile> = speaker.profile.folder().read(&synced_path(space))?;
    Ok(file.map(|file| file.time))
}

/// Where it cannot be written, the age that is told later is too high, and nothing worse.
fn note_synced(speaker: &Speaker, space: &SpaceState) {
    let now = speaker.now();
    let fresh = |time: u64| now.saturating_sub(time) < SYNCED_STEP;
    if synced(speaker, space).is_ok_and(|time| time.is_some_and(fresh)) {
        return;
    }
    let written =
        speaker.profile.folder().write(&synced_path(space), &SyncedFile { time: now }, true);
    if let Err(error) = written {
        tell_unwritten(speaker, &error.into());
    }
}

/// Why a command that finds nothing cannot say that there is nothing; `missing` where there is no other reason.
pub(crate) fn excuse(spaces: &[Known], missing: Failure) -> Failure {
    let connections = spaces.iter().filter_map(|known| known.connection.as_ref());
    let short = connections.filter_map(|connection| connection.short.as_ref()).next();
    match short {
        None => missing,
        Some(short) => {
            let why = short.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
            let reason = format!("{}{why}", short.what);
            let next = short.next.clone().or_else(|| missing.next.clone());
            Failure { exit: short.exit, why: Some(reason), next, ..missing }
        }
    }
}

fn tell_age(speaker: &Speaker, space: &SpaceState, why: &str) -> Result<(), Failure> {
    let Some(time) = synced(speaker, space)? else {
        let event =
            Event::Stale { space: space.display_name(), why: why.into(), age_seconds: None };
        speaker
            .console
            .note(format!("{why}; nothing is known of {} yet", space.display_name()), &event);
        return Ok(());
    };
    let seconds = speaker.now().saturating_sub(time);
    speaker.console.note(
        format!("{why}; this is what was known {}", human::age(seconds)),
        &Event::Stale { space: space.display_name(), why: why.into(), age_seconds: Some(seconds) },
    );
    Ok(())
}

/// Tells which seeders still read their files, so that an empty answer is not taken for the whole truth.
pub fn tell_unread(speaker: &Speaker, known: &Known) {
    for view in &known.views {
        let Some((head, status)) = status(known.space.keys(), &view.state().head) else { continue };
        if status.waiting == 0 && !status.scanning {
            continue;
        }
        let who = known.members.display_name(&head.device);
        let serves = known.connection.as_ref().map(|of| of.online.serves(&head.device));
        let how_far = match (status.scanning, status.waiting) {
            (true, _) => format!("{} found so far", human::count(status.files, "file")),
            (false, waiting) => {
                format!("{waiting} of {} not read yet", human::count(status.files, "file"))
            }
        };
        let words = match serves {
            Some(false) => {
                format!("{who} is away, and was still reading when it was last here: {how_far}")
            }
            _ => format!("{who} is still reading: {how_far}"),
        };
        let event = Event::Reading {
            seeder: Some(who),
            serving: serves,
            waiting: status.waiting,
            files: status.files,
            scanning: status.scanning,
            bytes_per_second: None,
        };
        speaker.console.note(words, &event);
    }
}
