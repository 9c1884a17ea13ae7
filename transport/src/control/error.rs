//! What can go wrong on the way to the relay.

use sealift_proto::control::Refusal;
use sealift_proto::text;

use super::tls::Pin;

/// Why there is no control connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody answers there.
    #[error("{0}")]
    Unreachable(std::io::Error),
    /// A connection stands, and the first large message is not answered.
    #[error("{}", stalled(*.small))]
    Stalled {
        /// Whether small messages pass, as far as they were tried.
        small: bool,
    },
    /// Somebody answers, but not as a relay.
    #[error("what answers there is no Sealift relay ({0})")]
    Foreign(String),
    /// A relay with another key than the one known.
    #[error("the relay there has another key than the one known: {seen}", seen = text::base32(.seen))]
    OtherKey {
        /// The pin of the key it has.
        seen: Pin,
    },
    /// The relay answered no.
    #[error("the relay refused: {0}")]
    Refused(Refusal),
}

impl DialError {
    /// Whether trying again later may help.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        use Refusal as R;
        matches!(
            self,
            Self::Unreachable(_)
                | Self::Stalled { .. }
                | Self::Refused(
                    R::Busy | R::Internal | R::Shutdown | R::Idle | R::Full | R::NewSpaces
                )
        )
    }

    /// Whether it may pass by itself at all: whatever answered in place of the relay, as the page of a hotel's network does,
    /// goes away again, and operators change their minds. What stays is what the space's owner or a wrong token decides.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Refused(why) => passes(*why),
            _ => true,
        }
    }

    /// Whether it is the relay that is not there, not itself, or cannot do it now.
    #[must_use]
    pub const fn is_relays(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Stalled { .. } | Self::Foreign(_) => true,
            Self::OtherKey { .. } => false,
            Self::Refused(why) => is_relays(*why),
        }
    }

    /// One word for what it is.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Stalled { .. } => "stalled",
            Self::Foreign(_) => "foreign",
            Self::OtherKey { .. } => "other key",
            Self::Refused(_) => "refused",
        }
    }
}

const fn stalled(small: bool) -> &'static str {
    if small {
        "it was connected and small messages pass, but large ones do not: packets beyond some size get lost on the way (its MTU)"
    } else {
        "it was connected, but nothing comes back"
    }
}

/// Whether a refusal may pass without anything being done on this device. Not a wrong token: relays count those.
const fn passes(why: Refusal) -> bool {
    use Refusal as R;
    !matches!(why, R::NotMember | R::Removed | R::Token | R::Malformed)
}

/// Whether the relay cannot do it now, rather than will not do it for this device.
const fn is_relays(why: Refusal) -> bool {
    use Refusal as R;
    matches!(
        why,
        R::Busy | R::Full | R::NewSpaces | R::Traffic | R::Shutdown | R::Idle | R::Internal
    )
}

/// Why a request to the relay was not answered as hoped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The relay said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The connection ended, or the answer took too long.
    #[error("the connection to the relay ended")]
    Closed,
    /// The answer was not one to this request.
    #[error("the relay answered out of turn")]
    Protocol,
}

impl CallError {
    /// Whether it is the relay that is gone, or cannot do it now.
    #[must_use]
    pub const fn is_relays(&self) -> bool {
        match self {
            Self::Refused(why) => is_relays(*why),
            Self::Closed => true,
            Self::Protocol => false,
        }
    }

    /// Whether it may pass without anything being done on this device.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Refused(why) => passes(*why),
            Self::Closed | Self::Protocol => true,
        }
    }
}
