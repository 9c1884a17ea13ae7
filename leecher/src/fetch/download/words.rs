//! What a person is told of a download that does not go as it should.

use std::collections::BTreeSet;
use std::time::Duration;

use sealift_command::exit::{Exit, Failure};
use sealift_command::human;
use sealift_peer::connect::Speaker;
use sealift_proto::message::Missing;
use serde_json::json;

use crate::fetch::schedule::{Reason, Schedule};
use crate::online::Online;

pub(super) fn tell_interrupted(speaker: &Speaker, why: &str, left: Duration) {
    let seconds = left.as_secs();
    speaker.console.note(
        format!("interrupted ({why}); trying again for {}", human::duration(seconds)),
        &json!({"type": "interrupted", "why": why, "patience_seconds": seconds}),
    );
}

/// The relay is not there, and the local network was not asked.
pub(super) fn no_relay(failure: Failure) -> Failure {
    if failure.exit != Exit::Relay {
        return failure;
    }
    let next = failure.next.as_ref().map(|next| format!("{next}; ")).unwrap_or_default();
    failure.next(format!("{next}--lan finds seeders on the local network without it"))
}

/// Something else than the relay answers in its place, or it refuses for a while.
pub(super) fn tell_refused(speaker: &Speaker, failure: &Failure) {
    let why = failure.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let words = format!("{}{why}; trying again", failure.what);
    speaker.console.warn(words, &failure.to_json());
}

pub(super) fn tell_without_relay(speaker: &Speaker, failure: &Failure) {
    let why = failure.why.as_ref().unwrap_or(&failure.what);
    speaker.console.note(
        format!("the relay is lost ({why}); going on directly"),
        &json!({"type": "interrupted", "why": why, "going_on": "directly"}),
    );
}

pub(super) fn tell_on_lan(speaker: &Speaker, failure: &Failure) {
    let why = failure.why.as_ref().unwrap_or(&failure.what);
    speaker.console.note(
        format!("no relay ({why}); looking on the local network"),
        &json!({"type": "interrupted", "why": why, "going_on": "on the local network"}),
    );
}

/// Neither the relay nor anybody on the local network is there.
pub(super) fn nobody_near(failure: &Failure) -> Failure {
    let why = failure.why.as_ref().map(|why| format!("{why}; ")).unwrap_or_default();
    failure
        .clone()
        .why(format!("{why}and no seeder of the space was heard of on the local network"))
        .next("start the seeder there with --lan, or try again when the relay is back")
}

/// Nobody serves a file, at the start or after something of it has come.
pub(super) fn lost(started: bool, why: &str) -> Failure {
    let what = if started { "the seeders were lost" } else { "no seeder of it is online" };
    let next = if started {
        "what has come is kept; the same command goes on from there"
    } else {
        "try again later, or add --wait to wait for it"
    };
    Failure::new(Exit::Offline, what).why(why).next(next)
}

/// Nobody gives the file of `job` any more.
pub(super) fn hopeless(label: &str, job: usize, schedule: &Schedule, online: &Online) -> Failure {
    let holders: BTreeSet<_> =
        schedule.offering(job).map(|device| online.name_of(&device)).collect();
    let holders = holders.into_iter().collect::<Vec<_>>().join(", ");
    match schedule.reason(job) {
        Some((device, Reason::Wrong)) => {
            let who = online.name_of(&device);
            Failure::new(Exit::Tampered, format!("{label} was not what it should be"))
                .why(format!("{who} sent a wrong chunk, and nobody else could serve it"))
                .next(
                    "nothing wrong was kept; try again, or take it from another member with --from",
                )
        }
        Some((_, Reason::Refused(failure))) => failure.clone(),
        Some((_, Reason::Missing(why @ Missing::Changed))) => {
            Failure::new(Exit::Other, format!("{label}: {why} ({holders})"))
                .next("search again: the new content is offered as soon as it is read")
        }
        Some((_, Reason::Missing(why))) => {
            Failure::new(Exit::NotFound, format!("{label}: {why} ({holders})")).next("search again")
        }
        None => Failure::new(Exit::NotFound, format!("nobody has {label}")),
    }
}
