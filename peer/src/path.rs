//! The ways that the bytes of a session can take, and which of them somebody allows.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use sealift_proto::direct::Transport;
use serde_json::{Value, json};

use sealift_command::exit::{Exit, Failure};

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

    /// As part of a sentence: content comes …
    #[must_use]
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Relay => "through the relay",
            Self::Quic => "directly over QUIC",
            Self::Tcp => "directly over TCP",
        }
    }
}

impl From<Transport> for Way {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self::Tcp,
            Transport::Udp => Self::Quic,
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

impl ValueEnum for Allowed {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Any, Self::Relay, Self::Direct]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Self::Any => "any",
            Self::Relay => "relay",
            Self::Direct => "direct",
        }))
    }
}

/// Checks that a device that is to be found by others on the local network may be.
///
/// # Errors
/// When it may not.
pub fn check_lan(lan: bool, allowed: Allowed) -> Result<(), Failure> {
    if lan && allowed == Allowed::Relay {
        return Err(Failure::new(Exit::Usage, "--lan and --path relay exclude each other")
            .why("on the local network devices see each other's addresses")
            .next("leave one of them out"));
    }
    Ok(())
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

/// `parts`, bytes by way, behind a speed: ` through the relay` where nothing else carried any, otherwise as [`shares`].
#[must_use]
pub fn behind_speed(parts: &[(Way, u64)]) -> String {
    let direct = parts.iter().any(|(way, bytes)| way.is_direct() && *bytes > 0);
    match shares(parts).filter(|_| direct) {
        Some(shares) => format!(", {shares}"),
        None => " through the relay".to_owned(),
    }
}

/// `parts`, bytes by way, as `--json` has them.
#[must_use]
pub fn shares_json(parts: &[(Way, u64)]) -> Value {
    parts.iter().map(|(way, bytes)| json!({"path": way.name(), "bytes": bytes})).collect()
}

/// The way that carried the most.
#[must_use]
pub fn chief(parts: &[(Way, u64)]) -> Way {
    let most = parts.iter().max_by_key(|(way, bytes)| (*bytes, *way));
    most.filter(|(_, bytes)| *bytes > 0).map_or(Way::Relay, |(way, _)| *way)
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
        assert_eq!((chief(&some), chief(&two), chief(&[])), (Way::Tcp, Way::Quic, Way::Relay));
        assert_eq!(behind_speed(&two), ", direct QUIC 97 %, relay 3 %");
        assert_eq!(behind_speed(&[(Way::Relay, 9)]), " through the relay");
    }

    #[test]
    fn what_is_allowed_is_read_as_it_is_typed() {
        let read = ["any", "relay", "direct"].map(|text| Allowed::from_str(text, false).unwrap());
        assert_eq!(read, [Allowed::Any, Allowed::Relay, Allowed::Direct]);
        assert!(Allowed::from_str("lan", false).is_err());
    }
}
