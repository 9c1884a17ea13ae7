//! The table for people: as text for a terminal, and as Markdown for `docs/OPERATING.md`, which a test holds against it.

use std::fmt::Write;

use super::{Entry, Limits};

/// Entries with the name of their group before the first of it.
fn groups(limits: &Limits) -> impl Iterator<Item = (Option<&'static str>, Entry)> {
    let mut group = "";
    limits.entries().map(move |entry| {
        let new = (entry.group != group).then_some(entry.group);
        group = entry.group;
        (new, entry)
    })
}

/// Every limit with its value, as lines of a terminal.
#[must_use]
pub(crate) fn listing(limits: &Limits) -> String {
    let mut text = String::new();
    for (group, entry) in groups(limits) {
        if let Some(group) = group {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}{group}:");
        }
        let Entry { name, value, words, .. } = entry;
        let _ = writeln!(text, "  {name} = {value}\n      {words}");
    }
    text
}

/// Every limit with its default, as a table in Markdown.
#[cfg(test)]
fn table() -> String {
    let mut text = String::from("| limit | default | what |\n| --- | --- | --- |\n");
    for (group, entry) in groups(&Limits::default()) {
        if let Some(group) = group {
            let _ = writeln!(text, "| **{group}** | | |");
        }
        let Entry { name, default, words, .. } = entry;
        let _ = writeln!(text, "| `{name}` | {default} | {words} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// To bring `docs/OPERATING.md` up to date: `SEALIFT_WRITE_LIMITS=1 cargo test -p sealift-relay operating`.
    #[test]
    fn operating_has_the_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATING.md");
        let page = std::fs::read_to_string(path).unwrap();
        let start = page.find("| limit | default |").expect("the table of limits");
        let end = page[start..].find("\n\n").map_or(page.len(), |end| start + end + 1);
        let fresh = table();
        if std::env::var_os("SEALIFT_WRITE_LIMITS").is_some() && page[start..end] != fresh {
            let page = [&page[..start], &fresh, &page[end..]].concat();
            std::fs::write(path, page).unwrap();
            return;
        }
        assert_eq!(&page[start..end], fresh);
    }

    #[test]
    fn the_listing_has_the_values_in_force() {
        let mut limits = Limits::default();
        limits.set("links", "77").unwrap();
        let text = listing(&limits);
        assert!(text.contains("  links = 77\n"), "{text}");
        assert_eq!(
            text.lines().filter(|line| line.contains(" = ")).count(),
            limits.entries().count()
        );
    }
}
