//! Several links to one device: which of them work.

use std::time::Duration;

use sealift_peer::path::Way;
use sealift_proto::identity::DeviceId;
use tokio::time::Instant;

use super::standby::{Look, Standby};
use super::{Schedule, SourceId};

/// A link that brings nothing for so long although something is to come is taken to be dead until it does.
const SILENCE: Duration = Duration::from_secs(1);

impl Schedule {
    /// The relay's links carry nothing from now on, or do again.
    pub const fn let_relay_carry(&mut self, carries: bool) {
        self.relay_carries = carries;
    }

    /// Whether source `id` is the relay's link to a device whose direct links do as well without it.
    pub(super) fn stands_by(&mut self, id: SourceId, now: Instant) -> bool {
        let Some(source) = self.sources.get(&id).filter(|source| !source.way.is_direct()) else {
            return false;
        };
        let (device, before) = (source.device, source.stands_by);
        let look = self.look(id, device, now);
        let standby = self.standby.entry(device).or_insert_with(|| Standby::new(now));
        let stands_by = standby.look(&look, now) || !self.relay_carries;
        if let Some(source) = self.sources.get_mut(&id).filter(|_| stands_by != before) {
            source.stands_by = stands_by;
        }
        stands_by
    }

    fn look(&self, relay: SourceId, device: DeviceId, now: Instant) -> Look {
        let of = self.sources.get(&relay);
        let mut look = Look {
            relay: of.and_then(|source| source.pace.rate()),
            busy: of.is_some_and(|source| !source.flights.is_empty()),
            direct: None,
            silent: true,
        };
        let direct = |way: Way| way.is_direct();
        for source in self.sources.values().filter(|of| of.device == device && direct(of.way)) {
            look.silent &= source.is_awaited() && source.pace.silence(now) > SILENCE;
            if source.pace.rate().is_some() {
                *look.direct.get_or_insert(0.0) += source.pace.speed(now).unwrap_or(0.0);
            }
        }
        look
    }

    /// Whether the relay's link to `device` stands by and nothing is on its way over it.
    #[must_use]
    pub fn is_resting(&self, device: DeviceId) -> bool {
        let mut relays =
            self.sources.values().filter(|of| of.device == device && of.way == Way::Relay);
        relays.all(|source| source.stands_by && !source.is_awaited())
    }
}
