//! What a relay says of its end, and what follows for those who look for it again.

use std::time::Duration;

use sealift_platform::random::Random;
use sealift_proto::place::RelayPlace;
use sealift_proto::space::HostName;
use tokio::time::sleep;

use crate::connect::jittered;

/// The longest time over which a relay may spread those who come back.
const LONGEST_SPREAD: Duration = Duration::from_secs(120);

/// What a relay said of its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Farewell {
    /// How long to spread over.
    spread: Duration,
    /// Where a relay with the same key takes over, the first to be tried last.
    places: Vec<RelayPlace>,
}

impl Farewell {
    /// How long a place that a relay named for its successor is tried.
    pub const MOVED: Duration = Duration::from_secs(10);

    /// What `relay` said. Only one with its key can take over.
    #[must_use]
    pub fn new(relay: &RelayPlace, spread: Duration, places: Vec<(HostName, u16)>) -> Self {
        let pin = relay.pin;
        let here = |(host, port)| RelayPlace { host, port, pin };
        let places = places.into_iter().rev().map(here).filter(|_| pin.is_some()).collect();
        Self { spread: spread.min(LONGEST_SPREAD), places }
    }

    /// The next place to try.
    pub fn place(&mut self) -> Option<RelayPlace> {
        self.places.pop()
    }

    /// Waits for this device's turn, once: many come back, and not all at one moment.
    pub async fn turn(&mut self, random: &dyn Random) {
        let spread = std::mem::take(&mut self.spread);
        sleep(jittered(spread * 2, random).saturating_sub(spread)).await;
    }
}
