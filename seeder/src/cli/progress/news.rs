//! News that are told at once, and of which nothing is kept.

use sealift_command::console::Console;
use sealift_command::escape::{escape, escape_path};
use sealift_command::event::Event;
use sealift_command::exit::Failure;
use sealift_command::{human, program};
use sealift_proto::control::Refusal;

use crate::activity::Activity;
use crate::cli::invite::tell_first;

/// Tells `activity`, if it is of this kind.
pub(super) fn tell(console: &Console, activity: Activity) {
    match activity {
        Activity::NewSpace { name, id } => console.note(
            format!(
                "new space {name}; to share into an existing one: {} join INVITE",
                program::sharer()
            ),
            &Event::NewSpace { name, id: id.short() },
        ),
        Activity::Sharing { place, name, space, device } => {
            let (folder, name) = (escape_path(&place), escape(&name).into_owned());
            let device = escape(&device).into_owned();
            console.note(
                format!("sharing {folder} as {name} in the space {space}; this device is {device}"),
                &Event::Sharing { folder, name, space, device },
            );
        }
        Activity::NotShared { place, name } => {
            let name = escape(&name).into_owned();
            console.note(
                format!("{place} is not shared any more as {name}"),
                &Event::NotShared { name, folder: place },
            );
        }
        Activity::Failed(error) => {
            let failure = Failure::from(error);
            console.warn(failure.in_one_line(), &failure.event());
        }
        Activity::Written => {
            console.note("what could not be written has been written now", &Event::Written);
        }
        Activity::Admitted { device, who } => console.note(
            format!("{who} joined and is a member for good now"),
            &Event::Admitted { device: device.short(), name: who },
        ),
        Activity::Invited { invite, dialled } => tell_first(console, &invite, &dialled),
        Activity::Overused { who, uses } => console.warn(
            format!(
                "{who} came by an invite that {} used up; it is not served",
                human::count(uses, "other")
            ),
            &refused("invite overused", who, Some(uses), None),
        ),
        Activity::OfferRefused { who, error } => console.detail(
            format!("a request of {who} was not taken: {error}"),
            &refused("offer", who, None, Some(error.to_string())),
        ),
        Activity::SessionRefused { who, error } => console.detail(
            format!("no session with {who}: {error}"),
            &refused("session", who, None, Some(error.to_string())),
        ),
        Activity::OnLan { port } => console.detail(
            "members on the local network find this seeder there",
            &Event::Lan { state: "announced".into(), port: Some(port), why: None },
        ),
        Activity::OffLan(why) => console.warn(
            format!("the local network is not served: {why}; trying again in half a minute"),
            &Event::Lan { state: "failed".into(), port: None, why: Some(why.to_string()) },
        ),
        other => warn(console, &other),
    }
}

fn refused(what: &str, from: String, uses: Option<u32>, why: Option<String>) -> Event {
    Event::Refused { what: what.into(), from, uses, why }
}

fn warn(console: &Console, activity: &Activity) {
    let what = match activity {
        Activity::ManySkipped { place, told } => format!(
            "more than {told} entries of {} are left out; the rest is not told",
            escape_path(place)
        ),
        Activity::HashesLost(why) => format!("remembered hashes: {why}"),
        Activity::HashesUnwritten(error) => format!(
            "hashes cannot be remembered ({error}); trying again, and until then the next start reads those files again"
        ),
        Activity::CatalogueForged => {
            "the relay shows a catalogue of this device that it did not sign".to_owned()
        }
        Activity::CatalogueAdopted { lost: true } => {
            "the catalogue at the relay is from before this profile was made or cleaned up; it is written anew".to_owned()
        }
        Activity::CatalogueAdopted { lost: false } => {
            "the relay has a newer catalogue of this device: the profile is from a backup, or is in use elsewhere; going on from there".to_owned()
        }
        Activity::CatalogueUnwritten(error) => {
            format!("{error}; others do not see what is new. Trying again")
        }
        Activity::CatalogueUnreadable(error) => {
            format!("the catalogue in the profile cannot be read ({error}); it is written anew")
        }
        Activity::CatalogueRefused(why) => no_room(*why).to_owned(),
        _ => return,
    };
    console.warn(&what, &Event::Warning { what: what.clone() });
}

/// What a person is told whose catalogue the relay does not take: sharing goes on with what it took before.
const fn no_room(why: Refusal) -> &'static str {
    match why {
        Refusal::Full => {
            "the relay has no room for this catalogue: others do not see what is new. Share less (.sealiftignore leaves \
             files out), or ask its operator for more room (space_bytes, device_bytes); trying again in 30 s"
        }
        _ => {
            "the relay takes no catalogue for the moment: it has too much to do; trying again in 30 s"
        }
    }
}
