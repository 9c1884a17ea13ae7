//! Listens on the local network for devices of a space.

use std::net::{IpAddr, SocketAddr};

use if_addrs::{IfAddr, Interface};
use mdns_sd::{Receiver, ResolvedService, ServiceDaemon, ServiceEvent};
use sealift_proto::identity::DeviceId;
use sealift_proto::keys::LanKey;

use super::{LanError, Name, SERVICE};

/// Most addresses of one device that are tried.
const ADDRESSES: usize = 8;

/// A device that was heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Who it says it is. Only the handshake shows.
    pub device: DeviceId,
    /// Where, on networks that this machine is on.
    pub addresses: Vec<SocketAddr>,
}

/// Listens until it is dropped.
pub struct Browser {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    key: LanKey,
}

impl Browser {
    /// Asks the local network for devices of the space that has this key.
    ///
    /// # Errors
    /// When the machine has no multicast.
    pub fn new(key: LanKey) -> Result<Self, LanError> {
        let daemon = ServiceDaemon::new()?;
        let events = daemon.browse(SERVICE)?;
        Ok(Self { daemon, events, key })
    }

    /// Waits for the next one of `devices` that is heard of; `None` when nothing more can be heard. May be given up without
    /// losing anything.
    pub async fn next(&self, devices: impl Fn() -> Vec<DeviceId>) -> Option<Found> {
        loop {
            let ServiceEvent::ServiceResolved(service) = self.events.recv_async().await.ok()?
            else {
                continue;
            };
            let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
            if let Some(found) = self.found(&service, devices(), &interfaces) {
                return Some(found);
            }
        }
    }

    fn found(
        &self,
        service: &ResolvedService,
        devices: Vec<DeviceId>,
        interfaces: &[Interface],
    ) -> Option<Found> {
        let name = Name::parse(|field| service.get_property_val_str(field))?;
        let device = name.of(&self.key, devices)?;
        let near = |address: &IpAddr| interfaces.iter().any(|own| is_near(&own.addr, address));
        let addresses = service.addresses.iter().map(mdns_sd::ScopedIp::to_ip_addr).filter(near);
        let addresses: Vec<_> =
            addresses.take(ADDRESSES).map(|address| (address, service.port).into()).collect();
        (service.port != 0 && !addresses.is_empty()).then_some(Found { device, addresses })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.daemon.shutdown();
    }
}

/// Whether `address` is on the network of `own`. What is announced may lead anywhere; this keeps it among neighbours.
fn is_near(own: &IfAddr, address: &IpAddr) -> bool {
    match (own, address) {
        (IfAddr::V4(own), IpAddr::V4(address)) if !address.is_loopback() => {
            let mask = u32::from(own.netmask);
            mask != 0 && u32::from(own.ip) & mask == u32::from(*address) & mask
        }
        (IfAddr::V6(own), IpAddr::V6(address)) => {
            let mask = u128::from(own.netmask);
            // A link-local address would need to say on which link.
            let routed = !address.is_loopback() && !address.is_unicast_link_local();
            routed && mask != 0 && u128::from(own.ip) & mask == u128::from(*address) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use if_addrs::Ifv4Addr;

    use super::*;

    #[test]
    fn only_neighbours_are_near() {
        let own = |ip: &str, netmask: &str| {
            let [ip, netmask] = [ip, netmask].map(|text| text.parse::<Ipv4Addr>().unwrap());
            IfAddr::V4(Ifv4Addr { ip, netmask, prefixlen: 0, broadcast: None })
        };
        let home = own("192.168.1.2", "255.255.255.0");
        let near = |own: &IfAddr, address: &str| is_near(own, &address.parse().unwrap());
        assert!(near(&home, "192.168.1.77"));
        for other in ["192.168.2.77", "8.8.8.8", "127.0.0.1", "::1", "fe80::1"] {
            assert!(!near(&home, other), "{other}");
        }
        assert!(!near(&own("127.0.0.1", "255.0.0.0"), "127.0.0.2"));
        assert!(!near(&own("1.2.3.4", "0.0.0.0"), "8.8.8.8"), "no network is that large");
    }
}
