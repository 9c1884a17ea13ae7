//! Numbers of variants in the sections.

use serde::de::DeserializeOwned;

use super::shape::{self, Shape};
use super::{page, section};
use crate::{catalogue, control, direct, handshake, kind, message};

/// An encoded enum: its variants in the order of their numbers.
pub(super) struct Enum {
    pub(super) what: &'static str,
    pub(super) section: &'static str,
    pub(super) variants: Vec<&'static str>,
    fields: Vec<Option<Vec<&'static str>>>,
}

fn list<T: DeserializeOwned>(what: &'static str, section: &'static str) -> Enum {
    let Shape { variants, fields } = shape::of::<T>();
    Enum { what, section, variants, fields }
}

/// Every enum of a message. One that is missing here shows by the numbers in its section.
pub(super) fn enums() -> Vec<Enum> {
    vec![
        list::<control::Purpose>("Purpose of a Hello", "5.2"),
        list::<control::ToRelay>("Message to the relay", "5.3"),
        list::<control::FromRelay>("Message from the relay", "5.3"),
        list::<control::Refusal>("Refusal", "5.3"),
        list::<handshake::Message>("Forwarded message", "6.2"),
        list::<catalogue::Change>("Change", "8.2"),
        list::<message::SessionMessage>("Message of a session", "10.1"),
        list::<message::Missing>("Missing", "10.1"),
        list::<message::Outcome>("Outcome", "10.2"),
        list::<direct::Transport>("Transport", "10.3"),
        list::<direct::Origin>("Origin", "10.3"),
        list::<direct::Ip>("Address", "10.3"),
    ]
}

/// A row of a table whose first cell is a number.
struct Row<'a> {
    number: usize,
    name: &'a str,
    third: &'a str,
}

fn rows(text: &str) -> Vec<Row<'_>> {
    text.lines()
        .filter_map(|line| {
            let mut cells =
                line.strip_prefix("| ")?.split(" | ").map(|cell| cell.trim_end_matches('|').trim());
            let number = cells.next()?.parse().ok()?;
            Some(Row { number, name: cells.next()?, third: cells.next().unwrap_or("") })
        })
        .collect()
}

/// The names of fields in a cell: what stands before a colon, or alone, outside of all brackets.
fn fields(cell: &str) -> Vec<&str> {
    let mut depth = 0_i32;
    let parts = cell.split(|c: char| {
        depth += i32::from("({[".contains(c)) - i32::from(")}]".contains(c));
        c == ',' && depth == 0
    });
    parts.map(|part| part.split(':').next().unwrap_or("").trim()).collect()
}

/// What stands in a section where numbers are given in a row: `enum { 0 Tcp   1 Udp }`, or `0 Gone (…)`.
fn says(text: &str, number: usize, name: &str) -> bool {
    let words: Vec<_> = text
        .split(|c: char| c.is_whitespace() || "({,.|".contains(c))
        .filter(|word| !word.is_empty())
        .collect();
    let (number, name) = (number.to_string(), name.to_lowercase());
    words.windows(3).any(|three| {
        let named = |word: &str| word.trim_end_matches([')', '}', ',']).to_lowercase() == name;
        // "0 signed OFFER" names what is signed.
        three[0] == number && (named(three[1]) || three[1] == "signed" && named(three[2]))
    })
}

#[test]
fn every_variant_has_its_number_in_its_section() {
    let page = page();
    for list in enums() {
        assert!(!list.variants.is_empty(), "{}", list.what);
        for (number, name) in list.variants.iter().enumerate() {
            assert!(
                says(section(&page, list.section), number, name),
                "{number} {name} in section {}",
                list.section
            );
        }
    }
}

#[test]
fn every_numbered_row_is_a_variant_with_these_fields() {
    let (page, all) = (page(), enums());
    for section_number in ["5.3", "10.1"] {
        let own: Vec<_> = all.iter().filter(|list| list.section == section_number).collect();
        let mut seen = 0;
        for row in rows(section(&page, section_number)) {
            let has = |list: &&&Enum| list.variants.get(row.number) == Some(&row.name);
            let list = own
                .iter()
                .find(has)
                .unwrap_or_else(|| panic!("no {} {} in the code", row.number, row.name));
            if let Some(expected) = &list.fields[row.number] {
                assert_eq!(
                    fields(row.third),
                    *expected,
                    "fields of {} in section {section_number}",
                    row.name
                );
            }
            seen += 1;
        }
        let variants: usize =
            own.iter().filter(|list| list.what != "Missing").map(|list| list.variants.len()).sum();
        assert_eq!(seen, variants, "rows in section {section_number}");
    }
}

#[test]
fn every_number_of_a_layout_stands_in_one_of_its_sections() {
    let page = page();
    for group in kind::all() {
        let text: String =
            group.sections.split(", ").map(|number| section(&page, number)).collect();
        for (value, meaning) in group.numbers {
            let there =
                text.split(|c: char| !c.is_ascii_digit()).any(|word| word.parse() == Ok(value));
            assert!(there, "{value} ({meaning}) in section {}", group.sections);
        }
    }
}
