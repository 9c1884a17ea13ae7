//! AES-256-GCM behind one type, with two implementations that give the same bytes.

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{AeadInOut, inout::InOutBuf},
};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::{SealError, TAG_LEN};

/// Which implementation does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Backend {
    /// `aws-lc-rs`: several times faster, with code written for each processor.
    #[default]
    AwsLc,
    /// `aes-gcm`: Rust alone, for wherever the other cannot be built.
    Portable,
}

/// One AES-256-GCM key. Additional data is always empty here: the context went into the key.
pub(super) enum Aead {
    AwsLc(LessSafeKey),
    Portable(Box<Aes256Gcm>),
}

impl Aead {
    pub(super) fn new(backend: Backend, key: &[u8; 32]) -> Self {
        match backend {
            Backend::AwsLc => {
                let key = UnboundKey::new(&AES_256_GCM, key).expect("the key has 32 bytes");
                Self::AwsLc(LessSafeKey::new(key))
            }
            Backend::Portable => Self::Portable(Box::new(Aes256Gcm::new(&(*key).into()))),
        }
    }

    /// Encrypts `buffer` in place.
    pub(super) fn seal(&self, nonce: [u8; 12], buffer: &mut [u8]) -> [u8; TAG_LEN] {
        const SHORT: &str = "a piece is far shorter than what one nonce allows";
        match self {
            Self::AwsLc(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), buffer).expect(SHORT);
                let mut bytes = [0; TAG_LEN];
                bytes.copy_from_slice(tag.as_ref());
                bytes
            }
            Self::Portable(key) => key
                .encrypt_inout_detached(&nonce.into(), &[], InOutBuf::from(buffer))
                .expect(SHORT)
                .into(),
        }
    }

    /// Decrypts `buffer` in place; on failure it is zeroed, so that nothing unverified is left to be used.
    pub(super) fn open(
        &self,
        nonce: [u8; 12],
        buffer: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), SealError> {
        let opened = match self {
            Self::AwsLc(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.open_in_place_separate_tag(nonce, Aad::empty(), tag, buffer).is_ok()
            }
            Self::Portable(key) => decrypt(key, nonce, InOutBuf::from(&mut *buffer), tag),
        };
        verified(opened, buffer)
    }

    /// Decrypts `sealed` into `plain`, which is as long; on failure `plain` is zeroed.
    pub(super) fn open_into(
        &self,
        nonce: [u8; 12],
        sealed: &[u8],
        tag: &[u8; TAG_LEN],
        plain: &mut [u8],
    ) -> Result<(), SealError> {
        let opened = match self {
            Self::AwsLc(key) => {
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.open_separate_gather(nonce, Aad::empty(), sealed, tag, plain).is_ok()
            }
            Self::Portable(key) => {
                InOutBuf::new(sealed, &mut *plain).is_ok_and(|both| decrypt(key, nonce, both, tag))
            }
        };
        verified(opened, plain)
    }
}

fn decrypt(
    key: &Aes256Gcm,
    nonce: [u8; 12],
    buffer: InOutBuf<'_, '_, u8>,
    tag: &[u8; TAG_LEN],
) -> bool {
    key.decrypt_inout_detached(&nonce.into(), &[], buffer, &(*tag).into()).is_ok()
}

fn verified(opened: bool, plain: &mut [u8]) -> Result<(), SealError> {
    if opened {
        return Ok(());
    }
    plain.fill(0);
    Err(SealError::Altered)
}
