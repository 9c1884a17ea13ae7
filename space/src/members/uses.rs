//! How often each invite was used, as all programs of a profile count it together.

use std::collections::{BTreeMap, BTreeSet};

use sealift_proto::identity::DeviceId;
use sealift_proto::space::InviteUse;
use sealift_proto::text;

/// Devices met under each invite, by serial; both as hexadecimal, as they are kept.
pub(super) type Met = BTreeMap<String, BTreeSet<String>>;

/// The uses of all invites.
#[derive(Clone, Default)]
pub(super) struct Uses {
    met: Met,
    /// Those that were counted here and are not on the disk yet: another program may have counted others meanwhile.
    fresh: Vec<(InviteUse, DeviceId)>,
}

impl Uses {
    /// As they were written.
    pub(super) const fn new(met: Met) -> Self {
        Self { met, fresh: Vec::new() }
    }

    /// All of them, to be written.
    pub(super) const fn met(&self) -> &Met {
        &self.met
    }

    /// Counts `device` against `invite`. True if it is new.
    ///
    /// # Errors
    /// The invite, when it already has as many other devices as it allows.
    pub(super) fn count(&mut self, invite: InviteUse, device: DeviceId) -> Result<bool, InviteUse> {
        let new = insert(&mut self.met, invite, device)?;
        if new {
            self.fresh.push((invite, device));
        }
        Ok(new)
    }

    /// Takes what is `written`, before which nothing that was only counted here counts. Gives the devices that came too late
    /// so; to be called while nobody else writes. Until [`Uses::kept`] they count as only counted here.
    pub(super) fn settle(&mut self, written: Met) -> Vec<DeviceId> {
        let fresh = self.fresh.clone();
        for (invite, device) in &fresh {
            if let Some(met) = self.met.get_mut(&text::hex(&invite.serial)) {
                met.remove(&text::hex(device.as_bytes()));
            }
        }
        for (serial, devices) in written {
            self.met.entry(serial).or_default().extend(devices);
        }
        let late = fresh.into_iter();
        late.filter(|(invite, device)| insert(&mut self.met, *invite, *device).is_err())
            .map(|(_, device)| device)
            .collect()
    }

    /// All of them are on the disk.
    pub(super) fn kept(&mut self) {
        self.fresh.clear();
    }
}

/// True if it is new.
fn insert(met: &mut Met, invite: InviteUse, device: DeviceId) -> Result<bool, InviteUse> {
    let met = met.entry(text::hex(&invite.serial)).or_default();
    let device = text::hex(device.as_bytes());
    if met.contains(&device) {
        return Ok(false);
    }
    if met.len() >= usize::try_from(invite.uses).unwrap_or(usize::MAX) {
        return Err(invite);
    }
    Ok(met.insert(device))
}
