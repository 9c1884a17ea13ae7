//! What happens on the way to a space.

use std::time::Duration;

use sealift_proto::text;
use sealift_transport::control::DialError;
use sealift_transport::notice::Notice;
use serde_json::json;

use super::transport::clock;
use crate::console::Console;
use crate::exit::{Failure, in_words};
use crate::human;

/// Tells `notice` on `console`.
pub fn notice(console: &Console, notice: &Notice<'_>) {
    match notice {
        Notice::Pinned { relay, pin } => {
            let shown = text::base32(pin);
            console.note(
                format!(
                    "first contact with the relay {relay}: its key is remembered as {relay}#{shown}"
                ),
                &json!({"type": "pinned", "relay": relay, "pin": shown}),
            );
        }
        Notice::Clock(apart) => {
            let words = clock(apart);
            console.warn(&words, &json!({"type": "clock", "why": words}));
        }
        Notice::Waiting { relay, error, most } => {
            waiting(console, &relay.host_port(), error, *most);
        }
        Notice::TryingOn(error) => trying_on(console, &Failure::from(*error)),
        Notice::RecordIgnored { relay, error } => console.warn(
            format!("the relay {relay} shows {error}; it is ignored"),
            &json!({"type": "tampering", "by": "relay", "relay": relay, "what": error.to_string()}),
        ),
        Notice::OlderCard { who } => console.warn(
            format!("the relay shows an older card of {who} than before; it is ignored"),
            &json!({"type": "tampering", "by": "relay", "what": "older card", "device": who}),
        ),
        Notice::CardIgnored { who } => console.detail(
            format!("a card of {who} does not hold and is ignored"),
            &json!({"type": "ignored", "what": "card", "device": who}),
        ),
        Notice::Overused { who, uses } => console.warn(
            format!(
                "{who} came by an invite that {} used up; it is not let in",
                human::count(*uses, "other")
            ),
            &json!({"type": "refused", "what": "invite overused", "device": who, "uses": uses}),
        ),
        Notice::Unwritten { error, later } => {
            unwritten(console, &Failure::from(*error), *later);
        }
    }
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
    console.note(words, &json!({"type": "waiting", "for": "relay", "relay": relay, "why": why}));
}

fn trying_on(console: &Console, failure: &Failure) {
    let next = failure.next.as_ref().map(|next| format!("\n  next: {next}"));
    let words = format!("{}; trying again{}", failure.in_one_line(), next.unwrap_or_default());
    console.warn(words, &failure.to_json());
}

/// Tells what cannot be written for now; `later` if it is written when it can be.
pub fn unwritten(console: &Console, failure: &Failure, later: bool) {
    let then = match later {
        true => "going on without, and writing it when that is possible",
        false => "going on without; what is new is not kept",
    };
    let json = json!({"type": "unwritten", "what": failure.what, "why": failure.why});
    console.warn(format!("{}; {then}", failure.in_one_line()), &json);
}
