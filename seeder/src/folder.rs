//! The watched folders: opened once, noticed when they go and when they come back.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use sealift_content::hashes::Places;
use sealift_platform::disk::{Disk, Root};
use sealift_platform::sync::lock;
use sealift_proto::path::RelativePath;
use sealift_proto::shown::escape_os;

use crate::index::Name;
use crate::names;
use crate::own;
use crate::scan::Bounds;

/// Why `/proc` and its like are not offered.
pub const MADE_UP: &str =
    "the system makes up its files as they are read; they have no content to keep";

/// A folder that is offered, or one file of a folder.
pub struct Folder {
    /// Where the folder is.
    pub dir: PathBuf,
    /// Its name in the catalogue; of a file, its path there.
    pub name: RelativePath,
    /// The file that alone is offered of it, if one is.
    only: Option<PathBuf>,
    /// Folders of this seeder's own files, wherever they are.
    own: Vec<PathBuf>,
    held: Mutex<Option<Held>>,
}

/// The folder that is there, known by what it is, and open only while it is used: a disk that is shared can be unmounted.
struct Held {
    id: (u64, u64),
    disk: Arc<dyn Disk>,
    root: Option<Arc<dyn Root>>,
    /// Whether it was asked for since it was last looked after.
    used: bool,
}

impl Held {
    fn root(&mut self, dir: &Path) -> Option<Arc<dyn Root>> {
        self.used = true;
        if self.root.is_none() {
            let root = self.disk.open_real(dir).ok()?;
            self.root = (identity(&*root).ok()? == self.id).then_some(root);
        }
        self.root.clone()
    }

    fn let_go(&mut self) {
        if !std::mem::take(&mut self.used) {
            self.root = None;
        }
    }
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
    /// The folder at the real path `dir`, offered as `name`, which never offers what lies in `own`. Not open yet.
    #[must_use]
    pub fn new(name: RelativePath, dir: PathBuf, own: Vec<PathBuf>) -> Self {
        Self { dir, name, only: None, own, held: Mutex::new(None) }
    }

    /// The file called `only` in the folder at the real path `dir`, offered at the path `name`, and nothing else of that folder.
    #[must_use]
    pub fn with_only(name: RelativePath, dir: PathBuf, only: PathBuf, own: Vec<PathBuf>) -> Self {
        Self { only: Some(only), ..Self::new(name, dir, own) }
    }

    /// The file that alone is offered, by its name in the folder.
    #[must_use]
    pub fn only(&self) -> Option<&Path> {
        self.only.as_deref()
    }

    /// Where what is offered is.
    #[must_use]
    pub fn place(&self) -> PathBuf {
        self.only.as_ref().map_or_else(|| self.dir.clone(), |only| self.dir.join(only))
    }

    /// Whether the path `local` beneath the folder may be offered, or is the folder itself.
    #[must_use]
    pub fn covers(&self, local: &Path) -> bool {
        local.as_os_str().is_empty() || self.only().is_none_or(|only| only == local)
    }

    /// The path beneath the folder of what is offered as `name`.
    fn local_of(&self, name: &str) -> Option<PathBuf> {
        if let Some(only) = &self.only {
            return (self.name.as_str() == name).then(|| only.clone());
        }
        let (first, rest) = name.split_once('/')?;
        (self.name.as_str() == first).then(|| rest.split('/').collect())
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

    /// The folder, if it is there. To be given back soon. Blocks.
    #[must_use]
    pub fn root(&self) -> Option<Arc<dyn Root>> {
        self.held().as_mut()?.root(&self.dir)
    }

    /// Whether it was there when it was last looked after.
    #[must_use]
    pub fn is_here(&self) -> bool {
        self.held().is_some()
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        lock(&self.held)
    }

    /// Looks whether the folder is still the one that is offered, and takes the one that is there now if not. A folder that
    /// was renamed, unmounted or cannot be read any more offers nothing, nor does one that a link has replaced or that was made
    /// a home of Sealift. Blocks.
    pub fn check(&self, disk: &Arc<dyn Disk>) -> Health {
        let opened = self.open(&**disk);
        let mut held = self.held();
        match opened {
            Ok(id) => {
                if let Some(held) = held.as_mut().filter(|held| held.id == id) {
                    held.let_go();
                    return Health::Same;
                }
                *held = Some(Held { id, disk: disk.clone(), root: None, used: false });
                Health::Opened
            }
            Err(error) => {
                *held = None;
                Health::Gone(error)
            }
        }
    }

    /// Opening takes the right to read: a folder whose permission was taken away counts as gone.
    fn open(&self, disk: &dyn Disk) -> io::Result<(u64, u64)> {
        if own::is_private(&self.dir)? {
            return Err(io::Error::other("Sealift keeps its own files there"));
        }
        let root = disk.open_real(&self.dir)?;
        if root.is_made_up() {
            return Err(io::Error::other(MADE_UP));
        }
        identity(&*root)
    }

    /// Stops offering it: what was open is let go.
    pub fn close(&self) {
        *self.held() = None;
    }

    /// The path in the catalogue of `local` beneath it; of the folder itself for an empty path.
    #[must_use]
    pub fn name_of(&self, local: &Path) -> Option<Name> {
        if self.only.is_some() {
            return self.covers(local).then(|| self.name.as_str().into());
        }
        if local.as_os_str().is_empty() {
            return Some(self.name.as_str().into());
        }
        names::offered_path(&self.name, local).ok().map(|path| path.as_str().into())
    }

    /// What `local` is known by here: its path in the catalogue, or where its last name can be in none, a text that is no path
    /// and no other name has.
    #[must_use]
    pub fn key_of(&self, local: &Path) -> Option<Name> {
        let unsayable = || {
            self.only.is_none().then_some(())?;
            let above = self.name_of(local.parent()?)?;
            let name = escape_os(local.file_name()?);
            Some(format!("{above}/\\{name}").into())
        };
        self.name_of(local).or_else(unsayable)
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

/// All folders. Each has a number of its own for as long as the seeder runs: that of one that is offered no more is not used again.
#[derive(Clone)]
pub struct Folders(Arc<RwLock<Vec<Option<Arc<Folder>>>>>);

impl Folders {
    /// Takes the folders.
    #[must_use]
    pub fn new(folders: Vec<Folder>) -> Self {
        Self(Arc::new(RwLock::new(
            folders.into_iter().map(|folder| Some(Arc::new(folder))).collect(),
        )))
    }

    /// All that are offered now, in order, each with its number.
    #[must_use]
    pub fn all(&self) -> Vec<(usize, Arc<Folder>)> {
        let folders = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let offered = folders.iter().enumerate();
        offered.filter_map(|(index, folder)| Some((index, folder.clone()?))).collect()
    }

    /// Number `index`, while it is offered.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Arc<Folder>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(index)?.clone()
    }

    /// How many numbers there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Offers `folder` too.
    pub fn add(&self, folder: Arc<Folder>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Some(folder));
    }

    /// Offers the folder called `name` no more. Its number, and the folder.
    pub fn remove(&self, name: &str) -> Option<(usize, Arc<Folder>)> {
        let mut folders = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let called = |folder: &Option<Arc<Folder>>| {
            folder.as_ref().is_some_and(|folder| folder.name.as_str() == name)
        };
        let index = folders.iter().position(called)?;
        Some((index, folders.get_mut(index)?.take()?))
    }

    /// The folder that `name` is beneath and the path beneath it.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<(usize, Arc<Folder>, PathBuf)> {
        let mut folders = self.all().into_iter();
        folders.find_map(|(index, folder)| {
            let local = folder.local_of(name)?;
            Some((index, folder, local))
        })
    }
}

impl Places for Folders {
    fn find(&self, name: &str) -> Option<(Arc<dyn Root>, PathBuf)> {
        let (_, folder, local) = Self::find(self, name)?;
        Some((folder.root()?, local))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_platform::disk::SystemDisk;

    fn disk() -> Arc<dyn Disk> {
        Arc::new(SystemDisk)
    }

    /// T089
    #[test]
    fn a_folder_is_noticed_when_it_goes_and_comes_back() {
        let outer = tempfile::tempdir().unwrap();
        let dir = outer.path().join("share");
        std::fs::create_dir(&dir).unwrap();
        let name = RelativePath::new("share").unwrap();
        let folder = Folder::new(name, dir.clone(), Vec::new());
        assert!(folder.root().is_none());
        assert!(matches!(folder.check(&disk()), Health::Opened));
        assert!(matches!(folder.check(&disk()), Health::Same));
        let moved = outer.path().join("moved");
        std::fs::rename(&dir, &moved).unwrap();
        assert!(matches!(folder.check(&disk()), Health::Gone(_)));
        assert!(folder.root().is_none());
        std::fs::write(&dir, "a file in its place").unwrap();
        let Health::Gone(why) = folder.check(&disk()) else { panic!("a file is no folder") };
        assert_eq!(why.kind(), io::ErrorKind::NotADirectory, "{why}");
        std::fs::remove_file(&dir).unwrap();
        std::fs::create_dir(&dir).unwrap();
        assert!(matches!(folder.check(&disk()), Health::Opened));
        std::fs::remove_dir(&dir).unwrap();
        std::fs::rename(&moved, &dir).unwrap();
        assert!(matches!(folder.check(&disk()), Health::Opened));
        assert_eq!(folder.name_of(Path::new("a/b")).as_deref(), Some("share/a/b"));
    }

    #[test]
    fn a_folder_is_open_only_while_it_is_used() {
        let outer = tempfile::tempdir().unwrap();
        let name = RelativePath::new("share").unwrap();
        let folder = Folder::new(name, outer.path().canonicalize().unwrap(), Vec::new());
        folder.check(&disk());
        let weak = Arc::downgrade(&folder.root().unwrap());
        folder.check(&disk());
        assert!(weak.upgrade().is_some(), "it was just used");
        folder.check(&disk());
        assert!(weak.upgrade().is_none() && folder.is_here());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_its_place_or_on_the_way_is_not_followed() {
        let outer = tempfile::tempdir().unwrap();
        let top = outer.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("a/share")).unwrap();
        let name = RelativePath::new("share").unwrap();
        let folder = Folder::new(name, top.join("a/share"), Vec::new());
        assert!(matches!(folder.check(&disk()), Health::Opened));
        std::fs::rename(top.join("a/share"), top.join("a/moved")).unwrap();
        std::os::unix::fs::symlink("moved", top.join("a/share")).unwrap();
        assert!(
            matches!(folder.check(&disk()), Health::Gone(why) if why.to_string().contains("link"))
        );
        std::fs::remove_file(top.join("a/share")).unwrap();
        std::fs::rename(top.join("a/moved"), top.join("a/share")).unwrap();
        assert!(matches!(folder.check(&disk()), Health::Opened));
        std::fs::rename(top.join("a"), top.join("b")).unwrap();
        std::os::unix::fs::symlink("b", top.join("a")).unwrap();
        assert!(folder.root().is_none(), "also before the next look");
        assert!(matches!(folder.check(&disk()), Health::Gone(_)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_the_system_makes_up_is_no_folder_to_offer() {
        for place in ["/proc", "/proc/self", "/sys/kernel"] {
            let folder = Folder::new(RelativePath::new("p").unwrap(), place.into(), Vec::new());
            let health = folder.check(&disk());
            assert!(matches!(health, Health::Gone(_)), "{place}: {health:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_no_catalogue_can_name_is_told_apart_all_the_same() {
        use std::os::unix::ffi::OsStrExt;
        let folder = Folder::new(RelativePath::new("s").unwrap(), "/x".into(), Vec::new());
        let key = |bytes: &[u8]| folder.key_of(Path::new(std::ffi::OsStr::from_bytes(bytes)));
        assert_eq!((key(b"").as_deref(), key(b"a/b").as_deref()), (Some("s"), Some("s/a/b")));
        let bad = [key(b"a/b\xff"), key(b"a/b\xfe"), key(b"a/b\n"), key(b"a/\\n")];
        let paths: std::collections::BTreeSet<_> = bad.iter().flatten().collect();
        assert!(paths.len() == 4 && paths.iter().all(|key| key.starts_with("s/a/\\")));
        assert!(paths.iter().all(|key| RelativePath::new(&***key).is_err()));
        assert_eq!(key(b"a\xff/b"), None);
    }

    #[test]
    fn of_a_folder_one_file_may_be_all_that_is_offered() {
        let path = |text: &str| RelativePath::new(text).unwrap();
        let one = Folder::with_only(path("files/b"), "/x".into(), "a".into(), Vec::new());
        assert_eq!(one.place(), Path::new("/x/a"));
        for (local, name) in
            [("", Some("files/b")), ("a", Some("files/b")), ("b", None), ("a/b", None)]
        {
            assert_eq!(one.name_of(Path::new(local)).as_deref(), name, "{local}");
            assert_eq!(one.key_of(Path::new(local)).as_deref(), name, "{local}");
            assert_eq!(one.covers(Path::new(local)), name.is_some());
        }
        let folders = Folders::new(vec![one, Folder::new(path("s"), "/y".into(), Vec::new())]);
        assert_eq!(folders.find("files/b").unwrap().2, Path::new("a"));
        for none in ["files", "files/a", "files/b/c", "s"] {
            assert!(folders.find(none).is_none(), "{none}");
        }
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
        let (gone, _) = folders.remove("a").unwrap();
        assert!(gone == 0 && folders.get(0).is_none() && folders.remove("a").is_none());
        folders.add(Arc::new(folder("a")));
        let (again, ..) = folders.find("a/x").unwrap();
        assert_eq!((again, folders.count(), folders.all().len()), (2, 3, 2), "no number twice");
    }
}
