//! What a configuration file says.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Mistake;
use super::hint::nearest;
use crate::command::args::{Public, parse_listen, parse_metrics, parse_public};
use crate::limits::Limits;
use crate::log::{Format, Level};

/// Keys outside of sections.
const KEYS: [&str; 7] =
    ["home", "listen", "public", "allow_spaces", "token_file", "metrics", "moved_to"];
/// Sections.
const SECTIONS: [&str; 2] = ["log", "limits"];
/// Keys of the section `log`.
const LOG: [&str; 2] = ["format", "level"];

/// A configuration file, as far as it says anything.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct File {
    pub(crate) home: Option<PathBuf>,
    pub(crate) listen: Option<Vec<SocketAddr>>,
    pub(crate) public: Option<Public>,
    pub(crate) allow_spaces: Option<Vec<String>>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) moved_to: Option<Vec<Public>>,
    pub(crate) log_format: Option<Format>,
    pub(crate) log_level: Option<Level>,
    pub(crate) limits: Limits,
}

type Table<'i> = Spanned<DeTable<'i>>;
type Value<'i> = Spanned<DeValue<'i>>;
/// A mistake, and where in the text.
type Wrong = (Range<usize>, String);

impl File {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// The first mistake in it.
    pub(crate) fn parse(text: &str) -> Result<Self, Mistake> {
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let table = DeTable::parse(text).map_err(|error| Mistake {
            line: line(error.span().map_or(0, |span| span.start)),
            what: error.message().to_owned(),
        })?;
        Self::read(&table).map_err(|(span, what)| Mistake { line: line(span.start), what })
    }

    fn read(table: &Table<'_>) -> Result<Self, Wrong> {
        let mut file = Self::default();
        for (key, value) in in_order(table.get_ref()) {
            match &**key.get_ref() {
                "home" => file.home = Some(PathBuf::from(text(value)?)),
                "listen" => file.listen = Some(list(value, parse_listen)?),
                "public" => file.public = Some(one(value, parse_public)?),
                "allow_spaces" => file.allow_spaces = Some(list(value, |id| Ok(id.to_owned()))?),
                "token_file" => file.token_file = Some(PathBuf::from(text(value)?)),
                "metrics" => file.metrics = Some(one(value, parse_metrics)?),
                "moved_to" => file.moved_to = Some(list(value, parse_public)?),
                "log" => file.read_log(value)?,
                "limits" => file.read_limits(value)?,
                _ => return Err(unknown(key, KEYS.into_iter().chain(SECTIONS))),
            }
        }
        Ok(file)
    }

    fn read_log(&mut self, value: &Value<'_>) -> Result<(), Wrong> {
        for (key, value) in in_order(section(value)?) {
            match &**key.get_ref() {
                "format" => self.log_format = Some(one(value, choice)?),
                "level" => self.log_level = Some(one(value, choice)?),
                _ => return Err(unknown(key, LOG.into_iter())),
            }
        }
        Ok(())
    }

    fn read_limits(&mut self, value: &Value<'_>) -> Result<(), Wrong> {
        for (key, value) in in_order(section(value)?) {
            let name: &str = key.get_ref();
            let known: Vec<&str> = Limits::default().entries().map(|entry| entry.name).collect();
            if !known.contains(&name) {
                return Err(unknown(key, known.into_iter()));
            }
            let wrong = |what: String| (value.span(), what);
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) => number.to_string(),
                _ => return Err(wrong(format!("{name} is a number, or text with a unit"))),
            };
            self.limits.set(name, &text).map_err(|error| wrong(error.to_string()))?;
        }
        Ok(())
    }
}

/// Entries as they stand in the text, so that the first mistake is the one that is told.
fn in_order<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t Spanned<std::borrow::Cow<'i, str>>, &'t Value<'i>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

fn unknown<'a>(
    key: &Spanned<std::borrow::Cow<'_, str>>,
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

fn section<'t, 'i>(value: &'t Value<'i>) -> Result<&'t DeTable<'i>, Wrong> {
    match value.get_ref() {
        DeValue::Table(table) => Ok(table),
        _ => Err((value.span(), "this is a section: [name] on a line of its own".into())),
    }
}

fn text<'t>(value: &'t Value<'_>) -> Result<&'t str, Wrong> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text),
        _ => Err((value.span(), "this is text: write it in \"quotes\"".into())),
    }
}

fn one<T>(value: &Value<'_>, read: impl Fn(&str) -> Result<T, String>) -> Result<T, Wrong> {
    read(text(value)?).map_err(|what| (value.span(), what))
}

fn list<T>(value: &Value<'_>, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, Wrong> {
    match value.get_ref() {
        DeValue::Array(values) => values.iter().map(|value| one(value, &read)).collect(),
        _ => Err((value.span(), "this is a list: write it as [\"one\", \"two\"]".into())),
    }
}

/// One of the words that a flag takes.
fn choice<T: clap::ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| {
        let words = T::value_variants().iter().filter_map(T::to_possible_value);
        let words: Vec<String> = words.map(|word| word.get_name().to_owned()).collect();
        format!("this is one of {}", words.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file that is packaged.
    const PACKAGED: &str = include_str!("../../../packaging/relay.toml");

    #[test]
    fn a_file_is_read() {
        let file = File::parse(
            "home = \"/srv\"\nlisten = [\"[::]:443\"]\npublic = \"h.example\"\nallow_spaces = [\"abc\"]\n\
             metrics = \"127.0.0.1:9743\"\n[log]\nformat = \"json\"\nlevel = \"debug\"\n\
             [limits]\nlinks = 5\nspace_bytes = \"2 GiB\"\n",
        )
        .unwrap();
        assert_eq!(file.home, Some("/srv".into()));
        assert_eq!(file.listen, Some(vec!["[::]:443".parse().unwrap()]));
        assert_eq!(file.public.unwrap().port, None);
        assert_eq!(file.metrics, Some("127.0.0.1:9743".parse().unwrap()));
        assert_eq!((file.log_format, file.log_level), (Some(Format::Json), Some(Level::Debug)));
        assert_eq!((file.limits.links, file.limits.space_bytes), (5, 2 << 30));
        assert_eq!(File::parse(""), Ok(File::default()));
    }

    #[test]
    fn each_mistake_is_told_with_its_line() {
        for (text, line, what) in [
            ("\n\nlisen = []\n", 3, "perhaps listen was meant"),
            ("home = \"x\"\nnonsense = 1\n", 2, "there are home, listen"),
            ("[limits]\nspace_byte = 1\n", 2, "perhaps space_bytes was meant"),
            ("[limits]\n\nlinks = \"many\"\n", 3, "links cannot be \"many\""),
            ("[limits]\nlinks = [1]\n", 2, "links is a number"),
            ("[limits]\nlinks = -1\n", 2, "links cannot be"),
            ("limits = 3\n", 1, "section"),
            ("[log]\nformat = \"xml\"\n", 2, "one of text, json"),
            ("[log]\nlevel = 3\n", 2, "quotes"),
            ("listen = \"127.0.0.1:1\"\n", 1, "list"),
            ("listen = [\"127.0.0.1:1\",\n  \"here\"]\n", 2, "0.0.0.0:7743"),
            ("metrics = \"0.0.0.0:9743\"\n", 1, "127.0.0.1"),
            ("home = \"x\"\nhome = \"y\"\n", 2, "duplicate key"),
            ("home = \"x\n", 1, ""),
            ("a = {", 1, ""),
        ] {
            let mistake = File::parse(text).expect_err(text);
            assert_eq!(mistake.line, line, "{text}: {mistake:?}");
            assert!(mistake.what.contains(what), "{text}: {mistake:?}");
            assert!(!mistake.what.contains('\n'), "{mistake:?}");
        }
        let deep = format!("a = {}", "[".repeat(100_000));
        assert!(File::parse(&deep).is_err());
    }

    #[test]
    fn the_packaged_file_says_the_defaults_and_knows_every_key() {
        let told = File::parse(PACKAGED).unwrap();
        assert_eq!(told.limits, Limits::default());
        // Every line that is commented out and looks like a setting.
        let is_setting = |line: &&str| {
            let key = line.split(" = ").next().unwrap_or_default();
            line.contains(" = ") && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        let mut text = String::new();
        let mut keys = Vec::new();
        for line in PACKAGED.lines() {
            let setting = line.strip_prefix('#').filter(is_setting);
            let line = setting.unwrap_or(line);
            if is_setting(&line) {
                keys.push(line.split(" = ").next().unwrap_or_default());
            }
            text.push_str(line);
            text.push('\n');
        }
        let file = File::parse(&text).unwrap();
        assert_eq!(file.limits, Limits::default(), "what is commented out is the default");
        let entries: Vec<_> = Limits::default().entries().map(|entry| entry.name).collect();
        let all = KEYS.into_iter().chain(LOG).chain(entries);
        for key in all {
            assert_eq!(keys.iter().filter(|found| **found == key).count(), 1, "{key}");
        }
        assert_eq!(file.log_format, Some(Format::default()));
        assert_eq!(file.log_level, Some(Level::default()));
        assert_eq!(file.listen, Some(crate::command::everywhere().to_vec()));
    }

    /// The section of limits as the table makes it.
    fn limits_section() -> String {
        let mut text = String::from("[limits]\n");
        let mut group = "";
        for entry in Limits::default().entries() {
            if entry.group != group {
                group = entry.group;
                text.push_str(&format!("\n# {group}\n"));
            }
            let bare = entry.default.bytes().all(|byte| byte.is_ascii_digit());
            let quote = if bare { "" } else { "\"" };
            let (name, words, default) = (entry.name, entry.words, entry.default);
            text.push_str(&format!("#   {words}.\n#{name} = {quote}{default}{quote}\n"));
        }
        text
    }

    /// To bring it up to date: `SEALIFT_WRITE_LIMITS=1 cargo test -p sealift-relay packaged`.
    #[test]
    fn the_packaged_file_lists_the_limits_as_the_table_does() {
        let section = limits_section();
        if std::env::var_os("SEALIFT_WRITE_LIMITS").is_some() && !PACKAGED.ends_with(&section) {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/relay.toml");
            let before = PACKAGED.split("[limits]\n").next().unwrap_or_default();
            std::fs::write(path, format!("{before}{section}")).unwrap();
            return;
        }
        assert!(PACKAGED.ends_with(&section), "packaging/relay.toml is to end with:\n{section}");
    }
}
