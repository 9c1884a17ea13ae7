//! Where the relay says that it can be reached.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use sealift_proto::space::HostName;
use sealift_proto::text::{base32, host_port};

use super::args::Public;

/// `HOST:PORT` for each line to print, the most useful first: the public one alone if it was named, else every address that a
/// listener can be reached at, those of this machine alone last.
pub(super) fn places(
    public: Option<&Public>,
    bound: &[SocketAddr],
    machine: &[IpAddr],
) -> Vec<String> {
    if let Some(Public { host, port }) = public {
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
pub(super) fn machine_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot list the addresses of this machine");
        Vec::new()
    });
    let mut addresses: Vec<IpAddr> =
        interfaces.iter().map(if_addrs::Interface::ip).filter(|ip| !is_link_local(ip)).collect();
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

/// The line for one place.
pub(super) fn line(place: &str, pin: &[u8; 16], json: bool) -> String {
    let pin = base32(pin);
    if json {
        serde_json::json!({"v": 1, "type": "ready", "address": place, "pin": pin}).to_string()
    } else {
        format!("relay ready: {place}#{pin}")
    }
}

/// What a person is told beside it.
pub(super) fn hint(place: &str, pin: &[u8; 16], name_public: bool) -> String {
    let mut text = String::new();
    if name_public {
        text.push_str(
            "\nPeople outside need the address that they can reach. Name it, and it is printed here and goes into \
             invites:\n    relay --public HOST\n",
        );
    }
    text.push_str(&format!(
        "\nOn the machine that has the files:\n    seeder --watch ./share --relay {place}#{}\n\n",
        base32(pin)
    ));
    text
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
        let public = |port| Public { host: HostName::new("files.example.org").unwrap(), port };
        let bound: Vec<SocketAddr> = parse(&["0.0.0.0:4000"]);
        assert_eq!(places(Some(&public(None)), &bound, &[]), ["files.example.org:4000"]);
        assert_eq!(places(Some(&public(Some(443))), &bound, &[]), ["files.example.org:443"]);
    }

    #[test]
    fn lines_can_be_pasted() {
        let line_text = line("h:1", &[0; 16], false);
        assert_eq!(line_text, "relay ready: h:1#aaaaaaaaaaaaaaaaaaaaaaaaaa");
        let json = line("h:1", &[0; 16], true);
        assert!(json.starts_with('{') && json.contains(r#""address":"h:1""#));
        let hint = hint("h:1", &[0; 16], true);
        assert!(hint.contains("relay --public HOST"));
        assert!(hint.contains("seeder --watch ./share --relay h:1#aaaaaaaaaaaaaaaaaaaaaaaaaa\n"));
    }
}
