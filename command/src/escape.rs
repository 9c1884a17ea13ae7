//! Text from strangers, made safe to show.

use std::fmt::Write;

use sealift_proto::shown::is_unsafe;

pub use sealift_proto::shown::{escape, escape_os, escape_path, is_confusing};

/// [`escape`] for text of several lines, which stay lines.
#[must_use]
pub fn escape_lines(text: &str) -> String {
    text.split('\n').map(escape).collect::<Vec<_>>().join("\n")
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
    fn json_has_nothing_raw_and_reads_as_the_same() {
        let value = serde_json::json!({"path": "exe.\u{202e}gpj\u{e0041}ü"});
        let line = json_line(&value);
        assert!(!line.chars().any(is_unsafe) && line.contains("\\u202e"), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap(), value);
    }
}
