//! A set of chunks, a bit for each.

use std::ops::Range;

use sealift_proto::manifest::{CHUNK, Layout};

/// Some of the chunks of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunks {
    count: u64,
    words: Vec<u64>,
}

/// Which word holds the bit of a chunk, and the bit.
fn slot(index: u64) -> (usize, u64) {
    (usize::try_from(index / 64).unwrap_or(usize::MAX), 1 << (index % 64))
}

impl Chunks {
    /// None of `count` chunks.
    pub(super) fn none(count: u64) -> Self {
        let words = usize::try_from(count.div_ceil(64)).unwrap_or(0);
        Self { count, words: vec![0; words] }
    }

    /// The chunks whose bits are set in `words`; what is there too little is taken for zeros, what is too much is ignored.
    pub(super) fn of(count: u64, words: impl IntoIterator<Item = u64>) -> Self {
        let mut chunks = Self::none(count);
        for (slot, word) in chunks.words.iter_mut().zip(words) {
            *slot = word;
        }
        let rest = count % 64;
        if let Some(last) = chunks.words.last_mut().filter(|_| rest != 0) {
            *last &= (1 << rest) - 1;
        }
        chunks
    }

    /// The word that holds the bit of chunk `index`.
    pub(super) fn word_of(index: u64) -> usize {
        slot(index).0
    }

    pub(super) fn word_count(&self) -> usize {
        self.words.len()
    }

    /// The words in `range`.
    pub(super) fn words(&self, range: Range<usize>) -> &[u64] {
        self.words.get(range).unwrap_or_default()
    }

    pub(super) fn contains(&self, index: u64) -> bool {
        let (word, bit) = slot(index);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Whether it was not there.
    pub(super) fn insert(&mut self, index: u64) -> bool {
        let (word, bit) = slot(index);
        match self.words.get_mut(word).filter(|word| index < self.count && **word & bit == 0) {
            Some(word) => {
                *word |= bit;
                true
            }
            None => false,
        }
    }

    /// Whether it was there.
    pub(super) fn remove(&mut self, index: u64) -> bool {
        let (word, bit) = slot(index);
        match self.words.get_mut(word).filter(|word| **word & bit != 0) {
            Some(word) => {
                *word &= !bit;
                true
            }
            None => false,
        }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.words.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    /// How many bytes of a file of `layout` they have.
    pub(super) fn bytes(&self, layout: Layout) -> u64 {
        let last = self.count.saturating_sub(1);
        let short = if self.contains(last) { CHUNK - layout.chunk_len(last) } else { 0 };
        self.len() * CHUNK - short
    }

    /// Where the last of them ends in a file of `layout`, bytes.
    pub(super) fn end(&self, layout: Layout) -> u64 {
        let words = (0_u64..).zip(&self.words);
        let last = words.filter(|(_, word)| **word != 0).last();
        let last = last.map(|(at, word)| at * 64 + u64::from(63 - word.leading_zeros()));
        last.map_or(0, |last| last * CHUNK + layout.chunk_len(last))
    }

    /// Whether these are all chunks of the file.
    pub(super) fn is_all(&self) -> bool {
        self.len() == self.count
    }

    /// Leaves those that are in `other` too.
    pub(super) fn keep(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }

    /// Those that are not there.
    pub(super) fn missing(&self) -> Vec<Range<u64>> {
        let inverted = self.words.iter().map(|word| !word);
        Self::of(self.count, inverted).ranges()
    }

    /// Those that are here and not in `other`.
    pub(super) fn without(&self, other: &Self) -> Vec<Range<u64>> {
        let words = self.words.iter().zip(&other.words).map(|(here, other)| here & !other);
        Self::of(self.count, words).ranges()
    }

    fn ranges(&self) -> Vec<Range<u64>> {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let mut add = |range: Range<u64>| match ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => ranges.push(range),
        };
        for (start, word) in (0..).step_by(64).zip(self.words.iter().copied()) {
            match word {
                0 => {}
                u64::MAX => add(start..start + 64),
                mixed => (start..start + 64)
                    .filter(|index| mixed & slot(*index).1 != 0)
                    .for_each(|index| add(index..index + 1)),
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(count: u64, indices: &[u64]) -> Chunks {
        let mut chunks = Chunks::none(count);
        indices.iter().for_each(|index| assert!(chunks.insert(*index)));
        chunks
    }

    #[test]
    fn gaps_are_found() {
        let chunks = some(130, &[0, 1, 64, 129]);
        assert_eq!(chunks.missing(), [2..64, 65..129]);
        assert_eq!(chunks.without(&some(130, &[1, 5])), [0..1, 64..65, 129..130]);
        assert_eq!(chunks.len(), 4);
        assert_eq!(Chunks::none(130).missing().as_slice(), std::slice::from_ref(&(0..130)));
        assert_eq!(Chunks::of(128, [u64::MAX; 2]).missing(), []);
    }

    #[test]
    fn only_chunks_of_the_file_are_taken() {
        let mut chunks = some(70, &[69]);
        assert!(!chunks.insert(70) && !chunks.insert(u64::MAX) && !chunks.contains(70));
        assert!(!chunks.insert(69) && chunks.remove(69) && !chunks.remove(69));
        let all = Chunks::of(70, [u64::MAX; 9]);
        assert!(all.is_all() && !all.contains(70) && all.len() == 70);
        assert_eq!(Chunks::of(70, [1]).len(), 1);
        let layout = Layout::new((69 << 20) + 5).unwrap();
        assert_eq!((all.bytes(layout), some(70, &[69]).bytes(layout)), (layout.size(), 5));
        assert_eq!(Chunks::of(1, [1]).bytes(Layout::new(0).unwrap()), 0);
        assert_eq!((all.end(layout), some(70, &[69]).end(layout)), (layout.size(), layout.size()));
        assert_eq!((some(70, &[3, 64]).end(layout), Chunks::none(70).end(layout)), (65 << 20, 0));
    }
}
