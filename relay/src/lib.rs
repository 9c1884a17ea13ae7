//! The blind relay of Sealift: it carries what it cannot read, and keeps what it cannot open.
//!
//! ```text
//! conn         the Hello, and what follows           switchboard   who may reach whom (pure)
//! conn/control what each message does                outbox        what waits to be sent
//! hub          what all connections share            store         what is on disk
//! splice       the bytes of links                    limits        every number
//! ```
//!
//! What stands between its listeners and strangers is `sealift_server`.

pub mod command;
mod config;
mod conn;
mod exposition;
mod handle;
mod home;
mod hub;
mod limits;
mod links;
mod metrics;
mod outbox;
mod probes;
pub mod report;
mod splice;
mod store;
mod switchboard;
#[cfg(test)]
mod testing;
mod udp;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use sealift_platform::Platform;
use sealift_platform::disk::Lock;
use sealift_platform::net::Listener;
use sealift_proto::control::Refusal;
use sealift_proto::text::base32;
use sealift_server::identity::Identity;
use sealift_server::{Program, accept};

pub use handle::Handle;
pub use limits::{InForce, Limits};
pub use sealift_server::admission::Allowed;
pub use sealift_server::identity::KeyError;
pub use sealift_server::limits::{Entry, LimitError, Unit};
pub use sealift_server::tokens::{TokenError, Tokens};

use conn::Door;
use home::Home;
use hub::Hub;
use store::Closing;

/// What it is called.
pub(crate) const PROGRAM: Program = Program { name: "relay", detail: "sealift_relay=debug" };

/// How often time is looked at.
const TICK: Duration = Duration::from_secs(1);
/// A link on which nothing has moved for so long need not be waited for at the end.
const QUIET: Duration = Duration::from_secs(5);
/// How often old invites are forgotten, in ticks.
const SWEEP: u32 = 600;

/// How often it is kept on disk how much links have carried, in ticks: a power cut gives so much away.
const KEEP: u32 = 30;

/// What a relay is told.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Folder that it keeps everything in; made if missing.
    pub home: PathBuf,
    /// Its limits.
    pub limits: Limits,
    /// Which spaces it carries; nothing means all.
    pub allowed: Allowed,
}

/// Why a relay does not run.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The home cannot be used.
    #[error("cannot use the folder {0}: {1}")]
    Home(PathBuf, io::Error),
    /// Another relay runs on the same home.
    #[error(
        "another relay ({1}) uses {0}; stop it, or give this one a home of its own with --home"
    )]
    InUse(PathBuf, String),
    /// Its key is missing or damaged.
    #[error("{0}: {1}")]
    Key(PathBuf, KeyError),
    /// Its store is damaged or cannot be read.
    #[error(
        "the store {0} cannot be used: {1}. Check its disk and whose file it is. If it is moved away, devices publish again when they \
         connect, and open invites are lost"
    )]
    Store(PathBuf, String),
    /// A task ended by itself.
    #[error("the relay failed within")]
    Failed,
}

impl RelayError {
    /// Whether the local disk is what is wrong.
    #[must_use]
    pub const fn is_disk(&self) -> bool {
        matches!(self, Self::Home(..) | Self::Key(..) | Self::Store(..))
    }
}

/// A relay with its key and store open, which does not listen yet.
pub struct Relay {
    hub: Arc<Hub>,
    identity: Identity,
    closing: Closing,
    lock: Box<dyn Lock>,
}

impl Relay {
    /// Opens the relay's home; the first time, makes its key.
    ///
    /// # Errors
    /// When the home is in use or cannot be used. A damaged store is set aside, with words in the log, for an empty one; a damaged
    /// or missing key is never replaced by a new one.
    pub async fn open(platform: Platform, config: Config) -> Result<Self, RelayError> {
        let limits = InForce::new(config.limits);
        let Home { store, closing, identity, lock } =
            Home::open(&platform, &config.home, limits.clone()).await?;
        let pin = base32(&identity.pin);
        let budget = store
            .budget()
            .await
            .map_err(|error| RelayError::Store(config.home.join(store::FILE), error.to_string()))?;
        let hub = Arc::new(Hub::new(platform, limits, store, config.allowed, pin, budget));
        Ok(Self { hub, identity, closing, lock })
    }

    /// The limits in force: they can be changed while it serves.
    #[must_use]
    pub fn limits(&self) -> InForce {
        self.hub.limits.clone()
    }

    /// What clients know it by.
    #[must_use]
    pub const fn pin(&self) -> [u8; 16] {
        self.identity.pin
    }

    /// What may be asked of it and changed in it while it serves.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle(Arc::downgrade(&self.hub))
    }

    /// Serves on `listeners` until `shutdown`. Then nobody comes in any more, members are told so that they look for it again,
    /// and links at work go on until they end or [`Limits::drain`] is over.
    ///
    /// # Errors
    /// When a part of it ends by itself.
    pub async fn serve(
        self,
        listeners: Vec<Box<dyn Listener>>,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), RelayError> {
        let hub = self.hub;
        let tls = TlsAcceptor::from(self.identity.tls);
        let door = Arc::new(Door { hub: Arc::clone(&hub), tls });
        let places: Vec<_> =
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        hub.set_listening(places.iter().map(ToString::to_string).collect());
        let sockets = udp::open(&hub, &*hub.platform.net, &places);
        let (closing, closed) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let ticking = tokio::spawn(tick(Arc::clone(&hub)));
        for listener in listeners {
            tasks.spawn(accept::accept_all(listener, Arc::clone(&door), closed.clone()));
        }
        for socket in sockets {
            tasks.spawn(udp::serve(socket, Arc::clone(&hub), closed.clone()));
        }
        let failed = tokio::select! {
            () = shutdown => false,
            Some(_) = tasks.join_next() => true,
        };
        closing.send_replace(true);
        hub.drain();
        let _ = tokio::time::timeout(hub.limits.get().drain, hub.links.rest(QUIET)).await;
        let leaving = async { while tasks.join_next().await.is_some() {} };
        // Who does not take the farewell in time, and what is still under way on links, is cut off.
        let _ = tokio::time::timeout(hub.limits.get().farewell, leaving).await;
        let end = hub.count();
        tracing::info!(connections = end.members, links = end.links, bytes = end.bytes, "closing");
        tasks.shutdown().await;
        ticking.abort();
        let _ = ticking.await;
        hub.tick();
        hub.remember_traffic().await;
        hub.remember().await;
        drop((door, hub));
        self.closing.wait().await;
        drop(self.lock);
        if failed { Err(RelayError::Failed) } else { Ok(()) }
    }
}

/// Opens a relay and serves on `listeners` until `shutdown`.
///
/// # Errors
/// As [`Relay::open`] and [`Relay::serve`].
pub async fn run(
    platform: Platform,
    config: Config,
    listeners: Vec<Box<dyn Listener>>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), RelayError> {
    Relay::open(platform, config).await?.serve(listeners, shutdown).await
}

/// Lets time do its work.
async fn tick(hub: Arc<Hub>) {
    let mut ticks = 0_u32;
    hub.tick();
    loop {
        if ticks.is_multiple_of(SWEEP) {
            let now = hub.platform.clock.unix_seconds();
            if let Err(why @ Refusal::Internal) = hub.store.sweep_invites(now).await {
                tracing::error!(%why, "old invites stay");
            }
            hub.remember().await;
        }
        if ticks.is_multiple_of(KEEP) {
            hub.remember_traffic().await;
        }
        ticks = ticks.wrapping_add(1);
        tokio::time::sleep(TICK).await;
        hub.tick();
    }
}
