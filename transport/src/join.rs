//! Joining a space by an invite (PROTOCOL.md section 11).

use sealift_proto::control::Refusal;
use sealift_proto::invite::{Invite, InvitePackage};
use sealift_proto::keys::InviteKeys;
use sealift_proto::place::RelayPlace;
use sealift_proto::space::ChainError;
use sealift_space::invites;
use sealift_space::package::{self, PackageError};
use sealift_space::profile::space::SpaceState;

use crate::connect::{Connected, GIVE_UP, Patience, clock_apart, connect};
use crate::control::{CallError, Control, Purpose, dial};
use crate::device::ThisDevice;
use crate::error::{Error, JoinError};
use crate::notice::{ClockApart, Notice};

/// Joins the space that `invite` leads to, keeps it in the profile, and tells the others by publishing this device's
/// card. Joining a space twice is no error; it brings back a device that was removed or whose certificate has ended.
///
/// # Errors
/// When the relay or the profile fails, or the invite does not hold.
pub async fn join(this: &ThisDevice, invite: &Invite) -> Result<Connected, Error> {
    let relay = RelayPlace::from(&invite.relay);
    let keys = InviteKeys::derive(&invite.secret.0);
    let (package, clock) = fetch_package(this, &relay, &keys).await?;
    let joined = accept(this, &package, clock)?;
    // Its secrets have served.
    drop(package);
    let space = match this.profile.space(&joined.id())? {
        Some(mut known) => {
            known.rejoin(joined, this.now());
            known
        }
        None => joined,
    };
    this.profile.save_space(&space)?;
    let connected = connect(this, space, &relay, false, Patience::AtMost(GIVE_UP)).await?;
    // Only now do the others know of this device.
    this.bear(invites::remember(&this.profile, &connected.space, &keys.id))?;
    Ok(connected)
}

async fn fetch_package(
    this: &ThisDevice,
    relay: &RelayPlace,
    keys: &InviteKeys,
) -> Result<(InvitePackage, Option<ClockApart>), Error> {
    let platform = this.profile.platform();
    let (control, _events) = dial(platform, relay, &this.device.key, Purpose::Join, Vec::new())
        .await
        .map_err(|error| JoinError::Dial { relay: relay.clone(), error })?;
    let sealed = control.take_invite(keys.id).await.map_err(|error| no_package(error, &control))?;
    let clock = clock_apart(this, &control);
    if let Some(clock) = &clock {
        this.reporter.tell(&Notice::Clock(clock));
    }
    Ok((package::open(keys, &sealed).map_err(JoinError::from)?, clock))
}

fn no_package(error: CallError, control: &Control) -> Error {
    match error {
        CallError::Refused(Refusal::Spent) => JoinError::Spent.into(),
        CallError::Refused(Refusal::NotFound) => JoinError::Unknown.into(),
        error => Error::Call { relay: control.place(), error },
    }
}

/// Checks the package and signs this device's own certificate with the invite key. `clock` says how far this device's clock is
/// from the relay's, if that is far: the relay has just handed the invite out, so it is not the invite that is out of date.
fn accept(
    this: &ThisDevice,
    package: &InvitePackage,
    clock: Option<ClockApart>,
) -> Result<SpaceState, JoinError> {
    let random = &*this.profile.platform().random;
    match (package::accept(package, this.device.key.id(), random, this.now()), clock) {
        (Err(PackageError::Chain(ChainError::Expired { .. })), Some(clock)) => {
            Err(JoinError::Clock(clock))
        }
        (accepted, _) => Ok(accepted?),
    }
}
