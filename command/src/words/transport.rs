//! What can go wrong on the way to a relay, a space and another device.

use sealift_proto::control::Refusal;
use sealift_proto::handshake::{HandshakeError, RefuseCode};
use sealift_proto::place::RelayPlace;
use sealift_proto::space::{ChainError, SpaceId};
use sealift_proto::text;
use sealift_transport::control::{CallError, DialError};
use sealift_transport::notice::ClockApart;
use sealift_transport::session::SessionError;
use sealift_transport::{Error, JoinError};

use crate::exit::{Exit, Failure};
use crate::human;
use crate::program;

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Space(error) => error.into(),
            Error::Dial { relay, error, space, certificate } => {
                not_dialled(relay, error, space.as_ref(), certificate.as_ref())
            }
            Error::Call { relay, error } => call(error, relay),
            Error::EndlessNews { .. } => Self::new(Exit::Relay, error.to_string())
                .next("try again in a moment; --relay HOST:PORT names another"),
            Error::NoEpoch => Self::new(Exit::Refused, "this device can no longer read the space")
                .why("a space record of an epoch that this device has no secret of")
                .next("ask the space's owner for a new invite"),
            Error::StatementOutgrown => Self::new(Exit::Other, "a statement outgrew its limit"),
            Error::CardOutgrown(why) => {
                Self::new(Exit::Other, "this device's card outgrew its limits").why(why)
            }
            Error::ReceiveKey(why) => {
                Self::new(Exit::Disk, "this device's receiving key cannot be used").why(why)
            }
            Error::Join(error) => error.into(),
        }
    }
}

impl From<&JoinError> for Failure {
    fn from(error: &JoinError) -> Self {
        match error {
            JoinError::Dial { relay, error } => other_key(dial(error, relay)),
            JoinError::Spent => Self::new(Exit::Refused, error.to_string())
                .why("another device joined by it already")
                .next(format!(
                    "ask for a new invite; `{} invite --uses N` makes one for several devices",
                    program::sharer()
                )),
            JoinError::Unknown => Self::new(Exit::Refused, error.to_string())
                .why("it has run out, or the line was cut or mistyped")
                .next("copy the line whole, or ask for a new invite"),
            JoinError::Package(error) => error.into(),
            JoinError::Clock(apart) => Self::new(Exit::Refused, "the invite does not hold")
                .why(clock(apart))
                .next("set the clock of this device, and run the same command again"),
        }
    }
}

super::by_value!(Error, JoinError);

/// An invite names the relay's key itself: here, another key cannot be accepted by hand.
fn other_key(failure: Failure) -> Failure {
    if failure.exit == Exit::Refused {
        return failure
            .next("check that the invite was copied whole; if it was, ask for a new one");
    }
    failure
}

/// In words how far this device's clock is from the relay's.
#[must_use]
pub fn clock(apart: &ClockApart) -> String {
    let which = if apart.ahead { "ahead of" } else { "behind" };
    format!(
        "the clock of this device is {} {which} that of the relay {}; if it is wrong, certificates seem to have ended",
        human::duration(apart.seconds),
        apart.relay
    )
}

fn not_dialled(
    relay: &RelayPlace,
    error: &DialError,
    space: Option<&SpaceId>,
    certificate: Option<&Result<u64, ChainError>>,
) -> Failure {
    let failure = dial(error, relay);
    match (error, space, certificate) {
        (DialError::Refused(Refusal::Expired), _, Some(own)) => failure.why(expired(own)),
        (DialError::Refused(Refusal::SpaceNotAllowed), Some(space), _) => {
            failure.next(not_allowed(space))
        }
        _ => failure,
    }
}

/// What to do at a private relay: the line for its operator.
fn not_allowed(space: &SpaceId) -> String {
    let id = space.short();
    format!(
        "give its operator the id of this space, for one of:\n    relay --allow-space {id}\n    allow_spaces = [\"{id}\"]   (in \
         relay.toml)\n  or ask for a token, and name its file once: {} --relay-token FILE",
        program::going_on()
    )
}

/// What this device's own clock says of a certificate that has ended by the relay's.
fn expired(own: &Result<u64, ChainError>) -> String {
    match own {
        Ok(left) => format!(
            "the certificate has ended by the relay's clock, but holds for {} by this device's clock: one of the two is wrong",
            human::duration(*left)
        ),
        Err(error) => error.to_string(),
    }
}

/// The end of a command that dialled `relay`.
#[must_use]
pub fn dial(error: &DialError, relay: &RelayPlace) -> Failure {
    not_reached(error, relay).passing(error.may_pass())
}

fn not_reached(error: &DialError, relay: &RelayPlace) -> Failure {
    let place = relay.host_port();
    match error {
        DialError::Unreachable(why) => Failure::new(
            Exit::Relay,
            format!("the relay {place} cannot be reached"),
        )
        .why(why)
        .next("check that it runs and that the address is right; --relay HOST:PORT names another"),
        DialError::Stalled { small } => {
            Failure::new(Exit::Relay, format!("the relay {place} does not answer")).why(error).next(if *small {
                "have the VPN or router in between pass `packet too big`, or make packets smaller here, as root: ip link set dev DEVICE mtu 1280"
            } else {
                "what listens there may hang, or the way to it loses what is sent; --relay HOST:PORT names another"
            })
        }
        DialError::Foreign(_) => Failure::new(Exit::Relay, format!("{place} is no Sealift relay"))
            .why(error)
            .next("check host and port; --relay HOST:PORT names another"),
        DialError::OtherKey { seen } => Failure::new(
            Exit::Refused,
            format!("{place} is not the relay that was there before"),
        )
        .why(error)
        .next(format!(
            "if its operator confirms the new key, accept it with: --relay {place}#{}",
            text::base32(seen)
        )),
        DialError::Refused(why) => refusal(*why, &place),
    }
}

/// A refusal by the relay at `place`.
fn refusal(why: Refusal, place: &str) -> Failure {
    let (exit, next) = remedy(why);
    let failure = Failure::new(exit, format!("the relay {place} refused")).why(why);
    Failure { next: next.map(str::to_owned), ..failure }.passing(CallError::Refused(why).may_pass())
}

/// The end of a command that asked something of the relay at `place`.
#[must_use]
pub fn call(error: &CallError, place: &str) -> Failure {
    match error {
        CallError::Refused(why) => refusal(*why, place),
        CallError::Closed => {
            Failure::new(Exit::Relay, format!("the connection to the relay {place} ended"))
                .next("try again in a moment")
        }
        CallError::Protocol => {
            Failure::new(Exit::Tampered, format!("the relay {place} answered out of turn"))
                .next("tell its operator; another relay may be used with --relay HOST:PORT")
                .passing(true)
        }
    }
}

/// The end of a command that wanted a session with `who` (escaped).
#[must_use]
pub fn session(error: &SessionError, who: &str) -> Failure {
    use SessionError as E;
    let failure = |exit| Failure::new(exit, format!("no session with {who}")).why(error);
    match error {
        _ if error.is_tampering() => {
            failure(Exit::Tampered).next("nothing wrong was kept; try again, or over another relay")
        }
        E::Handshake(HandshakeError::Refused(RefuseCode::Busy | RefuseCode::Shutdown))
        | E::Offline
        | E::Timeout => failure(Exit::Offline).next("try again later, or add --wait"),
        E::NoPath(_) => {
            Failure::new(Exit::NoPath, format!("no direct path to {who}")).why(error).next(format!(
                "allow the relay on both sides with --path any; `{} ping` shows what is tried",
                program::finder()
            ))
        }
        E::Handshake(_) => failure(Exit::Refused),
        E::Relay(refusal) => {
            let next = remedy(*refusal).1;
            Failure { next: next.map(str::to_owned), ..failure(Exit::Relay) }
        }
        E::Closed | E::Io(_) | E::Midway => failure(Exit::Relay).next("try again in a moment"),
        E::Link(_) | E::Malformed | E::Elsewhere => failure(Exit::Tampered),
    }
}

/// The exit code for a refusal, and what a person can do about it.
const fn remedy(why: Refusal) -> (Exit, Option<&'static str>) {
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

#[cfg(test)]
mod tests {
    use sealift_proto::codec;

    use super::*;

    fn relay() -> RelayPlace {
        "r.example:7743".parse().unwrap()
    }

    #[test]
    fn what_is_the_relays_and_what_passes_is_the_same_in_both() {
        let mut errors: Vec<Error> = vec![
            Error::EndlessNews { relay: "r".into() },
            Error::NoEpoch,
            Error::Call { relay: "r".into(), error: CallError::Closed },
            Error::Call { relay: "r".into(), error: CallError::Protocol },
            JoinError::Spent.into(),
        ];
        let dialled = |error| Error::Dial { relay: relay(), error, space: None, certificate: None };
        errors.push(dialled(DialError::Unreachable(std::io::ErrorKind::TimedOut.into())));
        errors.push(dialled(DialError::Stalled { small: true }));
        errors.push(dialled(DialError::Foreign("x".into())));
        errors.push(dialled(DialError::OtherKey { seen: [7; 16] }));
        for why in (0u8..64).filter_map(|number| codec::decode::<Refusal>(&[number]).ok()) {
            errors.push(dialled(DialError::Refused(why)));
            errors.push(Error::Call { relay: "r".into(), error: CallError::Refused(why) });
        }
        for error in errors {
            let failure = Failure::from(&error);
            assert_eq!(failure.exit == Exit::Relay, error.is_relays(), "{failure}");
            assert_eq!(failure.may_pass(), error.may_pass(), "{failure}");
            assert_eq!(failure.exit == Exit::Disk, error.is_disk(), "{failure}");
        }
    }

    #[test]
    fn a_private_relay_and_a_wrong_clock_are_told_with_what_to_do() {
        let dialled = |why, certificate| {
            let (relay, error) = (relay(), DialError::Refused(why));
            let space = Some(SpaceId::from_bytes([3; 32]));
            Failure::from(Error::Dial { relay, error, space, certificate })
        };
        let id = SpaceId::from_bytes([3; 32]).short();
        let private = dialled(Refusal::SpaceNotAllowed, None);
        assert!(private.next.unwrap().contains(&format!("relay --allow-space {id}")));
        let ended = dialled(Refusal::Expired, Some(Ok(3600)));
        assert!(ended.why.unwrap().contains("one of the two is wrong"));
        assert_eq!(ended.exit, Exit::Refused);
    }
}
