//! Limits in the sections.

use std::collections::BTreeSet;

use super::{page, section, sections};
use crate::limits::{self, Limit};

/// How a value may be written.
fn written(limit: &Limit) -> Vec<String> {
    let mut forms = vec![limit.value.to_string()];
    if limit.value.is_power_of_two() && limit.value > 1 << 32 {
        forms.push(format!("2^{}", limit.value.ilog2()));
    }
    forms
}

/// The numbers that stand in a text, in digits, `2^38` as one.
fn numbers(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_digit() || c == '^' || c == '.'));
    words.map(|word| word.trim_matches('.').to_owned()).filter(|word| !word.is_empty()).collect()
}

#[test]
fn every_limit_stands_in_its_sections() {
    let page = page();
    let mut missing = Vec::new();
    for limit in limits::all() {
        for number in limit.sections.split(", ") {
            let there = numbers(section(&page, number));
            if !written(&limit).iter().any(|form| there.contains(form)) {
                missing.push(format!("{} = {} in section {number}", limit.name, limit.value));
            }
        }
    }
    assert!(missing.is_empty(), "not in PROTOCOL.md: {missing:#?}");
}

/// The bounds that a text gives: what follows `≤`, and counts of seconds.
fn bounds(text: &str) -> Vec<&str> {
    let digits = |c: char| !c.is_ascii_digit();
    let at_most = text.split("≤ ").skip(1).map(|rest| rest.split(digits).next().unwrap_or(""));
    let before: Vec<_> =
        text.match_indices(" s").map(|(at, _)| (&text[..at], &text[at + 2..])).collect();
    let seconds = before
        .into_iter()
        .filter(|(_, behind)| !behind.starts_with(|c: char| c.is_ascii_alphanumeric()));
    let seconds = seconds.map(|(before, _)| before.rsplit(digits).next().unwrap_or(""));
    at_most.chain(seconds).filter(|number| !number.is_empty()).collect()
}

#[test]
fn every_bound_in_the_sections_is_a_limit() {
    let (page, all) = (page(), limits::all());
    let mut unknown = Vec::new();
    for number in sections(&page) {
        let own: BTreeSet<_> = all
            .iter()
            .filter(|limit| limit.sections.split(", ").any(|named| named == number))
            .map(|limit| limit.value.to_string())
            .collect();
        for bound in bounds(section(&page, &number)) {
            if !own.contains(bound) {
                unknown.push(format!("{bound} in section {number}"));
            }
        }
    }
    assert!(unknown.is_empty(), "no limit of the code: {unknown:#?}");
}

#[test]
fn bounds_are_found_as_they_are_written() {
    assert_eq!(
        bounds("bytes ≤ 512   list of [16] ≤ 1024, at most 15 s. 4 spaces, 64 bytes"),
        ["512", "1024", "15"]
    );
    assert!(numbers("2^38 pieces, 0.5").contains("2^38"));
}
