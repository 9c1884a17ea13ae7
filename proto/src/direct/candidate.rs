//! Addresses at which an end of a session may be reached (PROTOCOL.md section 10.3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::codec::{self, List};
use crate::limits::LOWEST_PORT;

pub use crate::limits::CANDIDATES_MAX;

/// All addresses that a side names at once.
pub type Candidates = List<Candidate, CANDIDATES_MAX>;

/// What a direct link runs over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Transport {
    /// 0: a TCP connection.
    Tcp,
    /// 1: one stream of a QUIC connection over UDP.
    Udp,
}

impl Transport {
    /// The byte in proofs.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 0,
            Self::Udp => 1,
        }
    }
}

/// How a side knows an address of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Origin {
    /// 0: one of its interfaces has it.
    Interface,
    /// 1: the relay sees it.
    Seen,
    /// 2: its router has promised to pass on what comes there.
    Mapped,
}

/// An address on the wire.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Ip {
    /// 0
    V4(#[serde(with = "codec::array")] [u8; 4]),
    /// 1
    V6(#[serde(with = "codec::array")] [u8; 16]),
}

/// One address at which a side may be reached.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Candidate {
    /// Over what.
    pub transport: Transport,
    /// How it is known.
    pub origin: Origin,
    /// The address.
    pub address: Ip,
    /// The port.
    pub port: u16,
}

/// Why an address that a peer named is not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unfit {
    /// A port that is no direct link's.
    #[error("a port below 1024")]
    Port,
    /// An address that no single other device has.
    #[error("no address of a device")]
    Kind,
    /// This machine itself, which is tried only where the relay is on this machine too.
    #[error("an address within one machine")]
    Loopback,
    /// An address that means something on one cable only.
    #[error("a link-local address")]
    LinkLocal,
}

impl Candidate {
    /// An address of this side. IPv4 within IPv6 counts as IPv4.
    #[must_use]
    pub fn new(transport: Transport, origin: Origin, address: SocketAddr) -> Self {
        let ip = match address.ip().to_canonical() {
            IpAddr::V4(v4) => Ip::V4(v4.octets()),
            IpAddr::V6(v6) => Ip::V6(v6.octets()),
        };
        Self { transport, origin, address: ip, port: address.port() }
    }

    /// Where to connect or knock; the only way from what a peer named to an address. `loopback` allows this machine itself.
    ///
    /// # Errors
    /// Why nothing is ever sent there.
    pub fn place(&self, loopback: bool) -> Result<SocketAddr, Unfit> {
        if self.port < LOWEST_PORT {
            return Err(Unfit::Port);
        }
        let ip = match self.address {
            Ip::V4(bytes) => IpAddr::V4(fit_v4(bytes.into(), loopback)?),
            Ip::V6(bytes) => IpAddr::V6(fit_v6(bytes.into(), loopback)?),
        };
        Ok(SocketAddr::new(ip, self.port))
    }
}

fn fit_v4(ip: Ipv4Addr, loopback: bool) -> Result<Ipv4Addr, Unfit> {
    match ip.octets() {
        [127, ..] if !loopback => Err(Unfit::Loopback),
        [169, 254, ..] => Err(Unfit::LinkLocal),
        // "This network", multicast, reserved and broadcast.
        [0 | 224..=255, ..] => Err(Unfit::Kind),
        _ => Ok(ip),
    }
}

fn fit_v6(ip: Ipv6Addr, loopback: bool) -> Result<Ipv6Addr, Unfit> {
    if ip.is_loopback() {
        return if loopback { Ok(ip) } else { Err(Unfit::Loopback) };
    }
    if ip.is_unicast_link_local() {
        return Err(Unfit::LinkLocal);
    }
    // Unspecified, IPv4 within IPv6 in its two old forms, multicast.
    let old_forms = matches!(ip.segments(), [0, 0, 0, 0, 0, 0 | 0xffff, ..]);
    if old_forms || ip.is_multicast() { Err(Unfit::Kind) } else { Ok(ip) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(address: &str, loopback: bool) -> Result<SocketAddr, Unfit> {
        let address = address.parse().unwrap();
        Candidate::new(Transport::Tcp, Origin::Interface, address).place(loopback)
    }

    #[test]
    fn addresses_of_devices_come_back_as_they_were() {
        for text in ["10.0.0.1:5000", "192.168.7.9:65535", "100.64.0.1:1024", "[2001:db8::1]:4000"]
        {
            assert_eq!(place(text, false), Ok(text.parse().unwrap()), "{text}");
        }
        assert_eq!(place("[::ffff:10.0.0.1]:5000", false), Ok("10.0.0.1:5000".parse().unwrap()));
    }

    #[test]
    fn nothing_is_sent_where_no_other_device_can_be() {
        let refused = [
            ("10.0.0.1:0", Unfit::Port),
            ("10.0.0.1:80", Unfit::Port),
            ("10.0.0.1:1023", Unfit::Port),
            ("0.0.0.0:5000", Unfit::Kind),
            ("0.1.2.3:5000", Unfit::Kind),
            ("224.0.0.251:5353", Unfit::Kind),
            ("240.0.0.1:5000", Unfit::Kind),
            ("255.255.255.255:5000", Unfit::Kind),
            ("169.254.169.254:5000", Unfit::LinkLocal),
            ("127.0.0.1:5000", Unfit::Loopback),
            ("[::]:5000", Unfit::Kind),
            ("[::7f00:1]:5000", Unfit::Kind),
            ("[ff02::fb]:5353", Unfit::Kind),
            ("[fe80::1]:5000", Unfit::LinkLocal),
            ("[::1]:5000", Unfit::Loopback),
        ];
        for (text, why) in refused {
            assert_eq!(place(text, false), Err(why), "{text}");
        }
        assert!(place("127.0.0.1:5000", true).is_ok() && place("[::1]:5000", true).is_ok());
        // Written as a peer may, not as this side would.
        let mapped = Ipv4Addr::new(127, 0, 0, 1).to_ipv6_mapped().octets();
        let sly = Candidate {
            transport: Transport::Udp,
            origin: Origin::Seen,
            address: Ip::V6(mapped),
            port: 5000,
        };
        assert_eq!(sly.place(true), Err(Unfit::Kind));
    }
}
