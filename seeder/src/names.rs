//! Names under which folders and files are offered.
//!
//! A path in the catalogue is the folder's name and the path beneath it, joined by `/`. A name that the protocol does not
//! know (no UTF-8, a backslash, a control character, too long or too deep) is never changed into another: the file is left
//! out and shown, so that no two files can end up under one name.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use sealift_proto::path::{PathError, RelativePath};

use crate::error::FolderError;

/// The name in the catalogue of what holds the files that are offered one by one.
pub const FILES: &str = "files";

/// A folder or file to offer, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchArg {
    /// The name it was given; else its base name is used.
    pub name: Option<String>,
    /// Where it is.
    pub dir: PathBuf,
}

/// Gives each folder its name: the one asked for, else its base name. A file has its name in [`FILES`].
///
/// # Errors
/// When a folder has no usable base name or two have the same name.
pub fn name_folders(args: &[WatchArg]) -> Result<Vec<(RelativePath, PathBuf)>, FolderError> {
    let mut named = Vec::new();
    let mut taken: BTreeMap<RelativePath, &Path> = BTreeMap::new();
    for arg in args {
        let name = folder_name(arg)?;
        if let Some(other) = taken.insert(name.clone(), &arg.dir) {
            let places = [other.to_owned(), arg.dir.clone()];
            return Err(FolderError::SameName { name, places });
        }
        named.push((name, arg.dir.clone()));
    }
    let file = named.iter().find(|(name, _)| is_file(name));
    let files = named.iter().find(|(name, _)| name.as_str() == FILES);
    if let (Some((_, file)), Some((name, folder))) = (file, files) {
        let places = [file.clone(), folder.clone()];
        return Err(FolderError::SameName { name: name.clone(), places });
    }
    Ok(named)
}

fn folder_name(arg: &WatchArg) -> Result<RelativePath, FolderError> {
    let no_name = |why| FolderError::NoName { place: arg.dir.clone(), why };
    let within = |name: &str| match arg.dir.is_file() {
        true => format!("{FILES}/{name}"),
        false => name.to_owned(),
    };
    match &arg.name {
        Some(name) => RelativePath::new(within(name)).map_err(|_| no_name(None)),
        None => {
            let base = base_name(&arg.dir).ok_or_else(|| no_name(None))?;
            RelativePath::new(within(&base)).map_err(|error| no_name(Some(error)))
        }
    }
}

/// Whether what [`name_folders`] called so is a file.
#[must_use]
pub fn is_file(name: &RelativePath) -> bool {
    name.names().nth(1).is_some()
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

    #[test]
    fn equal_names_are_refused() {
        let arg = |name: Option<&str>, dir: &str| WatchArg {
            name: name.map(Into::into),
            dir: dir.into(),
        };
        let same = name_folders(&[arg(None, "/x/share"), arg(None, "/y y/share")]);
        assert!(
            matches!(same, Err(FolderError::SameName { places, .. }) if places[1] == Path::new("/y y/share"))
        );
        let here = tempfile::tempdir().unwrap();
        let file = here.path().join("a");
        std::fs::write(&file, "").unwrap();
        let file = |name| arg(name, file.to_str().unwrap());
        let named = name_folders(&[file(None), file(Some("b")), arg(None, "/x/a")]).unwrap();
        let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["files/a", "files/b", "a"]);
        for clash in [arg(None, "/x/files"), file(Some("a"))] {
            let same = name_folders(&[file(None), clash]);
            assert!(matches!(same, Err(FolderError::SameName { .. })));
        }
        let named = name_folders(&[arg(None, "/x/share"), arg(Some("other"), "/y/share/")]);
        assert_eq!(named.unwrap()[1].0.as_str(), "other");
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
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let folder = RelativePath::new("share").unwrap();
        let path = Path::new(OsStr::from_bytes(b"a\xff\xfe"));
        assert_eq!(offered_path(&folder, path), Err(NameError::NotText));
    }
}
