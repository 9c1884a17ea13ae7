//! Something for each file, found by its path. The path of each folder is kept once, and of each file its last name alone.

mod folders;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;

use super::Name;
pub use folders::Lacks;
pub(super) use folders::Part;
use folders::Seen;

/// A file, as long as it is there. Later another file may have the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(NonZeroU32);

impl Id {
    pub(super) fn slot(self) -> usize {
        usize::try_from(self.0.get() - 1).unwrap_or(usize::MAX)
    }
}

struct File<T> {
    leaf: Box<str>,
    folder: Id,
    held: T,
}

struct Folder {
    path: Arc<str>,
    /// In order of their names.
    files: Vec<Id>,
    /// How many of them are offered.
    offered: u64,
    /// How many are not, and why.
    lacks: Lacks,
    /// What walks saw of the folder itself; `None` if none has seen all of it.
    seen: Option<Seen>,
}

/// Numbered places that are used again.
struct Slots<T> {
    slots: Vec<Option<T>>,
    free: Vec<Id>,
}

/// Files and what is held for each.
pub(super) struct Files<T> {
    files: Slots<File<T>>,
    folders: Slots<Folder>,
    by_path: BTreeMap<Arc<str>, Id>,
    /// Folders of which something else may be to be said than before.
    touched: BTreeSet<Name>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    /// `None` when there are as many as can be numbered.
    fn add(&mut self, value: T) -> Option<Id> {
        if let Some(id) = self.free.pop() {
            self.slots[id.slot()] = Some(value);
            return Some(id);
        }
        let id = u32::try_from(self.slots.len() + 1).ok().and_then(NonZeroU32::new).map(Id)?;
        self.slots.push(Some(value));
        Some(id)
    }

    fn get(&self, id: Id) -> Option<&T> {
        self.slots.get(id.slot())?.as_ref()
    }

    fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.slots.get_mut(id.slot())?.as_mut()
    }

    fn take(&mut self, id: Id) -> Option<T> {
        let taken = self.slots.get_mut(id.slot())?.take()?;
        self.free.push(id);
        Some(taken)
    }

    fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }

    fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

impl<T> Default for Files<T> {
    fn default() -> Self {
        let (files, folders) = (Slots::default(), Slots::default());
        Self { files, folders, by_path: BTreeMap::new(), touched: BTreeSet::new() }
    }
}

/// Folder and last name of a path.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

impl<T> Files<T> {
    /// The file at `path`.
    pub(super) fn find(&self, path: &str) -> Option<Id> {
        let (above, leaf) = split(path);
        let folder = self.folders.get(*self.by_path.get(above)?)?;
        let at = self.place(folder, leaf).ok()?;
        folder.files.get(at).copied()
    }

    /// Where `leaf` is among the files of `folder`, or would be.
    fn place(&self, folder: &Folder, leaf: &str) -> Result<usize, usize> {
        let name_of = |id: &Id| self.files.get(*id).map_or("", |file| &file.leaf);
        folder.files.binary_search_by(|id| name_of(id).cmp(leaf))
    }

    /// Holds `held` for the file at `path`, which is not there yet and not offered; its number, unless there are more than four
    /// billion.
    pub(super) fn add(&mut self, path: &str, held: T) -> Option<Id> {
        let (above, leaf) = split(path);
        let folder = self.folder(above)?;
        let at = self.place(self.folders.get(folder)?, leaf).unwrap_or_else(|at| at);
        let id = self.files.add(File { leaf: leaf.into(), folder, held })?;
        self.folders.get_mut(folder)?.files.insert(at, id);
        self.touch(folder);
        Some(id)
    }

    fn folder(&mut self, path: &str) -> Option<Id> {
        if let Some(id) = self.by_path.get(path) {
            return Some(*id);
        }
        let path: Arc<str> = path.into();
        let folder = Folder {
            path: path.clone(),
            files: Vec::new(),
            offered: 0,
            lacks: Lacks::default(),
            seen: None,
        };
        let id = self.folders.add(folder)?;
        self.by_path.insert(path.clone(), id);
        self.touch_above(&path);
        Some(id)
    }

    /// Forgets a file, which is not offered any more; what was held for it.
    pub(super) fn remove(&mut self, id: Id) -> Option<T> {
        let (folder, leaf) = self.files.get(id).map(|file| (file.folder, file.leaf.clone()))?;
        let at = self.place(self.folders.get(folder)?, &leaf).ok();
        let among = self.folders.get_mut(folder)?;
        if let Some(at) = at {
            among.files.remove(at);
        }
        self.touch(folder);
        self.tidy(folder);
        self.files.take(id).map(|file| file.held)
    }

    /// What is held for a file.
    pub(super) fn get(&self, id: Id) -> Option<&T> {
        self.files.get(id).map(|file| &file.held)
    }

    /// What is held for a file.
    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.files.get_mut(id).map(|file| &mut file.held)
    }

    /// The path of a file.
    pub(super) fn name(&self, id: Id) -> Option<Name> {
        let file = self.files.get(id)?;
        let above = &*self.folders.get(file.folder)?.path;
        Some(if above.is_empty() {
            (*file.leaf).into()
        } else {
            [above, &file.leaf].join("/").into()
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// What is held, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.files.iter().map(|file| &file.held)
    }

    /// All files, folder by folder.
    pub(super) fn ids(&self) -> impl Iterator<Item = Id> {
        self.by_path.values().flat_map(|folder| self.within(*folder)).copied()
    }

    /// The file at `start`, and those in the folder of that name and beneath it.
    pub(super) fn at_or_beneath(&self, start: &str) -> Vec<Id> {
        let files = self.at_or_in(start).flat_map(|folder| self.within(folder)).copied();
        self.find(start).into_iter().chain(files).collect()
    }

    /// The next folder of which something else may be to be said than before, in order.
    pub(super) fn next_touched(&mut self) -> Option<Name> {
        self.touched.pop_first()
    }

    /// Whether there is such a folder.
    pub(super) fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    fn within(&self, folder: Id) -> &[Id] {
        self.folders.get(folder).map_or(&[], |folder| &folder.files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&str]) -> Files<usize> {
        let mut files = Files::default();
        paths.iter().enumerate().for_each(|(at, path)| {
            files.add(path, at).unwrap();
        });
        files
    }

    fn names(files: &Files<usize>, ids: impl IntoIterator<Item = Id>) -> Vec<String> {
        ids.into_iter().map(|id| files.name(id).unwrap().to_string()).collect()
    }

    #[test]
    fn files_are_found_by_path_and_forgotten_with_their_folders() {
        let paths = ["s/b", "s/a/x", "s/a", "t", "s/a/b/c", "s/a-b"];
        let mut files = of(&paths);
        for (at, path) in paths.iter().enumerate() {
            let id = files.find(path).unwrap();
            assert_eq!((files.get(id), &*files.name(id).unwrap()), (Some(&at), *path));
        }
        assert!(files.find("s").is_none() && files.find("s/a/b").is_none());
        assert_eq!(names(&files, files.ids()), ["t", "s/a", "s/a-b", "s/b", "s/a/x", "s/a/b/c"]);
        for path in paths {
            let id = files.find(path).unwrap();
            assert!(files.remove(id).is_some() && files.remove(id).is_none());
            assert!(files.find(path).is_none() && files.name(id).is_none());
        }
        assert_eq!((files.len(), files.by_path.len(), files.folders.len()), (0, 0, 0));
        files.add("s/new", 9);
        assert_eq!((files.files.slots.len(), files.iter().copied().sum::<usize>()), (6, 9));
    }

    #[test]
    fn what_lies_beneath_ends_at_a_name() {
        let files = of(&["s/a", "s/a/b", "s/a-b", "s/a0", "s/ab/c", "s/a/c/d", "t/a"]);
        let beneath = |start| names(&files, files.at_or_beneath(start));
        assert_eq!(beneath("s/a"), ["s/a", "s/a/b", "s/a/c/d"]);
        assert_eq!(beneath("t"), ["t/a"]);
        assert_eq!(beneath("s").len(), 6);
        assert!(beneath("s/x").is_empty());
    }
}
