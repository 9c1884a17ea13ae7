//! The sockets of direct links.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sealift_platform::Platform;
use sealift_platform::net::Listener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::own::{Own, Ports};
use super::session::Sessions;
use super::udp::Udp;
use super::{mapped, tcp};

/// Connections that have not shown yet which session they are for; further ones are closed at once.
const STRANGERS: usize = 64;
/// How long to wait after the system could not accept.
const RETRY: Duration = Duration::from_millis(200);

/// What listens. Dropping it closes the sockets and ends the openings under way.
pub(super) struct Opened {
    pub(super) ports: Arc<Ports>,
    /// Tells who asks the router for ports that it is over.
    ending: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Opened {
    /// Gives back what the router granted.
    pub(super) async fn close(&self) {
        self.ending.send_replace(true);
        self.ending.closed().await;
    }
}

/// Opens what can be opened, on ports that the system chooses. What cannot is missing among the addresses of this side.
pub(super) async fn open(platform: &Platform, sessions: &Arc<Sessions>, own: &Arc<Own>) -> Opened {
    let mut tasks = JoinSet::new();
    let gate = Arc::new(Semaphore::new(STRANGERS));
    let mut ports = [None, None];
    let everywhere = [
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    ];
    for (port, address) in ports.iter_mut().zip(everywhere) {
        let listener = match platform.net.listen(address).await {
            Ok(listener) => listener,
            Err(error) => {
                tracing::debug!(%address, %error, "no direct links by TCP there");
                continue;
            }
        };
        *port = listener.local_addr().ok().map(|address| address.port());
        let (platform, sessions, gate) =
            (platform.clone(), Arc::clone(sessions), Arc::clone(&gate));
        tasks.spawn(accept(listener, platform, sessions, gate));
    }
    let [tcp_v4, tcp_v6] = ports;
    let udp = Udp::open(platform, sessions, own, &mut tasks)
        .inspect_err(|error| tracing::debug!(%error, "no direct links by UDP"))
        .ok();
    let ports = Arc::new(Ports { tcp_v4, tcp_v6, udp });
    let net = Arc::clone(&platform.net);
    let (kept, waiting) = (Arc::clone(&ports), Arc::clone(sessions));
    let (ending, ends) = watch::channel(false);
    tasks.spawn(mapped::keep(net, Arc::clone(own), kept, waiting, ends));
    tasks.spawn(Arc::clone(own).keep(Arc::clone(&ports), Arc::clone(sessions)));
    Opened { ports, ending, _tasks: tasks }
}

async fn accept(
    listener: Box<dyn Listener>,
    platform: Platform,
    sessions: Arc<Sessions>,
    gate: Arc<Semaphore>,
) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "cannot accept a direct link");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&gate).try_acquire_owned() else { continue };
        let welcome = tcp::welcome(platform.clone(), Arc::clone(&sessions), stream, from);
        open.spawn(async move {
            if let Err(why) = welcome.await {
                tracing::debug!(%from, %why, "no direct link");
            }
            drop(place);
        });
    }
}
