//! Features that one side may have and another not (PROTOCOL.md section 2.5), so that a newer device and an older one go on
//! together.

use serde::{Deserialize, Serialize};

/// The features that one side names, a bit each. Bits that nobody has defined mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Features(u64);

impl Features {
    /// Those that this version has: none is defined yet.
    pub const OWN: Self = Self(0);

    /// Those whose bits are set.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// A bit for each.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Those that both sides named: what may be used between them.
    #[must_use]
    pub const fn common(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn only_what_both_name_is_used_and_every_bit_may_stand_there() {
        let (newer, older) = (Features::from_bits(1 << 63 | 0b110), Features::from_bits(0b011));
        assert_eq!(newer.common(older), Features::from_bits(0b010));
        assert_eq!(older.common(newer), newer.common(older));
        let all = Features::from_bits(u64::MAX);
        assert_eq!(codec::decode(&codec::encode(&all)), Ok(all));
        assert_eq!(all.common(Features::OWN), Features::OWN);
    }
}
