//! Why a catalogue was not brought up to date, and whose doing that is: what a seeder signed is the seeder's.

use std::path::Path;

use sealift_command::escape::escape_path;
use sealift_command::event::{Event, TamperingInfo};
use sealift_command::exit::{Exit, Failure};
use sealift_command::human;
use sealift_command::people::speaker::Speaker;
use sealift_platform::disk;
use sealift_proto::catalogue::CATALOGUE_MAX;
use sealift_proto::control::{LogHead, Refusal};
use sealift_proto::identity::DeviceId;
use sealift_proto::log;
use sealift_transport::control::CallError;

use super::Sync;
use super::head::Verified;
use crate::online::Online;
use crate::replica::{Flaw, ReplicaError};

/// Why one catalogue was not brought up to date.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The seeder signed two histories: told and kept as proof, the replica stays.
    Told,
    /// The relay did not give it.
    Relay(CallError),
    /// The replica cannot be written.
    Disk(Failure),
    /// The relay altered or swapped something: it does not lead to what the seeder signed.
    Tampered(&'static str),
    /// The seeder signed what no catalogue may be.
    Signed(&'static str),
    /// It is larger than the catalogue of a device may be.
    TooLarge,
    /// The seeder signed it for an epoch whose secret is not known here.
    Epoch(u32),
    /// Another process of this user is at it.
    Busy,
    /// Not an error of anybody: it is left alone.
    Ignored(&'static str),
}

impl Trouble {
    /// Whether the same catalogue may do another time.
    pub(super) const fn may_pass(&self) -> bool {
        matches!(self, Self::Relay(_) | Self::Disk(_) | Self::Tampered(_) | Self::Busy)
    }

    /// How a command ends that finds nothing because of it; `None` where it is no reason to end otherwise.
    pub(super) fn failure(&self) -> Option<Failure> {
        match self {
            Self::Disk(failure) => Some(failure.clone()),
            Self::Tampered(_) => Some(
                Failure::new(Exit::Tampered, "a catalogue could not be verified")
                    .why("the relay does not show what its seeder signed")
                    .next("use another relay of the space, if there is one"),
            ),
            _ => None,
        }
    }

    /// Tells it of the catalogue of `device`.
    pub(super) fn tell(&self, speaker: &Speaker, online: &Online, relay: &str, device: &DeviceId) {
        let who = online.name_of(device);
        let console = &speaker.console;
        let left = |why: &str| Event::Ignored {
            what: "catalogue".into(),
            of: who.clone(),
            why: Some(why.into()),
        };
        match self {
            Self::Tampered(what) => console.warn(
                format!("the relay {relay} {what} of {who}; the catalogue stays as it was known"),
                &Event::Tampering(TamperingInfo { by: "relay".into(), what: (*what).into(), relay: Some(relay.into()), of: Some(who), ..TamperingInfo::default() }),
            ),
            Self::Signed(what) => console.warn(
                format!("{who} signed a catalogue that is none: {what}; it stays as it was known"),
                &by_seeder(what, who.clone(), device),
            ),
            Self::TooLarge => console.warn(
                format!(
                    "the catalogue of {who} is larger than that of one device may be ({}); it stays as it was known",
                    human::size(CATALOGUE_MAX)
                ),
                &left("too large"),
            ),
            Self::Epoch(epoch) => console.warn(
                format!("{who} signed a catalogue of epoch {epoch}, which this device does not know; it stays as it was known"),
                &left("unknown epoch"),
            ),
            Self::Relay(error) => {
                let text = format!("the catalogue of {who} could not be fetched: {error}");
                let event = left(&error.to_string());
                match error {
                    CallError::Refused(Refusal::Traffic) => console.warn(text, &event),
                    _ => console.detail(text, &event),
                }
            }
            Self::Busy => console.detail(
                format!("another program is fetching the catalogue of {who}"),
                &left("busy"),
            ),
            Self::Ignored(why) => {
                console.detail(format!("the catalogue of {who} is left alone: {why}"), &left(why));
            }
            Self::Disk(failure) => tell_unwritten(speaker, failure),
            Self::Told => {}
        }
    }
}

fn by_seeder(what: &str, seeder: String, device: &DeviceId) -> Event {
    let (by, device) = ("seeder".into(), Some(device.short()));
    let seeder = Some(seeder);
    Event::Tampering(TamperingInfo {
        by,
        what: what.into(),
        seeder,
        device,
        ..TamperingInfo::default()
    })
}

/// What is wrong with what the seeder signed.
impl From<Flaw> for Trouble {
    fn from(flaw: Flaw) -> Self {
        match flaw {
            Flaw::Sealed => Self::Signed("a segment of it does not open"),
            Flaw::Content => Self::Signed("a segment of it holds no list of files"),
            Flaw::Weight => Self::TooLarge,
        }
    }
}

impl From<ReplicaError> for Trouble {
    fn from(error: ReplicaError) -> Self {
        let what = "the local copy of the catalogues";
        Self::Disk(match error {
            ReplicaError::Disk(error) => Failure::disk(what, &error),
            ReplicaError::Corrupt(error) => Failure::new(Exit::Disk, format!("cannot use {what}"))
                .why(error)
                .next("remove the folder `replica` of the cache: it is built anew"),
        })
    }
}

/// Tells that something of ours cannot be written, unless that was told already; the command goes on with what is there.
pub(crate) fn tell_unwritten(speaker: &Speaker, failure: &Failure) {
    if let Err(failure) = speaker.bear(Err(failure.clone())) {
        let why = failure.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        speaker.console.warn(format!("{}{why}", failure.what), &failure.event());
    }
}

impl Sync<'_> {
    /// Tells that `device` signed two heads of one log at one place, and keeps them for whoever wants to see.
    pub(super) fn accuse(
        &self,
        device: &DeviceId,
        known: Option<&Verified>,
        shown: &LogHead,
    ) -> Trouble {
        let Some(known) = known else { return Trouble::Told };
        let who = self.online.name_of(device);
        let name =
            format!("proof-{}-{}", device.short(), log::statement_hash(&shown.statement).0[0]);
        let folder = self.speaker.profile.folder();
        let keep = |which: &str, statement: &[u8]| {
            let path = format!("{name}.{which}");
            disk::replace(&**folder.root(), Path::new(&path), statement, true)
        };
        let kept = keep("a", &known.statement).and_then(|()| keep("b", &shown.statement));
        let kept = match kept {
            Ok(()) => {
                format!("both heads are kept as {}.a and .b", escape_path(&folder.place(&name)))
            }
            Err(error) => format!("the two heads could not be kept: {error}"),
        };
        self.speaker.console.warn(
            format!("{who} signed two different catalogues for one place; {kept}"),
            &by_seeder("two heads at one position", who.clone(), device),
        );
        Trouble::Told
    }
}
