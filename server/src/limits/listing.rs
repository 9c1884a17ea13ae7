//! A table for people: as text for a terminal, as Markdown, and as the section of a configuration file.

use std::fmt::Write;

use super::{Entry, Table, entries};

/// Entries with the name of their group before the first of it.
fn groups<L: Table>(limits: &L) -> impl Iterator<Item = (Option<&'static str>, Entry)> {
    let mut group = "";
    entries(limits).map(move |entry| {
        let new = (entry.group != group).then_some(entry.group);
        group = entry.group;
        (new, entry)
    })
}

/// Every limit with its value, as lines of a terminal.
#[must_use]
pub fn listing<L: Table>(limits: &L) -> String {
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
#[must_use]
pub fn markdown<L: Table>() -> String {
    let mut text = String::from("| limit | default | what |\n| --- | --- | --- |\n");
    for (group, entry) in groups(&L::default()) {
        if let Some(group) = group {
            let _ = writeln!(text, "| **{group}** | | |");
        }
        let Entry { name, default, words, .. } = entry;
        let _ = writeln!(text, "| `{name}` | {default} | {words} |");
    }
    text
}

/// Every limit with its default, commented out, as the section `limits` of a configuration file.
#[must_use]
pub fn toml_section<L: Table>() -> String {
    let mut text = String::from("[limits]\n");
    for (group, entry) in groups(&L::default()) {
        if let Some(group) = group {
            let _ = writeln!(text, "\n# {group}");
        }
        let bare = entry.default.bytes().all(|byte| byte.is_ascii_digit());
        let quote = if bare { "" } else { "\"" };
        let Entry { name, words, default, .. } = entry;
        let _ = writeln!(text, "#   {words}.\n#{name} = {quote}{default}{quote}");
    }
    text
}
