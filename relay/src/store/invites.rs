//! Invite packages: sealed, for a number of device keys, until a deadline.

use redb::ReadableTable;
use serde::{Deserialize, Serialize};

use sealift_proto::codec::{self, List};
use sealift_proto::control::Refusal;
use sealift_proto::identity::DeviceId;
use sealift_proto::space::SpaceId;

use super::core::Core;
use super::error::{Failure, StoreError};
use super::operation::PutInvite;
use super::tables::{Charge, Tables, checked, cost, stored_cost, unchecked};
use crate::limits::Limits;

/// Most takers that one invite can have.
const TAKERS: usize = 10_000;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Invite {
    space: SpaceId,
    deadline: u64,
    uses: u32,
    takers: List<DeviceId, TAKERS>,
}

impl Core {
    /// Keeps a package. The same one again, until it is used, is acknowledged again.
    pub(super) fn put_invite(
        &mut self,
        tables: &mut Tables<'_>,
        put: &PutInvite,
    ) -> Result<(), Failure> {
        let PutInvite { space, id, deadline, uses, package, now } = put;
        let (deadline, uses) = (*deadline, *uses);
        if !fits(&self.limits, uses, deadline, *now) {
            return Err(Refusal::Invalid.into());
        }
        if let Some(old) = invite(tables, id)? {
            let same = (old.space, old.deadline, old.uses) == (*space, deadline, uses);
            let same = same && self::package(tables, id)? == *package;
            return if same { Ok(()) } else { Err(Refusal::Invalid.into()) };
        }
        let invite = Invite { space: *space, deadline, uses, takers: List::default() };
        let charge = Charge { bytes: cost(package), statements: 0, invites: 1 };
        let limits = self.limits.clone();
        self.charge(tables, space, |tables| tables.charge(space, None, charge, &limits))?;
        tables.packages.insert(id, &checked(id, package)[..])?;
        keep(tables, id, &invite)?;
        Ok(())
    }

    /// Hands a package to a device, which may ask again until the deadline.
    pub(super) fn take_invite(
        tables: &mut Tables<'_>,
        device: DeviceId,
        id: &[u8; 16],
        now: u64,
    ) -> Result<Vec<u8>, Failure> {
        let found = invite(tables, id)?.filter(|invite| now <= invite.deadline);
        let mut invite = found.ok_or(Refusal::NotFound)?;
        if !invite.takers.contains(&device) {
            if invite.takers.len() as u64 >= u64::from(invite.uses) {
                return Err(Refusal::Spent.into());
            }
            let mut takers = invite.takers.into_vec();
            takers.push(device);
            invite.takers = List::new(takers).map_err(|_| Refusal::Spent)?;
            keep(tables, id, &invite)?;
        }
        Ok(package(tables, id)?)
    }

    pub(super) fn sweep_invites(&self, tables: &mut Tables<'_>, now: u64) -> Result<(), Failure> {
        let mut old = Vec::new();
        for found in tables.invites.iter()? {
            let (id, value) = found?;
            let invite = decode(id.value(), value.value())?;
            if invite.deadline < now {
                old.push((*id.value(), invite.space));
            }
        }
        for (id, space) in old {
            tables.invites.remove(&id)?;
            let freed =
                tables.packages.remove(&id)?.map_or(0, |package| stored_cost(package.value()));
            let charge = Charge { bytes: -freed, statements: 0, invites: -1 };
            tables.charge(&space, None, charge, &self.limits)?;
        }
        Ok(())
    }
}

/// Whether an invite for so many uses until unix time `deadline` may be put at `now`.
fn fits(limits: &Limits, uses: u32, deadline: u64, now: u64) -> bool {
    let latest = now.saturating_add(limits.invite_life.as_secs());
    (1..=limits.invite_uses).contains(&uses) && (now..=latest).contains(&deadline)
}

/// Removes all invites of a space; what they used is not accounted for.
pub(super) fn drop_all(tables: &mut Tables<'_>, space: &SpaceId) -> Result<(), StoreError> {
    let mut ids = Vec::new();
    for found in tables.invites.iter()? {
        let (id, value) = found?;
        if decode(id.value(), value.value())?.space == *space {
            ids.push(*id.value());
        }
    }
    for id in ids {
        tables.invites.remove(&id)?;
        tables.packages.remove(&id)?;
    }
    Ok(())
}

fn invite(tables: &Tables<'_>, id: &[u8; 16]) -> Result<Option<Invite>, StoreError> {
    tables.invites.get(id)?.map(|found| decode(id, found.value())).transpose()
}

fn decode(id: &[u8; 16], stored: &[u8]) -> Result<Invite, StoreError> {
    codec::decode(&unchecked(id, stored)?).map_err(|_| StoreError::Damaged)
}

fn keep(tables: &mut Tables<'_>, id: &[u8; 16], invite: &Invite) -> Result<(), StoreError> {
    tables.invites.insert(id, &checked(id, &codec::encode(invite))[..])?;
    Ok(())
}

fn package(tables: &Tables<'_>, id: &[u8; 16]) -> Result<Vec<u8>, StoreError> {
    let found = tables.packages.get(id)?.ok_or(StoreError::Damaged)?;
    unchecked(id, found.value())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_invite_has_few_uses_and_an_end() {
        let invite_life = Duration::from_secs(100);
        let limits = Limits { invite_uses: 5, invite_life, ..Limits::default() };
        for (uses, deadline, good) in [
            (1, 1000, true),
            (5, 1100, true),
            (0, 1000, false),
            (6, 1000, false),
            (1, 999, false),
            (1, 1101, false),
            (u32::MAX, u64::MAX, false),
        ] {
            assert_eq!(fits(&limits, uses, deadline, 1000), good, "{uses} {deadline}");
        }
        assert!(fits(&limits, 1, u64::MAX, u64::MAX));
    }
}
