//! One line of a live display, laid out for as many columns as there are: the middle of names is shortened first, then parts
//! are left out, the least important first. It never wraps.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::terminal::Glyphs;

/// Between two parts.
const GAP: usize = 2;
/// A name keeps so many columns for as long as it is shown.
const NAME_LEAST: usize = 12;
/// Columns of a bar.
const BAR: (usize, usize) = (6, 40);

/// A line to be laid out. Texts are escaped before they get here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    kind: Kind,
    /// The part with the highest goes first where there is no room.
    rank: u8,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Text(String),
    Name(String),
    Bar(u64, u64),
}

impl Part {
    /// Columns without which it is not shown, and those that it takes where there is room.
    fn columns(&self) -> (usize, usize) {
        match &self.kind {
            Kind::Text(text) => (text.width(), text.width()),
            Kind::Name(name) => (name.width().min(NAME_LEAST), name.width()),
            Kind::Bar(..) => BAR,
        }
    }

    fn draw(&self, columns: usize, glyphs: Glyphs) -> String {
        match &self.kind {
            Kind::Text(text) | Kind::Name(text) => elide(text, columns, glyphs),
            Kind::Bar(done, total) => bar(*done, *total, columns, glyphs),
        }
    }
}

impl Line {
    /// A line without anything in it.
    #[must_use]
    pub const fn new() -> Self {
        Self { parts: Vec::new() }
    }

    /// Adds text that is shown whole or not at all; nothing, if it is empty. Rank 0 stays longest.
    #[must_use]
    pub fn text(self, rank: u8, text: impl Into<String>) -> Self {
        let text = text.into();
        if text.is_empty() { self } else { self.part(rank, Kind::Text(text)) }
    }

    /// Adds a name, which loses its middle where room is short.
    #[must_use]
    pub fn name(self, rank: u8, name: impl Into<String>) -> Self {
        self.part(rank, Kind::Name(name.into()))
    }

    /// Adds a bar that shows `done` of `total`.
    #[must_use]
    pub fn bar(self, rank: u8, done: u64, total: u64) -> Self {
        self.part(rank, Kind::Bar(done, total))
    }

    fn part(mut self, rank: u8, kind: Kind) -> Self {
        self.parts.push(Part { kind, rank });
        self
    }

    /// The line, in at most `columns`.
    #[must_use]
    pub fn layout(&self, columns: usize, glyphs: Glyphs) -> String {
        let shown = self.shown(columns);
        let mut room = columns.saturating_sub(least(&shown));
        let mut widths: Vec<_> = shown.iter().map(|part| part.columns().0).collect();
        // Names get what there is before bars do, the most important first.
        let mut order: Vec<_> = shown.iter().zip(&mut widths).collect();
        order.sort_by_key(|(part, _)| (matches!(part.kind, Kind::Bar(..)), part.rank));
        for (part, width) in order {
            let more = (part.columns().1 - *width).min(room);
            *width += more;
            room -= more;
        }
        let drawn = shown.iter().zip(widths).map(|(part, width)| part.draw(width, glyphs));
        elide(&drawn.collect::<Vec<_>>().join(&" ".repeat(GAP)), columns, glyphs)
    }

    /// The parts for which there is room.
    fn shown(&self, columns: usize) -> Vec<&Part> {
        let mut shown: Vec<_> = self.parts.iter().collect();
        while shown.len() > 1 && least(&shown) > columns {
            let least_important = shown.iter().enumerate().max_by_key(|(_, part)| part.rank);
            let Some((place, _)) = least_important else { break };
            shown.remove(place);
        }
        shown
    }
}

/// Columns that `parts` take at least.
fn least(parts: &[&Part]) -> usize {
    let gaps = parts.len().saturating_sub(1) * GAP;
    parts.iter().map(|part| part.columns().0).sum::<usize>() + gaps
}

/// `text` in at most `columns`, without its middle if need be.
#[must_use]
pub fn elide(text: &str, columns: usize, glyphs: Glyphs) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mark = glyphs.ellipsis();
    let Some(room) = columns.checked_sub(mark.width()).filter(|room| *room >= 2) else {
        return start(text, columns).to_owned();
    };
    let tail = end(text, room / 2);
    format!("{}{mark}{tail}", start(text, room - tail.width()))
}

/// The longest start of `text` that takes at most `columns`.
fn start(text: &str, columns: usize) -> &str {
    let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
    let fits = |end: &usize| text[..*end].width() <= columns;
    ends.take_while(fits).last().map_or("", |end| &text[..end])
}

/// The longest end of `text` that takes at most `columns` and does not begin with something that joins what was before.
fn end(text: &str, columns: usize) -> &str {
    let starts = text.char_indices().rev();
    let fits = |(at, _): &(usize, char)| text[*at..].width() <= columns;
    let whole = starts.take_while(fits).filter(|(_, c)| c.width().unwrap_or(0) > 0);
    whole.last().map_or("", |(at, _)| &text[at..])
}

fn bar(done: u64, total: u64, columns: usize, glyphs: Glyphs) -> String {
    let all = u128::from(total.max(1));
    let full = u128::from(done.min(total)) * columns as u128 / all;
    let full = usize::try_from(full).unwrap_or(columns).min(columns);
    let (one, none) = glyphs.bar();
    format!("{}{}", one.repeat(full), none.repeat(columns - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str) -> Line {
        Line::new()
            .name(1, name)
            .text(0, "20 %")
            .bar(2, 205, 1024)
            .text(5, "205 MiB/1.00 GiB")
            .text(3, "94.1 MB/s")
            .text(4, "12 min left")
            .text(6, "direct TCP")
    }

    #[test]
    fn names_are_shortened_before_parts_are_left_out() {
        let short = line("report.pdf");
        let long = line("minutes of the meeting on the fourth of July.odt");
        for (columns, line, shown) in [
            (6, &short, "20 %"),
            (19, &short, "report.pdf  20 %"),
            (19, &long, "minute…ly.odt  20 %"),
            (39, &short, "report.pdf  20 %  ██░░░░░░░░  94.1 MB/s"),
            (39, &long, "minutes…ly.odt  20 %  █░░░░░  94.1 MB/s"),
            (52, &short, "report.pdf  20 %  ██░░░░░░░░  94.1 MB/s  12 min left"),
            (
                79,
                &short,
                "report.pdf  20 %  █░░░░░░  205 MiB/1.00 GiB  94.1 MB/s  12 min left  direct TCP",
            ),
            (
                79,
                &long,
                "minutes of …of July.odt  20 %  █░░░░░  205 MiB/1.00 GiB  94.1 MB/s  12 min left",
            ),
        ] {
            assert_eq!(line.layout(columns, Glyphs::Unicode), shown, "{columns}");
        }
    }

    #[test]
    fn no_width_is_ever_too_small_and_none_is_exceeded() {
        let names = ["a", "report.pdf", &"長い名前".repeat(20), "e\u{301}\u{301}é👩‍🚀👩‍🚀👩‍🚀👩‍🚀x", ""];
        for name in names {
            for columns in 0..=200 {
                for glyphs in [Glyphs::Ascii, Glyphs::Unicode] {
                    let shown = line(name).layout(columns, glyphs);
                    assert!(shown.width() <= columns, "{columns}: {shown}");
                    assert!(columns < 4 || shown.contains("20 %"), "{columns}: {shown}");
                    assert!(columns < 39 || shown.contains("MB/s"), "{columns}: {shown}");
                    assert!(glyphs == Glyphs::Unicode || !shown.contains(['…', '█']));
                }
            }
        }
    }

    #[test]
    fn a_shortened_name_keeps_both_ends() {
        let name = "holidays-2024-07-04.tar.gz";
        assert_eq!(elide(name, 26, Glyphs::Unicode), name);
        assert_eq!(elide(name, 13, Glyphs::Unicode), "holida…tar.gz");
        assert_eq!(elide(name, 13, Glyphs::Ascii), "holid...ar.gz");
        assert_eq!(elide(name, 3, Glyphs::Unicode), "h…z");
        assert_eq!(elide(name, 2, Glyphs::Unicode), "ho");
        assert_eq!(elide(name, 0, Glyphs::Unicode), "");
        assert_eq!(elide("長い名前の文書", 8, Glyphs::Unicode), "長い…書");
        // What joins the letter before it does not join the ellipsis.
        assert_eq!(elide("aaaaaae\u{301}", 4, Glyphs::Unicode), "aa…e\u{301}");
    }

    #[test]
    fn a_bar_is_full_when_all_is_there() {
        for (done, total, shown) in
            [(0, 10, "...."), (5, 10, "##.."), (10, 10, "####"), (99, 10, "####"), (0, 0, "....")]
        {
            assert_eq!(bar(done, total, 4, Glyphs::Ascii), shown);
        }
    }
}
