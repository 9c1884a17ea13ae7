//! Where a program says that it can be reached.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use sealift_platform::net::Net;
use sealift_proto::space::HostName;
use sealift_proto::text::{host_port, parse_host_port};

/// An address for people outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicAddress {
    /// Its host.
    pub host: HostName,
    /// Its port, if it is not the one that is listened on.
    pub port: Option<u16>,
}

/// Reads an address for people outside.
///
/// # Errors
/// Words for whoever wrote it.
pub fn parse_public(text: &str) -> Result<PublicAddress, String> {
    let (host, port) = parse_host_port(text)
        .filter(|(_, port)| *port != Some(0))
        .ok_or("write it as files.example.org, 192.0.2.7:7743 or [2001:db8::7]:7743")?;
    Ok(PublicAddress { host, port })
}

/// `HOST:PORT` for each line to print, the most useful first: the public one alone if it was named, else every address that a
/// listener can be reached at, those of this machine alone last.
#[must_use]
pub fn places(
    public: Option<&PublicAddress>,
    bound: &[SocketAddr],
    machine: &[IpAddr],
) -> Vec<String> {
    if let Some(PublicAddress { host, port }) = public {
        let port = port.or_else(|| bound.first().map(SocketAddr::port));
        return port.map(|port| host_port(host, port)).into_iter().collect();
    }
    let mut reachable = Vec::new();
    for address in bound {
        if !address.ip().is_unspecified() {
            reachable.push(*address);
            continue;
        }
        let same_family = machine.iter().filter(|ip| ip.is_ipv4() == address.is_ipv4());
        reachable.extend(same_family.map(|ip| SocketAddr::new(*ip, address.port())));
    }
    reachable.sort_by_key(|address| (address.ip().is_loopback(), address.is_ipv6()));
    let mut places = Vec::new();
    for address in reachable {
        let place = HostName::new(address.ip().to_string())
            .map_or_else(|| address.to_string(), |host| host_port(&host, address.port()));
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// The addresses of this machine that others may dial without saying by which interface.
#[must_use]
pub fn machine_addresses(net: &dyn Net) -> Vec<IpAddr> {
    let mut addresses = net.addresses().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list the addresses of this machine");
        Vec::new()
    });
    addresses.retain(|address| !is_link_local(address));
    if !addresses.iter().any(IpAddr::is_loopback) {
        addresses.push(IpAddr::from([127, 0, 0, 1]));
        addresses.push(IpAddr::V6(Ipv6Addr::LOCALHOST));
    }
    addresses
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<T: std::str::FromStr<Err = std::net::AddrParseError>>(list: &[&str]) -> Vec<T> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_wildcard_shows_every_address_of_its_family_loopback_last() {
        let bound: Vec<SocketAddr> = parse(&["0.0.0.0:7743", "[::]:7743", "10.0.0.7:7743"]);
        let machine: Vec<IpAddr> = parse(&["127.0.0.1", "10.0.0.7", "::1", "2001:db8::7"]);
        let want = ["10.0.0.7:7743", "[2001:db8::7]:7743", "127.0.0.1:7743", "[::1]:7743"];
        assert_eq!(places(None, &bound, &machine), want);
        assert_eq!(places(None, &parse(&["127.0.0.1:9"]), &machine), ["127.0.0.1:9"]);
    }

    #[test]
    fn a_public_address_is_shown_alone_with_the_real_port() {
        let public =
            |port| PublicAddress { host: HostName::new("files.example.org").unwrap(), port };
        let bound: Vec<SocketAddr> = parse(&["0.0.0.0:4000"]);
        assert_eq!(places(Some(&public(None)), &bound, &[]), ["files.example.org:4000"]);
        assert_eq!(places(Some(&public(Some(443))), &bound, &[]), ["files.example.org:443"]);
    }
}
