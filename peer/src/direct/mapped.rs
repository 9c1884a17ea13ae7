//! Ports that the router passes on because it was asked to: PCP (RFC 6887), else NAT-PMP (RFC 6886).
//!
//! Only the router of the default route is asked, and only it is listened to. What it grants ends by itself soon after the
//! last session.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use crab_nat::{
    GatewayAddress, InternetProtocol, PortMapping, PortMappingOptions, PortMappingType,
    TimeoutConfig, natpmp,
};
use sealift_platform::net::Net;
use sealift_proto::direct::{Candidate, Origin, Transport};
use tokio::time::sleep;

use super::own::{Own, Ports};
use super::session::Sessions;

/// How long a router is to pass on what comes, unless asked again.
const LIFE: Duration = Duration::from_secs(20 * 60);
/// When it is asked again: before that is over.
const RENEW: Duration = Duration::from_secs(8 * 60);
/// How often it is looked whether sessions have come, and a router.
const LOOK: Duration = Duration::from_secs(1);
/// Port on which routers are asked, by either protocol.
const PORT: u16 = 5351;
/// A router that grants ports answers at once; most do not, and then there is no answer at all.
const PATIENCE: TimeoutConfig = TimeoutConfig {
    initial_timeout: Duration::from_millis(250),
    max_retries: 3,
    max_retry_timeout: None,
};

/// Asks for ports as long as there are sessions.
pub(super) async fn keep(
    net: Arc<dyn Net>,
    own: Arc<Own>,
    ports: Arc<Ports>,
    sessions: Arc<Sessions>,
) {
    loop {
        while sessions.is_empty() {
            sleep(LOOK).await;
        }
        let granted = match net.gateway() {
            Some(gateway) => all(gateway, &ports).await,
            None => Vec::new(),
        };
        own.mapped(granted);
        sleep(RENEW).await;
    }
}

/// What the router grants of all ports.
async fn all(gateway: Ipv4Addr, ports: &Ports) -> Vec<Candidate> {
    let Some(client) = towards(gateway).filter(|own| own.is_private() || own.is_loopback()) else {
        // This machine is not behind a translating router.
        return Vec::new();
    };
    let udp = ports.udp.as_ref().and_then(|udp| udp.port(&IpAddr::V4(client)));
    let wanted = [
        (Transport::Tcp, InternetProtocol::Tcp, ports.tcp_v4),
        (Transport::Udp, InternetProtocol::Udp, udp),
    ];
    let mut granted = Vec::new();
    for (transport, protocol, port) in wanted {
        let Some(port) = port.and_then(NonZeroU16::new) else { continue };
        match one(gateway, client, protocol, port).await {
            Ok(place) => granted.push(Candidate::new(transport, Origin::Mapped, place)),
            Err(why) => {
                tracing::debug!(%gateway, %why, "the router grants no port");
                break;
            }
        }
    }
    granted
}

async fn one(
    gateway: Ipv4Addr,
    client: Ipv4Addr,
    protocol: InternetProtocol,
    port: NonZeroU16,
) -> Result<SocketAddr, String> {
    let options = PortMappingOptions {
        external_port: Some(port),
        lifetime_seconds: u32::try_from(LIFE.as_secs()).ok(),
        timeout_config: Some(PATIENCE),
    };
    let gateway = GatewayAddress::IpV4(gateway);
    let mapping = match PortMapping::new(gateway, IpAddr::V4(client), protocol, port, options).await
    {
        Ok(mapping) => mapping,
        // Some routers that know NAT-PMP alone answer PCP with something else than a hint.
        Err(why) => natpmp::port_mapping(gateway, protocol, port, options)
            .await
            .map_err(|_| why.to_string())?,
    };
    let outside = match mapping.mapping_type() {
        PortMappingType::Pcp { external_ip, .. } => external_ip,
        PortMappingType::NatPmp => natpmp::external_address(gateway, Some(PATIENCE))
            .await
            .map(IpAddr::V4)
            .map_err(|why| why.to_string())?,
    };
    Ok(SocketAddr::new(outside, mapping.external_port().get()))
}

/// The address of this machine that faces `gateway`. Nothing is sent for it.
fn towards(gateway: Ipv4Addr) -> Option<Ipv4Addr> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((gateway, PORT)).ok()?;
    match socket.local_addr().ok()?.ip() {
        IpAddr::V4(own) => Some(own),
        IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    /// A router on loopback that knows NAT-PMP alone.
    async fn router(at: Ipv4Addr) -> Option<tokio::task::JoinHandle<()>> {
        let socket = UdpSocket::bind((at, PORT)).await.ok()?;
        Some(tokio::spawn(async move {
            let mut bytes = [0; 128];
            loop {
                let Ok((len, from)) = socket.recv_from(&mut bytes).await else { return };
                let answer = match &bytes[..len] {
                    // What is public here.
                    [0, 0] => vec![0, 128, 0, 0, 0, 0, 0, 9, 198, 51, 100, 7],
                    // UDP or TCP: another port than was asked for, for ten minutes.
                    [0, kind @ (1 | 2), _, _, inner @ ..] if inner.len() == 8 => {
                        let port = [inner[0], inner[1]];
                        let granted = [
                            [0, 128 + kind, 0, 0, 0, 0, 0, 9],
                            [port[0], port[1], 200, kind * 10, 0, 0, 2, 88],
                        ];
                        granted.concat()
                    }
                    // PCP: a version that is not known, answered in the form of NAT-PMP (RFC 6886 section 3.5).
                    _ => vec![0, 128, 0, 1, 0, 0, 0, 9],
                };
                let _ = socket.send_to(&answer, from).await;
            }
        }))
    }

    #[tokio::test]
    async fn a_router_that_grants_ports_makes_them_addresses() {
        // An address of its own, so that nothing else on this machine has its port.
        let at = Ipv4Addr::new(127, 77, 13, 1);
        let Some(router) = router(at).await else {
            return eprintln!("skipped: 127.77.13.1 cannot be listened on");
        };
        let ports = Ports { tcp_v4: Some(4000), tcp_v6: None, udp: None };
        let granted = all(at, &ports).await;
        let want: SocketAddr = "198.51.100.7:51220".parse().unwrap();
        assert_eq!(granted, [Candidate::new(Transport::Tcp, Origin::Mapped, want)]);
        router.abort();
    }

    #[tokio::test]
    async fn a_router_that_says_nothing_grants_nothing() {
        let at = Ipv4Addr::new(127, 77, 13, 2);
        let ports = Ports { tcp_v4: Some(4000), tcp_v6: None, udp: None };
        assert_eq!(all(at, &ports).await, []);
    }
}
