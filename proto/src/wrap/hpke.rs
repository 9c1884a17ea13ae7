//! HPKE in base mode, one message per key (RFC 9180 section 6.1).

use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::AesGcm256, kdf::HkdfSha256,
    single_shot_open, single_shot_seal_with_rng,
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::{WrapError, Wrapped};
use crate::keys::FreshKey;

pub(super) struct SecretKey<K: Kem>(K::PrivateKey);

#[cfg(test)]
impl<K: Kem> Clone for SecretKey<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Kem> SecretKey<K> {
    pub(super) fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(K::gen_keypair_with_rng(rng).0)
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, WrapError> {
        K::PrivateKey::from_bytes(bytes).map(Self).map_err(|_| WrapError::Key)
    }

    pub(super) fn public(&self) -> Vec<u8> {
        K::sk_to_pk(&self.0).to_bytes().to_vec()
    }

    pub(super) fn unwrap(
        self,
        context: &[u8; 32],
        wrapped: &Wrapped,
    ) -> Result<FreshKey, WrapError> {
        let opened = open::<AesGcm256, HkdfSha256, K>(
            &self.0,
            &wrapped.encapsulation,
            context,
            &[],
            &wrapped.sealed,
        )?;
        let fresh = opened.as_slice().try_into().map_err(|_| WrapError::Open)?;
        Ok(FreshKey::new(fresh))
    }
}

pub(super) fn wrap<K: Kem>(
    public: &[u8],
    context: &[u8; 32],
    fresh: &FreshKey,
    rng: &mut impl CryptoRng,
) -> Result<Wrapped, WrapError> {
    let public = K::PublicKey::from_bytes(public).map_err(|_| WrapError::Key)?;
    let (encapsulation, sealed) = single_shot_seal_with_rng::<AesGcm256, HkdfSha256, K>(
        &OpModeS::Base,
        &public,
        context,
        &fresh.0,
        &[],
        rng,
    )
    .map_err(|_| WrapError::Key)?;
    Wrapped::new(encapsulation.to_bytes().to_vec(), sealed)
}

/// Opens the only message under an encapsulation. Generic over AEAD and KDF for the published vectors alone.
pub(super) fn open<A: hpke::aead::Aead, F: hpke::kdf::Kdf, K: Kem>(
    secret: &K::PrivateKey,
    encapsulation: &[u8],
    info: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, WrapError> {
    let encapsulation = K::EncappedKey::from_bytes(encapsulation).map_err(|_| WrapError::Key)?;
    single_shot_open::<A, F, K>(&OpModeR::Base, secret, &encapsulation, info, sealed, aad)
        .map(Zeroizing::new)
        .map_err(|_| WrapError::Open)
}
