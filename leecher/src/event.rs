//! What happens while a leecher finds out what is shared, for whoever shows it.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use sealift_proto::identity::DeviceId;
use sealift_proto::space::SpaceId;
use sealift_transport::lan::LanError;

use crate::error::Error;
pub use crate::sync::Trouble;

/// Something that a person may want to know, and that ends nothing. Names are safe to show.
#[derive(Debug)]
pub enum Event {
    /// Catalogues of a space are being fetched: so many segments of so many have come.
    Syncing {
        /// The space.
        space: SpaceId,
        /// Segments that are there.
        done: u64,
        /// Segments in all.
        total: u64,
    },
    /// The catalogues of a space are as new as they can be had.
    Synced(SpaceId),
    /// What is known of a space may be old.
    Stale {
        /// Name of the space.
        space: String,
        /// Why there are no news.
        why: Stale,
        /// Seconds since its catalogues were compared, if they ever were.
        age: Option<u64>,
    },
    /// Another relay answers at the relay's address, and is not asked.
    AnotherRelay(Error),
    /// One of several spaces cannot be reached as it should be.
    SpaceFailed {
        /// Its name.
        space: String,
        /// Why.
        error: Error,
    },
    /// The local copy of a catalogue is damaged, and was forgotten.
    Damaged(DeviceId),
    /// A catalogue was not brought up to date.
    Catalogue {
        /// Whose.
        who: String,
        /// That device.
        device: DeviceId,
        /// `HOST:PORT` of the relay.
        relay: String,
        /// Why.
        trouble: Arc<Trouble>,
    },
    /// A seeder signed two catalogues for one place.
    TwoHeads {
        /// Who.
        who: String,
        /// That device.
        device: DeviceId,
        /// Where both are kept, with `.a` and `.b` behind the name.
        kept: Result<PathBuf, io::Error>,
    },
    /// Something cannot be written for now.
    Unwritten {
        /// What is wrong.
        error: Arc<Error>,
        /// Whether it is written when it can be.
        later: bool,
    },
    /// Something else cannot be written.
    Failed(Arc<Error>),
    /// The local network is not searched.
    OffLan(LanError),
}

/// Why what is known of a space may be old.
#[derive(Debug)]
pub enum Stale {
    /// The relay has not answered in the second that it was given.
    Late,
    /// Whoever is in the relay's place was not asked.
    NotAsked,
    /// The relay is not there.
    Away(Error),
}

/// Who is told. Cheap to clone.
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(Event) + Send + Sync>);

impl Listener {
    /// One that hands every event to `hear`, which must not block.
    #[must_use]
    pub fn new(hear: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.0)(event);
    }
}
