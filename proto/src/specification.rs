//! Holds `docs/PROTOCOL.md` and the code together: the tables of section 13 are those of the code, what they say stands in
//! the sections that they name, and the sections say nothing that is not in the tables.

mod labels;
mod limits;
mod numbers;
mod shape;

use std::fmt::Write;

use crate::{kind, label, limits as limit};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/PROTOCOL.md");

fn page() -> String {
    std::fs::read_to_string(PATH).unwrap()
}

/// The text of a section, without those beneath it: from behind its heading to the next.
fn section<'a>(page: &'a str, number: &str) -> &'a str {
    let heading =
        if number.contains('.') { format!("\n### {number} ") } else { format!("\n## {number}. ") };
    let start =
        page.find(&heading).unwrap_or_else(|| panic!("no section {number}")) + heading.len();
    let rest = &page[start..];
    let end = ["\n## ", "\n### "].iter().filter_map(|next| rest.find(next)).min();
    &rest[..end.unwrap_or(rest.len())]
}

/// Numbers of the sections that specify something: all but the first and those about the whole.
fn sections(page: &str) -> Vec<String> {
    let number = |line: &str| {
        let heading = line.strip_prefix("### ").or_else(|| line.strip_prefix("## "))?;
        let number = heading.split(' ').next()?.trim_end_matches('.');
        let chapter: u32 = number.split('.').next()?.parse().ok()?;
        (2..=11).contains(&chapter).then(|| number.to_owned())
    };
    page.lines().filter_map(number).collect()
}

fn limits_table() -> String {
    let mut text =
        String::from("| limit | value | sections | what and why |\n| --- | --- | --- | --- |\n");
    for row in limit::all() {
        let unit = if row.unit == "count" { String::new() } else { format!(" {}", row.unit) };
        let _ = writeln!(
            text,
            "| {} | {}{unit} | {} | {} |",
            row.name, row.value, row.sections, row.what
        );
    }
    text
}

fn labels_table() -> String {
    let mut text = String::from("| label | sections | what for |\n| --- | --- | --- |\n");
    for row in label::all() {
        let _ =
            writeln!(text, "| `{}` | {} | {} |", labels::written(row.text), row.sections, row.what);
    }
    text
}

fn kinds_table() -> String {
    let mut text = String::from("| what | sections | numbers |\n| --- | --- | --- |\n");
    for group in kind::all() {
        let numbers = group.numbers.iter().map(|(number, meaning)| format!("{number} {meaning}"));
        let numbers = numbers.collect::<Vec<_>>().join(" · ");
        let _ = writeln!(text, "| {} | {} | {numbers} |", group.what, group.sections);
    }
    for list in numbers::enums() {
        let numbers =
            list.variants.iter().enumerate().map(|(number, name)| format!("{number} {name}"));
        let numbers = numbers.collect::<Vec<_>>().join(" · ");
        let _ = writeln!(text, "| {} | {} | {numbers} |", list.what, list.section);
    }
    text
}

/// To bring section 13 of PROTOCOL.md up to date: `SEALIFT_WRITE_TABLES=1 cargo test --workspace --lib protocol_has_the_tables`.
#[test]
fn protocol_has_the_tables() {
    let tables = [("13.1", limits_table()), ("13.2", labels_table()), ("13.3", kinds_table())];
    let mut page = page();
    let write = std::env::var_os("SEALIFT_WRITE_TABLES").is_some();
    for (number, fresh) in tables {
        let text = section(&page, number);
        let start = text.find("\n| ").expect("a table") + 1;
        let end = text[start..].find("\n\n").map_or(text.len(), |end| start + end + 1);
        let found = &text[start..end];
        if write {
            page = page.replacen(found, &fresh, 1);
        } else {
            assert_eq!(found, fresh, "section {number}");
        }
    }
    if write {
        std::fs::write(PATH, page).unwrap();
    }
}
