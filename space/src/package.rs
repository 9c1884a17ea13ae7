//! The package that an invite opens (PROTOCOL.md section 11), and how a device comes into the space by it.

use sealift_platform::random::Random;
use sealift_proto::codec::{self, Extensions, List};
use sealift_proto::frame::VERSION;
use sealift_proto::identity::{DeviceId, SecretKey, Signed};
use sealift_proto::invite::InvitePackage;
use sealift_proto::keys::{EpochSecret, InviteKeys};
use sealift_proto::object::{self, Place};
use sealift_proto::space::{Certificate, Chain, ChainError, Role};
use zeroize::Zeroizing;

use crate::profile::space::{RecordError, SpaceState};

/// What is wrong with the package of an invite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// It does not open, or does not belong where it says.
    #[error("the invite's package does not open")]
    Sealed,
    /// Its certificate is not for its key.
    #[error("its parts do not belong together")]
    Parts,
    /// Its space record does not hold.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Its certificate lets nobody in, or no more.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The certificate made of it is for another device.
    #[error("it is for another device")]
    OtherDevice,
}

/// Opens the package, which must say itself where it belongs: to the space of its record, by the owner.
///
/// # Errors
/// [`PackageError::Sealed`].
pub fn open(keys: &InviteKeys, sealed: &[u8]) -> Result<InvitePackage, PackageError> {
    opened(keys, sealed).ok_or(PackageError::Sealed)
}

fn opened(keys: &InviteKeys, sealed: &[u8]) -> Option<InvitePackage> {
    let (place, plain) = object::open_anywhere::<object::Package>(&keys.package, sealed).ok()?;
    let plain = Zeroizing::new(plain);
    let package: InvitePackage = codec::decode(&plain).ok()?;
    let record = package.record.unverified();
    let (space, device) = (record.space(), record.owner);
    (place == Place { space, device, log: 0, position: 0, ..place }).then_some(package)
}

/// Checks the package and signs a certificate for `device` with the invite key, at unix time `now` in seconds.
///
/// # Errors
/// What is wrong with it.
pub fn accept(
    package: &InvitePackage,
    device: DeviceId,
    random: &dyn Random,
    now: u64,
) -> Result<SpaceState, PackageError> {
    let chain = chain(package, device, random).ok_or(PackageError::Parts)?;
    let epoch = EpochSecret::new(package.epoch_secret);
    let space = SpaceState::joined(package.record.clone(), epoch, chain)?;
    let member = space.verify_member(space.chain(), now)?;
    if member.device == device { Ok(space) } else { Err(PackageError::OtherDevice) }
}

fn chain(package: &InvitePackage, device: DeviceId, random: &dyn Random) -> Option<Chain> {
    let invite_key = SecretKey::from_seed(package.invite_seed);
    let invite = package.certificate.unverified();
    if invite.subject != invite_key.id() {
        return None;
    }
    let record = package.record.unverified();
    let own = own_certificate(invite, device, random.bytes());
    let own = Signed::sign(own, &invite_key).ok()?;
    let certificates = List::new(vec![package.certificate.clone(), own]).ok()?;
    Some(Chain { owner: record.owner, salt: record.salt, certificates })
}

fn own_certificate(invite: &Certificate, device: DeviceId, serial: [u8; 16]) -> Certificate {
    Certificate {
        version: VERSION,
        space: invite.space,
        subject: device,
        role: Role::BOTH,
        depth_left: 0,
        uses: 0,
        not_after: invite.not_after,
        serial,
        extensions: Extensions::default(),
    }
}
