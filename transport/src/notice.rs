//! What happens on the way to a space, as data: whoever runs the library says it in words.

use std::sync::Arc;
use std::time::Duration;

use sealift_proto::place::RelayPlace;
use sealift_space::profile::space::RecordError;

use crate::control::DialError;
use crate::error::Error;

/// Something that a person may want to know, and that ends nothing. Names are safe to show.
#[derive(Debug)]
pub enum Notice<'a> {
    /// The relay was met for the first time; from now on it must have this key.
    Pinned {
        /// Its `HOST:PORT`.
        relay: String,
        /// The pin of its key.
        pin: [u8; 16],
    },
    /// This device's clock and the relay's differ by more than certificates forgive.
    Clock(&'a ClockApart),
    /// The relay does not answer or take this device yet; it is tried on.
    Waiting {
        /// The relay.
        relay: &'a RelayPlace,
        /// What came of the last try.
        error: &'a DialError,
        /// For how long in all it is tried, if not for ever.
        most: Option<Duration>,
    },
    /// Something that a person should look at ended a try; it is tried on.
    TryingOn(&'a Error),
    /// The relay shows a space record that does not hold.
    RecordIgnored {
        /// Its `HOST:PORT`.
        relay: &'a str,
        /// What is wrong with it.
        error: RecordError,
    },
    /// The relay shows an older card than it showed before.
    OlderCard {
        /// Whose.
        who: &'a str,
    },
    /// A card that does not hold.
    CardIgnored {
        /// Whose it would be.
        who: &'a str,
    },
    /// A device came by an invite that as many others as it allows have used.
    Overused {
        /// The device.
        who: &'a str,
        /// How many the invite allows.
        uses: u32,
    },
    /// Something cannot be written for now.
    Unwritten {
        /// What is wrong.
        error: &'a sealift_space::Error,
        /// Whether it is written when it can be.
        later: bool,
    },
}

/// How far the clocks of this device and of a relay are apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockApart {
    /// The relay's `HOST:PORT`.
    pub relay: String,
    /// By how many seconds.
    pub seconds: u64,
    /// Whether this device's is ahead.
    pub ahead: bool,
}

/// Who is told. Cheap to clone.
#[derive(Clone)]
pub struct Reporter(Arc<dyn Fn(&Notice<'_>) + Send + Sync>);

impl Reporter {
    /// One that hands every notice to `tell`, which must not block.
    #[must_use]
    pub fn new(tell: impl Fn(&Notice<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, notice: &Notice<'_>) {
        (self.0)(notice);
    }
}
