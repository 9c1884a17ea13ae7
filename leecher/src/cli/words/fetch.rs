//! What a person is told of a download that does not go as it should.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use sealift_command::console::Console;
use sealift_command::event::{Event as Line, PathInfo, TamperingInfo};
use sealift_command::exit::{Exit, Failure};
use sealift_command::human;
use sealift_content::fetch::error::{FetchError, Trouble, Unreachable};
use sealift_content::fetch::event::{Event, Listener};
use sealift_content::fetch::view::Whom;
use sealift_proto::identity::DeviceId;
use sealift_proto::message::Missing;
use sealift_transport::path::Way;
use tokio::time::Instant;

use super::landing;
use crate::error::Error;
use crate::reach::Names;

/// The failure that `unreachable` was made of.
fn cause(unreachable: &Unreachable) -> Failure {
    let made = unreachable.cause.downcast_ref::<Error>().map(Failure::from);
    made.unwrap_or_else(|| Failure::new(Exit::Relay, unreachable.cause.to_string()))
}

/// Why the file `label` (escaped) was not fetched, as the end of a command.
pub(crate) fn explain(error: &FetchError, label: &str, names: &Names) -> Failure {
    use FetchError as E;
    match error {
        E::Landing(error) => landing::explain(error),
        E::Space(why) => cause(why),
        E::NoRelay(why) => no_relay(cause(why)),
        E::NobodyNear(why) => nobody_near(&cause(why)),
        E::Away { started, holders } => lost(*started, &format!("away: {}", all(names, holders))),
        E::Lost { started, why } => lost(*started, &reason(why, names)),
        E::WrongChunk { by } => {
            let who = names.of(by);
            Failure::new(Exit::Tampered, format!("{label} was not what it should be"))
                .why(format!("{who} sent a wrong chunk, and nobody else could serve it"))
                .next(
                    "nothing wrong was kept; try again, or take it from another member with --from",
                )
        }
        E::NoSession { with, why } => sealift_command::words::session(why, &names.of(with)),
        E::NotGiven { holders, why } => {
            not_given(*why, &format!("{label}: {why} ({})", all(names, holders)))
        }
        E::Nobody => Failure::new(Exit::NotFound, format!("nobody has {label}")),
        E::Ended => Failure::new(Exit::Other, error.to_string()),
    }
}

/// What is waited for, in words.
pub(crate) fn waited_for(whom: &Whom, names: &Names) -> String {
    match whom {
        Whom::Relay => "the relay".to_owned(),
        Whom::Devices(devices) => all(names, devices),
    }
}

fn all(names: &Names, devices: &BTreeSet<DeviceId>) -> String {
    let names: BTreeSet<_> = devices.iter().map(|device| names.of(device)).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// The reason alone, as a part of a sentence.
fn reason(trouble: &Trouble, names: &Names) -> String {
    let failure = match trouble {
        Trouble::Space(why) => cause(why),
        Trouble::Session(device, why) => sealift_command::words::session(why, &names.of(device)),
    };
    failure.why.unwrap_or(failure.what)
}

/// The relay is not there, and the local network was not asked.
fn no_relay(failure: Failure) -> Failure {
    if failure.exit != Exit::Relay {
        return failure;
    }
    let next = failure.next.as_ref().map(|next| format!("{next}; ")).unwrap_or_default();
    failure.next(format!("{next}--lan finds seeders on the local network without it"))
}

/// Neither the relay nor anybody on the local network is there.
fn nobody_near(failure: &Failure) -> Failure {
    let why = failure.why.as_ref().map(|why| format!("{why}; ")).unwrap_or_default();
    failure
        .clone()
        .why(format!("{why}and no seeder of the space was heard of on the local network"))
        .next("start the seeder there with --lan, or try again when the relay is back")
}

/// Nobody serves a file, at the start or after something of it has come.
fn lost(started: bool, why: &str) -> Failure {
    let what = if started { "the seeders were lost" } else { "no seeder of it is online" };
    let next = if started {
        "what has come is kept; the same command goes on from there"
    } else {
        "try again later, or add --wait to wait for it"
    };
    Failure::new(Exit::Offline, what).why(why).next(next)
}

/// Those who stated a file do not give it any more.
fn not_given(why: Missing, what: &str) -> Failure {
    match why {
        Missing::Changed => Failure::new(Exit::Other, what)
            .next("search again: the new content is offered as soon as it is read"),
        _ => Failure::new(Exit::NotFound, what).next("search again"),
    }
}

/// Tells what happens in a download.
pub(crate) struct Telling {
    /// Where.
    pub(crate) console: Console,
    /// Who is who.
    pub(crate) names: Names,
    /// What the files are called, escaped.
    pub(crate) labels: Vec<String>,
    /// When the download began.
    pub(crate) start: Instant,
}

impl Listener for Telling {
    fn hear(&self, event: Event) {
        match event {
            Event::PathUp { device, way, place } => {
                let at = place.map(|place| format!(" at {place}")).unwrap_or_default();
                let words = format!("is reached {}{at}", way.phrase());
                self.path(&device, way, "up", (place, None), &words);
            }
            Event::PathDown { device, way, place, why } => {
                let at = place.map(|place| format!(" at {place}")).unwrap_or_default();
                let words = format!("is no longer reached {}{at}: {why}", way.phrase());
                self.path(&device, way, "down", (place, Some(&why)), &words);
            }
            Event::StandsBy { device } => {
                let words = "sends directly alone; the link through the relay stands by";
                self.path(&device, Way::Relay, "standby", (None, None), words);
            }
            Event::Interrupted { why, patience } => {
                let (why, seconds) = (reason(&why, &self.names), patience.as_secs());
                self.console.note(
                    format!("interrupted ({why}); trying again for {}", human::duration(seconds)),
                    &Line::Interrupted {
                        why: why.clone(),
                        patience_seconds: Some(seconds),
                        going_on: None,
                    },
                );
            }
            Event::Refused(why) => self.refused(&cause(&why)),
            Event::WithoutRelay(why) => {
                self.relayless(&why, "the relay is lost", "going on directly", "directly")
            }
            Event::LookingNear(why) => self.relayless(
                &why,
                "no relay",
                "looking on the local network",
                "on the local network",
            ),
            Event::WaitingForSeeder => self.console.note(
                "waiting for a seeder that has it",
                &Line::Waiting { r#for: "seeder".into(), relay: None, why: None },
            ),
            Event::WrongChunk { by } => self.wrong_chunk(&by),
            Event::Excused { by, job } => self.excused(&by, job),
        }
    }
}

impl Telling {
    fn path(
        &self,
        device: &DeviceId,
        way: Way,
        state: &str,
        (at, why): (Option<SocketAddr>, Option<&str>),
        words: &str,
    ) {
        let who = self.names.of(device);
        let after = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let event = Line::Path(PathInfo {
            path: way.name().into(),
            state: state.into(),
            seeder: Some(who.clone()),
            address: at.map(|at| at.to_string()),
            why: why.map(Into::into),
            after_ms: Some(after),
            ..PathInfo::default()
        });
        // For programs it is news, for a person the progress line says what works.
        if self.console.is_json() {
            self.console.note("", &event);
        } else {
            self.console.detail(format!("{who} {words}"), &event);
        }
    }

    /// Something else than the relay answers in its place, or it refuses for a while.
    fn refused(&self, failure: &Failure) {
        let why = failure.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let words = format!("{}{why}; trying again", failure.what);
        self.console.warn(words, &failure.event());
    }

    fn relayless(&self, why: &Unreachable, what: &str, then: &str, how: &str) {
        let failure = cause(why);
        let why = failure.why.unwrap_or(failure.what);
        self.console.note(
            format!("{what} ({why}); {then}"),
            &Line::Interrupted {
                why: why.clone(),
                patience_seconds: None,
                going_on: Some(how.into()),
            },
        );
    }

    fn wrong_chunk(&self, by: &DeviceId) {
        let who = self.names.of(by);
        self.console.warn(
            format!("{who} sent a wrong chunk; nothing more is taken from it"),
            &Line::Tampering(TamperingInfo {
                by: "seeder".into(),
                what: "wrong chunk".into(),
                seeder: Some(who.clone()),
                device: Some(by.short()),
                ..TamperingInfo::default()
            }),
        );
    }

    fn excused(&self, by: &DeviceId, job: usize) {
        let who = self.names.of(by);
        let label = self.labels.get(job).map_or("a file", String::as_str);
        self.console.warn(
            format!(
                "{who} sent something else than {label}, and says that the file has changed there"
            ),
            &Line::Wrong {
                by: "seeder".into(),
                seeder: who.clone(),
                name: label.into(),
                excuse: "changed".into(),
            },
        );
    }
}
