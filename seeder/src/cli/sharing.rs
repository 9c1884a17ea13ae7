//! What was shared the last time, so that `seeder` alone goes on with it: kept as the words that would be typed, and read by the
//! same parser.

use std::ffi::{OsStr, OsString};

use clap::Parser;
use sealift_command::exit::{Exit, Failure};
use sealift_command::program;
use sealift_proto::text;
use sealift_space::profile::Profile;
use sealift_space::profile::file::{FileError, Kept};
use sealift_transport::path::Allowed;
use serde::{Deserialize, Serialize};

use super::args::{Cli, WatchArgs};
use crate::config::Config;
use crate::names::WatchArg;
use crate::watch::Watching;

const FILE: &str = "sharing.json";

/// The words, each as the hexadecimal of its bytes: names of folders need not be text.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
struct SharingFile {
    words: Vec<String>,
}

impl Kept for SharingFile {
    const KIND: &'static str = "sharing";
}

/// Remembers what `config` shares.
///
/// # Errors
/// When it cannot be written.
pub(super) fn remember(profile: &Profile, config: &Config) -> Result<(), FileError> {
    let words = words(config);
    let file = SharingFile { words: words.iter().map(|word| text::hex(&bytes(word))).collect() };
    let kept: Option<SharingFile> = profile.folder().read(FILE)?;
    if kept.as_ref() == Some(&file) {
        return Ok(());
    }
    profile.folder().write(FILE, &file, true)
}

/// Remembers that of what is remembered only `folders` are shared.
///
/// # Errors
/// When it cannot be read or written.
pub(super) fn remember_folders(profile: &Profile, folders: &[WatchArg]) -> Result<(), FileError> {
    let kept: SharingFile = profile.folder().read(FILE)?.unwrap_or_default();
    let watch = text::hex(b"--watch");
    let mut words = Vec::new();
    for folder in folders {
        words.extend([watch.clone(), text::hex(&bytes(&watch_word(folder)))]);
    }
    let mut others = kept.words.into_iter();
    while let Some(word) = others.next() {
        if word == watch { drop(others.next()) } else { words.push(word) }
    }
    profile.folder().write(FILE, &SharingFile { words }, true)
}

/// What was shared the last time, and in which space if one was named; nothing where nothing was.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn recall(profile: &Profile) -> Result<Option<(WatchArgs, Option<String>)>, Failure> {
    let Some(file) = profile.folder().read::<SharingFile>(FILE)? else { return Ok(None) };
    let damaged = || {
        Failure::new(Exit::Usage, "what was shared the last time cannot be understood")
            .next(format!("name the folders again: {} DIR", program::sharing()))
    };
    let words = file.words.iter().map(|word| text::from_hex(word).and_then(word_of));
    let words: Option<Vec<OsString>> = words.collect();
    let line = std::iter::once("seeder".into()).chain(words.ok_or_else(damaged)?);
    let cli = Cli::try_parse_from(line).map_err(|_| damaged())?;
    Ok(Some((cli.watch, cli.common.space)))
}

/// The words that would be typed for `config`, in any folder.
fn words(config: &Config) -> Vec<OsString> {
    let mut words: Vec<OsString> = Vec::new();
    for folder in &config.watch {
        words.extend(["--watch".into(), watch_word(folder)]);
    }
    let mut say = |flag: &str, value: String| words.push(format!("--{flag}={value}").into());
    if let Some(limit) = config.limit {
        say("limit", limit.bytes_per_second().to_string());
    }
    if config.path != Allowed::Any {
        say("path", if config.path == Allowed::Relay { "relay" } else { "direct" }.to_owned());
    }
    if let Watching::Poll(every) = config.watching {
        say("poll", every.as_secs_f64().to_string());
    }
    if let Some(space) = &config.space {
        say("space", space.clone());
    }
    if config.lan {
        words.push("--lan".into());
    }
    words
}

fn watch_word(folder: &WatchArg) -> OsString {
    let dir = std::path::absolute(&folder.dir).unwrap_or_else(|_| folder.dir.clone());
    let mut word = OsString::new();
    if let Some(name) = &folder.name {
        word.push(name);
        word.push("=");
    }
    word.push(dir);
    word
}

#[cfg(unix)]
fn bytes(word: &OsStr) -> Vec<u8> {
    std::os::unix::ffi::OsStrExt::as_bytes(word).to_vec()
}

#[cfg(unix)]
fn word_of(bytes: Vec<u8>) -> Option<OsString> {
    Some(std::os::unix::ffi::OsStringExt::from_vec(bytes))
}

#[cfg(not(unix))]
fn bytes(word: &OsStr) -> Vec<u8> {
    word.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
fn word_of(bytes: Vec<u8>) -> Option<OsString> {
    String::from_utf8(bytes).ok().map(OsString::from)
}
