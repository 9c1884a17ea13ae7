//! What a configuration file of the relay says.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::de::DeTable;

use sealift_server::admin::parse_address as parse_metrics;
use sealift_server::config::{
    Mistake, Value, Wrong, choice, entries, list, one, parse, read_limits, section, text, unknown,
};
use sealift_server::listen::parse_address as parse_listen;
use sealift_server::log::{Format, Level};
use sealift_server::reach::{PublicAddress, parse_public};

use crate::limits::Limits;

/// Name of the file in the relay's home.
pub(crate) const NAME: &str = "relay.toml";
/// Where a package puts it.
pub(crate) const OF_THE_SYSTEM: &str = "/etc/sealift/relay.toml";

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
    pub(crate) public: Option<PublicAddress>,
    pub(crate) allow_spaces: Option<Vec<String>>,
    pub(crate) token_file: Option<PathBuf>,
    pub(crate) metrics: Option<SocketAddr>,
    pub(crate) moved_to: Option<Vec<PublicAddress>>,
    pub(crate) log_format: Option<Format>,
    pub(crate) log_level: Option<Level>,
    pub(crate) limits: Limits,
}

impl File {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// The first mistake in it.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Mistake> {
        parse(text, Self::read)
    }

    fn read(table: &DeTable<'_>) -> Result<Self, Wrong> {
        let mut file = Self::default();
        for (key, value) in entries(table) {
            match &**key.get_ref() {
                "home" => file.home = Some(PathBuf::from(text(value)?)),
                "listen" => file.listen = Some(list(value, parse_listen)?),
                "public" => file.public = Some(one(value, parse_public)?),
                "allow_spaces" => file.allow_spaces = Some(list(value, |id| Ok(id.to_owned()))?),
                "token_file" => file.token_file = Some(PathBuf::from(text(value)?)),
                "metrics" => file.metrics = Some(one(value, parse_metrics)?),
                "moved_to" => file.moved_to = Some(list(value, parse_public)?),
                "log" => file.read_log(value)?,
                "limits" => read_limits(value, &mut file.limits)?,
                _ => return Err(unknown(key, KEYS.into_iter().chain(SECTIONS))),
            }
        }
        Ok(file)
    }

    fn read_log(&mut self, value: &Value<'_>) -> Result<(), Wrong> {
        for (key, value) in entries(section(value)?) {
            match &**key.get_ref() {
                "format" => self.log_format = Some(one(value, choice)?),
                "level" => self.log_level = Some(one(value, choice)?),
                _ => return Err(unknown(key, LOG.into_iter())),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sealift_server::limits::toml_section;

    use super::*;

    /// The file that is packaged.
    const PACKAGED: &str = include_str!("../../packaging/relay.toml");

    fn parse(text: &str) -> Result<File, Mistake> {
        File::parse(text.as_bytes())
    }

    #[test]
    fn a_file_is_read() {
        let file = parse(
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
        assert_eq!(parse(""), Ok(File::default()));
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
            let mistake = parse(text).expect_err(text);
            assert_eq!(mistake.line, line, "{text}: {mistake:?}");
            assert!(mistake.what.contains(what), "{text}: {mistake:?}");
            assert!(!mistake.what.contains('\n'), "{mistake:?}");
        }
        let deep = format!("a = {}", "[".repeat(100_000));
        assert!(parse(&deep).is_err());
    }

    #[test]
    fn the_packaged_file_says_the_defaults_and_knows_every_key() {
        let told = parse(PACKAGED).unwrap();
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
        let file = parse(&text).unwrap();
        assert_eq!(file.limits, Limits::default(), "what is commented out is the default");
        let entries: Vec<_> = Limits::default().entries().map(|entry| entry.name).collect();
        let all = KEYS.into_iter().chain(LOG).chain(entries);
        for key in all {
            assert_eq!(keys.iter().filter(|found| **found == key).count(), 1, "{key}");
        }
        assert_eq!(file.log_format, Some(Format::default()));
        assert_eq!(file.log_level, Some(Level::default()));
        assert_eq!(file.listen, Some(sealift_server::listen::everywhere().to_vec()));
    }

    /// To bring it up to date: `SEALIFT_WRITE_LIMITS=1 cargo test -p sealift-relay packaged`.
    #[test]
    fn the_packaged_file_lists_the_limits_as_the_table_does() {
        let section = toml_section::<Limits>();
        if std::env::var_os("SEALIFT_WRITE_LIMITS").is_some() && !PACKAGED.ends_with(&section) {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/relay.toml");
            let before = PACKAGED.split("[limits]\n").next().unwrap_or_default();
            std::fs::write(path, format!("{before}{section}")).unwrap();
            return;
        }
        assert!(PACKAGED.ends_with(&section), "packaging/relay.toml is to end with:\n{section}");
    }
}
