//! What lists say of a file beside its name: who has it, and since when it is as it is.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sealift_command::human;
use sealift_command::paint::Style;

use crate::listing::Owner;
use sealift_command::layout::Cell;

/// So many are named on a terminal.
const NAMED: usize = 3;

/// `ana`, `ben (away)`.
fn words(owner: &Owner) -> String {
    let away = if owner.away { " (away)" } else { "" };
    format!("{}{away}", owner.name)
}

/// All of them, for a program.
pub(super) fn names(owners: &[Owner]) -> Vec<String> {
    owners.iter().map(words).collect()
}

/// The first of them, and how many more there are, those who are there first.
pub(super) fn who(owners: &[Owner]) -> Cell {
    let mut sorted: Vec<_> = owners.iter().collect();
    sorted.sort_by_key(|owner| owner.away);
    let named = if sorted.len() == NAMED + 1 { NAMED + 1 } else { NAMED };
    let mut cell = Cell::default();
    for (place, owner) in sorted.iter().take(named).enumerate() {
        let style = if owner.away { Style::Faint } else { Style::Plain };
        let before = if place == 0 { "" } else { ", " };
        cell = cell.with(Style::Plain, before).with(style, words(owner));
    }
    match sorted.len().saturating_sub(named) {
        0 => cell,
        more => cell.with(Style::Plain, format!(" and {more} more")),
    }
}

/// When somebody says that a file was changed: how long ago, or with `exact` the minute on this machine's clock.
pub(super) fn when(now: u64, modified: i64, exact: bool) -> String {
    if exact {
        return minute(modified, TimeZone::system());
    }
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let age = now.saturating_sub(modified.div_euclid(1000));
    human::age(u64::try_from(age).unwrap_or(0))
}

fn minute(modified: i64, zone: TimeZone) -> String {
    let time = Timestamp::from_millisecond(modified).map(|time| time.to_zoned(zone));
    time.map_or_else(|_| "no date".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use sealift_command::paint::Paint;

    use super::*;

    fn owners(names: &[(&str, bool)]) -> Vec<Owner> {
        names.iter().map(|(name, away)| Owner { name: (*name).into(), away: *away }).collect()
    }

    #[test]
    fn whoever_is_there_is_named_first_and_not_too_many() {
        let shown = |names: &[(&str, bool)]| who(&owners(names)).draw(Paint::NONE);
        assert_eq!(shown(&[("ana", true), ("ben", false)]), "ben, ana (away)");
        let five = [("a", true), ("b", false), ("c", false), ("d", false), ("e", false)];
        assert_eq!(shown(&five[..4]), "b, c, d, a (away)");
        assert_eq!(shown(&five), "b, c, d and 2 more");
        assert_eq!(shown(&[]), "");
    }

    #[test]
    fn dates_are_told_to_the_minute_and_nonsense_is_not_one() {
        assert_eq!(minute(1_700_000_000_000, TimeZone::UTC), "2023-11-14 22:13");
        assert_eq!(minute(i64::MIN, TimeZone::UTC), "no date");
        assert_eq!(when(1_700_000_060, 1_700_000_000_000, false), "1 min ago");
        assert_eq!(when(0, i64::MAX, false), "just now");
    }
}
