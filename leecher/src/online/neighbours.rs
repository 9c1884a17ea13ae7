//! Seeders that were heard of on the local network.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use sealift_platform::Platform;
use sealift_platform::net::BoxStream;
use sealift_platform::sync::lock;
use sealift_proto::identity::DeviceId;
use sealift_proto::space::Role;
use sealift_transport::lan::Browser;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Online;
use crate::event::Event;

/// How long a neighbour may take to answer.
const CONNECT: Duration = Duration::from_secs(3);

/// Where they are. What was heard is anybody's word: the handshake shows.
#[derive(Default)]
pub(super) struct Neighbours(Mutex<BTreeMap<DeviceId, Vec<SocketAddr>>>);

impl Neighbours {
    fn all(&self) -> MutexGuard<'_, BTreeMap<DeviceId, Vec<SocketAddr>>> {
        lock(&self.0)
    }

    /// Where `device` is, if it was heard of.
    pub(super) fn addresses(&self, device: &DeviceId) -> Option<Vec<SocketAddr>> {
        self.all().get(device).cloned()
    }

    /// It is not there.
    pub(super) fn forget(&self, device: &DeviceId) {
        self.all().remove(device);
    }
}

/// Listens for seeders of the space, which count as serving from then on.
pub(super) async fn listen(online: Arc<Online>) {
    let browser = match Browser::new(online.space().keys().lan.clone()) {
        Ok(browser) => browser,
        Err(error) => {
            online.leecher.tell(Event::OffLan(error));
            return;
        }
    };
    let seeders = || {
        let members = online.members();
        let offer = members.iter().filter(|member| member.membership.role.allows(Role::OFFER));
        offer.map(|member| member.device).collect()
    };
    while let Some(found) = browser.next(seeders).await {
        online.neighbours.all().insert(found.device, found.addresses);
        online.serving.near(found.device);
    }
}

/// Connects to the first of `addresses` that answers.
pub(super) async fn connect(
    platform: &Platform,
    addresses: &[SocketAddr],
) -> io::Result<BoxStream> {
    let mut tries = JoinSet::new();
    for address in addresses {
        let (platform, address) = (platform.clone(), *address);
        tries.spawn(async move {
            let host = address.ip().to_string();
            timeout(CONNECT, platform.net.connect(&host, address.port())).await?
        });
    }
    let mut last = io::ErrorKind::AddrNotAvailable.into();
    while let Some(tried) = tries.join_next().await {
        match tried {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}
