//! The ways that the bytes of a session can take, and which of them somebody allows.

use std::str::FromStr;

/// A way between two devices. Ordered from the one that costs others most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// Through the relay.
    Relay,
    /// Directly, over QUIC.
    Quic,
    /// Directly, over TCP.
    Tcp,
}

impl Way {
    /// Whether no relay lies on it.
    #[must_use]
    pub const fn is_direct(self) -> bool {
        !matches!(self, Self::Relay)
    }

    /// As a person reads it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Quic => "direct QUIC",
            Self::Tcp => "direct TCP",
        }
    }

    /// The word in `--json`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Relay => "relay",
            Self::Quic => "quic",
            Self::Tcp => "tcp",
        }
    }
}

/// Which ways content may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allowed {
    /// The best there is.
    #[default]
    Any,
    /// Through the relay alone; this device's addresses are shown to nobody.
    Relay,
    /// Direct ways alone.
    Direct,
}

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "any" => Ok(Self::Any),
            "relay" => Ok(Self::Relay),
            "direct" => Ok(Self::Direct),
            _ => Err("it is one of any, relay, direct".into()),
        }
    }
}

/// How `parts`, bytes by way, were carried, the most first: `direct QUIC 97 %, relay 3 %`; `None` where nothing was.
#[must_use]
pub fn shares(parts: &[(Way, u64)]) -> Option<String> {
    let mut parts: Vec<_> = parts.iter().filter(|(_, bytes)| *bytes > 0).collect();
    parts.sort_by_key(|(way, bytes)| (std::cmp::Reverse(*bytes), *way));
    let all = parts.iter().map(|(_, bytes)| *bytes).fold(0u64, u64::saturating_add);
    let share = |(way, bytes): &&(Way, u64)| {
        let tenths = u128::from(*bytes) * 1000 / u128::from(all.max(1));
        // Little is not nothing, and nearly all not all.
        match tenths {
            0 => format!("{} < 0.1 %", way.name()),
            1..10 => format!("{} 0.{tenths} %", way.name()),
            991..1000 => format!("{} 99.{} %", way.name(), tenths % 10),
            _ => format!("{} {} %", way.name(), (tenths + 5) / 10),
        }
    };
    (all > 0).then(|| parts.iter().map(share).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_name_the_most_first_and_add_up() {
        assert_eq!(shares(&[(Way::Relay, 0)]), None);
        assert_eq!(shares(&[(Way::Relay, 7)]).unwrap(), "relay 100 %");
        let two = [(Way::Relay, 3), (Way::Quic, 97)];
        assert_eq!(shares(&two).unwrap(), "direct QUIC 97 %, relay 3 %");
        let little = [(Way::Relay, 1), (Way::Tcp, 99_999), (Way::Quic, 0)];
        assert_eq!(shares(&little).unwrap(), "direct TCP 99.9 %, relay < 0.1 %");
        let some = [(Way::Relay, 4), (Way::Tcp, 996)];
        assert_eq!(shares(&some).unwrap(), "direct TCP 99.6 %, relay 0.4 %");
    }

    #[test]
    fn what_is_allowed_is_read_as_it_is_typed() {
        let read = ["any", "relay", "direct"].map(|text| text.parse::<Allowed>().unwrap());
        assert_eq!(read, [Allowed::Any, Allowed::Relay, Allowed::Direct]);
        assert!("lan".parse::<Allowed>().is_err());
    }
}
