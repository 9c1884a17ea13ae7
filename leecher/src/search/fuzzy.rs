//! Finding a pattern within a name despite slips of the finger, with a word of bits for each letter (Hyyrö 2003).

/// Longest pattern, letters: one bit each.
const PATTERN_MAX: usize = 64;

/// A pattern prepared to be looked for within names.
pub(super) struct Fuzzy {
    ascii: [u64; 128],
    others: Vec<(char, u64)>,
    letters: u32,
    slips: u32,
}

/// How close a name comes; less is closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Closeness {
    /// Letters added, left out, changed or swapped with their neighbour.
    pub(super) slips: u32,
    /// Letters of the name that the pattern says nothing about.
    pub(super) beyond: u32,
}

impl Fuzzy {
    /// Prepares `pattern`, which is folded; `None` when it is too short to be misspelt recognisably, or too long.
    pub(super) fn new(pattern: &str) -> Option<Self> {
        let letters = pattern.chars().count();
        if letters > PATTERN_MAX {
            return None;
        }
        let slips = match letters {
            0..=3 => return None,
            4..=7 => 1,
            8..=14 => 2,
            _ => 3,
        };
        let (mut ascii, mut others) = ([0; 128], Vec::new());
        for (place, letter) in pattern.chars().enumerate() {
            let bit = 1u64 << place;
            match ascii.get_mut(letter as usize) {
                Some(bits) => *bits |= bit,
                None => match others.iter_mut().find(|(known, _)| *known == letter) {
                    Some((_, bits)) => *bits |= bit,
                    None => others.push((letter, bit)),
                },
            }
        }
        Some(Self { ascii, others, letters: u32::try_from(letters).ok()?, slips })
    }

    fn bits(&self, letter: char) -> u64 {
        match self.ascii.get(letter as usize) {
            Some(bits) => *bits,
            None => self.others.iter().find(|(known, _)| *known == letter).map_or(0, |(_, b)| *b),
        }
    }

    /// How close some part of `name`, which is folded, comes to the pattern; `None` if not close enough.
    pub(super) fn closeness(&self, name: &str) -> Option<Closeness> {
        let last = 1u64 << (self.letters - 1);
        let (mut rises, mut falls) = (u64::MAX, 0u64);
        let (mut same, mut bits_before) = (0u64, 0u64);
        let mut distance = self.letters;
        let (mut least, mut length) = (distance, 0u32);
        for letter in name.chars() {
            let bits = self.bits(letter);
            let swapped = ((!same & bits) << 1) & bits_before;
            same = ((bits & rises).wrapping_add(rises) ^ rises) | bits | falls | swapped;
            let horizontal_rises = falls | !(same | rises);
            let horizontal_falls = rises & same;
            if horizontal_rises & last != 0 {
                distance += 1;
            } else if horizontal_falls & last != 0 {
                distance -= 1;
            }
            // No set bit is shifted in: the pattern may begin anywhere in the name.
            rises = (horizontal_falls << 1) | !(same | (horizontal_rises << 1));
            falls = (horizontal_rises << 1) & same;
            bits_before = bits;
            least = least.min(distance);
            length += 1;
        }
        (least <= self.slips)
            .then(|| Closeness { slips: least, beyond: length.saturating_sub(self.letters) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same by the textbook's table: least distance, neighbours' swaps included, of the pattern to any part.
    fn by_table(pattern: &str, name: &str) -> u32 {
        let (p, n): (Vec<_>, Vec<_>) = (pattern.chars().collect(), name.chars().collect());
        let mut table = vec![vec![0u32; n.len() + 1]; p.len() + 1];
        for i in 1..=p.len() {
            table[i][0] = i as u32;
            for j in 1..=n.len() {
                let change = u32::from(p[i - 1] != n[j - 1]);
                let mut best = (table[i - 1][j - 1] + change)
                    .min(table[i - 1][j] + 1)
                    .min(table[i][j - 1] + 1);
                if i > 1 && j > 1 && p[i - 1] == n[j - 2] && p[i - 2] == n[j - 1] {
                    best = best.min(table[i - 2][j - 2] + 1);
                }
                table[i][j] = best;
            }
        }
        table[p.len()].iter().copied().min().unwrap()
    }

    proptest! {
        #[test]
        fn agrees_with_the_table(pattern in "[abcé]{4,16}", name in "[abcdé.]{0,24}") {
            let fuzzy = Fuzzy::new(&pattern).unwrap();
            let expected = by_table(&pattern, &name);
            let found = fuzzy.closeness(&name).map(|closeness| closeness.slips);
            prop_assert_eq!(found, (expected <= fuzzy.slips).then_some(expected));
        }
    }

    #[test]
    fn usual_slips_are_forgiven_and_short_words_are_not_bent() {
        let close =
            |pattern: &str, name| Fuzzy::new(pattern).is_some_and(|f| f.closeness(name).is_some());
        assert!(close("reprot", "annual report.pdf"));
        assert!(close("holliday", "holiday-2024.jpg"));
        assert!(close("übersicht", "uebersicht.txt"));
        assert!(!close("report", "resort map.pdf".get(3..).unwrap()));
        assert!(!close("cat", "bat"));
        assert!(Fuzzy::new(&"x".repeat(65)).is_none());
        assert!(close(&"x".repeat(64), &"x".repeat(62)));
    }
}
