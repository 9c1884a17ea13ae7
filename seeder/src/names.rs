//! Names under which folders and files are offered.
//!
//! A path in the catalogue is the folder's name and the path beneath it, joined by `/`. A name that the protocol does not
//! know (no UTF-8, a backslash, a control character, too long or too deep) is never changed into another: the file is left
//! out and shown, so that no two files can end up under one name.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use sealift_command::escape::{escape, escape_os};
use sealift_command::exit::{Exit, Failure};
use sealift_command::shell::{shell_os, shell_word};
use sealift_proto::path::{PathError, RelativePath};

/// A folder to offer, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchArg {
    /// The name it was given; else its base name is used.
    pub name: Option<String>,
    /// Where it is.
    pub dir: PathBuf,
}

/// Reads `DIR` or `NAME=DIR`. What stands before the first `=` is a name only if it holds no `/`, so that `./a=b` is a
/// folder, and only if there is nothing called `NAME=DIR` as a whole.
///
/// # Errors
/// Words for the person who typed it; also where both could be meant.
pub fn parse_watch(text: &OsStr) -> Result<WatchArg, String> {
    let whole = || WatchArg { name: None, dir: PathBuf::from(text) };
    let Some((name, dir)) = text.to_str().and_then(|text| text.split_once('=')) else {
        return if text.is_empty() { Err("name a folder".into()) } else { Ok(whole()) };
    };
    if name.contains('/') || name.is_empty() {
        return Ok(whole());
    }
    if Path::new(text).symlink_metadata().is_ok() {
        return if Path::new(dir).is_dir() { Err(both(name, dir)) } else { Ok(whole()) };
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

/// Gives each folder its name: the one asked for, else its base name.
///
/// # Errors
/// When a folder has no usable base name or two have the same name; the message says what to type.
pub fn name_folders(args: &[WatchArg]) -> Result<Vec<(RelativePath, PathBuf)>, Failure> {
    let mut named = Vec::new();
    let mut taken: BTreeMap<RelativePath, &Path> = BTreeMap::new();
    for arg in args {
        let name = folder_name(arg)?;
        if let Some(other) = taken.insert(name.clone(), &arg.dir) {
            return Err(same_name(&name, other, &arg.dir));
        }
        named.push((name, arg.dir.clone()));
    }
    Ok(named)
}

fn folder_name(arg: &WatchArg) -> Result<RelativePath, Failure> {
    let no_name = || {
        Failure::new(
            Exit::Usage,
            format!("{} has no name to offer it under", escape_os(arg.dir.as_os_str())),
        )
        .next(format!("give it one: --watch NAME={}", shell(&arg.dir)))
    };
    match &arg.name {
        Some(name) => RelativePath::new(name.as_str()).map_err(|_| no_name()),
        None => {
            let base = base_name(&arg.dir).ok_or_else(no_name)?;
            RelativePath::new(base).map_err(|error| no_name().why(error))
        }
    }
}

/// The last name of `dir`, resolved where it is written with `.` or `..`.
fn base_name(dir: &Path) -> Option<String> {
    let plain = dir.components().next_back();
    let name = match plain {
        Some(Component::Normal(name)) => name.to_owned(),
        _ => std::fs::canonicalize(dir).ok()?.file_name()?.to_owned(),
    };
    name.into_string().ok()
}

fn same_name(name: &RelativePath, first: &Path, second: &Path) -> Failure {
    let shown = escape(name.as_str()).into_owned();
    Failure::new(Exit::Usage, format!("two folders have the name `{shown}`")).next(format!(
        "give one of them another: --watch {} --watch {}={}",
        shell(first),
        shell_word(&format!("{}2", name.as_str())),
        shell(second),
    ))
}

/// `path` as a word of a command line.
#[must_use]
pub fn shell(path: &Path) -> String {
    shell_os(path.as_os_str())
}

/// Why a name cannot be offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not UTF-8.
    #[error("its name is not UTF-8")]
    NotText,
    /// Not a path that can be shared.
    #[error("its name cannot be shared: {0}")]
    Path(#[from] PathError),
}

/// The path in the catalogue of `local` beneath the folder offered as `folder`.
///
/// # Errors
/// [`NameError`] when there is none.
pub fn offered_path(folder: &RelativePath, local: &Path) -> Result<RelativePath, NameError> {
    let mut text = folder.as_str().to_owned();
    for part in local.components() {
        let Component::Normal(name) = part else { return Err(NameError::Path(PathError::Dots)) };
        text.push('/');
        text.push_str(name.to_str().ok_or(NameError::NotText)?);
    }
    Ok(RelativePath::new(text)?)
}

/// The path beneath its folder of `offered`, without the folder's name.
#[must_use]
pub fn local_path(offered: &RelativePath) -> PathBuf {
    offered.names().skip(1).collect()
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

    #[test]
    fn equal_names_are_refused_with_what_to_type() {
        let failure = name_folders(&[arg("/x/share"), arg("/y y/share")]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
        assert!(failure.next.unwrap().contains("--watch share2='/y y/share'"));
        let named = name_folders(&[arg("/x/share"), arg("other=/y/share/")]).unwrap();
        assert_eq!(named[1].0.as_str(), "other");
    }

    #[test]
    fn offered_paths_are_made_from_plain_names_only() {
        let folder = RelativePath::new("share").unwrap();
        let offered = offered_path(&folder, Path::new("a b/ü.txt")).unwrap();
        assert_eq!(offered.as_str(), "share/a b/ü.txt");
        assert_eq!(local_path(&offered), Path::new("a b/ü.txt"));
        assert!(offered_path(&folder, Path::new("../x")).is_err());
        assert!(offered_path(&folder, Path::new("a\nb")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn names_that_are_no_text_are_refused() {
        use std::os::unix::ffi::OsStrExt;
        let folder = RelativePath::new("share").unwrap();
        let path = Path::new(OsStr::from_bytes(b"a\xff\xfe"));
        assert_eq!(offered_path(&folder, path), Err(NameError::NotText));
    }
}
