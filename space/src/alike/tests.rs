use std::collections::BTreeMap;
use std::fmt::Write;

use super::*;

#[test]
fn names_that_look_alike_have_one_skeleton() {
    for (name, other) in [
        ("ana", "\u{430}n\u{430}"),
        ("scope", "\u{455}\u{441}\u{43e}\u{440}\u{435}"),
        ("ana", "a\u{200b}na"),
        ("ben0", "benO"),
        ("li\u{e9}", "lie\u{301}"),
        ("rnartin", "martin"),
        ("paypal", "\u{440}\u{430}\u{443}\u{440}\u{430}\u{4cf}"),
    ] {
        assert_eq!(skeleton(name), skeleton(other), "{name} {other}");
    }
    for (name, other) in [("ana", "Ana"), ("ben", "bен"), ("陳", "陈"), ("jose", "josé")] {
        assert_ne!(skeleton(name), skeleton(other), "{name} {other}");
    }
}

/// `SEALIFT_WRITE_TABLES=1` writes it anew.
#[test]
fn the_table_is_that_of_the_standard() {
    if std::env::var_os("SEALIFT_WRITE_TABLES").is_some() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/alike/table.txt");
        std::fs::write(file, written()).unwrap();
        return;
    }
    assert_eq!(TABLE, written());
    for c in LOOKS.keys() {
        let text = format!("a{c}");
        assert!(unicode_security::skeleton(&text).eq(skeleton(&text).chars()), "{c:?}");
    }
}

/// The table as the crate has it, most letters of one look in a line.
fn written() -> String {
    let mut looks: BTreeMap<String, Vec<char>> = BTreeMap::new();
    let whole = |c: &char| !is_unsafe(*c) && c.nfd().eq([*c]);
    for c in ('\0'..=char::MAX).filter(whole) {
        let look: String = unicode_security::skeleton(c.encode_utf8(&mut [0; 4])).collect();
        if !look.chars().eq([c]) {
            looks.entry(look).or_default().push(c);
        }
    }
    let mut table = String::new();
    for (look, letters) in looks {
        for some in letters.chunks(20) {
            let hex = |c: &char| format!("{:x}", u32::from(*c));
            let look: Vec<_> = look.chars().map(|c| hex(&c)).collect();
            let some: Vec<_> = some.iter().map(hex).collect();
            writeln!(table, "{}:{}", look.join(" "), some.join(" ")).unwrap();
        }
    }
    table
}
