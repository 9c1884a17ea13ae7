//! How hits look: a table on a terminal, one line for each elsewhere.

use std::collections::BTreeSet;

use sealift_command::console::Channel;
use sealift_command::escape::escape;
use sealift_command::event::{Event, Holder};
use sealift_command::human;
use sealift_command::paint::Style;
use sealift_command::people::speaker::Speaker;
use sealift_proto::identity::DeviceId;

use super::super::facts::{names, when, who};
use super::Look;
use crate::freshen::Known;
use crate::listing::Owner;
use crate::search::{Hit, Holding, Match, marks};
use sealift_command::layout::{Cell, Side, Table};

/// Of a table's details: bytes, when, who, in which space, and what is wanting.
const SIDES: [Side; 5] = [Side::Right, Side::Left, Side::Left, Side::Left, Side::Left];

/// What a list of hits is asked to tell.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    pub(super) look: Look<'a>,
    /// The space that each is in.
    pub(super) spaces: bool,
}

/// Shows `hits`, found in `known`.
pub(super) fn show(speaker: &Speaker, known: &Known, hits: &[Hit], told: Told<'_>) {
    let console = &speaker.console;
    let Some(width) = console.columns() else {
        for hit in hits {
            console.result(text(speaker, known, hit, told), &object(known, hit));
        }
        return;
    };
    let mut table = Table::new(&SIDES);
    for hit in hits {
        let Some(best) = hit.holdings.first() else { continue };
        table.row(path(best, told), details(speaker, known, hit, best, told));
    }
    let lines = table.lines(width, console.paint());
    lines.iter().for_each(|line| console.show(Channel::Result, line));
}

/// The path, with what was looked for.
fn path(best: &Holding, told: Told<'_>) -> Cell {
    let path = &best.path;
    let name = path.rfind('/').map_or(0, |slash| slash + 1);
    let mut cell = Cell::default();
    let mut at = 0;
    for mark in marks(told.look.pattern, path) {
        cell = unmarked(cell, path, at..mark.start, name);
        cell = cell.with(Style::Match, escape(&path[mark.clone()]));
        at = mark.end;
    }
    let cell = unmarked(cell, path, at..path.len(), name);
    if best.stored.is_file() { cell } else { cell.with(Style::Folder, "/") }
}

/// A part of `path` that nobody looked for; up to `name` it is of folders.
fn unmarked(cell: Cell, path: &str, part: std::ops::Range<usize>, name: usize) -> Cell {
    let middle = name.clamp(part.start, part.end);
    let cell = cell.with(Style::Folder, escape(&path[part.start..middle]));
    cell.with(Style::Plain, escape(&path[middle..part.end]))
}

fn details(
    speaker: &Speaker,
    known: &Known,
    hit: &Hit,
    best: &Holding,
    told: Told<'_>,
) -> Vec<Cell> {
    let plain = |text: String| Cell::new(Style::Plain, text);
    let space = if told.spaces { known.space.display_name() } else { String::new() };
    let wanting = if is_unread(best) { "not hashed yet" } else { "" };
    vec![
        plain(size(best)),
        plain(when(speaker.now(), best.stored.modified, told.look.long)),
        who(&owners(known, hit)),
        plain(space),
        plain(wanting.to_owned()),
    ]
}

/// One line, where no person looks; its form does not change.
fn text(speaker: &Speaker, known: &Known, hit: &Hit, told: Told<'_>) -> String {
    let Some(best) = hit.holdings.first() else { return String::new() };
    let unread = if is_unread(best) { "  [not hashed yet]" } else { "" };
    let name = known.space.display_name();
    let space = if told.spaces { format!("  in {name}") } else { String::new() };
    format!(
        "{}  {}  {}  {}{unread}{space}",
        path(best, told).draw(speaker.console.paint()),
        size(best),
        when(speaker.now(), best.stored.modified, told.look.long),
        names(&owners(known, hit)).join(", "),
    )
}

fn is_unread(best: &Holding) -> bool {
    best.stored.is_file() && best.stored.root.is_none()
}

/// How long a file is. Of folders only those are found in which nothing is.
fn size(best: &Holding) -> String {
    if best.stored.is_file() { human::size(best.stored.size) } else { "empty".to_owned() }
}

fn devices(hit: &Hit) -> BTreeSet<DeviceId> {
    hit.holdings.iter().map(|holding| holding.key.device).collect()
}

fn owners(known: &Known, hit: &Hit) -> Vec<Owner> {
    devices(hit).iter().map(|device| Owner::new(known, device)).collect()
}

/// Whether a device serves now, if the relay told.
fn serves(known: &Known, device: &DeviceId) -> Option<bool> {
    known.connection.as_ref().map(|connection| connection.online.serves(device))
}

const fn word(kind: Match) -> &'static str {
    match kind {
        Match::Name => "name",
        Match::Path => "path",
        Match::Prefix => "prefix",
        Match::InName => "in_name",
        Match::InPath => "in_path",
        Match::Words => "words",
        Match::Glob => "glob",
        Match::Close => "close",
    }
}

fn object(known: &Known, hit: &Hit) -> Event {
    let holder = |holding: &Holding| Holder {
        name: known.members.display_name(&holding.key.device),
        device: holding.key.device.short(),
        path: holding.path.clone(),
        serving: serves(known, &holding.key.device),
    };
    let best = hit.holdings.first();
    Event::Hit {
        space: known.space.display_name(),
        r#match: word(hit.kind).to_owned(),
        path: best.map(|best| best.path.clone()),
        folder: best.is_some_and(|best| !best.stored.is_file()),
        size: best.map(|best| best.stored.size),
        modified_ms: best.map(|best| best.stored.modified),
        hash: best.and_then(|best| best.stored.root).map(|root| root.hex()),
        holders: hit.holdings.iter().map(holder).collect(),
    }
}
