//! Several links to one device: which of them work.

use std::time::Duration;

use sealift_proto::catalogue::Root;
use sealift_proto::identity::DeviceId;
use sealift_transport::path::Way;
use tokio::time::Instant;

use super::source::Source;
use super::standby::{Look, Standby};
use super::{Schedule, SourceId};

/// A link that brings nothing for so long although something is to come is taken to be dead until it does.
const SILENCE: Duration = Duration::from_secs(1);

impl Schedule {
    /// The relay's links carry nothing from now on, or do again.
    pub const fn let_relay_carry(&mut self, carries: bool) {
        self.relay_carries = carries;
    }

    /// Whether nothing new is asked of source `id`: it carries nothing, or it is the relay's link to a device whose direct
    /// links do as well without it.
    pub(super) fn stands_by(&mut self, id: SourceId, now: Instant) -> bool {
        let Some(source) = self.sources.get(&id) else { return true };
        let (device, may_rest) = (source.device, !source.way.is_direct());
        let direct_only = !self.relay_carries || self.partners.contains(&device);
        let barred = source.carries_not || may_rest && direct_only;
        let rests = may_rest && {
            let look = self.look(id, device, now);
            let standby = self.standby.entry(device).or_insert_with(|| Standby::new(now));
            standby.look(&look, now)
        };
        if let Some(source) = self.sources.get_mut(&id) {
            source.stands_by = rests || barred;
        }
        rests || barred
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

    /// Whether only direct links to `device` may carry content.
    #[must_use]
    pub fn needs_direct(&self, device: DeviceId) -> bool {
        let said_so = |of: &Source| of.device == device && of.carries_not;
        let barred = !self.relay_carries || self.partners.contains(&device);
        barred || self.sources.values().any(said_so)
    }

    /// `device` fetches the same as this one from now on, or does no more.
    pub fn set_partner(&mut self, device: DeviceId, is: bool) {
        if is {
            self.partners.insert(device);
        } else {
            self.partners.remove(&device);
        }
    }

    /// Whether `device` is one that fetches the same, and no seeder.
    #[must_use]
    pub fn is_partner(&self, device: DeviceId) -> bool {
        self.partners.contains(&device)
    }

    /// Whether `device` may become a partner: it states none of these files, and has not lied.
    #[must_use]
    pub fn may_be_partner(&self, device: DeviceId) -> bool {
        !self.said_wrong.contains(&device) && !self.states_any(device)
    }

    /// Whether `device` states any of these files, also of those that have come.
    #[must_use]
    pub fn states_any(&self, device: DeviceId) -> bool {
        self.jobs.iter().any(|of| of.offers.iter().any(|offer| offer.device == device))
    }

    /// Whether `device` states the file whose content is `root`.
    #[must_use]
    pub fn states(&self, device: DeviceId, root: &Root) -> bool {
        let job = self.roots.get(root);
        job.is_some_and(|job| self.offering(*job).any(|offering| offering == device))
    }

    /// The oldest link to `device` that is there.
    #[must_use]
    pub fn link_to(&self, device: DeviceId) -> Option<SourceId> {
        self.sources.iter().find(|(_, of)| of.device == device).map(|(id, _)| *id)
    }

    /// Whether the relay's link to `device` stands by and nothing is on its way over it; `None` without such a link.
    #[must_use]
    pub fn is_resting(&self, device: DeviceId) -> Option<bool> {
        let is_it = |of: &&Source| of.device == device && of.way == Way::Relay;
        let relay = self.sources.values().find(is_it)?;
        Some(relay.stands_by && !relay.is_awaited())
    }
}
