//! Holds `docs/ARCHITECTURE.md` to the code, and the glossary in `CONTRIBUTING.md` to `docs/PROTOCOL.md`. Only text is compared: it
//! is fast, and asks nothing of whoever moves a function but to say where it is now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What stands between backticks.
fn spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

fn is_file(span: &str) -> bool {
    span.ends_with(".rs") && span.contains('/')
}

fn is_part_of_name(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn has_word(source: &str, word: &str) -> bool {
    source.match_indices(word).any(|(at, _)| {
        let before = source[..at].chars().next_back();
        let behind = source[at + word.len()..].chars().next();
        !before.is_some_and(is_part_of_name) && !behind.is_some_and(is_part_of_name)
    })
}

fn has_function(source: &str, name: &str) -> bool {
    ["(", "<"].iter().any(|behind| source.contains(&format!("fn {name}{behind}")))
}

/// Whether `source` has what a span names: a constant with its value, a function of a type, or any other name.
fn has(source: &str, span: &str) -> bool {
    if let Some((name, value)) = span.split_once(" = ") {
        let constant = |line: &str| {
            line.contains(&format!("const {name}: ")) && line.ends_with(&format!(" = {value};"))
        };
        return source.lines().any(constant);
    }
    match span.split_once("::") {
        Some((of, function)) => has_word(source, of) && has_function(source, function),
        None => has_word(source, span),
    }
}

/// Whether a span names something in a source file, rather than a command or a line of text.
fn is_name(span: &str) -> bool {
    let name = span.split(" = ").next().unwrap_or(span);
    !name.is_empty() && name.chars().all(|char| is_part_of_name(char) || char == ':')
}

/// What `page` names and `source` does not have: files that are not there, and names that no file of their line has.
fn missing(page: &str, source: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let mut missing = Vec::new();
    for line in page.lines() {
        let (files, others): (Vec<_>, Vec<_>) =
            spans(line).into_iter().partition(|span| is_file(span));
        let sources: Vec<_> = files.iter().map(|file| (file, source(file))).collect();
        for (file, source) in &sources {
            if source.is_none() {
                missing.push((**file).to_owned());
            }
        }
        let sources: Vec<_> = sources.into_iter().filter_map(|(_, source)| source).collect();
        for name in others.into_iter().filter(|span| !files.is_empty() && is_name(span)) {
            if !sources.iter().any(|source| has(source, name)) {
                missing.push(format!("{name} in {}", files.join(", ")));
            }
        }
    }
    missing
}

#[test]
fn what_the_page_names_is_where_it_says() {
    let source = |path: &str| std::fs::read_to_string(root().join(path)).ok();
    let missing = missing(&text("docs/ARCHITECTURE.md"), source);
    assert!(missing.is_empty(), "docs/ARCHITECTURE.md: {missing:#?}");
}

#[test]
fn what_is_not_there_is_missed() {
    let source = |path: &str| {
        let text = "impl Outbox { fn push(&self) {} }\nconst COUNT: usize = 64;\n".to_owned();
        (path == "relay/src/outbox.rs").then_some(text)
    };
    for good in ["`Outbox::push`", "`COUNT = 64`", "`COUNT`", "`--limit R`", "`push`"] {
        assert!(missing(&format!("{good} in `relay/src/outbox.rs`"), source).is_empty(), "{good}");
    }
    for bad in ["`Outbox::pull`", "`Inbox::push`", "`COUNT = 65`", "`COUN`", "`pus`"] {
        assert_eq!(missing(&format!("{bad} in `relay/src/outbox.rs`"), source).len(), 1, "{bad}");
    }
    assert_eq!(missing("in `relay/src/inbox.rs`", source), ["relay/src/inbox.rs"]);
    assert!(missing("`Anything::at_all` where no file is named", source).is_empty());
}

/// The part of `page` under `heading`.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let start = page.find(heading).unwrap_or_else(|| panic!("no {heading}")) + heading.len();
    let rest = &page[start..];
    &rest[..rest.find("\n## ").unwrap_or(rest.len())]
}

#[test]
fn the_paths_have_as_many_functions_as_is_said() {
    let page = text("docs/ARCHITECTURE.md");
    for heading in ["\n## The path of an OFFER\n", "\n## The path of a chunk\n"] {
        let section = section(&page, heading);
        let said = section.split("**").nth(1).and_then(|said| said.split(' ').next());
        let rows = section.lines().filter(|line| line.starts_with('|') && line.contains(".rs`"));
        let names = rows.flat_map(spans).filter(|span| !is_file(span));
        // Queues are written in capitals.
        let count = names.filter(|name| name.chars().any(char::is_lowercase)).count();
        assert_eq!(said, Some(&*count.to_string()), "{heading}");
    }
}

/// The parts that a part's manifest names.
fn used_by(part: &str) -> BTreeSet<String> {
    let manifest = text(&format!("{part}/Cargo.toml"));
    let start = manifest.find("\n[dependencies]\n").expect("dependencies");
    let rest = &manifest[start + 1..];
    let end = rest.find("\n[").unwrap_or(rest.len());
    let names = rest[..end].lines().filter_map(|line| line.strip_prefix("sealift-"));
    let name = |line: &str| line.chars().take_while(|char| is_part_of_name(*char)).collect();
    names.map(name).collect()
}

#[test]
fn crates_use_what_is_said() {
    let page = text("docs/ARCHITECTURE.md");
    let rows = section(&page, "\n## Crates\n").lines().filter(|line| line.starts_with("| `"));
    let uses = |row: &str| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let used = spans(cells[4]).into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        (spans(cells[1])[0].to_owned(), used)
    };
    let said: BTreeMap<_, _> = rows.map(uses).collect();
    let parts =
        "command content leecher platform proto relay sealift seeder server space transport";
    assert_eq!(said.keys().map(String::as_str).collect::<Vec<_>>().join(" "), parts);
    for (part, used) in said {
        assert_eq!(used, used_by(&part), "{part}");
    }
}

/// The glossary refers to sections of the protocol: they say something of each word.
#[test]
fn words_of_the_protocol_stand_where_the_glossary_says() {
    let protocol = text("docs/PROTOCOL.md").to_lowercase();
    let contributing = text("CONTRIBUTING.md");
    let rows = section(&contributing, "\n## Words\n").lines().filter_map(|line| {
        let (number, words) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        number.starts_with(|char: char| char.is_ascii_digit()).then_some((number, words))
    });
    let mut count = 0;
    for (number, words) in rows {
        let heading = if number.contains('.') {
            format!("\n### {number} ")
        } else {
            format!("\n## {number}. ")
        };
        let start = protocol.find(&heading).unwrap_or_else(|| panic!("no section {number}"));
        let rest = &protocol[start + 1..];
        let end = ["\n## ", "\n### "].iter().filter_map(|next| rest.find(next)).min();
        let section = &rest[..end.unwrap_or(rest.len())];
        for word in words.split(", ") {
            assert!(section.contains(&word.to_lowercase()), "{word} in section {number}");
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}
