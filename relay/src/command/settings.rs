//! What a relay is told by its flags and its configuration file together. Flags come first.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use sealift_platform::disk::Disk;
use sealift_proto::frame::DEFAULT_PORT;
use sealift_proto::space::HostName;
use sealift_server::admission::Allowed;
use sealift_server::config::{ConfigError, LARGEST, find, read};
use sealift_server::limits::LimitError;
use sealift_server::log::{Format, Level};
use sealift_server::reach::PublicAddress;
use sealift_server::tokens::{self, TokenError, Tokens};

use super::args::Args;
use crate::config::{File, NAME, OF_THE_SYSTEM};
use crate::limits::Limits;

/// Everything that a relay is told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    /// The configuration file, if there is one.
    pub(super) file: Option<PathBuf>,
    pub(super) home: PathBuf,
    pub(super) listen: Vec<SocketAddr>,
    pub(super) public: Option<PublicAddress>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) allowed: Allowed,
    pub(super) moved_to: Vec<(HostName, u16)>,
    pub(super) limits: Limits,
    pub(super) log_format: Format,
    pub(super) log_level: Level,
}

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub(super) enum SettingsError {
    /// The user has no home folder.
    #[error("this user has no home folder; name a folder for the relay's files with --home DIR")]
    NoHome,
    /// The file is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A flag is wrong.
    #[error("--drain: {0}")]
    Drain(LimitError),
    /// The file of tokens cannot be read.
    #[error("cannot read the tokens in {0}: {1}")]
    TokenFile(PathBuf, io::Error),
    /// It holds no tokens.
    #[error("{0}: {1}")]
    Tokens(PathBuf, TokenError),
}

impl Settings {
    /// Reads the configuration file and puts the flags before it.
    ///
    /// # Errors
    /// When the file, or a flag, cannot be what it is.
    pub(super) fn gather(args: &Args, disk: &dyn Disk) -> Result<Self, SettingsError> {
        let (path, file) = read_file(args, disk)?;
        let home = match (&args.home, &file.home) {
            (Some(home), _) | (None, Some(home)) => home.join("relay"),
            (None, None) => default_home().ok_or(SettingsError::NoHome)?,
        };
        let or_file = |flags: &[SocketAddr], file: Option<Vec<SocketAddr>>| {
            if flags.is_empty() { file.unwrap_or_default() } else { flags.to_vec() }
        };
        let mut limits = file.limits;
        if let Some(drain) = &args.drain {
            limits.set("drain", drain).map_err(SettingsError::Drain)?;
        }
        let json = args.json.then_some(Format::Json);
        Ok(Self {
            file: path,
            home,
            listen: or_file(&args.listen, file.listen),
            public: args.public.clone().or(file.public),
            metrics: args.metrics.or(file.metrics),
            allowed: Allowed {
                spaces: match &args.allow_space[..] {
                    [] => file.allow_spaces.unwrap_or_default(),
                    named => named.to_vec(),
                },
                tokens: match args.token_file.as_ref().or(file.token_file.as_ref()) {
                    Some(path) => read_tokens(disk, path)?,
                    None => Tokens::default(),
                },
            },
            moved_to: file.moved_to.unwrap_or_default().into_iter().map(place).collect(),
            limits,
            log_format: args.log_format.or(json).or(file.log_format).unwrap_or_default(),
            log_level: level(args).or(file.log_level).unwrap_or_default(),
        })
    }

    /// What of `self` differs from `running` and takes a start to change.
    pub(super) fn needs_a_start(&self, running: &Self) -> Vec<String> {
        let mut names = Vec::new();
        let mut differs =
            |differs: bool, name: &str| names.extend(differs.then(|| name.to_owned()));
        differs(self.home != running.home, "home");
        differs(self.listen != running.listen, "listen");
        differs(self.public != running.public, "public");
        differs(self.metrics != running.metrics, "metrics");
        differs(self.log_format != running.log_format, "log.format");
        for (new, old) in self.limits.entries().zip(running.limits.entries()) {
            differs(new.is_read_at_start() && new.value != old.value, new.name);
        }
        names
    }
}

fn read_tokens(disk: &dyn Disk, path: &Path) -> Result<Tokens, SettingsError> {
    let text = read(disk, path, tokens::LARGEST);
    let text = text.map_err(|error| SettingsError::TokenFile(path.to_owned(), error))?;
    Tokens::parse(&text).map_err(|error| SettingsError::Tokens(path.to_owned(), error))
}

/// The relay's folder. A configuration file is asked only where no flag names one.
///
/// # Errors
/// As [`Settings::gather`].
pub(super) fn home(args: &Args, disk: &dyn Disk) -> Result<PathBuf, SettingsError> {
    match &args.home {
        Some(home) => Ok(home.join("relay")),
        None => Settings::gather(args, disk).map(|settings| settings.home),
    }
}

fn place(public: PublicAddress) -> (HostName, u16) {
    (public.host, public.port.unwrap_or(DEFAULT_PORT))
}

fn level(args: &Args) -> Option<Level> {
    match (args.quiet, args.verbose) {
        (true, _) => Some(Level::Error),
        (false, 0) => None,
        (false, 1) => Some(Level::Debug),
        (false, _) => Some(Level::Trace),
    }
}

/// `$XDG_DATA_HOME/sealift/relay`.
fn default_home() -> Option<PathBuf> {
    let base = etcetera::base_strategy::Xdg::new().ok()?;
    Some(base.data_dir().join("sealift").join("relay"))
}

/// The named file; else the one in the home; else, if no home was named, the system's.
fn read_file(args: &Args, disk: &dyn Disk) -> Result<(Option<PathBuf>, File), ConfigError> {
    if let Some(path) = &args.config {
        let text =
            read(disk, path, LARGEST).map_err(|error| ConfigError::Disk(path.clone(), error))?;
        return parse(path, &text);
    }
    let in_home = args.home.as_ref().map(|home| home.join("relay")).or_else(default_home);
    let of_system = args.home.is_none().then(|| PathBuf::from(OF_THE_SYSTEM));
    let places = in_home.map(|home| home.join(NAME)).into_iter().chain(of_system);
    match find(disk, places)? {
        Some((path, text)) => parse(&path, &text),
        None => Ok((None, File::default())),
    }
}

fn parse(path: &Path, text: &[u8]) -> Result<(Option<PathBuf>, File), ConfigError> {
    let file = File::parse(text).map_err(|mistake| ConfigError::Wrong(path.to_owned(), mistake))?;
    Ok((Some(path.to_owned()), file))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use sealift_platform::disk::SystemDisk;

    use super::*;

    fn gather(home: &Path, more: &[&str]) -> Result<Settings, SettingsError> {
        let home = home.to_str().unwrap();
        let args = ["relay", "--home", home].into_iter().chain(more.iter().copied());
        Settings::gather(&Args::try_parse_from(args).unwrap(), &SystemDisk)
    }

    #[test]
    fn flags_come_before_the_file_and_the_file_before_defaults() {
        let home = tempfile::tempdir().unwrap();
        let nothing = gather(home.path(), &[]).unwrap();
        assert_eq!((nothing.file.as_ref(), &nothing.limits), (None, &Limits::default()));
        std::fs::create_dir(home.path().join("relay")).unwrap();
        let path = home.path().join("relay/relay.toml");
        let text = "listen = [\"127.0.0.1:1\"]\nmetrics = \"127.0.0.1:2\"\n[log]\nlevel = \"warn\"\n[limits]\nlinks = 7\n\
                    drain = \"5 s\"\n";
        std::fs::write(&path, text).unwrap();
        let told = gather(home.path(), &[]).unwrap();
        assert_eq!(told.file.as_ref(), Some(&path));
        assert_eq!((told.listen.len(), told.limits.links, told.log_level), (1, 7, Level::Warn));
        let flags = ["--listen", "127.0.0.1:3", "--drain", "1min", "-v", "--json"];
        let first = gather(home.path(), &flags).unwrap();
        assert_eq!(first.listen, ["127.0.0.1:3".parse().unwrap()]);
        assert_eq!(first.limits.drain.as_secs(), 60);
        assert_eq!((first.log_level, first.log_format), (Level::Debug, Format::Json));
        assert_eq!(first.metrics, told.metrics);
        let drain = gather(home.path(), &["--drain", "long"]).unwrap_err().to_string();
        assert!(drain.contains("--drain: drain cannot be \"long\""), "{drain}");
        std::fs::write(&path, b"\n\nhome = \"\xff\"").unwrap();
        let error = gather(home.path(), &[]).unwrap_err().to_string();
        assert!(error.contains("relay.toml:3: this is no UTF-8"), "{error}");
        assert!(gather(home.path(), &["--config", "/nonexistent"]).is_err());
        std::fs::rename(&path, path.with_extension("away")).unwrap();
        std::os::unix::fs::symlink("nowhere", &path).unwrap();
        assert!(gather(home.path(), &[]).is_err(), "a link to nowhere");
        std::fs::rename(path.with_extension("away"), &path).unwrap();
        assert!(
            gather(home.path(), &["--config", path.to_str().unwrap(), "--drain", "1"]).is_err()
        );
    }

    #[test]
    fn what_takes_a_start_is_named() {
        let home = tempfile::tempdir().unwrap();
        let running = gather(home.path(), &[]).unwrap();
        let mut new = running.clone();
        new.limits.links = 3;
        new.allowed.spaces = vec!["x".into()];
        new.log_level = Level::Debug;
        assert!(new.needs_a_start(&running).is_empty());
        new.metrics = Some("127.0.0.1:1".parse().unwrap());
        new.limits.store_cache += 1;
        assert_eq!(new.needs_a_start(&running), ["metrics", "store_cache"]);
    }
}
