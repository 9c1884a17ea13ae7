//! Labels in the sections, and in the code.

use std::path::{Path, PathBuf};

use super::{page, section, sections};
use crate::label;

/// As it is written on the page.
pub(super) fn written(label: &str) -> String {
    label.replace('\0', "\\0")
}

/// The quoted texts that end in a zero byte.
fn quoted(text: &str) -> Vec<&str> {
    let ends = text.match_indices("\\0").map(|(at, _)| at + 2);
    let label = |end: usize| {
        let start = text[..end].rfind(['"', '`'])? + 1;
        text[end..].starts_with(['"', '`']).then(|| &text[start..end])
    };
    ends.filter_map(label).filter(|label| *label != "\\0").collect()
}

#[test]
fn every_label_stands_in_its_sections() {
    let page = page();
    for row in label::all() {
        for number in row.sections.split(", ") {
            let text = section(&page, number);
            let label = written(row.text);
            let there = [format!("\"{label}\""), format!("`{label}`")];
            assert!(there.iter().any(|form| text.contains(form)), "{label} in section {number}");
        }
    }
}

#[test]
fn every_label_in_the_sections_is_one_of_the_code() {
    let (page, all) = (page(), label::all());
    for number in sections(&page) {
        for found in quoted(section(&page, &number)) {
            let known = all.iter().find(|row| written(row.text) == found);
            let known =
                known.is_some_and(|row| row.sections.split(", ").any(|named| named == number));
            assert!(known, "{found} in section {number} is no label of the code");
        }
    }
}

#[test]
fn no_label_is_another_or_begins_one() {
    let all = label::all();
    let labels: Vec<_> =
        all.iter().map(|row| row.text).filter(|text| text.contains('\0')).collect();
    assert!(labels.len() > 35);
    for (at, label) in labels.iter().enumerate() {
        assert!(label.find('\0') == Some(label.len() - 1), "{label:?} ends in its only zero byte");
        assert!(!labels[..at].contains(label), "{label:?} twice");
    }
}

/// All Rust files of product code beneath a folder: no tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["tests", "specification"].contains(&name.as_str()) {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") && name != "tests.rs" {
            found.push(path);
        }
    }
    found
}

/// The lines of a file that are neither comments nor its tests.
fn product(source: &str) -> impl Iterator<Item = &str> {
    let end = source.find("#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    source[..end].lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Where the product code of each part lies.
fn parts() -> Vec<PathBuf> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = std::fs::read_dir(workspace).unwrap().map(|entry| entry.unwrap());
    let parts =
        folders.filter(|folder| !["tests", "bench"].map(Into::into).contains(&folder.file_name()));
    parts.map(|folder| folder.path().join("src")).filter(|path| path.is_dir()).collect()
}

#[test]
fn no_label_stands_in_the_code_but_in_the_table() {
    let labels = label::all();
    let mut files = 0;
    for part in parts() {
        for path in sources(&part) {
            if path.ends_with("proto/src/label.rs") {
                continue;
            }
            files += 1;
            let source = std::fs::read_to_string(&path).unwrap();
            for line in product(&source) {
                let text =
                    labels.iter().any(|row| line.contains(&format!("\"{}\"", written(row.text))));
                let own = ["\"sealift/1", "\"sealift-direct/", "\"EXPORTER-"]
                    .iter()
                    .any(|begin| line.contains(begin));
                assert!(!text && !own, "{}: {line}", path.display());
            }
        }
    }
    assert!(files > 200, "{files}");
}
