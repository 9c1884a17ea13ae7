//! A relay from its opening to its end.

use std::future::Future;
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
use sealift_server::accept;
use sealift_server::admission::Allowed;
use sealift_server::identity::Identity;

use crate::conn::RelayService;
use crate::error::RelayError;
use crate::handle::Handle;
use crate::home::Home;
use crate::hub::Hub;
use crate::limits::{InForce, Limits};
use crate::store::{self, Closing};
use crate::udp;

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

/// A relay with its key and store open, which does not listen yet.
pub struct Relay {
    pub(crate) hub: Arc<Hub>,
    pub(crate) identity: Identity,
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
        let service = Arc::new(RelayService { hub: Arc::clone(&hub), tls });
        let places: Vec<_> =
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        hub.set_listening(places.iter().map(ToString::to_string).collect());
        let sockets = udp::open(&hub, &*hub.platform.net, &places);
        let (closing, closed) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let ticking = tokio::spawn(tick(Arc::clone(&hub)));
        for listener in listeners {
            tasks.spawn(accept::accept_all(listener, Arc::clone(&service), closed.clone()));
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
        drop((service, hub));
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
