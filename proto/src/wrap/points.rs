//! X25519 public keys that are refused (PROTOCOL.md section 6.3): all from which no secret can come, and every second
//! spelling of a good one.

use super::WrapError;

/// Low-order points in canonical form: u = 0, 1, two of order 8, and p - 1.
const LOW_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4,
        0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49,
        0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef,
        0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f,
        0x11, 0x57,
    ],
    {
        let mut minus_one = P;
        minus_one[0] -= 1;
        minus_one
    },
];

/// The field's prime, 2^255 - 19, little-endian.
const P: [u8; 32] = {
    let mut p = [0xff; 32];
    p[0] = 0xed;
    p[31] = 0x7f;
    p
};

/// Refuses `bytes` unless they are the one spelling, below p, of a u-coordinate that is not of low order.
pub(super) fn check(bytes: &[u8]) -> Result<(), WrapError> {
    let bytes: &[u8; 32] = bytes.try_into().map_err(|_| WrapError::Key)?;
    let canonical = bytes.iter().rev().lt(P.iter().rev());
    if canonical && !LOW_ORDER.contains(bytes) { Ok(()) } else { Err(WrapError::Key) }
}
