//! What is known of spaces, as the commands ask for it.

use sealift_command::args::CommonArgs;
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::human;
use sealift_command::people::speaker::Speaker;

use super::words::known::listener;
use crate::Leecher;
use crate::freshen::{self, Known, News};
use crate::replica::{LogKey, LogView, ReplicaError};
use crate::sync::{Short, status};

/// This device as it looks for files where `common` says, telling what happens on its console.
#[must_use]
pub fn leecher(speaker: &Speaker, common: &CommonArgs) -> Leecher {
    let (space, relay) = (common.space.clone(), common.relay.clone());
    Leecher { space, relay, ..everywhere(speaker) }
}

fn everywhere(speaker: &Speaker) -> Leecher {
    let (this, listener) = (speaker.this.clone(), listener(&speaker.console));
    Leecher { this, space: None, relay: None, listener }
}

/// What is known of each space that `common` names, with `news` from the relay first.
pub(super) async fn freshen(
    speaker: &Speaker,
    common: &CommonArgs,
    news: News,
) -> Result<Vec<Known>, Failure> {
    Ok(freshen::freshen(&leecher(speaker, common), news).await?)
}

/// Why reading the replica failed; what is damaged is forgotten.
pub(super) fn unreadable<'v>(
    speaker: &Speaker,
    views: impl IntoIterator<Item = &'v LogView>,
    error: ReplicaError,
) -> Failure {
    freshen::unreadable(&everywhere(speaker), views, error).into()
}

/// Forgets the copy of a catalogue, which is damaged.
pub(super) fn forget(speaker: &Speaker, key: &LogKey) -> Result<(), Failure> {
    Ok(freshen::forget(&everywhere(speaker), key)?)
}

/// Why a command that finds nothing cannot say that there is nothing; `missing` where there is no other reason.
pub(super) fn excuse(spaces: &[Known], missing: Failure) -> Failure {
    let connections = spaces.iter().filter_map(|known| known.connection.as_ref());
    let short = connections.filter_map(|connection| connection.short.as_ref()).next();
    match short.map(why_short) {
        None => missing,
        Some(short) => {
            let next = short.next.clone().or_else(|| missing.next.clone());
            Failure { exit: short.exit, why: Some(short.in_one_line()), next, ..missing }
        }
    }
}

fn why_short(short: &Short) -> Failure {
    match short {
        Short::Disk(error) => (&**error).into(),
        Short::Tampered => Failure::new(Exit::Tampered, "a catalogue could not be verified")
            .why("the relay does not show what its seeder signed")
            .next("use another relay of the space, if there is one"),
    }
}

/// Tells which seeders still read their files, so that an empty answer is not taken for the whole truth.
pub(super) fn tell_unread(speaker: &Speaker, known: &Known) {
    for view in &known.views {
        let Some((head, status)) = status(known.space.keys(), &view.state().head) else { continue };
        if status.waiting == 0 && !status.scanning {
            continue;
        }
        let who = known.members.display_name(&head.device);
        let serves = known.connection.as_ref().map(|of| of.online.serves(&head.device));
        let how_far = match (status.scanning, status.waiting) {
            (true, _) => format!("{} found so far", human::count(status.files, "file")),
            (false, waiting) => {
                format!("{waiting} of {} not read yet", human::count(status.files, "file"))
            }
        };
        let words = match serves {
            Some(false) => {
                format!("{who} is away, and was still reading when it was last here: {how_far}")
            }
            _ => format!("{who} is still reading: {how_far}"),
        };
        let event = Event::Reading {
            seeder: Some(who),
            serving: serves,
            waiting: status.waiting,
            files: status.files,
            scanning: status.scanning,
            bytes_per_second: None,
        };
        speaker.console.note(words, &event);
    }
}
