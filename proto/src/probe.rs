//! The relay's UDP service, which tells a device the address that its datagrams come from (PROTOCOL.md section 5.7).
//!
//! ```text
//! ask    = 01 "SLU" ‖ token [16] ‖ nonce [16] ‖ zeros [12] ‖ MAC [16]                       64 bytes, device → relay
//! answer = 01 "SLV" ‖ nonce [16] ‖ masked IP [16] and port [2] ‖ zeros [10] ‖ MAC [16]      64 bytes, relay → device
//! ```
//!
//! Token and key come over the control connection. An answer is as long as what asked for it, so that nobody gains by asking
//! in somebody else's name. The address is masked because some routers alter addresses wherever they see them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::ZeroizeOnDrop;

use crate::codec;
use crate::kind::datagram;
use crate::label;

/// Bytes of both datagrams.
pub const PROBE_LEN: usize = 64;
const MAC_LEN: usize = 16;
/// Bytes in front of the MAC, which covers all of them.
const COVERED: usize = PROBE_LEN - MAC_LEN;
const ASK: [u8; 4] = [datagram::PROBE, b'S', b'L', b'U'];
const ANSWER: [u8; 4] = [datagram::PROBE, b'S', b'L', b'V'];

/// Names a device's control connection to the UDP service.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ProbeToken(#[serde(with = "codec::array")] pub [u8; 16]);

/// The key that the relay and one control connection share for probes. Cleared when dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ZeroizeOnDrop)]
pub struct ProbeKey(#[serde(with = "codec::array")] [u8; 32]);

impl ProbeKey {
    /// Takes 32 random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    fn mac(&self, label: &str, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes any key");
        mac.update(label.as_bytes());
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    fn seal(&self, label: &str, bytes: &mut [u8; PROBE_LEN]) {
        let mac = self.mac(label, &[&bytes[..COVERED]]);
        bytes[COVERED..].copy_from_slice(&mac[..MAC_LEN]);
    }

    fn holds(&self, label: &str, bytes: &[u8; PROBE_LEN]) -> bool {
        let mac = self.mac(label, &[&bytes[..COVERED]]);
        mac[..MAC_LEN].ct_eq(&bytes[COVERED..]).into()
    }
}

impl std::fmt::Debug for ProbeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProbeKey(..)")
    }
}

/// What a device asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ask {
    /// Which control connection asks.
    pub token: ProbeToken,
    /// Random; comes back in the answer.
    pub nonce: [u8; 16],
}

impl Ask {
    /// The datagram.
    #[must_use]
    pub fn to_bytes(&self, key: &ProbeKey) -> [u8; PROBE_LEN] {
        let mut bytes = [0; PROBE_LEN];
        bytes[..4].copy_from_slice(&ASK);
        bytes[4..20].copy_from_slice(&self.token.0);
        bytes[20..36].copy_from_slice(&self.nonce);
        key.seal(label::PROBE_ASK, &mut bytes);
        bytes
    }

    /// The token in a datagram that may be an ask; whether it is one shows with the token's key in [`Ask::from_bytes`].
    #[must_use]
    pub fn token(datagram: &[u8]) -> Option<ProbeToken> {
        let bytes: &[u8; PROBE_LEN] = datagram.try_into().ok()?;
        let mut token = ProbeToken([0; 16]);
        token.0.copy_from_slice(&bytes[4..20]);
        bytes.starts_with(&ASK).then_some(token)
    }

    /// Reads a datagram that came in; `None` for everything that was not made with `key`.
    #[must_use]
    pub fn from_bytes(datagram: &[u8], key: &ProbeKey) -> Option<Self> {
        let bytes: &[u8; PROBE_LEN] = datagram.try_into().ok()?;
        let token = Self::token(datagram)?;
        let whole = bytes[36..COVERED].iter().all(|byte| *byte == 0);
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&bytes[20..36]);
        (whole && key.holds(label::PROBE_ASK, bytes)).then_some(Self { token, nonce })
    }
}

/// What the relay answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// That of the ask.
    pub nonce: [u8; 16],
    /// Where the ask came from.
    pub seen: SocketAddr,
}

impl Answer {
    /// The datagram.
    #[must_use]
    pub fn to_bytes(&self, key: &ProbeKey) -> [u8; PROBE_LEN] {
        let mut bytes = [0; PROBE_LEN];
        bytes[..4].copy_from_slice(&ANSWER);
        bytes[4..20].copy_from_slice(&self.nonce);
        let ip = match self.seen.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        bytes[20..36].copy_from_slice(&ip.octets());
        bytes[36..38].copy_from_slice(&self.seen.port().to_be_bytes());
        mask(key, &self.nonce, &mut bytes[20..38]);
        key.seal(label::PROBE_ANSWER, &mut bytes);
        bytes
    }

    /// The nonce in a datagram that may be an answer; whether it is one shows in [`Answer::from_bytes`].
    #[must_use]
    pub fn nonce(datagram: &[u8]) -> Option<[u8; 16]> {
        let bytes: &[u8; PROBE_LEN] = datagram.try_into().ok()?;
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&bytes[4..20]);
        bytes.starts_with(&ANSWER).then_some(nonce)
    }

    /// Reads a datagram that came in; `None` for everything that was not made with `key`.
    #[must_use]
    pub fn from_bytes(datagram: &[u8], key: &ProbeKey) -> Option<Self> {
        let bytes: &[u8; PROBE_LEN] = datagram.try_into().ok()?;
        let nonce = Self::nonce(datagram)?;
        let whole = bytes[38..COVERED].iter().all(|byte| *byte == 0);
        if !whole || !key.holds(label::PROBE_ANSWER, bytes) {
            return None;
        }
        let mut seen = [0; 18];
        seen.copy_from_slice(&bytes[20..38]);
        mask(key, &nonce, &mut seen);
        let (ip, port) = seen.split_first_chunk::<16>()?;
        let port = u16::from_be_bytes(*port.first_chunk()?);
        let ip = IpAddr::V6(Ipv6Addr::from(*ip)).to_canonical();
        Some(Self { nonce, seen: SocketAddr::new(ip, port) })
    }
}

fn mask(key: &ProbeKey, nonce: &[u8; 16], bytes: &mut [u8]) {
    for (byte, mask) in bytes.iter_mut().zip(key.mac(label::PROBE_MASK, &[nonce])) {
        *byte ^= mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: ProbeKey = ProbeKey::new([1; 32]);
    const OTHER: ProbeKey = ProbeKey::new([2; 32]);

    fn ask() -> Ask {
        Ask { token: ProbeToken([3; 16]), nonce: [4; 16] }
    }

    fn answer(seen: &str) -> Answer {
        Answer { nonce: [4; 16], seen: seen.parse().unwrap() }
    }

    #[test]
    fn both_datagrams_are_read_as_they_were_written() {
        assert_eq!(Ask::token(&ask().to_bytes(&KEY)), Some(ask().token));
        assert_eq!(Ask::from_bytes(&ask().to_bytes(&KEY), &KEY), Some(ask()));
        for seen in ["192.0.2.1:5000", "[2001:db8::7]:65535"] {
            let bytes = answer(seen).to_bytes(&KEY);
            assert_eq!(Answer::nonce(&bytes), Some([4; 16]));
            assert_eq!(Answer::from_bytes(&bytes, &KEY), Some(answer(seen)));
            assert!(!bytes.windows(4).any(|window| window == [192, 0, 2, 1]), "not masked");
        }
    }

    #[test]
    fn an_answer_is_no_longer_than_what_asked_for_it() {
        assert_eq!(answer("192.0.2.1:1").to_bytes(&KEY).len(), ask().to_bytes(&KEY).len());
    }

    #[test]
    fn every_flipped_bit_every_other_length_and_every_other_key_is_noticed() {
        let (question, reply) = (ask().to_bytes(&KEY), answer("192.0.2.1:5000").to_bytes(&KEY));
        for bit in 0..PROBE_LEN * 8 {
            let flip = |mut bytes: [u8; PROBE_LEN]| {
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes
            };
            assert_eq!(Ask::from_bytes(&flip(question), &KEY), None, "{bit}");
            assert_eq!(Answer::from_bytes(&flip(reply), &KEY), None, "{bit}");
        }
        for len in 0..PROBE_LEN {
            assert_eq!(Ask::from_bytes(&question[..len], &KEY), None);
            assert_eq!(Answer::from_bytes(&reply[..len], &KEY), None);
        }
        assert_eq!(Ask::from_bytes(&[&question[..], &[0]].concat(), &KEY), None);
        assert_eq!(Ask::from_bytes(&question, &OTHER), None);
        assert_eq!(Answer::from_bytes(&reply, &OTHER), None);
        // Neither is taken for the other: what the relay sends makes no relay answer.
        assert_eq!((Ask::token(&reply), Answer::nonce(&question)), (None, None));
    }

    #[test]
    fn keys_print_nothing() {
        assert_eq!(format!("{KEY:?}"), "ProbeKey(..)");
    }
}
