//! Where others find a relay that runs on this machine.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sealift_proto::place::RelayPlace;
use sealift_proto::space::HostName;
use sealift_transport::control::{Control, Purpose, dial};
use sealift_transport::device::ThisDevice;
use tokio::time::timeout;

/// How many addresses of this machine are tried, and how long each may take.
const MOST: usize = 4;
const ANSWER: Duration = Duration::from_secs(1);

/// An address of this machine on which the relay of `control`, dialled by a name that means this machine alone, answers too.
pub(super) async fn elsewhere(this: &ThisDevice, control: &Control) -> Option<HostName> {
    let platform = this.profile.platform();
    let (dialled, key) = (control.relay(), &this.device.key);
    for address in candidates(this).into_iter().take(MOST) {
        let Some(host) = HostName::new(address.to_string()) else { continue };
        let there = RelayPlace { host: host.clone(), port: dialled.port, pin: Some(control.pin()) };
        // Whatever else has that port there does not have the relay's key.
        let tried = dial(platform, &there, key, Purpose::Join, Vec::new());
        if timeout(ANSWER, tried).await.is_ok_and(|tried| tried.is_ok()) {
            return Some(host);
        }
    }
    None
}

/// Addresses that others may reach, the one towards the rest of the world first.
fn candidates(this: &ThisDevice) -> Vec<IpAddr> {
    let net = &this.profile.platform().net;
    let towards = || {
        let socket = net.udp(SocketAddr::from(([0, 0, 0, 0], 0)), false).ok()?;
        // Nothing is sent: the system only chooses the address that it would send from.
        socket.connect((net.gateway()?, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip())
    };
    let first = towards();
    let mut all = net.addresses().unwrap_or_default();
    all.retain(is_for_others);
    all.sort_by_key(|address| (Some(*address) != first, address.is_ipv6(), *address));
    all.dedup();
    all
}

fn is_for_others(address: &IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_link_local() || v4.is_unspecified()),
        IpAddr::V6(v6) => !(v6.is_loopback() || v6.is_unicast_link_local() || v6.is_unspecified()),
    }
}

/// Whether `host` means this machine alone.
#[must_use]
pub fn is_loopback(host: &HostName) -> bool {
    let text = host.as_str();
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let address = text.parse::<IpAddr>();
    address.is_ok_and(|address| address.to_canonical().is_loopback())
        || name == "localhost"
        || name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_the_rest() {
        for (host, loopback) in [
            ("localhost", true),
            ("Localhost.", true),
            ("127.0.0.1", true),
            ("127.8.8.8", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("relay.example.org", false),
            ("192.0.2.1", false),
        ] {
            assert_eq!(is_loopback(&HostName::new(host).unwrap()), loopback, "{host}");
        }
    }

    #[test]
    fn addresses_that_lead_nowhere_else_are_for_nobody() {
        for (address, others) in [
            ("192.168.1.5", true),
            ("2001:db8::5", true),
            ("127.0.0.1", false),
            ("169.254.1.1", false),
            ("fe80::1", false),
            ("::", false),
        ] {
            assert_eq!(is_for_others(&address.parse().unwrap()), others, "{address}");
        }
    }
}
