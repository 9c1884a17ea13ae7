//! Ports that the router passes on because it was asked to: by PCP, else NAT-PMP ([`pcp`]), else UPnP ([`upnp`]).
//!
//! Only the router of the default route is asked, and only it is listened to. What it grants is given back once nobody needs it,
//! and ends by itself soon after a process that could not do so.

mod pcp;
#[cfg(test)]
mod tests;
mod upnp;

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use crab_nat::{InternetProtocol, PortMapping};
use sealift_platform::net::Net;
use sealift_proto::direct::{Candidate, Origin, Transport};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::own::{Own, Ports};
use super::session::Sessions;

/// How long a router is to pass on what comes, unless asked again.
const LIFE: Duration = Duration::from_secs(20 * 60);
/// When it is asked again, before that is over. A router may have granted less, but is not asked more often than this.
const RENEW: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(8 * 60));
/// How often it is looked whether sessions have come, and another router.
const LOOK: Duration = Duration::from_secs(1);
/// How long giving back may take.
const GIVE_BACK: Duration = Duration::from_secs(1);

/// Where to ask, and for what.
struct Site<'a> {
    net: &'a dyn Net,
    gateway: Ipv4Addr,
    /// The address of this machine that faces the gateway.
    client: Ipv4Addr,
    wanted: Vec<(Transport, NonZeroU16)>,
}

/// What a router passes on.
struct Grant {
    transport: Transport,
    /// Where others reach it.
    place: SocketAddr,
    /// How long it holds.
    life: Duration,
    by: By,
}

enum By {
    Pcp(Box<PortMapping>),
    Upnp(upnp::Mapping),
}

/// Asks for ports as long as there are sessions, until `ending` says so, or nobody is left who could. What was granted is given
/// back before this ends.
pub(super) async fn keep(
    net: Arc<dyn Net>,
    own: Arc<Own>,
    ports: Arc<Ports>,
    sessions: Arc<Sessions>,
    mut ending: watch::Receiver<bool>,
) {
    let mut grants = Vec::new();
    let asking = async {
        loop {
            while sessions.is_empty() {
                sleep(LOOK).await;
            }
            let gateway = net.gateway();
            let site = gateway.and_then(|gateway| Site::new(&*net, gateway, &ports));
            match &site {
                Some(site) => site.ask(&mut grants).await,
                None => grants.clear(),
            }
            own.mapped(grants.iter().map(Grant::candidate).collect());
            rest(&*net, gateway, &grants).await;
            if net.gateway() != gateway {
                // The other one does not know of them.
                grants.clear();
            } else if sessions.is_empty() {
                give_back(&*net, &mut grants).await;
            }
        }
    };
    tokio::select! {
        () = asking => {}
        _ = ending.wait_for(|ends| *ends) => {}
    }
    give_back(&*net, &mut grants).await;
}

/// Waits until the router is to be asked again, or is another one.
async fn rest(net: &dyn Net, gateway: Option<Ipv4Addr>, grants: &[Grant]) {
    let until = Instant::now() + pause(grants);
    while Instant::now() < until && net.gateway() == gateway {
        sleep(LOOK).await;
    }
}

/// How long `grants` need no renewal, whatever the router says.
fn pause(grants: &[Grant]) -> Duration {
    let shortest = grants.iter().map(|grant| grant.life / 2).min();
    shortest.unwrap_or(RENEW.1).clamp(RENEW.0, RENEW.1)
}

async fn give_back(net: &dyn Net, grants: &mut Vec<Grant>) {
    let all = async {
        while let Some(grant) = grants.pop() {
            match grant.by {
                By::Pcp(mapping) => drop(mapping.try_drop().await),
                By::Upnp(mapping) => mapping.remove(net).await,
            }
        }
    };
    // What is not given back ends by itself.
    let _ = timeout(GIVE_BACK, all).await;
}

impl<'a> Site<'a> {
    /// `None` where this machine is not behind a translating router.
    fn new(net: &'a dyn Net, gateway: Ipv4Addr, ports: &Ports) -> Option<Self> {
        let client = towards(gateway).filter(|own| own.is_private() || own.is_loopback())?;
        let udp = ports.udp.as_ref().and_then(|udp| udp.port(&client.into()));
        let wanted = [(Transport::Tcp, ports.tcp_v4), (Transport::Udp, udp)];
        let wanted = wanted
            .into_iter()
            .filter_map(|(transport, port)| Some((transport, NonZeroU16::new(port?)?)))
            .collect();
        Some(Self { net, gateway, client, wanted })
    }

    /// Renews `grants`, or asks anew where that does not work.
    async fn ask(&self, grants: &mut Vec<Grant>) {
        let mut kept = !grants.is_empty();
        for grant in grants.iter_mut() {
            kept = kept && self.renew(grant).await;
        }
        if kept {
            return;
        }
        grants.clear();
        self.by_pcp(grants).await;
        if grants.is_empty() {
            self.by_upnp(grants).await;
        }
    }

    async fn renew(&self, grant: &mut Grant) -> bool {
        let renewed = match &mut grant.by {
            By::Pcp(mapping) => pcp::renew(self.gateway, mapping).await,
            By::Upnp(mapping) => mapping.renew(self.net).await.map_err(|why| why.to_string()),
        };
        match renewed {
            Ok((place, life)) => (grant.place, grant.life) = (place, life),
            Err(why) => {
                tracing::debug!(gateway = %self.gateway, %why, "the router keeps a port no longer");
                return false;
            }
        }
        true
    }

    async fn by_pcp(&self, grants: &mut Vec<Grant>) {
        for (transport, port) in &self.wanted {
            match pcp::ask(self.gateway, self.client, protocol(*transport), *port).await {
                Ok((mapping, (place, life))) => {
                    let by = By::Pcp(Box::new(mapping));
                    grants.push(Grant { transport: *transport, place, life, by });
                }
                Err(why) => {
                    tracing::debug!(gateway = %self.gateway, %why, "no port by PCP or NAT-PMP");
                    return;
                }
            }
        }
    }

    async fn by_upnp(&self, grants: &mut Vec<Grant>) {
        let asking = async {
            let mut router = upnp::find(self.net, self.gateway, self.client).await?;
            for (transport, port) in &self.wanted {
                let (mapping, (place, life)) = router.map(self.net, *transport, *port).await?;
                grants.push(Grant { transport: *transport, place, life, by: By::Upnp(mapping) });
            }
            Ok::<_, upnp::UpnpError>(())
        };
        if let Err(why) = asking.await {
            tracing::debug!(gateway = %self.gateway, %why, "no port by UPnP");
        }
    }
}

impl Grant {
    fn candidate(&self) -> Candidate {
        Candidate::new(self.transport, Origin::Mapped, self.place)
    }
}

const fn protocol(transport: Transport) -> InternetProtocol {
    match transport {
        Transport::Tcp => InternetProtocol::Tcp,
        Transport::Udp => InternetProtocol::Udp,
    }
}

/// The address of this machine that faces `gateway`. Nothing is sent for it.
fn towards(gateway: Ipv4Addr) -> Option<Ipv4Addr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((gateway, pcp::PORT)).ok()?;
    match socket.local_addr().ok()? {
        SocketAddr::V4(own) => Some(*own.ip()),
        SocketAddr::V6(_) => None,
    }
}
