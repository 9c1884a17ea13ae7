//! Words of command lines that we suggest: pasted into a shell they are what they stand for, whatever is in a name.

use std::ffi::OsStr;

use sealift_proto::shown::is_unsafe;

/// A name or path as one word of a shell's command line, quoted where it needs to be. One that begins with a dash would be a
/// flag, quoted or not: it gets `./`, which means the same to all our commands. What cannot be shown is written as `$'…'` does
/// it, which bash, zsh and other shells of today understand.
#[must_use]
pub fn shell_word(text: &str) -> String {
    shell_os(OsStr::new(text))
}

/// The same of a name of this system, which need not be text.
#[must_use]
pub fn shell_os(name: &OsStr) -> String {
    let bytes = name.as_encoded_bytes();
    let dash = if bytes.starts_with(b"-") { "./" } else { "" };
    match name.to_str() {
        // At the start of a word zsh takes `=` for a command's path.
        Some(text) if !text.is_empty() && !text.starts_with('=') && text.chars().all(is_plain) => {
            format!("{dash}{text}")
        }
        Some(text) if !text.chars().any(is_unsafe) => {
            format!("'{dash}{}'", text.replace('\'', r"'\''"))
        }
        _ => format!("$'{dash}{}'", spelled(bytes)),
    }
}

/// Whether a shell takes it as it is; `=` not at the start of a word.
pub(crate) fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c)
}

/// `bytes` within `$'…'`: what is not ASCII or cannot be shown by its bytes, in three digits of eight, which no digit behind them
/// changes. In an encoding such as GBK the last byte of a letter and a backslash behind it would be one character.
pub(crate) fn spelled(bytes: &[u8]) -> String {
    let octal = |bytes: &[u8]| bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let letter = |c: char| match c {
        '\'' | '\\' => format!("\\{c}"),
        c if is_unsafe(c) || !c.is_ascii() => octal(c.encode_utf8(&mut [0; 4]).as_bytes()),
        c => c.to_string(),
    };
    let chunk = |chunk: std::str::Utf8Chunk<'_>| {
        let valid: String = chunk.valid().chars().map(letter).collect();
        valid + &octal(chunk.invalid())
    };
    bytes.utf8_chunks().map(chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&[u8]; 13] = [
        b"share/a.txt",
        b"a b",
        b"it's",
        b"$HOME `id` \"x\" \\ !1 ~ * ? [a] ; & | < > ( ) #",
        "r\u{e9}sum\u{e9} \u{6771}".as_bytes(),
        b"-rf",
        b"- 'x'",
        b"a\x1b[31m\n1\t'\\",
        "exe.\u{202e}gpj\u{200b}7".as_bytes(),
        b"\xff\xfe 'odd'",
        b"",
        b"~",
        b"=ls",
    ];

    #[test]
    fn plain_words_stay_as_they_are() {
        assert_eq!(shell_word("share/a.txt"), "share/a.txt");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word("-x"), "./-x");
        assert_eq!((shell_word("=ls"), shell_word("a=b")), ("'=ls'".into(), "a=b".into()));
        assert_eq!(shell_word("a\n1"), r"$'a\0121'");
        assert_eq!(shell_word("\u{4f60}\n'"), r"$'\344\275\240\012\''");
    }

    #[cfg(unix)]
    #[test]
    fn a_shell_reads_back_what_was_meant() {
        use std::os::unix::ffi::OsStrExt;
        for name in NAMES {
            let word = shell_os(OsStr::from_bytes(name));
            assert!(!word.chars().any(is_unsafe), "{word:?}");
            let line = format!("printf %s {word}");
            let Ok(said) = std::process::Command::new("bash").args(["-c", &line]).output() else {
                println!("skipped: no bash here");
                return;
            };
            let dash: &[u8] = if name.starts_with(b"-") { b"./" } else { b"" };
            assert_eq!(said.stdout, [dash, name].concat(), "{word}");
        }
    }
}
