//! Letter case and composition of names, as far as search and collisions care.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// `text` composed (NFC) and in small letters: two names that people take for the same have the same folded form.
#[must_use]
pub(crate) fn fold(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        };
    }
    // Small letters first: a capital may become a letter and a mark, which then compose.
    let small = text.chars().flat_map(char::to_lowercase);
    Cow::Owned(small.nfc().collect())
}

/// Whether folding `text` does more than turn ASCII capitals into small letters.
#[must_use]
pub(crate) fn folds_beyond_ascii(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let changes = |c: char| {
        !c.is_ascii() && {
            let mut small = c.to_lowercase();
            small.next() != Some(c) || small.next().is_some()
        }
    };
    text.chars().any(changes) || is_nfc_quick(text.chars()) != IsNormalized::Yes
}

/// What two names share that a file system without letter case or with its own composition would take for one: more
/// forgiving than [`fold`], since file systems fold by capitals.
#[must_use]
pub(crate) fn collision_key(name: &str) -> String {
    let capital: String = name.nfd().flat_map(char::to_uppercase).collect();
    capital.chars().flat_map(char::to_lowercase).nfd().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_composes_and_lowers() {
        assert_eq!(fold("Report.PDF"), "report.pdf");
        assert_eq!(fold("E\u{301}te\u{301}"), "\u{e9}t\u{e9}");
        assert_eq!(fold("ÄRGER"), "ärger");
        assert!(matches!(fold("plain"), Cow::Borrowed(_)));
    }

    #[test]
    fn blocks_know_when_ascii_is_enough() {
        assert!(!folds_beyond_ascii("Report.PDF"));
        assert!(!folds_beyond_ascii("ärger.txt"));
        assert!(folds_beyond_ascii("Ärger.txt"));
        assert!(folds_beyond_ascii("e\u{301}"));
        for text in ["Größe/Straße Ж.txt", "ǅ", "İ", "東京", "a\u{300}"] {
            if !folds_beyond_ascii(text) {
                assert_eq!(fold(text), text.to_ascii_lowercase(), "{text}");
            }
        }
    }

    #[test]
    fn names_that_a_disk_may_confuse_share_a_key() {
        for (a, b) in
            [("A.txt", "a.TXT"), ("\u{e9}", "e\u{301}"), ("Straße", "STRASSE"), ("ſ", "s")]
        {
            assert_eq!(collision_key(a), collision_key(b), "{a} {b}");
        }
        assert_ne!(collision_key("a"), collision_key("b"));
    }
}
