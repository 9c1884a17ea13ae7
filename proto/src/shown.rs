//! Names from strangers as they may be shown: nothing in them moves a cursor, and one that looks like another is known.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

/// `text` with everything that a terminal or a reader could take for something else written as an escape: control
/// characters (ESC, newlines, C1), characters that change the direction of writing, and invisible ones.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// A path of the local system, safe to show.
#[must_use]
pub fn escape_path(path: &Path) -> String {
    escape_os(path.as_os_str())
}

/// A file name of the local system, which need not be text, made safe to show.
#[must_use]
pub fn escape_os(name: &OsStr) -> String {
    name.as_encoded_bytes()
        .utf8_chunks()
        .map(|chunk| {
            let invalid: String =
                chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")).collect();
            format!("{}{invalid}", escape(chunk.valid()))
        })
        .collect()
}

/// Whether a terminal or a reader could take `c` for something else.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Whether `name` may be taken for another one: it holds what cannot be seen, or letters of more than one of the alphabets whose
/// letters look alike.
#[must_use]
pub fn is_confusing(name: &str) -> bool {
    let latin = |c: char| c.is_ascii_alphabetic() || matches!(c, '\u{c0}'..='\u{24f}');
    let alike = |c: char| matches!(c, '\u{370}'..='\u{52f}' | '\u{13a0}'..='\u{13ff}' | '\u{ff00}'..='\u{ff5e}' | '\u{1d400}'..='\u{1d7ff}');
    let unseen = name.chars().any(is_unsafe);
    unseen || (name.chars().any(alike) && name.chars().any(|c| latin(c) || c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        assert_eq!(escape("plain ü 🚀.txt"), "plain ü 🚀.txt");
        assert_eq!(escape("a\u{200d}b\u{fe0f}\u{3164}"), "a\\u{200d}b\\u{fe0f}\\u{3164}");
        assert_eq!(escape("a\nb\u{1b}]0;x\u{7}"), "a\\u{a}b\\u{1b}]0;x\\u{7}");
        assert_eq!(escape("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(escape("exe.\u{202e}gpj"), "exe.\\u{202e}gpj");
    }

    #[test]
    fn names_that_look_alike_are_known_by_their_letters() {
        for name in ["ana\u{200d}", "an\u{430}", "\u{3164}ana", "b\u{3bf}b", "\u{ff41}na"] {
            assert!(is_confusing(name), "{name:?}");
        }
        for name in ["ana@host", "Анна", "Ελένη", "José", "陳 2", "🚀"] {
            assert!(!is_confusing(name), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_are_shown() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(escape_os(OsStr::from_bytes(b"a\xff\x1bb")), "a\\xff\\u{1b}b");
    }
}
