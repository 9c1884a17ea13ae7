//! The watched folders: opened once, noticed when they go and when they come back.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sealift_platform::disk::{Disk, Root};
use sealift_proto::path::RelativePath;

use crate::index::Name;
use crate::names;
use crate::own;
use crate::scan::Bounds;

/// A folder that is offered.
pub struct Folder {
    /// Where it is.
    pub dir: PathBuf,
    /// Its name in the catalogue.
    pub name: RelativePath,
    /// Folders of this seeder's own files, wherever they are.
    own: Vec<PathBuf>,
    root: Mutex<Option<Arc<dyn Root>>>,
}

/// What became of a folder since it was last looked at.
#[derive(Debug)]
pub enum Health {
    /// It is the one that is open.
    Same,
    /// It was not there, or another one was in its place: this one is open now.
    Opened,
    /// It is gone or cannot be opened.
    Gone(io::Error),
}

impl Folder {
    /// The folder at `dir`, offered as `name`, which never offers what lies in `own`. Not open yet.
    #[must_use]
    pub fn new(name: RelativePath, dir: PathBuf, own: Vec<PathBuf>) -> Self {
        Self { dir, name, own, root: Mutex::new(None) }
    }

    /// Where a walk that begins now ends: programs that start meanwhile make folders of their own.
    #[must_use]
    pub fn bounds(&self, disk: &dyn Disk) -> Bounds {
        Bounds {
            name: self.name.clone(),
            closed: own::beneath(&self.own, &self.dir),
            forbidden: own::identities(&self.own, disk),
        }
    }

    /// The folder, if it is there.
    #[must_use]
    pub fn root(&self) -> Option<Arc<dyn Root>> {
        self.root.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks whether the folder is still the one that is open, and opens the one that is there now if not. A folder that
    /// was renamed, unmounted or cannot be read any more offers nothing, nor does one that was made a home of Sealift. Blocks.
    pub fn check(&self, disk: &dyn Disk) -> Health {
        // Opening takes the right to read: a folder whose permission was taken away counts as gone.
        let opened = if own::is_private(&self.dir) {
            Err(io::Error::other("Sealift keeps its own files there"))
        } else {
            disk.open(&self.dir).and_then(|root| Ok((identity(&*root)?, root)))
        };
        let mut held = self.root.lock().unwrap_or_else(PoisonError::into_inner);
        match opened {
            Ok((id, root)) => {
                let before = held.as_ref().and_then(|root| identity(&**root).ok());
                if before == Some(id) {
                    return Health::Same;
                }
                *held = Some(root);
                Health::Opened
            }
            Err(error) => {
                *held = None;
                Health::Gone(error)
            }
        }
    }

    /// Stops offering it: what was open is let go.
    pub fn close(&self) {
        *self.root.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The path in the catalogue of `local` beneath it; of the folder itself for an empty path.
    #[must_use]
    pub fn name_of(&self, local: &Path) -> Option<Name> {
        if local.as_os_str().is_empty() {
            return Some(self.name.as_str().into());
        }
        names::offered_path(&self.name, local).ok().map(|path| path.as_str().into())
    }
}

fn identity(root: &dyn Root) -> io::Result<(u64, u64)> {
    root.stat(Path::new("")).map(|stat| (stat.device, stat.inode))
}

/// Device and inode of the folder at `dir`, if it is there.
#[must_use]
pub fn identity_at(disk: &dyn Disk, dir: &Path) -> Option<(u64, u64)> {
    identity(&*disk.open(dir).ok()?).ok()
}

/// All folders.
#[derive(Clone)]
pub struct Folders(Arc<Vec<Folder>>);

impl Folders {
    /// Takes the folders.
    #[must_use]
    pub fn new(folders: Vec<Folder>) -> Self {
        Self(Arc::new(folders))
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Folder)> {
        self.0.iter().enumerate()
    }

    /// Number `index`.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Folder> {
        self.0.get(index)
    }

    /// The folder that `name` is beneath and the path beneath it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(usize, &Folder, PathBuf)> {
        let (first, rest) = name.split_once('/')?;
        let (index, folder) = self.iter().find(|(_, folder)| folder.name.as_str() == first)?;
        Some((index, folder, rest.split('/').collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_platform::disk::SystemDisk;

    /// T089
    #[test]
    fn a_folder_is_noticed_when_it_goes_and_comes_back() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("share");
        std::fs::create_dir(&dir).unwrap();
        let name = RelativePath::new("share").unwrap();
        let folder = Folder::new(name, dir.clone(), Vec::new());
        assert!(folder.root().is_none());
        assert!(matches!(folder.check(&SystemDisk), Health::Opened));
        assert!(matches!(folder.check(&SystemDisk), Health::Same));
        let moved = outer.path().join("moved");
        std::fs::rename(&dir, &moved).unwrap();
        assert!(matches!(folder.check(&SystemDisk), Health::Gone(_)));
        assert!(folder.root().is_none());
        std::fs::create_dir(&dir).unwrap();
        assert!(matches!(folder.check(&SystemDisk), Health::Opened));
        std::fs::remove_dir(&dir).unwrap();
        std::fs::rename(&moved, &dir).unwrap();
        assert!(matches!(folder.check(&SystemDisk), Health::Opened));
        assert_eq!(folder.name_of(Path::new("a/b")).as_deref(), Some("share/a/b"));
    }

    #[test]
    fn names_lead_to_their_folder() {
        let folder = |name: &str| {
            Folder::new(RelativePath::new(name).unwrap(), format!("/x/{name}").into(), Vec::new())
        };
        let folders = Folders::new(vec![folder("a"), folder("ab")]);
        let (index, _, local) = folders.find("ab/c/d").unwrap();
        assert_eq!((index, local), (1, PathBuf::from("c/d")));
        assert!(folders.find("ab").is_none() && folders.find("c/d").is_none());
    }
}
