//! Devices and their signatures (PROTOCOL.md section 3).

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use zeroize::ZeroizeOnDrop;

use crate::codec::{self, Bytes, CodecError};

pub use crate::limits::SIGNED_MAX;

/// A public Ed25519 key: the name by which devices, owners and invite keys are known. Exists only if it is a point of
/// the curve that is not of small order, so that nobody can sign everything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct DeviceId(#[serde(with = "codec::array")] [u8; 32]);

impl DeviceId {
    /// Checks `bytes`.
    ///
    /// # Errors
    /// [`SignatureError`] when they are no usable public key.
    pub fn new(bytes: [u8; 32]) -> Result<Self, SignatureError> {
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| SignatureError)?;
        if key.is_weak() || key.to_bytes() != bytes {
            return Err(SignatureError);
        }
        Ok(Self(bytes))
    }

    /// The 32 bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Eight characters that tell devices with the same name apart; no security rests on them.
    #[must_use]
    pub fn short(&self) -> String {
        crate::text::base32(&self.0[..5])
    }

    /// Verifies `signature` over `context ‖ body`, by strict verification only.
    ///
    /// # Errors
    /// [`SignatureError`] when it does not hold.
    pub fn verify(
        &self,
        context: &str,
        body: &[u8],
        signature: &[u8; 64],
    ) -> Result<(), SignatureError> {
        self.verify_message(&with_context(context, body), signature)
    }

    fn verify_message(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), SignatureError> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| SignatureError)?;
        key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature))
            .map_err(|_| SignatureError)
    }
}

impl<'de> Deserialize<'de> for DeviceId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(codec::array::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl std::fmt::Debug for DeviceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.short())
    }
}

impl std::fmt::Display for DeviceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.short())
    }
}

/// A key or signature that does not hold; deliberately without detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key or signature does not hold")]
pub struct SignatureError;

/// A secret Ed25519 key, of a device, an owner or an invite. Cleared when dropped; never printed.
#[derive(Clone, ZeroizeOnDrop)]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// Takes a seed of 32 random bytes (RFC 8032 section 5.1.5).
    #[must_use]
    pub const fn from_seed(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// The seed, to be kept on disk.
    #[must_use]
    pub const fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    /// The public half.
    #[must_use]
    pub fn id(&self) -> DeviceId {
        DeviceId(SigningKey::from_bytes(&self.0).verifying_key().to_bytes())
    }

    /// Signs `context ‖ body`.
    #[must_use]
    pub fn sign(&self, context: &str, body: &[u8]) -> [u8; 64] {
        SigningKey::from_bytes(&self.0).sign(&with_context(context, body)).to_bytes()
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

fn with_context(context: &str, body: &[u8]) -> Vec<u8> {
    debug_assert!(context.ends_with('\0'), "a context ends where no body can go on");
    [context.as_bytes(), body].concat()
}

/// A kind of statement that is signed.
pub trait Statement: Serialize + DeserializeOwned {
    /// What stands before the body under the signature: different for each kind, ending in a zero byte.
    const CONTEXT: &'static str;
    /// Longest body accepted, bytes.
    const MAX: usize;
}

/// A signed statement, kept as the bytes that were signed beside what they say. Encoded as `body ‖ signature`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Signed<T> {
    value: T,
    wire: SignedBytes,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct SignedBytes {
    body: Bytes<SIGNED_MAX>,
    #[serde(with = "codec::array")]
    signature: [u8; 64],
}

impl<T: Statement> Signed<T> {
    /// Signs `value` with `key`.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] when the encoding is over the limit of its kind.
    pub fn sign(value: T, key: &SecretKey) -> Result<Self, CodecError> {
        let body = codec::encode(&value);
        if body.len() > T::MAX {
            return Err(CodecError::TooLong);
        }
        let signature = key.sign(T::CONTEXT, &body);
        Ok(Self { value, wire: SignedBytes { body: Bytes::new(body)?, signature } })
    }

    /// What is stated, if `signer` signed it.
    ///
    /// # Errors
    /// [`SignatureError`] when it did not.
    pub fn verify(&self, signer: &DeviceId) -> Result<&T, SignatureError> {
        signer.verify(T::CONTEXT, &self.wire.body, &self.wire.signature)?;
        Ok(&self.value)
    }

    /// What is stated, by whomever.
    #[must_use]
    pub const fn unverified(&self) -> &T {
        &self.value
    }

    /// The encoding, signature included.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&self.wire)
    }

    /// Decodes; the signature is not verified yet.
    ///
    /// # Errors
    /// When the bytes are not the encoding of such a statement.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CodecError> {
        Self::from_wire(codec::decode(bytes)?)
    }

    fn from_wire(wire: SignedBytes) -> Result<Self, CodecError> {
        if wire.body.len() > T::MAX {
            return Err(CodecError::TooLong);
        }
        Ok(Self { value: codec::decode(&wire.body)?, wire })
    }
}

impl<T> Serialize for Signed<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.wire.serialize(serializer)
    }
}

impl<'de, T: Statement> Deserialize<'de> for Signed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_wire(SignedBytes::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(all(test, feature = "sealed"))]
mod published;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    struct Note(u64);
    impl Statement for Note {
        const CONTEXT: &'static str = "sealift/1 test note\0";
        const MAX: usize = 16;
    }

    #[test]
    fn a_statement_verifies_only_for_its_signer_and_unaltered() {
        let key = SecretKey::from_seed([7; 32]);
        let bytes = Signed::sign(Note(300), &key).unwrap().to_bytes();
        let back = Signed::<Note>::from_bytes(&bytes).unwrap();
        assert_eq!(back.verify(&key.id()), Ok(&Note(300)));
        assert!(back.verify(&SecretKey::from_seed([8; 32]).id()).is_err());
        for bit in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[bit / 8] ^= 1 << (bit % 8);
            let held = Signed::<Note>::from_bytes(&altered)
                .is_ok_and(|signed| signed.verify(&key.id()).is_ok());
            assert!(!held, "bit {bit}");
        }
    }

    #[test]
    fn weak_keys_do_not_exist() {
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(DeviceId::new(identity).is_err());
        assert!(DeviceId::new([0; 32]).is_err());
    }
}
