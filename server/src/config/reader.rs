//! Reading a TOML document so that each mistake is told with its place.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Mistake;
use super::hint::nearest;
use crate::limits::{Table, set};

/// A value and where it stands.
pub type Value<'i> = Spanned<DeValue<'i>>;
/// A mistake, and where in the text.
pub type Wrong = (Range<usize>, String);

/// Reads a document with `read`.
///
/// # Errors
/// The first mistake in it.
pub fn parse<T>(
    text: &[u8],
    read: impl FnOnce(&DeTable<'_>) -> Result<T, Wrong>,
) -> Result<T, Mistake> {
    let text = std::str::from_utf8(text).map_err(|error| {
        let line = text[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
        Mistake { line, what: "this is no UTF-8 text".into() }
    })?;
    let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let table = DeTable::parse(text).map_err(|error| Mistake {
        line: line(error.span().map_or(0, |span| span.start)),
        what: error.message().to_owned(),
    })?;
    read(table.get_ref()).map_err(|(span, what)| Mistake { line: line(span.start), what })
}

/// Sets what a section of limits says.
///
/// # Errors
/// When there is no such limit, or it cannot have that value.
pub fn read_limits<L: Table>(value: &Value<'_>, limits: &mut L) -> Result<(), Wrong> {
    for (key, value) in entries(section(value)?) {
        let name: &str = key.get_ref();
        let known = L::ROWS.iter().map(|row| row.name);
        if !known.clone().any(|known| known == name) {
            return Err(unknown(key, known));
        }
        let wrong = |what: String| (value.span(), what);
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.to_string(),
            _ => return Err(wrong(format!("{name} is a number, or text with a unit"))),
        };
        set(limits, name, &text).map_err(|error| wrong(error.to_string()))?;
    }
    Ok(())
}

/// Entries as they stand in the text, so that the first mistake is the one that is told.
pub fn entries<'t, 'i>(table: &'t DeTable<'i>) -> Vec<(&'t Spanned<Cow<'i, str>>, &'t Value<'i>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// A key that is none of `known`.
pub fn unknown<'a>(
    key: &Spanned<Cow<'_, str>>,
    known: impl Iterator<Item = &'a str> + Clone,
) -> Wrong {
    let name: &str = key.get_ref();
    let what = match nearest(name, known.clone()) {
        Some(near) => format!("there is no {name:?}; perhaps {near} was meant"),
        None => {
            let known: Vec<&str> = known.collect();
            format!("there is no {name:?} here; there are {}", known.join(", "))
        }
    };
    (key.span(), what)
}

/// The entries of a section.
///
/// # Errors
/// When it is something else.
pub fn section<'t, 'i>(value: &'t Value<'i>) -> Result<&'t DeTable<'i>, Wrong> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        _ => Err((value.span(), "this is a section: [name] on a line of its own".into())),
    }
}

/// A piece of text.
///
/// # Errors
/// When it is something else.
pub fn text<'t>(value: &'t Value<'_>) -> Result<&'t str, Wrong> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text),
        _ => Err((value.span(), "this is text: write it in \"quotes\"".into())),
    }
}

/// What `read` makes of a piece of text.
///
/// # Errors
/// When it is something else, and those of `read`.
pub fn one<T>(value: &Value<'_>, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Wrong> {
    read(text(value)?).map_err(|what| (value.span(), what))
}

/// What `read` makes of each piece of text in a list.
///
/// # Errors
/// When it is something else, and those of `read`.
pub fn list<T>(
    value: &Value<'_>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, Wrong> {
    match value.get_ref() {
        DeValue::Array(values) => values.iter().map(|value| one(value, &read)).collect(),
        _ => Err((value.span(), "this is a list: write it as [\"one\", \"two\"]".into())),
    }
}

/// One of the words that a flag takes.
///
/// # Errors
/// When it is none of them.
pub fn choice<T: clap::ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| {
        let words = T::value_variants().iter().filter_map(T::to_possible_value);
        let words: Vec<String> = words.map(|word| word.get_name().to_owned()).collect();
        format!("this is one of {}", words.join(", "))
    })
}
