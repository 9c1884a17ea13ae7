//! Where a program listens.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use sealift_platform::net::{Listener, Net};
use sealift_proto::frame::DEFAULT_PORT;

use crate::Program;

/// Every address of the machine.
#[must_use]
pub const fn everywhere() -> [SocketAddr; 2] {
    [
        SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::UNSPECIFIED), DEFAULT_PORT),
        SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), DEFAULT_PORT),
    ]
}

/// Reads an address to listen at.
///
/// # Errors
/// Words for whoever wrote it.
pub fn parse_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "write it as 0.0.0.0:7743, or [::]:7743 for IPv6".to_owned())
}

/// Listens on what was named, else everywhere.
///
/// # Errors
/// When it cannot be listened on what was named, or nowhere.
pub async fn listen(
    program: Program,
    net: &dyn Net,
    named: &[SocketAddr],
) -> Result<Vec<Box<dyn Listener>>, ListenError> {
    let cannot_listen = |address, error| ListenError::new(program, address, error);
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

/// It cannot be listened somewhere.
#[derive(Debug, thiserror::Error)]
#[error("{}", words(.program, .address, .source))]
pub struct ListenError {
    /// Which program.
    program: Program,
    /// Where.
    address: SocketAddr,
    /// What the system says.
    source: io::Error,
}

impl ListenError {
    /// It cannot be listened at `address`.
    #[must_use]
    pub const fn new(program: Program, address: SocketAddr, source: io::Error) -> Self {
        Self { program, address, source }
    }
}

fn words(program: &Program, address: &SocketAddr, error: &io::Error) -> String {
    let name = program.name;
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {} is in use: perhaps a {name} runs already. Stop it, or take another port: {name} --listen {}",
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
    }
}
