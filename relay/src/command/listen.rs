//! Where the relay listens.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use sealift_platform::net::{Listener, Net};
use sealift_proto::frame::DEFAULT_PORT;

/// Every address of the machine.
pub(crate) const fn everywhere() -> [SocketAddr; 2] {
    [
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), DEFAULT_PORT),
        SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), DEFAULT_PORT),
    ]
}

/// Listens on what was named, else everywhere.
pub(super) async fn listen(
    net: &dyn Net,
    named: &[SocketAddr],
) -> anyhow::Result<Vec<Box<dyn Listener>>> {
    let mut listeners = Vec::new();
    for address in named {
        listeners.push(net.listen(*address).await.map_err(|error| cannot_listen(*address, error))?);
    }
    if !named.is_empty() {
        return Ok(listeners);
    }
    let mut missing = None;
    for address in everywhere() {
        match net.listen(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(cannot_listen(address, error));
            }
            // A machine without IPv6, or without IPv4.
            Err(error) => missing = Some((address, error)),
        }
    }
    match missing {
        Some((address, error)) if listeners.is_empty() => Err(cannot_listen(address, error)),
        Some((address, error)) => {
            tracing::debug!(%address, %error, "not listening there");
            Ok(listeners)
        }
        None => Ok(listeners),
    }
}

pub(super) fn cannot_listen(address: SocketAddr, error: io::Error) -> anyhow::Error {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {} is in use: perhaps a relay runs already. Stop it, or take another port: relay --listen {}",
            address.port(),
            SocketAddr::new(address.ip(), 7744),
        ),
        io::ErrorKind::PermissionDenied => {
            format!(
                "this user may not listen on {address}: ports below 1024 need a privilege; take a higher one"
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "this machine does not have the address {}: name one of its own, or 0.0.0.0",
                address.ip()
            )
        }
        _ => format!("cannot listen on {address}"),
    };
    anyhow::Error::new(error).context(what)
}
