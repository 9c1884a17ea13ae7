//! A name in each line, with what is to be said of it in columns beside it; beneath it, where there is no room.

use crate::paint::Paint;

use super::{Cell, GAP};

/// With less room for names, what is said of them stands beneath them.
const NAME_LEAST: usize = 16;
/// What stands beneath a name is so far to the right.
const INDENT: usize = 4;

/// Where in its column a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows of a name and as many details as there are sides.
pub struct Table<'s> {
    sides: &'s [Side],
    rows: Vec<(Cell, Vec<Cell>)>,
}

impl<'s> Table<'s> {
    /// A table whose details stand at these sides of their columns.
    pub const fn new(sides: &'s [Side]) -> Self {
        Self { sides, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row(&mut self, name: Cell, details: Vec<Cell>) {
        self.rows.push((name, details));
    }

    /// The lines for a terminal of `width`.
    pub fn lines(&self, width: usize, paint: Paint) -> Vec<String> {
        let widths = self.widths();
        let used = widths.iter().filter(|width| **width > 0);
        let details: usize = used.map(|width| width + GAP).sum();
        let room = width.saturating_sub(details);
        let names = self.rows.iter().map(|(name, _)| name.width());
        let all = names.clone().max().unwrap_or(0);
        if all > room && room < NAME_LEAST {
            return self.rows.iter().flat_map(|row| beneath(row, width, paint)).collect();
        }
        let column = names.filter(|width| *width <= room).max().unwrap_or(0);
        let row = |row| self.beside(row, column, &widths, paint);
        self.rows.iter().flat_map(row).collect()
    }

    /// The width of each column of details; 0 where nothing is in it.
    fn widths(&self) -> Vec<usize> {
        let mut widths = vec![0; self.sides.len()];
        for (_, details) in &self.rows {
            for (width, detail) in widths.iter_mut().zip(details) {
                *width = detail.width().max(*width);
            }
        }
        widths
    }

    /// One line, or two where the name does not fit its column.
    fn beside(
        &self,
        (name, details): &(Cell, Vec<Cell>),
        column: usize,
        widths: &[usize],
        paint: Paint,
    ) -> Vec<String> {
        let mut line = name.draw(paint);
        let mut lines = Vec::new();
        let mut behind = column.saturating_sub(name.width());
        if name.width() > column {
            lines.push(std::mem::take(&mut line));
            behind = column;
        }
        for ((detail, side), width) in details.iter().zip(self.sides).zip(widths) {
            if *width == 0 {
                continue;
            }
            let spare = width.saturating_sub(detail.width());
            let (before, after) = if *side == Side::Right { (spare, 0) } else { (0, spare) };
            if detail.width() > 0 {
                line.push_str(&" ".repeat(behind + GAP + before));
                line.push_str(&detail.draw(paint));
                behind = after;
            } else {
                behind += GAP + width;
            }
        }
        lines.push(line);
        lines
    }
}

/// The name in a line, and its details in as many as they need.
fn beneath((name, details): &(Cell, Vec<Cell>), width: usize, paint: Paint) -> Vec<String> {
    let mut lines = vec![name.draw(paint)];
    let mut end = usize::MAX;
    for detail in details.iter().filter(|detail| detail.width() > 0) {
        let drawn = detail.draw(paint);
        match lines.last_mut() {
            Some(line) if end.saturating_add(GAP + detail.width()) <= width => {
                line.push_str(&format!("{:GAP$}{drawn}", ""));
                end += GAP + detail.width();
            }
            _ => {
                lines.push(format!("{:INDENT$}{drawn}", ""));
                end = INDENT + detail.width();
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use crate::paint::Style;
    use unicode_width::UnicodeWidthStr;

    use super::*;

    const SIDES: [Side; 4] = [Side::Right, Side::Left, Side::Left, Side::Left];

    fn shown(rows: &[[&str; 5]], width: usize) -> Vec<String> {
        let mut table = Table::new(&SIDES);
        for [name, details @ ..] in rows {
            let cell = |text: &&str| Cell::new(Style::Plain, *text);
            table.row(cell(name), details.iter().map(cell).collect());
        }
        table.lines(width, Paint::NONE)
    }

    const ROWS: [[&str; 5]; 3] = [
        ["share/été.pdf", "1.21 GiB", "3 d ago", "ana", ""],
        ["share/東京.png", "80 KiB", "2 min ago", "ben (away)", "not hashed yet"],
        ["share/minutes of the long meeting.odt", "12 B", "just now", "ana", ""],
    ];

    #[test]
    fn details_stand_in_columns_where_there_is_room() {
        assert_eq!(
            shown(&ROWS, 120),
            [
                "share/été.pdf                          1.21 GiB  3 d ago    ana",
                "share/東京.png                           80 KiB  2 min ago  ben (away)  not hashed yet",
                "share/minutes of the long meeting.odt      12 B  just now   ana",
            ]
        );
    }

    #[test]
    fn a_name_that_is_too_long_has_a_line_to_itself() {
        assert_eq!(
            shown(&ROWS, 72),
            [
                "share/été.pdf   1.21 GiB  3 d ago    ana",
                "share/東京.png    80 KiB  2 min ago  ben (away)  not hashed yet",
                "share/minutes of the long meeting.odt",
                "                    12 B  just now   ana",
            ]
        );
    }

    #[test]
    fn where_it_is_narrow_details_stand_beneath() {
        assert_eq!(
            shown(&ROWS[..2], 40),
            [
                "share/été.pdf",
                "    1.21 GiB  3 d ago  ana",
                "share/東京.png",
                "    80 KiB  2 min ago  ben (away)",
                "    not hashed yet",
            ]
        );
    }

    #[test]
    fn nothing_is_cut_and_no_line_is_too_wide_at_any_width() {
        let widest = ROWS.iter().flatten().map(|text| text.width()).max().unwrap() + INDENT;
        for width in 1..=200 {
            let lines = shown(&ROWS, width);
            assert!(lines.iter().all(|line| line.width() <= width.max(widest)), "{width}");
            let text = lines.join("\n");
            assert!(ROWS.iter().flatten().all(|part| text.contains(part)), "{width}: {text}");
        }
    }
}
