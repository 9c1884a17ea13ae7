//! What happens on the way to a space.

use std::time::Duration;

use sealift_proto::text;
use sealift_transport::control::DialError;
use sealift_transport::notice::{Notice, Reporter};

use super::transport::clock;
use crate::console::Console;
use crate::event::{Event, TamperingInfo};
use crate::exit::{Failure, in_words};
use crate::human;

/// Tells every notice on `console`.
#[must_use]
pub fn reporter(console: &Console) -> Reporter {
    let console = console.clone();
    Reporter::new(move |notice| tell(&console, notice))
}

fn tell(console: &Console, notice: &Notice<'_>) {
    match notice {
        Notice::Pinned { relay, pin } => {
            let shown = text::base32(pin);
            console.note(
                format!(
                    "first contact with the relay {relay}: its key is remembered as {relay}#{shown}"
                ),
                &Event::Pinned { relay: relay.clone(), pin: shown },
            );
        }
        Notice::Clock(apart) => {
            let words = clock(apart);
            console.warn(&words, &Event::Clock { why: words.clone() });
        }
        Notice::Waiting { relay, error, most } => {
            waiting(console, &relay.host_port(), error, *most);
        }
        Notice::TryingOn(error) => trying_on(console, &Failure::from(*error)),
        Notice::RecordIgnored { relay, error } => console.warn(
            format!("the relay {relay} shows {error}; it is ignored"),
            &by_relay(error.to_string(), Some(relay), None),
        ),
        Notice::OlderCard { who } => console.warn(
            format!("the relay shows an older card of {who} than before; it is ignored"),
            &by_relay("older card".into(), None, Some(who)),
        ),
        Notice::CardIgnored { who } => console.detail(
            format!("a card of {who} does not hold and is ignored"),
            &Event::Ignored { what: "card".into(), of: (*who).into(), why: None },
        ),
        Notice::Overused { who, uses } => console.warn(
            format!(
                "{who} came by an invite that {} used up; it is not let in",
                human::count(*uses, "other")
            ),
            &Event::Refused {
                what: "invite overused".into(),
                from: (*who).into(),
                uses: Some(*uses),
                why: None,
            },
        ),
        Notice::Unwritten { error, later } => {
            unwritten(console, &Failure::from(*error), *later);
        }
    }
}

fn by_relay(what: String, relay: Option<&str>, of: Option<&str>) -> Event {
    let (by, relay, of) = ("relay".into(), relay.map(Into::into), of.map(Into::into));
    Event::Tampering(TamperingInfo { by, what, relay, of, ..TamperingInfo::default() })
}

fn waiting(console: &Console, relay: &str, error: &DialError, most: Option<Duration>) {
    let until = match most {
        Some(most) => format!("trying for {} in all", human::duration(most.as_secs())),
        None => "trying again until it does".to_owned(),
    };
    let words = match error {
        DialError::Refused(why) => {
            format!("the relay {relay} does not take this device yet ({why}); {until}")
        }
        error => {
            let why = in_words(&error.to_string());
            format!("the relay {relay} does not answer yet ({why}); {until}")
        }
    };
    let why = in_words(&error.to_string());
    console.note(
        words,
        &Event::Waiting { r#for: "relay".into(), relay: Some(relay.into()), why: Some(why) },
    );
}

fn trying_on(console: &Console, failure: &Failure) {
    let next = failure.next.as_ref().map(|next| format!("\n  next: {next}"));
    let words = format!("{}; trying again{}", failure.in_one_line(), next.unwrap_or_default());
    console.warn(words, &failure.event());
}

/// Tells what cannot be written for now; `later` if it is written when it can be.
pub fn unwritten(console: &Console, failure: &Failure, later: bool) {
    let then = match later {
        true => "going on without, and writing it when that is possible",
        false => "going on without; what is new is not kept",
    };
    let event = Event::Unwritten { what: failure.what.clone(), why: failure.why.clone() };
    console.warn(format!("{}; {then}", failure.in_one_line()), &event);
}
