//! Standard error for log lines: whatever a line contains, it stays one line and moves no cursor.

use std::fmt::Write as _;
use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use sealift_proto::shown::is_unsafe;

/// Longest line, bytes.
const LONGEST: usize = 4096;

/// Makes writers of single lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain;

impl<'a> MakeWriter<'a> for Plain {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line(Vec::new())
    }
}

/// One line, written when it is dropped: in one call, so that lines of several threads do not mix.
pub(super) struct Line(Vec<u8>);

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = LONGEST.saturating_sub(self.0.len());
        self.0.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // Nobody is left to be told that standard error is gone.
        let _ = io::stderr().lock().write_all(escape(&self.0).as_bytes());
    }
}

/// `line` with everything escaped that does more than show a character, and one line end.
pub fn escape(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut plain = String::with_capacity(text.len() + 1);
    for character in text.trim_end_matches('\n').chars() {
        if is_unsafe(character) {
            // As JSON writes it, so that a line of JSON stays one. Writing into a string does not fail.
            let _ = character
                .encode_utf16(&mut [0; 2])
                .iter()
                .try_for_each(|unit| write!(plain, "\\u{unit:04x}"));
        } else {
            plain.push(character);
        }
    }
    plain.push('\n');
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_stays_one_line() {
        let hostile = "a\nERROR forged\r\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\u{2028}z\u{e0041}\0\n";
        let plain = escape(hostile.as_bytes());
        assert_eq!(plain.lines().count(), 1);
        assert!(plain.ends_with('\n') && !plain.trim_end().chars().any(is_unsafe), "{plain:?}");
        assert!(plain.starts_with("a\\u000aERROR forged\\u000d\\u001b]0;owned"), "{plain:?}");
        assert_eq!(escape("grüße 你好 \"q\" \\n\n".as_bytes()), "grüße 你好 \"q\" \\n\n");
        assert_eq!(escape("a\u{3164}\u{206a}\n".as_bytes()), "a\\u3164\\u206a\n");
        assert_eq!(escape(b"\xff\x1b\n"), "\u{fffd}\\u001b\n");
    }

    #[test]
    fn a_line_is_cut_where_it_gets_too_long() {
        let mut line = Line(Vec::new());
        for _ in 0..100 {
            line.write_all(&[b'x'; 1000]).unwrap();
        }
        assert_eq!(std::mem::take(&mut line.0).len(), LONGEST);
    }
}
