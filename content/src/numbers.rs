//! What is found by a number. A hash map has room for up to twice what is in it, and for three times while it grows: with a million
//! files and several maps that is most of a seeder's memory. Here it is an eighth more than what is in it.

/// Entries of a part, on average, before each is split in two.
const FILL: usize = 256;

/// Values by numbers that are spread evenly, such as the beginnings of hashes.
pub struct Numbers<K, V> {
    /// As many as a power of two, each in order of its numbers: the first bits of a number say in which it is.
    parts: Vec<Vec<(K, V)>>,
    len: usize,
}

impl<K, V> Default for Numbers<K, V> {
    fn default() -> Self {
        Self { parts: Vec::new(), len: 0 }
    }
}

/// `number` with its first bit at the front.
fn spread<K: Into<u64>>(number: K) -> u64 {
    number.into() << (u64::BITS as usize - 8 * size_of::<K>())
}

impl<K: Copy + Ord + Into<u64>, V: Copy> Numbers<K, V> {
    fn part(&self, number: K) -> usize {
        let bits = self.parts.len().max(1).trailing_zeros();
        let first = spread(number).checked_shr(u64::BITS - bits).unwrap_or(0);
        usize::try_from(first).unwrap_or(0)
    }

    /// The value of `number`.
    #[must_use]
    pub fn get(&self, number: K) -> Option<V> {
        let part = self.parts.get(self.part(number))?;
        let at = part.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        part.get(at).map(|(_, value)| *value)
    }

    /// Whether `number` has a value.
    #[must_use]
    pub fn contains(&self, number: K) -> bool {
        self.get(number).is_some()
    }

    /// Gives `number` a value; the one that it had.
    pub fn insert(&mut self, number: K, value: V) -> Option<V> {
        if self.len >= self.parts.len() * FILL {
            self.split();
        }
        let place = self.part(number);
        let part = &mut self.parts[place];
        match part.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(at) => Some(std::mem::replace(&mut part[at].1, value)),
            Err(at) => {
                if part.len() == part.capacity() {
                    part.reserve_exact(part.len() / 8 + 1);
                }
                part.insert(at, (number, value));
                self.len += 1;
                None
            }
        }
    }

    /// Forgets the value of `number`.
    pub fn remove(&mut self, number: K) -> Option<V> {
        let place = self.part(number);
        let part = self.parts.get_mut(place)?;
        let at = part.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.len -= 1;
        Some(part.remove(at).1)
    }

    /// Makes two parts of each.
    fn split(&mut self) {
        let bits = self.parts.len().max(1).trailing_zeros();
        let parts = std::mem::take(&mut self.parts);
        if parts.is_empty() {
            self.parts.push(Vec::new());
        }
        for (mut lower, upper) in parts.into_iter().zip(0_u64..) {
            let middle = (2 * upper + 1) << (u64::BITS - 1 - bits);
            let at = lower.partition_point(|(number, _)| spread(*number) < middle);
            let upper = lower.split_off(at);
            lower.shrink_to_fit();
            self.parts.extend([lower, upper]);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// How many numbers have a value.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none has.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All numbers in order, and their values.
    pub fn iter(&self) -> impl Iterator<Item = (K, V)> {
        self.parts.iter().flatten().copied()
    }
}

impl<K: Copy + Ord + Into<u64>, V: Copy> Extend<(K, V)> for Numbers<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, all: I) {
        for (number, value) in all {
            self.insert(number, value);
        }
    }
}

impl<K: Copy + Ord + Into<u64>, V: Copy> FromIterator<(K, V)> for Numbers<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(all: I) -> Self {
        let mut numbers = Self::default();
        numbers.extend(all);
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Numbers without order that come again after a while: of 13 bits those that are the first.
    fn spread_out(at: u64) -> u32 {
        u32::try_from(at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32).unwrap() & !0x7FFFF
    }

    #[test]
    fn it_holds_what_an_ordered_map_holds() {
        let mut numbers = Numbers::default();
        let mut model = BTreeMap::new();
        for at in 0..30_000_u64 {
            let number = spread_out(at);
            if at % 3 == 2 {
                let gone = spread_out(at / 2);
                assert_eq!(numbers.remove(gone), model.remove(&gone));
            }
            assert_eq!(numbers.get(number), model.get(&number).copied());
            assert_eq!(numbers.insert(number, at), model.insert(number, at));
        }
        assert!(model.len() > 4 * FILL && numbers.parts.len() > 4);
        assert_eq!(numbers.len(), model.len());
        assert!(numbers.iter().eq(model.iter().map(|(number, at)| (*number, *at))));
        let again: Numbers<_, _> = numbers.iter().collect();
        assert!(again.iter().eq(numbers.iter()));
        numbers.clear();
        assert!(numbers.is_empty() && numbers.get(1).is_none() && numbers.remove(1).is_none());
    }

    #[test]
    fn numbers_at_both_ends_are_found() {
        let mut numbers = Numbers::<u64, u8>::default();
        let all = (0..2000).map(|at| at * (u64::MAX / 1999));
        numbers.extend(all.clone().map(|number| (number, 1)));
        assert!(all.chain([0]).all(|number| numbers.contains(number)));
        assert!(!numbers.contains(u64::MAX) && !numbers.contains(1));
    }

    #[test]
    fn little_more_room_is_taken_than_is_needed() {
        let mut numbers = Numbers::default();
        for at in 0..100_000_u64 {
            numbers.insert(at.wrapping_mul(0x9E37_79B9_7F4A_7C15), at);
        }
        let room: usize = numbers.parts.iter().map(Vec::capacity).sum();
        assert!(room <= numbers.len() / 7 * 8, "{room}");
    }
}
