//! Text forms of bytes: base32 without padding, lower case (RFC 4648 section 6), as used in pins, invites and short ids.

use data_encoding::{BASE32_NOPAD, HEXLOWER_PERMISSIVE};

/// `bytes` as lower-case base32.
#[must_use]
pub fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

/// The `N` bytes that `text` stands for; capitals are accepted, since people copy by hand.
#[must_use]
pub fn from_base32<const N: usize>(text: &str) -> Option<[u8; N]> {
    let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?;
    bytes.try_into().ok()
}

/// `bytes` as lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER_PERMISSIVE.encode(bytes)
}

/// The bytes that hexadecimal `text` stands for.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}
