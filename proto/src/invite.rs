//! Invites: the line that people paste, and the package it leads to (PROTOCOL.md section 11).

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::codec::{self, Extensions, List};
use crate::frame::DEFAULT_PORT;
use crate::identity::Signed;
use crate::limits::RELAYS_MAX;
use crate::space::{Certificate, RelayAddress, SpaceRecord};
use crate::text;

pub use crate::limits::PROVISIONAL;
pub use crate::text::{host_port, parse_host_port};

/// `sealift:HOST[:PORT]/PIN/SECRET`. Neither printed by `Debug` nor kept longer than needed.
#[derive(Clone, PartialEq, Eq)]
pub struct Invite {
    /// The relay that keeps the package.
    pub relay: RelayAddress,
    /// What the package's id and key derive from.
    pub secret: InviteSecret,
}

/// 16 random bytes. Cleared when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct InviteSecret(pub [u8; 16]);

impl std::fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InviteSecret(..)")
    }
}

/// Why a line is no invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// It does not begin with `sealift:`.
    #[error("an invite begins with `sealift:`")]
    Scheme,
    /// It does not have three parts.
    #[error("an invite has the form sealift:HOST:PORT/PIN/SECRET; part of it is missing")]
    Parts,
    /// The host or port is none.
    #[error("the invite's HOST:PORT cannot be read")]
    Host,
    /// The pin or secret has not 26 letters and digits: cut or mistyped.
    #[error("the invite is cut off or mistyped: PIN and SECRET have 26 letters and digits each")]
    Key,
}

impl Invite {
    /// Reads the line; white space around it is ignored.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(line: &str) -> Result<Self, InviteError> {
        let rest = line.trim().strip_prefix("sealift:").ok_or(InviteError::Scheme)?;
        let mut parts = rest.split('/');
        let (Some(place), Some(pin), Some(secret), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InviteError::Parts);
        };
        let (host, port) = parse_host_port(place).ok_or(InviteError::Host)?;
        Ok(Self {
            relay: RelayAddress {
                host,
                port: port.unwrap_or(DEFAULT_PORT),
                pin: text::from_base32(pin).ok_or(InviteError::Key)?,
            },
            secret: InviteSecret(text::from_base32(secret).ok_or(InviteError::Key)?),
        })
    }

    /// The line.
    #[must_use]
    pub fn to_line(&self) -> String {
        let place = host_port(&self.relay.host, self.relay.port);
        format!(
            "sealift:{place}/{}/{}",
            text::base32(&self.relay.pin),
            text::base32(&self.secret.0)
        )
    }
}

/// What the relay keeps for an invite, sealed under a key that derives from its secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ZeroizeOnDrop)]
pub struct InvitePackage {
    /// The space, signed by its owner.
    #[zeroize(skip)]
    pub record: Signed<SpaceRecord>,
    /// The present epoch's secret.
    #[serde(with = "codec::array")]
    pub epoch_secret: [u8; 32],
    /// Seed of the key that signs the joining device's certificate.
    #[serde(with = "codec::array")]
    pub invite_seed: [u8; 32],
    /// Its certificate, by the owner.
    #[zeroize(skip)]
    pub certificate: Signed<Certificate>,
    /// Further relays.
    #[zeroize(skip)]
    pub relays: List<RelayAddress, RELAYS_MAX>,
    /// Additions.
    #[zeroize(skip)]
    pub extensions: Extensions,
}

impl std::fmt::Debug for InvitePackage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InvitePackage(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::HostName;

    fn invite(host: &str, port: u16) -> Invite {
        Invite {
            relay: RelayAddress { host: HostName::new(host).unwrap(), port, pin: [0xa5; 16] },
            secret: InviteSecret([0x5a; 16]),
        }
    }

    #[test]
    fn lines_round_trip_and_stay_short() {
        for (host, port) in [("relay.example.org", 7743), ("::1", 9), ("192.0.2.1", 443)] {
            let line = invite(host, port).to_line();
            assert!(line.len() < 100, "{line}");
            assert!(Invite::parse(&format!(" {line}\n")).unwrap() == invite(host, port));
            assert!(line.chars().all(|c| c.is_ascii_alphanumeric() || ":/.[]-".contains(c)));
        }
    }

    #[test]
    fn the_port_may_be_left_out() {
        let line = invite("relay.example.org", 7743).to_line().replace(":7743", "");
        assert!(Invite::parse(&line).unwrap() == invite("relay.example.org", 7743));
    }

    #[test]
    fn broken_lines_are_told_apart() {
        let line = invite("h", 1).to_line();
        assert_eq!(Invite::parse("http://x/y/z").err(), Some(InviteError::Scheme));
        assert_eq!(Invite::parse("sealift:h:1/abc").err(), Some(InviteError::Parts));
        assert_eq!(Invite::parse(&line.replace(":1/", ":x/")).err(), Some(InviteError::Host));
        assert_eq!(Invite::parse(&line[..line.len() - 1]).err(), Some(InviteError::Key));
        assert_eq!(Invite::parse(&format!("{line}/x")).err(), Some(InviteError::Parts));
    }
}
