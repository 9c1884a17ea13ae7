//! Folders as they are typed.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use sealift_command::escape::escape;
use sealift_command::shell::shell_word;
use sealift_proto::path::RelativePath;

use crate::names::WatchArg;

/// Reads `DIR` or `NAME=DIR`; a file may stand for a folder. What stands before the first `=` is a name only if it holds no `/`, so that `./a=b` is a
/// folder, and only if there is nothing called `NAME=DIR` as a whole.
///
/// # Errors
/// Words for the person who typed it; also where both could be meant.
pub(crate) fn parse_watch(text: &OsStr) -> Result<WatchArg, String> {
    let whole = || WatchArg { name: None, dir: PathBuf::from(text) };
    let Some((name, dir)) = text.to_str().and_then(|text| text.split_once('=')) else {
        return if text.is_empty() { Err("name a folder".into()) } else { Ok(whole()) };
    };
    if name.contains('/') || name.is_empty() {
        return Ok(whole());
    }
    if Path::new(text).symlink_metadata().is_ok() {
        return if Path::new(dir).exists() { Err(both(name, dir)) } else { Ok(whole()) };
    }
    if RelativePath::new(name).is_err() {
        return Err(format!("`{}` is no name for a folder", escape(name)));
    }
    if dir.is_empty() {
        return Err(format!("no folder after `{}=`", escape(name)));
    }
    Ok(WatchArg { name: Some(name.to_owned()), dir: PathBuf::from(dir) })
}

/// Which lines mean one thing only.
fn both(name: &str, dir: &str) -> String {
    let whole = shell_word(&format!("./{name}={dir}"));
    let named = shell_word(&format!("{name}=./{dir}"));
    format!(
        "`{}` is there, and so is `{}`; type --watch {whole} for the first, --watch {named} for the second",
        escape(&format!("{name}={dir}")),
        escape(dir),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arg(text: &str) -> WatchArg {
        parse_watch(OsStr::new(text)).unwrap()
    }

    #[test]
    fn names_stand_before_the_folder() {
        assert_eq!(arg("./share"), WatchArg { name: None, dir: "./share".into() });
        assert_eq!(arg("a=/b=c"), WatchArg { name: Some("a".into()), dir: "/b=c".into() });
        assert_eq!(arg("./a=b"), WatchArg { name: None, dir: "./a=b".into() });
        assert!(parse_watch(OsStr::new("a=")).is_err() && parse_watch(OsStr::new("")).is_err());
    }
}
