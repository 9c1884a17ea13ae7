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
            '\u{ad}' | '\u{61c}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        // A zero-width joiner binds emoji together and stays.
        && c != '\u{200d}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_raw() {
        assert_eq!(escape("plain ü 👩‍🚀.txt"), "plain ü 👩‍🚀.txt");
        assert_eq!(escape("a\nb\u{1b}]0;x\u{7}"), "a\\u{a}b\\u{1b}]0;x\\u{7}");
        assert_eq!(escape("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(escape("exe.\u{202e}gpj"), "exe.\\u{202e}gpj");
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
