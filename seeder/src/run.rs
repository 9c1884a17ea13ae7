//! A seeder from its first line to its end.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_command::escape::{escape, escape_path};
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_command::program;
use sealift_platform::disk::Lock;
use sealift_platform::service::State;
use sealift_platform::{Platform, private};
use sealift_proto::space::Label;
use sealift_space::profile::Profile;
use sealift_space::profile::space::SpaceState;
use sealift_transport::direct::Direct;
use sealift_transport::path::Allowed;
use tokio::sync::watch as signal;
use tokio::time::timeout;

use crate::activity::{Activity, Teller};
use crate::catalogue::log::{Log, LogError};
use crate::catalogue::publish::Publication;
use crate::config::{Config, folders};
use crate::engine::{Engine, Handle};
use crate::folder::Folders;
use crate::holdings::Offered;
use crate::manager::Manager;
use crate::online::{Live, Online, author};
use crate::progress::Progress;
use crate::session::Library;
use crate::sharing;
use crate::status::{Source, answer};
use sealift_content::hashes::cache::Cache;
use sealift_content::serve::Ways;

/// How long the relay may take at the end to get what is known.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Offers folders until `shutdown` is done.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(
    platform: Platform,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Failure> {
    let folders = folders(&*platform.disk, &config.home, &config.watch);
    // A disk that is not there yet is no slip of a person, where nobody has just typed its name.
    let absent = |failure: Failure| Failure { exit: Exit::Disk, ..failure };
    let folders = if config.remembered { folders.map_err(absent)? } else { folders? };
    let profile = Profile::open(&platform, &config.home)?;
    let _lock = lock(&profile)?;
    let speaker = Speaker::new(profile, config.console.clone())?.limited(config.limit).staying();
    if let Some(name) = &config.name {
        speaker.profile.choose_name(name)?;
    }
    speaker.bear(sharing::remember(&speaker.profile, &config))?;
    let (space, is_new) = space(&speaker, &config)?;
    greet(&speaker, &space, is_new, &folders)?;
    let (stop, stopped) = signal::channel(false);
    let (end, ending) = signal::channel(false);
    let started = start(&platform, &config, &speaker, &space, folders, [&stopped, &ending]).await?;
    let Started { engine, progress, online, source } = started;
    let direct = online.ways.direct.clone();
    let manager = Manager::of_environment(config.answers_status);
    manager.tell(State::Ready);
    let profile = config.home.profile.clone();
    let answering = async {
        if config.answers_status
            && let Err(error) = answer(&profile, source).await
        {
            tracing::debug!(%error, "`seeder status` cannot ask this seeder");
        }
        std::future::pending::<()>().await;
    };
    let running = online.run(space, ending);
    tokio::pin!(running);
    let failed = tokio::select! {
        result = &mut running => Some(result),
        () = shutdown => None,
        () = answering => None,
    };
    manager.tell(State::Stopping);
    let result = match failed {
        Some(result) => result,
        None => {
            // Nobody is told only if it has ended already. What is not published by then is found at the next start.
            let _ = end.send(true);
            timeout(LAST_WORDS, running).await.unwrap_or(Ok(()))
        }
    };
    // Nobody is told only if both have ended already.
    let _ = stop.send(true);
    if let Some(direct) = direct {
        direct.close().await;
    }
    let _ = engine.await;
    progress.abort();
    result
}

struct Started {
    engine: tokio::task::JoinHandle<()>,
    progress: tokio::task::JoinHandle<()>,
    online: Online,
    source: Source,
}

async fn start(
    platform: &Platform,
    config: &Config,
    speaker: &Speaker,
    space: &SpaceState,
    folders: Folders,
    [stopped, ending]: [&signal::Receiver<bool>; 2],
) -> Result<Started, Failure> {
    let (teller, heard) = Teller::new();
    let cache = Arc::new(open_cache(platform, config, &teller).await?);
    let log = open_log(speaker, space).await?;
    let (engine, inbox, handle) =
        Engine::new(platform.clone(), folders, cache, config.watching, teller.clone());
    let engine = tokio::spawn(engine.run(inbox, stopped.clone()));
    let shared = handle.shared.clone();
    let progress = Progress::new(config.console.clone(), shared.clone());
    let progress = tokio::spawn(progress.run(heard));
    let online = online(speaker, config, handle, log, teller, ending.clone());
    let source = Source {
        space: space.id().short(),
        shared,
        live: online.live.clone(),
        sent: online.library.sent.clone(),
    };
    Ok(Started { engine, progress, online, source })
}

fn online(
    speaker: &Speaker,
    config: &Config,
    engine: Handle,
    log: Log,
    teller: Teller,
    ending: signal::Receiver<bool>,
) -> Online {
    let log = Arc::new(Mutex::new(log));
    let head = Arc::new(Mutex::new(Vec::new()));
    let publication = Publication {
        shared: engine.shared.clone(),
        log: log.clone(),
        published: head.clone(),
        clock: speaker.profile.platform().clock.clone(),
        teller: teller.clone(),
        ending,
    };
    let platform = speaker.profile.platform();
    let direct = (config.path != Allowed::Relay).then(|| Direct::new(platform.clone()));
    Online {
        speaker: speaker.clone(),
        relay: config.relay.clone(),
        publication,
        ways: Ways { allowed: config.path, direct },
        lan: config.lan,
        library: Library {
            holdings: Arc::new(Offered { engine, log }),
            head,
            swarm: Arc::default(),
            sent: Arc::default(),
            teller: teller.clone(),
        },
        teller,
        live: Arc::new(Mutex::new(Live::default())),
    }
}

async fn open_cache(
    platform: &Platform,
    config: &Config,
    teller: &Teller,
) -> Result<Cache, Failure> {
    let (disk, place) = (platform.disk.clone(), config.home.cache.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let root = private::open(&*disk, &place)
            .map_err(|error| Failure::disk(place.display(), &error))?;
        Ok::<_, Failure>(Cache::open(&root))
    });
    let (cache, problem) = opened.await.map_err(|_| ended())??;
    if let Some(problem) = problem {
        teller.tell(Activity::Warning(format!("remembered hashes: {problem}")));
    }
    Ok(cache)
}

async fn open_log(speaker: &Speaker, space: &SpaceState) -> Result<Log, Failure> {
    let author = author(speaker, space);
    let folder = speaker.profile.folder().clone();
    let within = format!("spaces/{}", space.id().short());
    let opened = tokio::task::spawn_blocking(move || Log::open(author, &folder, &within));
    opened.await.map_err(|_| ended())?.map_err(|error| match error {
        LogError::Profile(error) => error.into(),
        LogError::Head(error) => Failure::from(error)
            .next("restore it from a backup, or remove it: then the seeder goes on behind what the relay has"),
        error => Failure::new(Exit::Disk, "the catalogue in the profile cannot be used").why(error),
    })
}

fn ended() -> Failure {
    Failure::new(Exit::Other, "a part of the program ended early")
}

/// Takes the profile for this seeder.
fn lock(profile: &Profile) -> Result<Box<dyn Lock>, Failure> {
    let Some(lock) = profile.lock_seeder()? else {
        let holder = private::holder(&**profile.folder().root(), "seeder.lock".as_ref());
        let who = if holder.is_empty() { String::new() } else { format!(" ({})", escape(&holder)) };
        return Err(Failure::new(
            Exit::Other,
            format!("another seeder runs on this profile already{who}"),
        )
        .next("end it first and start one that watches all folders, or give this one a --home of its own"));
    };
    // Only the words for the next one depend on it.
    let _ = private::describe(&*lock);
    Ok(lock)
}

/// The space to offer in; a new one if the profile has none. True if it is new. Which relay was asked for is kept first, so that
/// no other program of this profile takes another.
fn space(speaker: &Speaker, config: &Config) -> Result<(SpaceState, bool), Failure> {
    let asked = config.space.as_deref();
    let keep = |space: &SpaceState| match &config.relay {
        Some(relay) => speaker.profile.ask_relay(&space.id(), relay),
        None => Ok(()),
    };
    if !speaker.profile.spaces()?.is_empty() {
        let space = speaker.profile.one_space(asked)?;
        speaker.bear(keep(&space))?;
        return Ok((space, false));
    }
    let device_name = speaker.profile.device_name()?;
    let name = asked.unwrap_or_else(|| device_name.as_str().split('@').next().unwrap_or("files"));
    let name = Label::new(name).ok_or_else(|| {
        Failure::new(Exit::Usage, "a space cannot have this name")
            .why("a name has 1 to 64 bytes and no control characters")
    })?;
    let random = &*speaker.profile.platform().random;
    let device = speaker.device.key.id();
    let space = SpaceState::create(random, speaker.now(), &device, name, Vec::new())
        .map_err(|error| Failure::new(Exit::Other, "cannot make a space").why(error))?;
    keep(&space)?;
    speaker.profile.save_space(&space)?;
    Ok((space, true))
}

/// The first lines, before anything that takes time.
fn greet(
    speaker: &Speaker,
    space: &SpaceState,
    is_new: bool,
    folders: &Folders,
) -> Result<(), Failure> {
    let name = space.display_name();
    let console = &speaker.console;
    if is_new {
        console.note(
            format!(
                "new space {name}; to share into an existing one: {} join INVITE",
                program::sharer()
            ),
            &Event::NewSpace { name: name.clone(), id: space.id().short() },
        );
    }
    let device = speaker.profile.device_name()?;
    let device = escape(device.as_str()).into_owned();
    for (_, folder) in folders.iter() {
        let (place, offered) = (escape_path(&folder.dir), escape(folder.name.as_str()));
        console.note(
            format!("sharing {place} as {offered} in the space {name}; this device is {device}"),
            &Event::Sharing {
                folder: place.clone(),
                name: offered.clone().into_owned(),
                space: name.clone(),
                device: device.clone(),
            },
        );
    }
    Ok(())
}
