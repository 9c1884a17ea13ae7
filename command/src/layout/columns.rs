//! Names side by side, in as many columns as fit, as `ls` shows them.

use crate::paint::Paint;

use super::{Cell, GAP};

/// No name is narrower, with what is between it and the next.
const NARROWEST: usize = GAP + 1;

/// `names` in order down one column after the other, in lines of at most `width`. Those that need more than half of it would
/// leave no room beside all others: they have lines to themselves, below.
pub fn columns(names: &[Cell], width: usize, paint: Paint) -> Vec<String> {
    let wide = |name: &&Cell| name.width() > width.saturating_sub(GAP) / 2;
    let (wide, names): (Vec<&Cell>, Vec<&Cell>) = names.iter().partition(wide);
    let mut lines = side_by_side(&names, width, paint);
    lines.extend(wide.iter().map(|name| name.draw(paint)));
    lines
}

fn side_by_side(names: &[&Cell], width: usize, paint: Paint) -> Vec<String> {
    let most = (width.saturating_add(GAP) / NARROWEST).clamp(1, names.len().max(1));
    let widths = (2..=most).rev().find_map(|columns| {
        let rows = names.len().div_ceil(columns);
        widths(names, rows, width)
    });
    let Some(widths) = widths else {
        return names.iter().map(|name| name.draw(paint)).collect();
    };
    let rows = names.len().div_ceil(widths.len());
    (0..rows).map(|row| line(names, row, rows, &widths, paint)).collect()
}

/// The width of each column when there are so many rows; `None` if that is more than `width`.
fn widths(names: &[&Cell], rows: usize, width: usize) -> Option<Vec<usize>> {
    let mut all = 0;
    let mut widths = Vec::new();
    for column in names.chunks(rows) {
        let widest = column.iter().map(|name| name.width()).max().unwrap_or(0);
        all += widest + if widths.is_empty() { 0 } else { GAP };
        if all > width {
            return None;
        }
        widths.push(widest);
    }
    Some(widths)
}

fn line(names: &[&Cell], row: usize, rows: usize, widths: &[usize], paint: Paint) -> String {
    let mut line = String::new();
    let mut behind = 0;
    for (column, width) in widths.iter().enumerate() {
        let Some(name) = names.get(column * rows + row) else { break };
        line.push_str(&" ".repeat(behind));
        line.push_str(&name.draw(paint));
        behind = width.saturating_sub(name.width()) + GAP;
    }
    line
}

#[cfg(test)]
mod tests {
    use crate::paint::Style;
    use unicode_width::UnicodeWidthStr;

    use super::*;

    fn shown(names: &[&str], width: usize) -> Vec<String> {
        let names: Vec<_> = names.iter().map(|name| Cell::new(Style::Plain, *name)).collect();
        columns(&names, width, Paint::NONE)
    }

    #[test]
    fn names_fill_as_many_columns_as_fit() {
        let names = ["a.txt", "b.txt", "long name.pdf", "東京/", "z"];
        assert_eq!(shown(&names, 80), ["a.txt  b.txt  long name.pdf  東京/  z"]);
        assert_eq!(shown(&names, 34), ["a.txt  long name.pdf  z", "b.txt  東京/"]);
        assert_eq!(shown(&names, 22), ["a.txt  b.txt  東京/  z", "long name.pdf"]);
        assert_eq!(shown(&names, 7), ["z", "a.txt", "b.txt", "long name.pdf", "東京/"]);
        assert!(shown(&[], 80).is_empty());
    }

    #[test]
    fn no_line_is_too_wide_and_no_name_is_lost_at_any_width() {
        let names: Vec<String> = (0..200_usize)
            .map(|n| match n % 4 {
                0 => format!("e\u{301}té-{n}"),
                1 => format!("{}-{n}", "長".repeat(n % 9)),
                2 => format!("👩‍🚀{n}"),
                _ => "x".repeat(n % 37) + &n.to_string(),
            })
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let widest = names.iter().map(|name| name.width()).max().unwrap();
        for width in 1..=200 {
            let lines = shown(&names, width);
            assert!(lines.iter().all(|line| line.width() <= width.max(widest)), "{width}");
            let found: Vec<_> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
            assert_eq!(found.len(), names.len(), "{width}");
            let wide = names.iter().filter(|name| name.width() > (width - GAP.min(width)) / 2);
            let wide = wide.count();
            assert!(lines.len() <= wide + (names.len() - wide).div_ceil(2), "{width}");
        }
    }
}
