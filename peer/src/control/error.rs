//! What can go wrong on the way to the relay, and the words for it.

use sealift_proto::control::Refusal;
use sealift_proto::text;

use super::tls::Pin;
use sealift_command::exit::{Exit, Failure};
use sealift_proto::place::RelayPlace;

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

    /// As the end of a command that dialled `relay`.
    #[must_use]
    pub fn failure(&self, relay: &RelayPlace) -> Failure {
        self.words(relay).passing(self.may_pass())
    }

    fn words(&self, relay: &RelayPlace) -> Failure {
        let place = sealift_proto::invite::host_port(&relay.host, relay.port);
        match self {
            Self::Unreachable(error) => Failure::new(
                Exit::Relay,
                format!("the relay {place} cannot be reached"),
            )
            .why(error)
            .next(
                "check that it runs and that the address is right; --relay HOST:PORT names another",
            ),
            Self::Stalled { small } => {
                Failure::new(Exit::Relay, format!("the relay {place} does not answer")).why(self).next(if *small {
                    "have the VPN or router in between pass `packet too big`, or make packets smaller here, as root: ip link set dev DEVICE mtu 1280"
                } else {
                    "what listens there may hang, or the way to it loses what is sent; --relay HOST:PORT names another"
                })
            }
            Self::Foreign(_) => Failure::new(Exit::Relay, format!("{place} is no Sealift relay"))
                .why(self)
                .next("check host and port; --relay HOST:PORT names another"),
            Self::OtherKey { seen } => Failure::new(
                Exit::Refused,
                format!("{place} is not the relay that was there before"),
            )
            .why(self)
            .next(format!(
                "if its operator confirms the new key, accept it with: --relay {place}#{}",
                text::base32(seen)
            )),
            Self::Refused(why) => refusal(*why, &place),
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

/// A refusal by the relay at `place`, in words.
#[must_use]
pub(crate) fn refusal(why: Refusal, place: &str) -> Failure {
    let (exit, next) = remedy(why);
    let failure = Failure::new(exit, format!("the relay {place} refused")).why(why);
    Failure { next: next.map(str::to_owned), ..failure }.passing(passes(why))
}

/// The exit code for a refusal, and what a person can do about it.
#[must_use]
pub(crate) const fn remedy(why: Refusal) -> (Exit, Option<&'static str>) {
    use Refusal as R;
    match why {
        R::NotMember | R::Removed => {
            (Exit::Refused, Some("ask the space's owner for a new invite"))
        }
        R::Expired => (
            Exit::Refused,
            Some(
                "check the clock of this device; if it is right, ask the space's owner for a new invite",
            ),
        ),
        R::SpaceNotAllowed => (Exit::Refused, Some("ask the relay's operator to allow this space")),
        R::Token => (
            Exit::Refused,
            Some(
                "ask the relay's operator for the token, and name its file with: seeder --relay-token FILE",
            ),
        ),
        R::Version => (Exit::Refused, Some("use the same version of Sealift on both sides")),
        R::Spent | R::NotFound => (Exit::Refused, Some("ask for a new invite")),
        R::Offline => (Exit::Offline, None),
        R::Busy => (
            Exit::Relay,
            Some(
                "try again in a moment; if it stays so, ask the relay's operator for more, or use another relay",
            ),
        ),
        R::Full => (
            Exit::Relay,
            Some(
                "share less, ask the relay's operator for more room, or use another relay with --relay HOST:PORT",
            ),
        ),
        R::NewSpaces => (
            Exit::Relay,
            Some(
                "try again tomorrow, ask the relay's operator, or use another relay with --relay HOST:PORT",
            ),
        ),
        R::Traffic => (
            Exit::Relay,
            Some(
                "it goes on with the first of next month (UTC); until then use another relay with --relay HOST:PORT",
            ),
        ),
        R::Shutdown | R::Idle | R::Internal => (Exit::Relay, Some("try again in a moment")),
        R::Malformed | R::NotAllowed | R::Stale | R::Invalid | R::Replaced => (Exit::Refused, None),
    }
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
    /// As the end of a command that used the relay at `place`.
    #[must_use]
    pub fn failure(&self, place: &str) -> Failure {
        match self {
            Self::Refused(why) => refusal(*why, place),
            Self::Closed => {
                Failure::new(Exit::Relay, format!("the connection to the relay {place} ended"))
                    .next("try again in a moment")
            }
            Self::Protocol => {
                Failure::new(Exit::Tampered, format!("the relay {place} answered out of turn"))
                    .next("tell its operator; another relay may be used with --relay HOST:PORT")
                    .passing(true)
            }
        }
    }
}
