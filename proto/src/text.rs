//! Text forms of bytes: base32 without padding, lower case (RFC 4648 section 6), as used in pins, invites and
//! short ids; and of places on the network.

use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE};

use crate::space::HostName;

/// `bytes` as lower-case base32.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// The `N` bytes that `text` stands for; capitals are accepted, since people copy by hand.
#[must_use]
pub fn from_base32<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?;
    bytes.try_into().ok()
}

/// `bytes` as lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER_PERMISSIVE.encode(bytes)
}

/// The bytes that hexadecimal `text` stands for.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}

/// Reads `HOST`, `HOST:PORT`, `[V6]` or `[V6]:PORT`.
#[must_use]
pub fn parse_host_port(text: &str) -> Option<(HostName, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        let port = match after {
            "" => None,
            _ => Some(after.strip_prefix(':')?.parse().ok()?),
        };
        return Some((HostName::new(host)?, port));
    }
    match text.split_once(':') {
        Some((host, port)) => Some((HostName::new(host)?, Some(port.parse().ok()?))),
        None => Some((HostName::new(text)?, None)),
    }
}

/// `HOST:PORT`, an IPv6 address in brackets.
#[must_use]
pub fn host_port(host: &HostName, port: u16) -> String {
    let host = host.as_str();
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
