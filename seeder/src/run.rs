//! A seeder from its first line to its end.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_platform::disk::Lock;
use sealift_platform::service::State;
use sealift_platform::{Platform, private};
use sealift_proto::space::Label;
use sealift_space::profile::Profile;
use sealift_space::profile::space::SpaceState;
use sealift_transport::device::ThisDevice;
use sealift_transport::direct::Direct;
use sealift_transport::notice::Reporter;
use sealift_transport::path::Allowed;
use tokio::sync::watch as signal;
use tokio::time::timeout;

use crate::activity::{Activity, Teller};
use crate::agent::{self, Agent, Front};
use crate::catalogue::log::Log;
use crate::catalogue::publish::Publication;
use crate::config::{Config, folders};
use crate::engine::{Engine, Handle};
use crate::error::Error;
use crate::folder::{Folder, Folders};
use crate::holdings::Offered;
use crate::manager::Manager;
use crate::online::{Live, Online, author};
use crate::session::Library;
use crate::status::Source;
use sealift_content::hashes::cache::Cache;
use sealift_content::serve::Ways;

/// How long the relay may take at the end to get what is known.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// A seeder that holds its profile's lock and has all that it was asked looked at, but does nothing yet.
pub struct Seeder {
    /// This device.
    pub this: ThisDevice,
    /// What it is asked to do.
    pub config: Config,
    folders: Folders,
    teller: Teller,
    _lock: Box<dyn Lock>,
}

impl Seeder {
    /// Looks whether what `config` asks for can be done, and takes the profile for this process. Notices go to `reporter`, all
    /// else that happens to `teller`.
    ///
    /// # Errors
    /// When a folder cannot be shared, another seeder runs on the profile, or the profile cannot be used.
    pub fn open(
        platform: &Platform,
        config: Config,
        reporter: Reporter,
        teller: Teller,
    ) -> Result<Self, Error> {
        let folders = folders(&*platform.disk, &config.home, &config.watch);
        let folders =
            if config.remembered { folders.map_err(Error::Remembered)? } else { folders? };
        let profile = Profile::open(platform, &config.home)?;
        let lock = lock(&profile)?;
        let this = ThisDevice::new(profile, reporter)?.limited(config.limit).staying();
        if let Some(name) = &config.name {
            this.profile.choose_name(name)?;
        }
        Ok(Self { this, config, folders, teller, _lock: lock })
    }

    /// Offers the folders until `shutdown` is done, or another process of this user asks it to end. Others hear by `front`.
    ///
    /// # Errors
    /// What no waiting mends.
    pub async fn run(
        self,
        front: Arc<dyn Front>,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), Error> {
        let Self { this, config, folders, teller, _lock } = self;
        let (space, is_new) = space(&this, &config)?;
        greet(&this, &space, is_new, &folders, &teller)?;
        work(&config, &this, space, folders, &teller, front, shutdown).await
    }
}

async fn work(
    config: &Config,
    this: &ThisDevice,
    space: SpaceState,
    folders: Folders,
    teller: &Teller,
    front: Arc<dyn Front>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let (stop, stopped) = signal::channel(false);
    let (end, ending) = signal::channel(false);
    let started = start(config, this, &space, folders, teller, [&stopped, &ending]).await?;
    let Started { engine, handle, online, source } = started;
    let direct = online.ways.direct.clone();
    let manager = Manager::of_environment(config.answers_status);
    manager.tell(State::Ready);
    let agent = Agent::new(agent::Parts {
        config: config.clone(),
        this: this.clone(),
        engine: handle,
        source,
        teller: teller.clone(),
        front,
    });
    let answering = async {
        if config.answers_status
            && let Err(error) = agent::serve(&config.home.profile, agent.clone()).await
        {
            tracing::debug!(%error, "no other process can ask this seeder");
        }
        std::future::pending::<()>().await;
    };
    let running = online.run(space, ending);
    tokio::pin!(running);
    let failed = tokio::select! {
        result = &mut running => Some(result),
        () = shutdown => None,
        () = agent.stopped() => None,
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
    result
}

struct Started {
    engine: tokio::task::JoinHandle<()>,
    handle: Handle,
    online: Online,
    source: Source,
}

async fn start(
    config: &Config,
    this: &ThisDevice,
    space: &SpaceState,
    folders: Folders,
    teller: &Teller,
    [stopped, ending]: [&signal::Receiver<bool>; 2],
) -> Result<Started, Error> {
    let platform = this.profile.platform();
    let cache = Arc::new(open_cache(platform, config, teller).await?);
    let log = open_log(this, space).await?;
    let (engine, inbox, handle) =
        Engine::new(platform.clone(), folders, cache, config.watching, teller.clone());
    let engine = tokio::spawn(engine.run(inbox, stopped.clone()));
    let shared = handle.shared.clone();
    teller.tell(Activity::Started(shared.clone()));
    let online = online(this, config, handle.clone(), log, teller.clone(), ending.clone());
    let source = Source {
        space: space.id().short(),
        space_name: space.display_name(),
        shared,
        live: online.live.clone(),
        sent: online.library.sent.clone(),
    };
    Ok(Started { engine, handle, online, source })
}

fn online(
    this: &ThisDevice,
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
        clock: this.profile.platform().clock.clone(),
        teller: teller.clone(),
        ending,
    };
    let platform = this.profile.platform();
    let direct = (config.path != Allowed::Relay).then(|| Direct::new(platform.clone()));
    Online {
        this: this.clone(),
        relay: config.relay.clone(),
        publication,
        ways: Ways { allowed: config.path, direct },
        lan: config.lan,
        invites: config.invites,
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

async fn open_cache(platform: &Platform, config: &Config, teller: &Teller) -> Result<Cache, Error> {
    let (disk, place) = (platform.disk.clone(), config.home.cache.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let root = private::open(&*disk, &place).map_err(|error| Error::Cache { place, error })?;
        Ok::<_, Error>(Cache::open(&root))
    });
    let (cache, problem) = opened.await.map_err(|_| Error::Ended)??;
    if let Some(problem) = problem {
        teller.tell(Activity::HashesLost(problem));
    }
    Ok(cache)
}

async fn open_log(this: &ThisDevice, space: &SpaceState) -> Result<Log, Error> {
    let author = author(this, space);
    let folder = this.profile.folder().clone();
    let within = format!("spaces/{}", space.id().short());
    let opened = tokio::task::spawn_blocking(move || Log::open(author, &folder, &within));
    opened.await.map_err(|_| Error::Ended)?.map_err(Error::Catalogue)
}

/// Takes the profile for this seeder.
fn lock(profile: &Profile) -> Result<Box<dyn Lock>, Error> {
    let Some(lock) = profile.lock_seeder()? else {
        let holder = private::holder(&**profile.folder().root(), "seeder.lock".as_ref());
        return Err(Error::Running { holder });
    };
    // Only the words for the next one depend on it.
    let _ = private::describe(&*lock);
    Ok(lock)
}

/// The space to offer in; a new one if the profile has none. True if it is new. Which relay was asked for is kept first, so that
/// no other program of this profile takes another.
fn space(this: &ThisDevice, config: &Config) -> Result<(SpaceState, bool), Error> {
    let asked = config.space.as_deref();
    let keep = |space: &SpaceState| match &config.relay {
        Some(relay) => this.profile.ask_relay(&space.id(), relay),
        None => Ok(()),
    };
    if !this.profile.spaces()?.is_empty() {
        let space = this.profile.one_space(asked)?;
        this.bear(keep(&space))?;
        return Ok((space, false));
    }
    let device_name = this.profile.device_name()?;
    let name = asked.unwrap_or_else(|| device_name.as_str().split('@').next().unwrap_or("files"));
    let name = Label::new(name).ok_or(Error::SpaceName)?;
    let random = &*this.profile.platform().random;
    let device = this.device.key.id();
    let space = SpaceState::create(random, this.now(), &device, name, Vec::new())
        .map_err(Error::NewSpace)?;
    keep(&space)?;
    this.profile.save_space(&space)?;
    Ok((space, true))
}

/// The first that is told, before anything that takes time.
fn greet(
    this: &ThisDevice,
    space: &SpaceState,
    is_new: bool,
    folders: &Folders,
    teller: &Teller,
) -> Result<(), Error> {
    let name = space.display_name();
    if is_new {
        teller.tell(Activity::NewSpace { name: name.clone(), id: space.id() });
    }
    for (_, folder) in folders.all() {
        tell_sharing(this, &name, &folder, teller)?;
    }
    Ok(())
}

/// Tells that `folder` is shared in the space called `space`.
pub(crate) fn tell_sharing(
    this: &ThisDevice,
    space: &str,
    folder: &Folder,
    teller: &Teller,
) -> Result<(), Error> {
    teller.tell(Activity::Sharing {
        place: folder.place(),
        name: folder.name.as_str().to_owned(),
        space: space.to_owned(),
        device: this.profile.device_name()?.as_str().to_owned(),
    });
    Ok(())
}
