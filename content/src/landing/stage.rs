//! New folders, built out of sight and put in place whole: one new name instead of one for each file in them.
//!
//! What is not there yet right beneath `--out` grows in a hidden folder, its small files under the names they are to have. When
//! all of them are verified and on disk at once, the folder gets its own name. When they are not, each file is given its
//! place by itself, and so is every later one.

use std::collections::HashMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock, RwLockReadGuard};

use sealift_platform::disk::{Kind, Root as Folder, give_name};
use sealift_platform::sync::{read, write};

use super::folders::{Folders, Trouble};

/// The folders that this process builds.
pub(super) struct Stage {
    folder: Arc<dyn Folder>,
    folders: Folders,
    /// By their names beneath `--out`; `None` for those that are not built out of sight any more.
    tops: RwLock<HashMap<PathBuf, Option<Top>>>,
}

/// A folder that is being built. Each file in it holds a clone.
pub(super) type Top = Arc<Spoiled>;

/// Whether something lies in the folder that must not get its name.
#[derive(Default)]
pub(super) struct Spoiled(AtomicBool);

impl Spoiled {
    /// Something that is nobody's file could not be removed.
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Where a file grows in a folder that is being built. The folder stays where it is meanwhile.
pub(super) struct Spot<'a> {
    pub(super) path: PathBuf,
    pub(super) top: Top,
    _stays: RwLockReadGuard<'a, HashMap<PathBuf, Option<Top>>>,
}

impl Stage {
    pub(super) fn new(folder: Arc<dyn Folder>) -> Self {
        Self { folders: Folders::new(folder.clone()), folder, tops: RwLock::default() }
    }

    /// Gets ready for a file at `path`, which is to be, and whose folder is to be built beneath `hidden`.
    pub(super) fn begin(&self, hidden: &Path, path: &Path) -> Result<(), Trouble> {
        let (Some(top), Some(parent)) = (top_of(path), path.parent()) else { return Ok(()) };
        self.folders.make(&hidden.join(parent))?;
        let mut tops = write(&self.tops);
        tops.entry(top.to_owned()).or_insert_with(|| Some(Top::default()));
        Ok(())
    }

    /// Where the file of `path` grows, if its folder is being built beneath `hidden`.
    pub(super) fn spot(&self, hidden: &Path, path: &Path) -> Option<Spot<'_>> {
        let tops = read(&self.tops);
        let top = tops.get(top_of(path)?)?.clone()?;
        Some(Spot { path: hidden.join(path), top, _stays: tops })
    }

    /// Gives the folder `top` its name, if the `files` in it are all there are; whether it has it now. Their content is durable;
    /// so are the names in the folder, unless they are `unsynced`. It is not built out of sight any more in any case.
    pub(super) fn place(&self, hidden: &Path, top: &Path, files: &[&Path], unsynced: bool) -> bool {
        let mut tops = write(&self.tops);
        let Some(known) = tops.insert(top.to_owned(), None).flatten() else { return false };
        let all = Arc::strong_count(&known) - 1 == files.len();
        if !all || known.0.load(Ordering::SeqCst) {
            return false;
        }
        let synced = if unsynced { self.sync(hidden, files) } else { Ok(()) };
        // Whatever stands in the way, it is met again, and told, when each file gets its place.
        synced.and_then(|()| give_name(&*self.folder, &hidden.join(top), top)).is_ok()
    }

    /// Makes the names of `files` in the folders they are in durable.
    fn sync(&self, hidden: &Path, files: &[&Path]) -> io::Result<()> {
        let above = files.iter().flat_map(|path| path.ancestors().skip(1));
        let mut folders: Vec<_> = above.filter(|path| !path.as_os_str().is_empty()).collect();
        folders.sort_unstable();
        folders.dedup();
        folders.into_iter().try_for_each(|path| self.folder.sync_folder(&hidden.join(path)))
    }
}

/// The first name of `path`, if there are more.
pub(super) fn top_of(path: &Path) -> Option<&Path> {
    let mut names = path.components();
    match (names.next(), names.next()) {
        (Some(Component::Normal(top)), Some(_)) => Some(Path::new(top)),
        _ => None,
    }
}

/// Removes the folder at `path` with everything in it.
pub(super) fn remove_tree(folder: &dyn Folder, path: &Path) -> io::Result<()> {
    let mut found = vec![path.to_owned()];
    let mut at = 0;
    while let Some(within) = found.get(at).cloned() {
        for listed in folder.list(&within)? {
            let path = within.join(listed.name);
            match listed.kind {
                Kind::Folder => found.push(path),
                _ => folder.remove(&path)?,
            }
        }
        at += 1;
    }
    // The deepest come last.
    found.iter().rev().try_for_each(|path| folder.remove_folder(path))
}
