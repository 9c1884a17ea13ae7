//! Letter case and composition of names, as far as search and collisions care.

use std::borrow::Cow;
use std::cmp::Ordering;

use unicode_normalization::UnicodeNormalization;

/// `text` in small letters, composed (NFC) and without accents: two names that people type alike have the same folded form.
#[must_use]
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    // Small letters first: a capital may become a letter and a mark.
    let small = text.chars().flat_map(char::to_lowercase);
    Cow::Owned(small.nfd().filter(|c| !is_accent(*c)).nfc().collect())
}

/// Marks of Latin, Greek and Cyrillic letters.
const fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}')
}

/// Whether folding `text` does more than turn ASCII capitals into small letters.
#[must_use]
pub(crate) fn folds_beyond_ascii(text: &str) -> bool {
    !text.is_ascii() && fold(text) != text.to_ascii_lowercase()
}

/// The order of two names for people: numbers within them by their value, all else as the letters are.
#[must_use]
pub(crate) fn natural(a: &str, b: &str) -> Ordering {
    let (mut x, mut y) = (a.as_bytes(), b.as_bytes());
    loop {
        let same = x.iter().zip(y).take_while(|(x, y)| x == y && !x.is_ascii_digit()).count();
        (x, y) = (&x[same..], &y[same..]);
        let (one, other) = (number(x), number(y));
        if one.is_empty() || other.is_empty() {
            return x.cmp(y).then(a.cmp(b));
        }
        let (long, short) = (trimmed(one), trimmed(other));
        match long.len().cmp(&short.len()).then(long.cmp(short)) {
            Ordering::Equal => (x, y) = (&x[one.len()..], &y[other.len()..]),
            differ => return differ,
        }
    }
}

/// The digits that `text` begins with.
fn number(text: &[u8]) -> &[u8] {
    &text[..text.iter().take_while(|byte| byte.is_ascii_digit()).count()]
}

fn trimmed(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().take_while(|byte| **byte == b'0').count()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_composes_and_lowers() {
        assert_eq!(fold("Report.PDF"), "report.pdf");
        assert_eq!(fold("E\u{301}te\u{301}"), "ete");
        assert_eq!(fold("ÄRGER"), "arger");
        assert_eq!(fold("Ελλάδα й"), "ελλαδα и");
        assert_eq!(fold("한글 東京"), "한글 東京");
        assert!(matches!(fold("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn blocks_know_when_ascii_is_enough() {
        assert!(!folds_beyond_ascii("Report.PDF"));
        assert!(!folds_beyond_ascii("東京.txt") && folds_beyond_ascii("ärger.txt"));
        assert!(folds_beyond_ascii("Ärger.txt"));
        assert!(folds_beyond_ascii("e\u{301}"));
        for text in ["Größe/Straße Ж.txt", "ǅ", "İ", "東京", "a\u{300}"] {
            if !folds_beyond_ascii(text) {
                assert_eq!(fold(text), text.to_ascii_lowercase(), "{text}");
            }
        }
    }

    #[test]
    fn numbers_are_in_their_own_order() {
        let mut names = ["b", "a10", "a9", "a 1", "a09", "a9b", "a1.10", "a1.9", "10", "9", "a"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["9", "10", "a", "a 1", "a1.9", "a1.10", "a09", "a9", "a9b", "a10", "b"]);
    }
}
