//! The fixed space, devices and randomness of all vectors.

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};
use sealift_proto::{
    codec::{Extensions, List},
    control::Address,
    identity::{SecretKey, Signed},
    keys::EpochSecret,
    space::{Certificate, Chain, Role, SpaceId},
};
use sha2::{Digest, Sha256};

/// The time of everything, unix seconds.
pub const NOW: u64 = 1_800_000_000;
/// The epoch.
pub const EPOCH: u32 = 4;
/// Random bytes of the space id.
pub const SPACE_SALT: [u8; 16] = [5; 16];
/// The epoch's secret.
pub const EPOCH_SECRET: [u8; 32] = [6; 32];
/// The secret of the invite.
pub const INVITE_SECRET: [u8; 16] = [7; 16];
/// Salt of every sealed message: never repeated in earnest.
pub const SEAL_SALT: [u8; 24] = [8; 24];

pub fn owner() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

pub fn invite_key() -> SecretKey {
    SecretKey::from_seed([2; 32])
}

pub fn leecher() -> SecretKey {
    SecretKey::from_seed([3; 32])
}

pub fn seeder() -> SecretKey {
    SecretKey::from_seed([4; 32])
}

pub fn leecher_address() -> Address {
    Address { device: leecher().id(), connection: 7 }
}

pub fn seeder_address() -> Address {
    Address { device: seeder().id(), connection: 0 }
}

pub fn space() -> SpaceId {
    SpaceId::derive(&owner().id(), &SPACE_SALT)
}

pub fn epoch_secret() -> EpochSecret {
    EpochSecret::new(EPOCH_SECRET)
}

pub fn certificate(subject: &SecretKey, issuer: &SecretKey, depth_left: u8) -> Signed<Certificate> {
    let certificate = Certificate {
        version: 1,
        space: space(),
        subject: subject.id(),
        role: Role::BOTH,
        depth_left,
        uses: u32::from(depth_left),
        not_after: NOW + 1000,
        serial: [depth_left + 16; 16],
        extensions: Extensions::default(),
    };
    Signed::sign(certificate, issuer).unwrap()
}

fn chain(certificates: Vec<Signed<Certificate>>) -> Chain {
    let certificates = List::new(certificates).unwrap();
    Chain { owner: owner().id(), salt: SPACE_SALT, certificates }
}

/// Owner → seeder.
pub fn lasting_chain() -> Chain {
    chain(vec![certificate(&seeder(), &owner(), 0)])
}

/// Owner → invite key → leecher.
pub fn invited_chain() -> Chain {
    let first = certificate(&invite_key(), &owner(), 1);
    chain(vec![first, certificate(&leecher(), &invite_key(), 0)])
}

/// Randomness that can be had again: block `n`, counted from 1, is SHA-256(u64 seed ‖ u64 n). Each request takes whole
/// blocks.
pub struct Seeded {
    seed: u64,
    count: u64,
}

impl Seeded {
    pub const fn new(seed: u64) -> Self {
        Self { seed, count: 0 }
    }

    fn block(&mut self) -> [u8; 32] {
        self.count += 1;
        let hash = Sha256::new().chain_update(self.seed.to_be_bytes());
        hash.chain_update(self.count.to_be_bytes()).finalize().into()
    }
}

impl TryRng for Seeded {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(*self.block().first_chunk().unwrap()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(*self.block().first_chunk().unwrap()))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for part in bytes.chunks_mut(32) {
            part.copy_from_slice(&self.block()[..part.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Seeded {}
