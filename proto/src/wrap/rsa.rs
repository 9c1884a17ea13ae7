//! RSAES-OAEP with SHA-256 (RFC 8017 section 7.1), with keys made for one session and used for one decryption.

use rand_core::CryptoRng;
use rsa::{
    BoxedUint, Oaep, RsaPrivateKey, RsaPublicKey, pkcs1::EncodeRsaPublicKey,
    pkcs8::DecodePrivateKey, sha2::Sha256,
};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

use super::{WrapError, Wrapped};
use crate::keys::FreshKey;
use crate::limits::{RSA_BITS, RSA_BITS_MAX, RSA_BITS_MIN};

/// The public exponent as a DER INTEGER: 65537, and no other.
const EXPONENT: [u8; 5] = [0x02, 0x03, 0x01, 0x00, 0x01];
/// A modulus that one of these divides was not made by an honest generator.
const SMALL_PRIMES: [u32; 15] = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53];

#[cfg_attr(test, derive(Clone))]
pub(super) struct SecretKey(RsaPrivateKey);

impl SecretKey {
    pub(super) fn generate(rng: &mut impl CryptoRng) -> Result<Self, WrapError> {
        RsaPrivateKey::new(rng, RSA_BITS).map(Self).map_err(|_| WrapError::Generate)
    }

    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, WrapError> {
        RsaPrivateKey::from_pkcs8_der(der).map(Self).map_err(|_| WrapError::Key)
    }

    pub(super) fn public(&self) -> Vec<u8> {
        let der = self.0.to_public_key().to_pkcs1_der();
        der.expect("two integers always encode").into_vec()
    }

    /// The fresh key, or a random one: the caller cannot tell, and neither can the sender.
    pub(super) fn unwrap(
        self,
        label: &[u8; 32],
        sealed: &[u8],
        rng: &mut impl CryptoRng,
    ) -> FreshKey {
        let mut fresh = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *fresh);
        let opened = self.open(label, sealed, rng).unwrap_or_default();
        let fits = opened.len().ct_eq(&fresh.len());
        for (index, byte) in fresh.iter_mut().enumerate() {
            let given = opened.get(index).copied().unwrap_or(0);
            byte.conditional_assign(&given, fits);
        }
        FreshKey::new(*fresh)
    }

    /// The one decryption of this key, blinded.
    pub(super) fn open(
        self,
        label: &[u8],
        sealed: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let padding = Oaep::<Sha256>::new_with_label(label);
        self.0.decrypt_blinded(rng, padding, sealed).ok().map(Zeroizing::new)
    }
}

pub(super) fn wrap(
    public: &[u8],
    label: &[u8; 32],
    fresh: &FreshKey,
    rng: &mut impl CryptoRng,
) -> Result<Wrapped, WrapError> {
    let modulus = check(public)?;
    let modulus = BoxedUint::from_be_slice_vartime(modulus);
    let key =
        RsaPublicKey::new_with_size_limits(modulus, 65537_u32.into(), RSA_BITS_MIN..=RSA_BITS_MAX)
            .map_err(|_| WrapError::Key)?;
    let padding = Oaep::<Sha256>::new_with_label(&label[..]);
    let sealed = key.encrypt(rng, padding, &fresh.0).map_err(|_| WrapError::Key)?;
    Wrapped::new(Vec::new(), sealed)
}

/// The modulus within a PKCS#1 `RSAPublicKey` in DER (RFC 8017 appendix A.1.1), big-endian, if it follows the policy: 2048
/// to 4096 bits, odd, without small factors, exponent 65537. Nothing but bytes is looked at, so that a hostile key costs
/// nothing.
pub(super) fn check(der: &[u8]) -> Result<&[u8], WrapError> {
    let modulus = modulus(der).ok_or(WrapError::Key)?;
    let (first, last) = modulus.first().zip(modulus.last()).ok_or(WrapError::Key)?;
    let zeros = usize::try_from(first.leading_zeros()).map_err(|_| WrapError::Key)?;
    let bits = modulus.len() * 8 - zeros;
    let divisible = |prime: &u32| {
        let rest = modulus.iter().fold(0, |rest, byte| (rest * 256 + u32::from(*byte)) % prime);
        rest == 0
    };
    let sized = (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&bits);
    if sized && last % 2 == 1 && !SMALL_PRIMES.iter().any(divisible) {
        Ok(modulus)
    } else {
        Err(WrapError::Key)
    }
}

/// Reads `SEQUENCE { INTEGER n, INTEGER 65537 }`. All lengths that the policy allows take two bytes in DER.
fn modulus(der: &[u8]) -> Option<&[u8]> {
    let body = der.strip_prefix(&[0x30, 0x82])?;
    let body = of_exact_length(body)?;
    let integer = body.strip_prefix(&[0x02, 0x82])?.strip_suffix(&EXPONENT)?;
    let content = of_exact_length(integer)?;
    // One form only: a zero goes first exactly where the number would otherwise look negative.
    match content {
        [0, rest @ ..] if rest.first()? & 0x80 != 0 => Some(rest),
        [first, ..] if *first != 0 && first & 0x80 == 0 => Some(content),
        _ => None,
    }
}

/// What follows a two-byte length, if it has that length and DER has no shorter form for it.
fn of_exact_length(bytes: &[u8]) -> Option<&[u8]> {
    let (length, content) = bytes.split_first_chunk::<2>()?;
    let length = usize::from(u16::from_be_bytes(*length));
    (length >= 256 && length == content.len()).then_some(content)
}
