//! Holds `docs/JSON.md` and the types together: every type with every field is a row there, and nothing else is.

use std::collections::BTreeMap;

use super::{Event, Failed};

/// Fields by name, each with whether it may be absent.
type Fields = BTreeMap<String, bool>;

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/JSON.md");
    std::fs::read_to_string(path).unwrap()
}

/// The rows of the page: what the first cell names, with the fields of the second one.
fn documented() -> BTreeMap<String, Fields> {
    let mut all = BTreeMap::new();
    for line in page().lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, fields, what] = cells[..] else { panic!("three cells: {line}") };
        assert!(what.ends_with('.'), "a sentence: {line}");
        let fields = fields.split(" · ").filter(|field| *field != "–").map(|field| {
            let (name, words) = field.strip_prefix('`').unwrap().split_once("` ").expect(line);
            assert!(words.len() > 2, "what `{name}` is: {line}");
            (name.to_owned(), words.contains("absent"))
        });
        let name = name.trim_matches('`').to_owned();
        assert!(all.insert(name.clone(), fields.collect()).is_none(), "{name} twice");
    }
    all
}

fn snake(name: &str) -> String {
    let capitals = |c: char| c.is_ascii_uppercase();
    let parts = name.char_indices().filter(|(_, c)| capitals(*c)).map(|(at, _)| at).skip(1);
    let mut text = name.to_owned();
    parts.collect::<Vec<_>>().into_iter().rev().for_each(|at| text.insert(at, '_'));
    text.to_ascii_lowercase()
}

/// The text between the braces behind `head` in the source, without comments and attributes.
fn body(source: &str, head: &str) -> String {
    let start = source.find(head).unwrap_or_else(|| panic!("{head}")) + head.len();
    let text = source[start..].split("\n}").next().unwrap();
    let code = text.lines().map(str::trim).filter(|line| !line.starts_with(['/', '#']));
    code.collect::<Vec<_>>().join(" ")
}

/// `a: B, c: Option<D>`, with the names of types of their own.
fn fields(text: &str) -> Fields {
    let mut all = Fields::new();
    // No type has a comma but maps, whose second part has no colon.
    for (name, kind) in text.split(',').filter_map(|field| field.split_once(':')) {
        let name = name.trim().trim_start_matches("pub ").trim_start_matches("r#");
        all.insert(name.to_owned(), kind.trim().starts_with("Option<"));
    }
    all
}

/// The fields of a struct, which the page has under its name.
fn structs(source: &str) -> BTreeMap<String, Fields> {
    let names = source.split("\npub struct ").skip(1);
    let names = names.filter_map(|rest| rest.split([' ', '(']).next());
    names
        .map(|name| (name.into(), fields(&body(source, &format!("pub struct {name} {{")))))
        .collect()
}

/// The types of lines, each with its fields.
fn types(source: &str, parts: &BTreeMap<String, Fields>) -> BTreeMap<String, Fields> {
    let mut all = BTreeMap::new();
    let body = body(source, "pub enum Event {");
    let mut rest = body.trim_start();
    while let Some(end) = rest.find([' ', ',', '(']) {
        let (name, behind) = rest.split_at(end);
        let (found, after) = match behind.trim_start().chars().next() {
            Some('{') => {
                let (inner, after) = behind.split_once('{').unwrap().1.split_once('}').unwrap();
                (fields(inner), after)
            }
            Some('(') => {
                let (inner, after) = behind[1..].split_once(')').unwrap();
                (parts[inner].clone(), after)
            }
            _ => (Fields::new(), behind),
        };
        all.insert(snake(name), found);
        rest = after.trim_start_matches(',').trim_start();
    }
    all
}

#[test]
fn every_type_and_every_field_is_documented_and_nothing_else_is() {
    let parts = structs(include_str!("parts.rs"));
    let mut all = types(include_str!("../event.rs"), &parts);
    assert!(all.len() > 70 && parts.len() == 13, "{} {}", all.len(), parts.len());
    all.extend(parts.into_iter().filter(|(name, _)| !name.ends_with("Info") && name != "Listing"));
    let reports = [
        include_str!("../../../relay/src/report.rs"),
        include_str!("../../../server/src/machine.rs"),
    ];
    for (name, fields) in reports.iter().flat_map(|source| structs(source)) {
        all.insert(if name == "Report" { "status".into() } else { name }, fields);
    }
    let documented = documented();
    for (name, fields) in &all {
        assert_eq!(documented.get(name), Some(fields), "`{name}` in docs/JSON.md");
    }
    let unknown: Vec<_> = documented.keys().filter(|name| !all.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "no type: {unknown:?}");
}

#[test]
fn names_are_told_apart_and_read_alike() {
    assert_eq!(snake("GoingOn"), "going_on");
    let one = "pub enum Event {\n    A,\n    /// x\n    BeeCee { r#for: u8, d: Option<Vec<u8>> },\n    D(P),\n}\n";
    let parts = BTreeMap::from([("P".to_owned(), Fields::from([("e".to_owned(), false)]))]);
    let all = types(one, &parts);
    assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "bee_cee", "d"]);
    assert_eq!(all["bee_cee"], Fields::from([("for".into(), false), ("d".into(), true)]));
    assert_eq!((all["a"].len(), all["d"].len()), (0, 1));
}

#[test]
fn what_has_no_value_is_left_out_and_a_line_is_read_again() {
    let error = Failed { code: 3, what: "a\u{202e}".into(), why: None, next: None, kept: None };
    let event = Event::Missing { name: "b".into(), error };
    let line = event.to_line();
    assert_eq!(line, r#"{"error":{"code":3,"what":"a\u202e"},"name":"b","type":"missing"}"#);
    assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    assert_eq!(Event::GoingOn { bytes: 1 }.to_line(), r#"{"bytes":1,"type":"going_on"}"#);
    assert!(serde_json::from_str::<Event>(r#"{"type":"going_on","bytes":1,"x":2}"#).is_err());
}
