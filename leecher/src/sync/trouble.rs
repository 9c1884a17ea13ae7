//! Why a catalogue was not brought up to date, and whose doing that is: what a seeder signed is the seeder's.

use std::path::Path;
use std::sync::Arc;

use sealift_platform::disk;
use sealift_proto::control::LogHead;
use sealift_proto::identity::DeviceId;
use sealift_proto::log;
use sealift_transport::control::CallError;

use super::Sync;
use super::head::Verified;
use crate::error::Error;
use crate::event::Event;
use crate::replica::{Flaw, ReplicaError};

/// Why one catalogue was not brought up to date.
#[derive(Debug)]
pub enum Trouble {
    /// The seeder signed two histories: told and kept as proof, the replica stays.
    Told,
    /// The relay did not give it.
    Relay(CallError),
    /// The replica cannot be written.
    Disk(Arc<Error>),
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
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Relay(_) | Self::Disk(_) | Self::Tampered(_) | Self::Busy)
    }
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
        Self::Disk(Arc::new(Error::Unwritten(error)))
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
        let folder = self.leecher.profile.folder();
        let keep = |which: &str, statement: &[u8]| {
            let path = format!("{name}.{which}");
            disk::replace(&**folder.root(), Path::new(&path), statement, true)
        };
        let kept = keep("a", &known.statement).and_then(|()| keep("b", &shown.statement));
        let kept = kept.map(|()| folder.place(&name));
        self.leecher.tell(Event::TwoHeads { who, device: *device, kept });
        Trouble::Told
    }

    /// Tells it of the catalogue of `device`.
    pub(super) fn tell(&self, device: &DeviceId, trouble: &Arc<Trouble>) {
        match &**trouble {
            Trouble::Disk(error) => self.leecher.unwritten(error.clone()),
            Trouble::Told => {}
            _ => self.leecher.tell(Event::Catalogue {
                who: self.online.name_of(device),
                device: *device,
                relay: self.control.place(),
                trouble: trouble.clone(),
            }),
        }
    }
}
