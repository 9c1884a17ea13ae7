//! The ways that the bytes of a session can take, and which of them somebody allows.

use sealift_proto::direct::Transport;

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

/// The way that carried the most.
#[must_use]
pub fn chief(parts: &[(Way, u64)]) -> Way {
    let most = parts.iter().max_by_key(|(way, bytes)| (*bytes, *way));
    most.filter(|(_, bytes)| *bytes > 0).map_or(Way::Relay, |(way, _)| *way)
}
