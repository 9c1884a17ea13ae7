//! Long notes on a terminal, broken between words. What may be pasted into a shell stays in one piece: the terminal itself breaks it where it
//! must, and a line that is copied is whole.

use unicode_width::UnicodeWidthStr;

/// In a narrower terminal nothing is gained.
const LEAST: usize = 20;
/// What begins a line to paste.
const PASTED: [&str; 5] = ["`", ": relay ", ": seeder ", ": leecher ", " --"];
/// How much further in a note goes on.
const FURTHER: usize = 2;

/// The lines of `text`, none of them longer than `columns` where a space allows it.
pub(crate) fn wrapped(text: &str, columns: usize) -> String {
    text.split('\n').map(|line| wrapped_line(line, columns)).collect::<Vec<_>>().join("\n")
}

fn wrapped_line(line: &str, columns: usize) -> String {
    // Four spaces set a line apart that is to be copied as it is.
    if line.width() <= columns || columns < LEAST || line.starts_with("    ") {
        return line.to_owned();
    }
    let pasted = PASTED.iter().filter_map(|mark| Some(line.find(mark)? + behind(mark))).min();
    let (prose, pasted) = line.split_at(pasted.unwrap_or(line.len()));
    let indent = prose.len() - prose.trim_start_matches(' ').len() + FURTHER;
    let (mut lines, mut used) = (String::new(), 0);
    for piece in prose.split_inclusive(' ').chain(Some(pasted).filter(|it| !it.is_empty())) {
        if used > indent && used + piece.trim_end().width() > columns {
            lines.truncate(lines.trim_end().len());
            lines.extend(["\n", &" ".repeat(indent)]);
            used = indent;
        }
        lines.push_str(piece);
        used += piece.width();
    }
    lines
}

/// How much of a mark belongs to the words before it.
fn behind(mark: &str) -> usize {
    mark.len() - mark.trim_start_matches([':', ' ']).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_and_so_does_what_is_pasted() {
        let note = "the relay has not answered within 1 s; this is what was known 5 min ago";
        assert_eq!(wrapped(note, 80), note);
        assert_eq!(
            wrapped(note, 40),
            "the relay has not answered within 1 s;\n  this is what was known 5 min ago"
        );
        assert_eq!(
            wrapped("  next: try again with more: leecher get 'a b' --out c", 30),
            "  next: try again with more:\n    leecher get 'a b' --out c"
        );
        assert_eq!(wrapped("a\n\nb", 30), "a\n\nb");
        let invite = "type there:\n\n    leecher join sealift:192.0.2.2:7743/pin/secret\n";
        assert_eq!(wrapped(invite, 30), invite);
    }

    #[test]
    fn what_has_no_space_is_not_broken() {
        let path = "x".repeat(50);
        assert_eq!(wrapped(&path, 30), path);
        assert_eq!(wrapped(&format!("cannot use {path}"), 30), format!("cannot use\n  {path}"));
    }
}
