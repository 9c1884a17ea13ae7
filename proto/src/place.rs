//! Where a relay is, as the relay prints it and as people write it: `HOST[:PORT][#PIN]`.

use std::fmt;
use std::str::FromStr;

use crate::frame::DEFAULT_PORT;
use crate::space::{HostName, RelayAddress};
use crate::text::{self, host_port, parse_host_port};

/// A relay as a person names it: its key need not be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayPlace {
    /// Host name or address.
    pub host: HostName,
    /// TCP port.
    pub port: u16,
    /// Pin of its key, if it is known.
    pub pin: Option<[u8; 16]>,
}

/// Why a text names no relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RelayPlaceError {
    /// Host or port are none.
    #[error("write it as HOST:PORT or HOST:PORT#PIN, as the relay prints it")]
    Host,
    /// The pin is none.
    #[error("the PIN has 26 letters and digits; copy it whole")]
    Pin,
}

impl RelayPlace {
    /// `HOST:PORT`, without the pin.
    #[must_use]
    pub fn host_port(&self) -> String {
        host_port(&self.host, self.port)
    }
}

impl fmt::Display for RelayPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host_port())?;
        match &self.pin {
            Some(pin) => write!(f, "#{}", text::base32(pin)),
            None => Ok(()),
        }
    }
}

impl FromStr for RelayPlace {
    type Err = RelayPlaceError;

    fn from_str(text: &str) -> Result<Self, RelayPlaceError> {
        let (place, pin) = match text.split_once('#') {
            Some((place, pin)) => (place, Some(pin)),
            None => (text, None),
        };
        let (host, port) = parse_host_port(place).ok_or(RelayPlaceError::Host)?;
        let pin = match pin {
            Some(pin) => Some(text::from_base32(pin).ok_or(RelayPlaceError::Pin)?),
            None => None,
        };
        Ok(Self { host, port: port.unwrap_or(DEFAULT_PORT), pin })
    }
}

impl From<&RelayAddress> for RelayPlace {
    fn from(known: &RelayAddress) -> Self {
        Self { host: known.host.clone(), port: known.port, pin: Some(known.pin) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relays_are_read_as_they_are_printed() {
        let pin = text::base32(&[9; 16]);
        let line = format!("relay.example.org:443#{pin}");
        let relay: RelayPlace = line.parse().unwrap();
        assert_eq!(
            (relay.host.as_str(), relay.port, relay.pin),
            ("relay.example.org", 443, Some([9; 16]))
        );
        assert_eq!(relay.to_string(), line);
        assert_eq!("[::1]".parse::<RelayPlace>().unwrap().port, DEFAULT_PORT);
        for (bad, why) in [
            ("a b", RelayPlaceError::Host),
            ("h#short", RelayPlaceError::Pin),
            ("h:x", RelayPlaceError::Host),
        ] {
            assert_eq!(bad.parse::<RelayPlace>(), Err(why));
        }
    }
}
