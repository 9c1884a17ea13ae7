//! What happens while catalogues are brought up to date, and what goes wrong with them, in words.

use std::collections::BTreeMap;
use std::sync::Mutex;

use sealift_command::console::Console;
use sealift_command::escape::escape_path;
use sealift_command::event::{Event, TamperingInfo};
use sealift_command::exit::{Exit, Failure};
use sealift_command::{human, program, words};
use sealift_platform::sync::lock;
use sealift_proto::catalogue::CATALOGUE_MAX;
use sealift_proto::control::Refusal;
use sealift_proto::identity::DeviceId;
use sealift_transport::control::CallError;

use crate::cli::progress::SyncBar;
use crate::error::Error;
use crate::event::{Event as News, Listener, Stale, Trouble};
use crate::people::PersonError;
use crate::replica::ReplicaError;

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Transport(error) => (&**error).into(),
            Error::NoRelay => {
                Self::new(Exit::Relay, error.to_string()).next("try again in a moment")
            }
            Error::Copies { place, error } => Self::disk(place.display(), error),
            Error::Unwritten(ReplicaError::Disk(error)) => {
                Self::disk("the local copy of the catalogues", error)
            }
            Error::Unwritten(ReplicaError::Corrupt(why)) => {
                Self::new(Exit::Disk, "cannot use the local copy of the catalogues")
                    .why(why)
                    .next("remove the folder `replica` of the cache: it is built anew")
            }
            Error::Unreadable(why) => {
                Self::new(Exit::Disk, "the local copy of the catalogues cannot be read")
                    .why(why)
                    .next("run the same command again: it fetches the catalogue anew")
            }
            Error::Ended(why) => {
                Self::new(Exit::Other, "a task of the catalogue ended early").why(why)
            }
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        (&error).into()
    }
}

impl From<PersonError> for Failure {
    fn from(error: PersonError) -> Self {
        let what = error.to_string();
        match error {
            PersonError::Several { ids, .. } => Self::new(Exit::Choose, what)
                .next(format!("name one by its id: {}", ids.join(" or "))),
            PersonError::Nobody(_) => Self::new(Exit::NotFound, what)
                .next(format!("`{} members` shows who is", program::finder())),
        }
    }
}

/// Tells all on `console`.
pub(crate) fn listener(console: &Console) -> Listener {
    let (console, bars) = (console.clone(), Mutex::new(BTreeMap::new()));
    Listener::new(move |news| match news {
        News::Syncing { space, done, total } => {
            let mut bars = lock(&bars);
            bars.entry(space).or_insert_with(|| SyncBar::new(&console)).set(done, total);
        }
        News::Synced(space) => {
            if let Some(bar) = lock(&bars).remove(&space) {
                bar.end();
            }
        }
        news => tell(&console, news),
    })
}

fn tell(console: &Console, news: News) {
    match news {
        News::Stale { space, why, age } => stale(console, space, &why, age),
        News::AnotherRelay(error) => {
            let failure = Failure::from(error);
            let next = failure.next.as_ref().map(|next| format!("; {next}")).unwrap_or_default();
            console.warn(format!("{}{next}", failure.in_one_line()), &failure.event());
        }
        News::SpaceFailed { space, error } => {
            let failure = Failure::from(error);
            let words = format!("the space {space}: {}", failure.in_one_line());
            console.warn(words, &failure.event());
        }
        News::Damaged(device) => console.warn(
            format!(
                "the local copy of the catalogue of {device} is damaged; it is left out, and built anew by the next sync"
            ),
            &Event::Damaged { what: "catalogue".into(), device: device.short() },
        ),
        News::Catalogue { who, device, relay, trouble } => {
            catalogue(console, who, &device, relay, &trouble);
        }
        News::TwoHeads { who, device, kept } => {
            let kept = match kept {
                Ok(place) => format!("both heads are kept as {}.a and .b", escape_path(&place)),
                Err(error) => format!("the two heads could not be kept: {error}"),
            };
            console.warn(
                format!("{who} signed two different catalogues for one place; {kept}"),
                &by_seeder("two heads at one position", who, &device),
            );
        }
        News::Unwritten { error, later } => {
            words::unwritten(console, &Failure::from(&*error), later);
        }
        News::Failed(error) => {
            let failure = Failure::from(&*error);
            console.warn(failure.in_one_line(), &failure.event());
        }
        News::OffLan(error) => console.warn(
            format!("the local network is not searched: {error}"),
            &Event::Lan { state: "failed".into(), port: None, why: Some(error.to_string()) },
        ),
        News::Syncing { .. } | News::Synced(_) => {}
    }
}

fn stale(console: &Console, space: String, why: &Stale, age: Option<u64>) {
    let why = match why {
        Stale::Late => "the relay has not answered within 1 s".to_owned(),
        Stale::NotAsked => "it was not asked".to_owned(),
        Stale::Away(error) => Failure::from(error).what,
    };
    let words = match age {
        Some(seconds) => format!("{why}; this is what was known {}", human::age(seconds)),
        None => format!("{why}; nothing is known of {space} yet"),
    };
    console.note(words, &Event::Stale { space, why, age_seconds: age });
}

/// Tells why the catalogue of `who` was not brought up to date.
fn catalogue(console: &Console, who: String, device: &DeviceId, relay: String, why: &Trouble) {
    let left = |why: &str| Event::Ignored {
        what: "catalogue".into(),
        of: who.clone(),
        why: Some(why.into()),
    };
    match why {
        Trouble::Tampered(what) => console.warn(
            format!("the relay {relay} {what} of {who}; the catalogue stays as it was known"),
            &Event::Tampering(TamperingInfo {
                by: "relay".into(),
                what: (*what).into(),
                relay: Some(relay),
                of: Some(who),
                ..TamperingInfo::default()
            }),
        ),
        Trouble::Signed(what) => console.warn(
            format!("{who} signed a catalogue that is none: {what}; it stays as it was known"),
            &by_seeder(what, who, device),
        ),
        Trouble::TooLarge => console.warn(
            format!(
                "the catalogue of {who} is larger than that of one device may be ({}); it stays as it was known",
                human::size(CATALOGUE_MAX)
            ),
            &left("too large"),
        ),
        Trouble::Epoch(epoch) => console.warn(
            format!(
                "{who} signed a catalogue of epoch {epoch}, which this device does not know; it stays as it was known"
            ),
            &left("unknown epoch"),
        ),
        Trouble::Relay(error) => {
            let text = format!("the catalogue of {who} could not be fetched: {error}");
            let event = left(&error.to_string());
            match error {
                CallError::Refused(Refusal::Traffic) => console.warn(text, &event),
                _ => console.detail(text, &event),
            }
        }
        Trouble::Busy => console.detail(
            format!("another program is fetching the catalogue of {who}"),
            &left("busy"),
        ),
        Trouble::Ignored(why) => {
            console.detail(format!("the catalogue of {who} is left alone: {why}"), &left(why));
        }
        Trouble::Disk(_) | Trouble::Told => {}
    }
}

fn by_seeder(what: &str, seeder: String, device: &DeviceId) -> Event {
    let (by, seeder, device) = ("seeder".into(), Some(seeder), Some(device.short()));
    Event::Tampering(TamperingInfo {
        by,
        what: what.into(),
        seeder,
        device,
        ..TamperingInfo::default()
    })
}

#[cfg(test)]
mod tests {
    use std::io;

    use sealift_space::profile::ProfileError;
    use sealift_transport::control::CallError;

    use super::*;

    #[test]
    fn whose_it_is_and_what_passes_is_the_same_in_both() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let call = |error| sealift_transport::Error::Call { relay: "r".into(), error };
        for error in [
            Error::NoRelay,
            Error::Copies { place: "replica".into(), error: full() },
            Error::Unwritten(ReplicaError::Disk(full())),
            Error::Unreadable(ReplicaError::Disk(full())),
            call(CallError::Closed).into(),
            sealift_space::Error::from(ProfileError::NoSpace).into(),
            sealift_space::Error::from(ProfileError::KeysVanished).into(),
        ] {
            let failure = Failure::from(&error);
            assert_eq!(failure.exit == Exit::Relay, error.is_relays(), "{failure}");
            assert_eq!(failure.exit == Exit::Disk, error.is_disk(), "{failure}");
            let passes = error.may_pass();
            assert_eq!(failure.may_pass(), passes, "{failure}");
        }
    }
}
