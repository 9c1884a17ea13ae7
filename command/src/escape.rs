//! Text from strangers, made safe to show.

use std::borrow::Cow;
use std::fmt::Write;

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

/// [`escape`] for text of several lines, which stay lines.
#[must_use]
pub fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
}

/// A path of the local system, safe to show.
#[must_use]
pub fn escape_path(path: &std::path::Path) -> String {
    escape_os(path.as_os_str())
}

/// A file name of the local system, which need not be text, made safe to show.
#[must_use]
pub fn escape_os(name: &std::ffi::OsStr) -> String {
    name.as_encoded_bytes()
        .utf8_chunks()
        .map(|chunk| {
            let invalid: String =
                chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")).collect();
            format!("{}{invalid}", escape(chunk.valid()))
        })
        .collect()
}

/// `text` as one word of a shell command line, safe to paste: quoted if it needs to be, and shown escaped (and then not
/// usable as typed) if it holds characters that cannot be shown.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) && !text.starts_with('-') {
        return text.to_owned();
    }
    format!("'{}'", escape(text).replace('\'', r"'\''"))
}

fn is_unsafe(c: char) -> bool {
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

/// One JSON value in a line, with whatever [`escape`] escapes as `\u` escapes: it reads as the same text, and can be looked at.
#[must_use]
pub fn json_line(value: &serde_json::Value) -> String {
    let plain = value.to_string();
    if !plain.chars().any(is_unsafe) {
        return plain;
    }
    // Beside strings a JSON text has ASCII only, and in strings control characters are escaped already.
    let mut out = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        if is_unsafe(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
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

    #[test]
    fn json_has_nothing_raw_and_reads_as_the_same() {
        let value = serde_json::json!({"path": "exe.\u{202e}gpj\u{e0041}ü"});
        let line = json_line(&value);
        assert!(!line.chars().any(is_unsafe) && line.contains("\\u202e"), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_are_shown() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(escape_os(std::ffi::OsStr::from_bytes(b"a\xff\x1bb")), "a\\xff\\u{1b}b");
    }

    #[test]
    fn shell_words_paste_as_they_are() {
        assert_eq!(shell_word("share/a.txt"), "share/a.txt");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word("-x"), "'-x'");
    }
}
