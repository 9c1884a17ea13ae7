//! What the switchboard calls connections and devices.

use sealift_proto::identity::DeviceId;
use sealift_proto::space::{Membership, Serial, SpaceId};

/// Names a connection within this relay; never used twice.
pub(crate) type Key = u64;

/// A device in a space.
pub(super) type Owner = (SpaceId, DeviceId);

/// The device and space of a member.
pub(super) const fn owner(member: &Membership) -> Owner {
    (member.space, member.device)
}

/// Whether a membership rests on one of these serials.
pub(crate) fn rests_on(member: &Membership, serials: &[Serial]) -> bool {
    serials.contains(&member.serial)
        || member.invite.is_some_and(|invite| serials.contains(&invite.serial))
}
