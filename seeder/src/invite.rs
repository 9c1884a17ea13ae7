//! Making invites (PROTOCOL.md section 11).

pub mod place;

use std::time::Duration;

use sealift_proto::codec::{self, Bytes, Extensions, List};
use sealift_proto::control::ToRelay;
use sealift_proto::frame::VERSION;
use sealift_proto::identity::{SecretKey, Signed};
use sealift_proto::invite::{Invite, InvitePackage, InviteSecret, PROVISIONAL};
use sealift_proto::keys::InviteKeys;
use sealift_proto::object::{self, Place};
use sealift_proto::place::RelayPlace;
use sealift_proto::space::{Certificate, HostName, RelayAddress, Role};
use sealift_space::invites;
use sealift_space::profile::space::SpaceState;
use sealift_transport::connect::{GIVE_UP, Patience, clock_apart, connect, relay_of};
use sealift_transport::control::{CallError, Control};
use sealift_transport::device::ThisDevice;

use crate::error::{Error, InviteError};

/// How long an invite is good unless told otherwise.
pub const EXPIRES: Duration = Duration::from_secs(24 * 3600);

/// What an invite is to allow.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How many devices may join by it.
    pub uses: u32,
    /// For how long.
    pub expires: Duration,
    /// Where the others find the relay, if not where this device dials it.
    pub public: Option<(HostName, Option<u16>)>,
}

impl Default for Terms {
    fn default() -> Self {
        Self { uses: 1, expires: EXPIRES, public: None }
    }
}

/// An invite whose package the relay keeps.
pub struct Invited {
    /// The invite.
    pub invite: Invite,
    /// The relay as this device dials it.
    pub dialled: RelayPlace,
    /// When it ends, unix seconds.
    pub expires: u64,
}

/// Connects to the relay of the space called `space`, and makes an invite there.
///
/// # Errors
/// When this device does not own the space, or the relay is not there or refuses.
pub async fn create(
    this: &ThisDevice,
    relay: Option<&RelayPlace>,
    space: Option<&str>,
    terms: &Terms,
) -> Result<Invited, Error> {
    let space = this.profile.one_space(space)?;
    if space.owner().is_none() {
        return Err(InviteError::NotOwner.into());
    }
    let relay = relay_of(&this.profile, &space, relay)?;
    let connected = connect(this, space, &relay, false, Patience::AtMost(GIVE_UP)).await?;
    let invite = make(this, &connected.space, &connected.control, terms).await?;
    let expires = this.now() + terms.expires.as_secs();
    Ok(Invited { invite, dialled: connected.control.relay().clone(), expires })
}

/// Makes an invite and has the relay keep its package.
///
/// # Errors
/// When this device does not own the space, or the relay refuses.
pub async fn make(
    this: &ThisDevice,
    space: &SpaceState,
    control: &Control,
    terms: &Terms,
) -> Result<Invite, Error> {
    let random = &*this.profile.platform().random;
    let secret = InviteSecret(random.bytes());
    let keys = InviteKeys::derive(&secret.0);
    let deadline = this.now() + terms.expires.as_secs();
    let (owner, package) = package(this, space, terms.uses, deadline)?;
    let place =
        Place { space: space.id(), epoch: space.epoch(), device: owner.id(), log: 0, position: 0 };
    let sealed = object::seal::<object::Package>(
        &keys.package,
        &place,
        random.bytes(),
        &codec::encode(&package),
    );
    let sealed = Bytes::new(sealed).map_err(InviteError::Outgrown)?;
    let uses = terms.uses;
    let put =
        |request| ToRelay::PutInvite { request, id: keys.id, deadline, uses, package: sealed };
    control.call(put).await.map_err(|error| not_kept(error, this, control))?;
    this.bear(invites::remember(&this.profile, space, &keys.id))?;
    let dialled = control.relay();
    let (host, port) = match &terms.public {
        Some(public) => public.clone(),
        None if place::is_loopback(&dialled.host) => {
            let elsewhere = place::elsewhere(this, control).await;
            (elsewhere.unwrap_or_else(|| dialled.host.clone()), None)
        }
        None => (dialled.host.clone(), None),
    };
    let relay = RelayAddress { host, port: port.unwrap_or(dialled.port), pin: control.pin() };
    Ok(Invite { relay, secret })
}

/// Why the relay does not keep the package. It ends by this device's clock, and the relay judges by its own.
fn not_kept(error: CallError, this: &ThisDevice, control: &Control) -> InviteError {
    InviteError::NotKept { relay: control.place(), error, clock: clock_apart(this, control) }
}

fn package(
    this: &ThisDevice,
    space: &SpaceState,
    uses: u32,
    deadline: u64,
) -> Result<(SecretKey, InvitePackage), Error> {
    let random = &*this.profile.platform().random;
    let owner = space.owner().ok_or(InviteError::NotOwner)?.clone();
    let epoch = space.epoch_secret().ok_or(InviteError::NotOwner)?;
    let invite_seed: [u8; 32] = random.bytes();
    let certificate = Certificate {
        version: VERSION,
        space: space.id(),
        subject: SecretKey::from_seed(invite_seed).id(),
        role: Role::BOTH,
        depth_left: 1,
        uses,
        not_after: deadline.saturating_add(PROVISIONAL),
        serial: random.bytes(),
        extensions: Extensions::default(),
    };
    let package = InvitePackage {
        record: space.record().clone(),
        epoch_secret: *epoch.as_bytes(),
        invite_seed,
        certificate: Signed::sign(certificate, &owner).map_err(InviteError::Outgrown)?,
        relays: List::new(space.secret().relays.to_vec()).map_err(InviteError::Outgrown)?,
        extensions: Extensions::default(),
    };
    Ok((owner, package))
}
