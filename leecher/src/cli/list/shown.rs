//! How a listing looks: names in columns or a table on a terminal, one line for each elsewhere.

use std::collections::BTreeMap;

use sealift_command::console::Channel;
use sealift_command::escape::escape;
use sealift_command::event::{Event, Listing};
use sealift_command::human;
use sealift_command::paint::Style;
use sealift_command::people::speaker::Speaker;

use super::super::facts::{names, when, who};
use crate::freshen::Known;
use crate::listing::{Line, Owner};
use sealift_command::layout::{Cell, Side, Table, columns};

/// Of a table's details: how many files, bytes, when, who, and what is wanting.
const SIDES: [Side; 5] = [Side::Right, Side::Right, Side::Left, Side::Left, Side::Left];

/// Shows `lines`, with all that is known of them if `long`.
pub(super) fn show(speaker: &Speaker, known: &Known, lines: &[(String, Line)], long: bool) {
    let console = &speaker.console;
    let Some(width) = console.columns() else {
        for (name, line) in lines {
            console.result(text(speaker, name, line, long), &object(known, name, line));
        }
        return;
    };
    let paint = console.paint();
    let shown = if long {
        let mut table = Table::new(&SIDES);
        lines.iter().for_each(|(name, line)| table.row(cell(name, line), details(speaker, line)));
        table.lines(width, paint)
    } else {
        let names: Vec<_> = lines.iter().map(|(name, line)| cell(name, line)).collect();
        columns(&names, width, paint)
    };
    shown.iter().for_each(|line| console.show(Channel::Result, line));
    if !long {
        tell_away(speaker, lines);
    }
}

/// The name of a line, which says what it is, and whether it can be had now.
fn cell(name: &str, line: &Line) -> Cell {
    let away = line.owners.iter().all(|owner| owner.away);
    let style = match (away, line.folder) {
        (true, _) => Style::Faint,
        (false, true) => Style::Folder,
        (false, false) => Style::Plain,
    };
    Cell::new(style, shown(name, line))
}

fn shown(name: &str, line: &Line) -> String {
    let slash = if line.folder { "/" } else { "" };
    format!("{}{slash}", escape(name))
}

fn details(speaker: &Speaker, line: &Line) -> Vec<Cell> {
    let plain = |text: String| Cell::new(Style::Plain, text);
    let files = if line.folder { human::count(line.files, "file") } else { String::new() };
    vec![
        plain(files),
        plain(human::size(line.bytes)),
        plain(when(speaker.now(), line.newest, true)),
        who(&line.owners),
        plain(wanting(line)),
    ]
}

fn wanting(line: &Line) -> String {
    let waiting = match (line.waiting, line.folder) {
        (0, _) => None,
        (_, false) => Some("not hashed yet".to_owned()),
        (waiting, true) => Some(format!("{waiting} not hashed yet")),
    };
    let all: Vec<_> = waiting.into_iter().chain(unshared(line)).collect();
    all.join(", ")
}

fn unshared(line: &Line) -> impl Iterator<Item = String> {
    let unshared = (line.unshared > 0).then(|| format!("{} could not be shared", line.unshared));
    unshared.into_iter().chain((line.left_out > 0).then(|| format!("{} left out", line.left_out)))
}

/// One line, where no person looks; its form does not change.
fn text(speaker: &Speaker, name: &str, line: &Line, long: bool) -> String {
    let paint = speaker.console.paint();
    let name = cell(name, line).draw(paint);
    let files =
        if line.folder { format!("{}, ", human::count(line.files, "file")) } else { String::new() };
    let when = when(speaker.now(), line.newest, long);
    let size = human::size(line.bytes);
    let owners = names(&line.owners).join(", ");
    let waiting = match line.waiting {
        0 => String::new(),
        waiting => format!("  [{waiting} not hashed yet]"),
    };
    let unshared: String = unshared(line).map(|words| format!("  [{words}]")).collect();
    format!("{name}  {files}{size}  {when}  {owners}{waiting}{unshared}")
}

fn object(known: &Known, name: &str, line: &Line) -> Event {
    let listing = Listing {
        space: known.space.display_name(),
        name: name.to_owned(),
        files: line.files,
        bytes: line.bytes,
        modified_ms: line.newest,
        not_hashed: line.waiting,
        unshared: line.unshared,
        left_out: line.left_out,
        hash: line.hash.clone().filter(|_| !line.folder),
        owners: names(&line.owners),
    };
    if line.folder { Event::Folder(listing) } else { Event::File(listing) }
}

/// Says who is away, and how much of what is listed nobody else has.
fn tell_away(speaker: &Speaker, lines: &[(String, Line)]) {
    for (name, alone) in away(lines) {
        let words = match alone {
            0 => format!("{name} is away"),
            many => format!("{name} is away, and alone has {many} of these"),
        };
        speaker.console.remark(&words);
    }
}

/// Who is away, each with the number of lines that are nobody else's.
fn away(lines: &[(String, Line)]) -> BTreeMap<&str, usize> {
    let mut away = BTreeMap::new();
    for (_, line) in lines {
        for Owner { name, .. } in line.owners.iter().filter(|owner| owner.away) {
            *away.entry(name.as_str()).or_default() += usize::from(line.owners.len() == 1);
        }
    }
    away
}

#[cfg(test)]
mod tests {
    use sealift_command::paint::Paint;

    use super::*;

    fn line(folder: bool, owners: &[(&str, bool)]) -> Line {
        let owner = |(name, away): &(&str, bool)| Owner { name: (*name).into(), away: *away };
        Line { folder, files: 1, owners: owners.iter().map(owner).collect(), ..Line::default() }
    }

    #[test]
    fn a_name_tells_what_it_is_and_whether_it_can_be_had() {
        let drawn =
            |folder, away| cell("a\u{1b}b", &line(folder, &[("ana", away)])).draw(Paint::ALL);
        assert_eq!(drawn(false, false), "a\\u{1b}b");
        assert_eq!(drawn(true, false), "\u{1b}[1;34ma\\u{1b}b/\u{1b}[0m");
        assert_eq!(drawn(true, true), "\u{1b}[2ma\\u{1b}b/\u{1b}[0m");
    }

    #[test]
    fn who_is_away_is_told_with_what_nobody_else_has() {
        let lines = [
            ("a".into(), line(false, &[("ana", true)])),
            ("b".into(), line(false, &[("ana", true), ("ben", false)])),
            ("c".into(), line(true, &[("cy", true), ("ana", true)])),
        ];
        let away: Vec<_> = away(&lines).into_iter().collect();
        assert_eq!(away, [("ana", 1), ("cy", 0)]);
    }
}
