//! Suites: ways to deliver a fresh key to the holder of a single-use public key (PROTOCOL.md section 6.3).
//!
//! ```text
//! 1  X25519   HPKE base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM   RFC 9180    info = WC, aad empty
//! 2  RSA      RSAES-OAEP, SHA-256, MGF1 with SHA-256                                 RFC 8017    label = WC
//! 3  hybrid   HPKE base mode, X-Wing (X25519 + ML-KEM-768), HKDF-SHA256, AES-256-GCM             info = WC, aad empty
//! ```
//!
//! WC is the wrap context of the handshake: what was wrapped for one session opens in no other.

mod hpke;
mod points;
mod rsa;

use ::hpke::kem::{X25519HkdfSha256, XWing};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use crate::codec::{Bytes, CodecError};
use crate::keys::FreshKey;
use crate::kind::suite;

pub use crate::limits::{
    ENCAPSULATION_MAX, RSA_BITS, RSA_BITS_MAX, RSA_BITS_MIN, SHARE_MAX, WRAPPED_MAX,
};

/// A way to wrap the fresh key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Suite {
    /// X25519 alone.
    X25519,
    /// RSA with a key made for one session.
    Rsa,
    /// X25519 and ML-KEM-768 together: safe while either holds.
    Hybrid,
}

impl Suite {
    /// The number in messages.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::X25519 => suite::X25519,
            Self::Rsa => suite::RSA,
            Self::Hybrid => suite::HYBRID,
        }
    }

    /// The suite with that number, if it is known.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            suite::X25519 => Some(Self::X25519),
            suite::RSA => Some(Self::Rsa),
            suite::HYBRID => Some(Self::Hybrid),
            _ => None,
        }
    }

    /// Its place among the suites: a higher one is harder to break. The numbers in messages say nothing of that.
    #[must_use]
    pub const fn strength(self) -> u8 {
        match self {
            Self::Rsa => 1,
            Self::X25519 => 2,
            Self::Hybrid => 3,
        }
    }

    /// Whether it is no weaker than the suite of number `lowest`; of an unknown one nobody knows how strong it is.
    #[must_use]
    pub fn is_allowed(self, lowest: u8) -> bool {
        Self::from_number(lowest).is_some_and(|lowest| self.strength() >= lowest.strength())
    }
}

/// Why a key was not wrapped or unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// A public key or encapsulation that this suite refuses: length, form, size or a weak point.
    #[error("a public key that is refused")]
    Key,
    /// What was wrapped does not open: altered, or wrapped for another session.
    #[error("the wrapped key does not open")]
    Open,
    /// The system could not make a key.
    #[error("a key could not be made")]
    Generate,
}

/// Encapsulation and wrapped key: what travels in WRAP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrapped {
    /// The KEM's output; empty for RSA.
    pub encapsulation: Bytes<ENCAPSULATION_MAX>,
    /// The fresh key, sealed.
    pub sealed: Bytes<WRAPPED_MAX>,
}

impl Wrapped {
    fn new(encapsulation: Vec<u8>, sealed: Vec<u8>) -> Result<Self, WrapError> {
        let fit = |_: CodecError| WrapError::Key;
        Ok(Self {
            encapsulation: Bytes::new(encapsulation).map_err(fit)?,
            sealed: Bytes::new(sealed).map_err(fit)?,
        })
    }
}

/// Wraps `fresh` for the holder of a public key, bound to `context`.
///
/// # Errors
/// [`WrapError::Key`] when the public key is refused; nothing has been computed with it then.
pub fn wrap(
    suite: Suite,
    public: &[u8],
    context: &[u8; 32],
    fresh: &FreshKey,
    rng: &mut impl CryptoRng,
) -> Result<Wrapped, WrapError> {
    match suite {
        Suite::X25519 => {
            points::check(public)?;
            hpke::wrap::<X25519HkdfSha256>(public, context, fresh, rng)
        }
        Suite::Rsa => rsa::wrap(public, context, fresh, rng),
        Suite::Hybrid => {
            points::check(x25519_half(public)?)?;
            hpke::wrap::<XWing>(public, context, fresh, rng)
        }
    }
}

/// The secret half of a share. It is used once: unwrapping consumes it.
#[cfg_attr(test, derive(Clone))]
pub struct ShareSecret(Secret);

#[cfg_attr(test, derive(Clone))]
enum Secret {
    X25519(hpke::SecretKey<X25519HkdfSha256>),
    Rsa(Box<rsa::SecretKey>),
    Hybrid(Box<hpke::SecretKey<XWing>>),
}

impl ShareSecret {
    /// Makes a key for one session. RSA takes up to seconds.
    ///
    /// # Errors
    /// [`WrapError::Generate`] when no RSA key could be made.
    pub fn generate(suite: Suite, rng: &mut impl CryptoRng) -> Result<Self, WrapError> {
        Ok(Self(match suite {
            Suite::X25519 => Secret::X25519(hpke::SecretKey::generate(rng)),
            Suite::Rsa => Secret::Rsa(Box::new(rsa::SecretKey::generate(rng)?)),
            Suite::Hybrid => Secret::Hybrid(Box::new(hpke::SecretKey::generate(rng))),
        }))
    }

    /// Takes a secret key as bytes: 32 of X25519 or X-Wing, or RSA as PKCS#8. For test vectors; a session makes its own.
    ///
    /// # Errors
    /// [`WrapError::Key`] when they are no such key.
    pub fn from_bytes(suite: Suite, bytes: &[u8]) -> Result<Self, WrapError> {
        Ok(Self(match suite {
            Suite::X25519 => Secret::X25519(hpke::SecretKey::from_bytes(bytes)?),
            Suite::Rsa => Secret::Rsa(Box::new(rsa::SecretKey::from_pkcs8(bytes)?)),
            Suite::Hybrid => Secret::Hybrid(Box::new(hpke::SecretKey::from_bytes(bytes)?)),
        }))
    }

    /// Its suite.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        match self.0 {
            Secret::X25519(_) => Suite::X25519,
            Secret::Rsa(_) => Suite::Rsa,
            Secret::Hybrid(_) => Suite::Hybrid,
        }
    }

    /// The public half, as it travels in OFFER.
    #[must_use]
    pub fn public(&self) -> Vec<u8> {
        match &self.0 {
            Secret::X25519(key) => key.public(),
            Secret::Rsa(key) => key.public(),
            Secret::Hybrid(key) => key.public(),
        }
    }

    /// Unwraps the fresh key. With RSA, a key that does not open is replaced by a random one, so that nobody learns why:
    /// the handshake then fails at its confirmation.
    ///
    /// # Errors
    /// [`WrapError::Key`] for an encapsulation that is refused, [`WrapError::Open`] when it does not open.
    pub fn unwrap(
        self,
        context: &[u8; 32],
        wrapped: &Wrapped,
        rng: &mut impl CryptoRng,
    ) -> Result<FreshKey, WrapError> {
        match self.0 {
            Secret::X25519(key) => {
                points::check(&wrapped.encapsulation)?;
                key.unwrap(context, wrapped)
            }
            Secret::Rsa(key) if wrapped.encapsulation.is_empty() => {
                Ok(key.unwrap(context, &wrapped.sealed, rng))
            }
            Secret::Rsa(_) => Err(WrapError::Key),
            Secret::Hybrid(key) => {
                points::check(x25519_half(&wrapped.encapsulation)?)?;
                key.unwrap(context, wrapped)
            }
        }
    }
}

impl std::fmt::Debug for ShareSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ShareSecret({:?})", self.suite())
    }
}

/// The last 32 bytes of an X-Wing public key or encapsulation are those of X25519.
fn x25519_half(bytes: &[u8]) -> Result<&[u8], WrapError> {
    bytes.split_last_chunk::<32>().map(|(_, half)| &half[..]).ok_or(WrapError::Key)
}

#[cfg(test)]
mod tests;
