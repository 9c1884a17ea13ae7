//! Values of limits: what they count, and how they are written.

use std::time::Duration;

/// A second, in the unit that times are counted in.
pub const SECOND: u64 = 1000;
/// A minute.
pub const MINUTE: u64 = 60 * SECOND;
/// A day.
pub const DAY: u64 = 24 * 60 * MINUTE;
/// 2^10 bytes.
pub const KIB: u64 = 1 << 10;
/// 2^20 bytes.
pub const MIB: u64 = 1 << 20;
/// 2^30 bytes.
pub const GIB: u64 = 1 << 30;

/// What stands for no limit where there may be none.
const UNLIMITED: &str = "unlimited";

const BYTES: [(&str, u64); 5] =
    [("TiB", 1 << 40), ("GiB", GIB), ("MiB", MIB), ("KiB", KIB), ("B", 1)];
const TIMES: [(&str, u64); 5] =
    [("d", DAY), ("h", 60 * MINUTE), ("min", MINUTE), ("s", SECOND), ("ms", 1)];

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things: `512`.
    Count,
    /// Bytes: `512 MiB`.
    Bytes,
    /// A time: `90 s`.
    Time,
    /// Things in a second: `1000/s`.
    PerSecond,
    /// Bytes in a second: `16 MiB/s`.
    BytesPerSecond,
}

impl Unit {
    /// How a value of it is written, for a person who wrote another.
    #[must_use]
    pub const fn example(self) -> &'static str {
        match self {
            Self::Count => "a number, as 512",
            Self::Bytes => "bytes, as 512 MiB (B, KiB, MiB, GiB or TiB)",
            Self::Time => "a time, as 90 s (ms, s, min, h or d)",
            Self::PerSecond => "a number in a second, as 1000/s",
            Self::BytesPerSecond => "bytes in a second, as 16 MiB/s",
        }
    }

    const fn suffixes(self) -> &'static [(&'static str, u64)] {
        match self {
            Self::Count | Self::PerSecond => &[],
            Self::Bytes | Self::BytesPerSecond => &BYTES,
            Self::Time => &TIMES,
        }
    }

    /// What a bare number means.
    const fn bare(self) -> u64 {
        if matches!(self, Self::Time) { SECOND } else { 1 }
    }

    const fn behind(self) -> &'static str {
        if matches!(self, Self::PerSecond | Self::BytesPerSecond) { "/s" } else { "" }
    }

    /// The largest value: nothing that is computed with one overflows.
    pub const fn most(self) -> u64 {
        match self {
            Self::Time => 3660 * DAY,
            _ => 1 << 60,
        }
    }

    /// Reads a value; `u64::MAX` for "unlimited".
    pub fn read(self, text: &str) -> Option<u64> {
        let text = text.trim();
        if text == UNLIMITED {
            return Some(u64::MAX);
        }
        let text = text.strip_suffix(self.behind()).unwrap_or(text);
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, suffix) = text.split_at(digits);
        let suffix = suffix.trim();
        let factor = if suffix.is_empty() {
            self.bare()
        } else {
            self.suffixes().iter().find(|(name, _)| *name == suffix)?.1
        };
        number.parse::<u64>().ok()?.checked_mul(factor).filter(|value| *value <= self.most())
    }

    /// Writes a value so that [`Self::read`] reads it again.
    pub fn show(self, value: u64) -> String {
        if value == u64::MAX {
            return UNLIMITED.to_owned();
        }
        let fits = |(_, factor): &&(&str, u64)| value > 0 && value.is_multiple_of(*factor);
        let behind = self.behind();
        match self.suffixes().iter().find(fits).or_else(|| self.suffixes().last()) {
            Some((name, factor)) => format!("{} {name}{behind}", value / factor),
            None => format!("{value}{behind}"),
        }
    }
}

/// A type of which a limit can be.
pub trait Value: Copy {
    /// Whether there may be no limit.
    const OPTIONAL: bool = false;
    /// The nearest value of the type.
    fn of(number: u64) -> Self;
    /// The number that it came from.
    fn number(self) -> u64;
}

macro_rules! whole {
    ($($type:ty),+) => {$(
        impl Value for $type {
            fn of(number: u64) -> Self {
                Self::try_from(number).unwrap_or(Self::MAX)
            }
            fn number(self) -> u64 {
                u64::try_from(self).unwrap_or(u64::MAX)
            }
        }
    )+};
}
whole!(u16, u32, u64, usize);

/// `None` is no limit.
impl Value for Option<u64> {
    const OPTIONAL: bool = true;
    fn of(number: u64) -> Self {
        (number != u64::MAX).then_some(number)
    }
    fn number(self) -> u64 {
        self.unwrap_or(u64::MAX)
    }
}

impl Value for Duration {
    fn of(number: u64) -> Self {
        Self::from_millis(number)
    }
    fn number(self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_people_write_them() {
        assert_eq!(Unit::Count.read("512"), Some(512));
        assert_eq!(Unit::Bytes.read("1 GiB"), Some(GIB));
        assert_eq!(Unit::Bytes.read("64KiB"), Some(64 * KIB));
        assert_eq!(Unit::Bytes.read("7"), Some(7));
        assert_eq!(Unit::Time.read("90"), Some(90 * SECOND));
        assert_eq!(Unit::Time.read(" 5 min "), Some(5 * MINUTE));
        assert_eq!(Unit::PerSecond.read("1000/s"), Some(1000));
        assert_eq!(Unit::BytesPerSecond.read("16 MiB/s"), Some(16 * MIB));
        assert_eq!(Unit::BytesPerSecond.read("unlimited"), Some(u64::MAX));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in ["", "x", "-1", "1.5", "1 GB", "1 min", "99999999999999999999", "1 /s", "2 TiB"]
        {
            assert_eq!(Unit::Count.read(text), None, "{text}");
        }
        assert_eq!(Unit::Bytes.read("18446744073709551615 TiB"), None);
        assert_eq!(Unit::Bytes.read("9999999 TiB"), None);
        assert_eq!(Unit::Time.read("9999 d"), None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let units = [Unit::Count, Unit::Bytes, Unit::Time, Unit::PerSecond, Unit::BytesPerSecond];
        for unit in units {
            for value in [0, 1, 999, 1000, 1024, 90_000, DAY, GIB + 1, 3 * GIB, u64::MAX] {
                assert_eq!(unit.read(&unit.show(value)), Some(value), "{}", unit.show(value));
            }
        }
    }
}
