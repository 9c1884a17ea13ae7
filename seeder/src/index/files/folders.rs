//! Folders themselves: which of them have to be stated beside the files, since those do not tell all of them.

use std::ops::Bound;

use super::{Files, Folder, Id, Name};

/// What walks saw of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    /// When names in it last changed, unix milliseconds.
    modified: i64,
    /// The last walk that saw all of it.
    walk: u64,
}

/// What is to be stated of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::index) struct Stated {
    /// When names in it last changed, unix milliseconds.
    pub(in crate::index) modified: i64,
    /// Names right in it that are not shared.
    pub(in crate::index) lacks: Lacks,
}

/// Names that are not shared.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Lacks {
    /// That cannot be.
    pub unshared: u64,
    /// That are left out on purpose.
    pub left_out: u64,
}

/// As what a file counts in its folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::index) enum Part {
    /// It is offered.
    Offered,
    /// It cannot be.
    Unshared,
    /// It is left out on purpose.
    LeftOut,
}

impl Lacks {
    const fn is_none(&self) -> bool {
        self.unshared == 0 && self.left_out == 0
    }
}

impl<T> Files<T> {
    /// Counts the file as `part` of its folder, or not any more.
    pub(in crate::index) fn count(&mut self, id: Id, part: Part, comes: bool) {
        let Some(folder) = self.files.get(id).map(|file| file.folder) else { return };
        if let Some(among) = self.folders.get_mut(folder) {
            let count = match part {
                Part::Offered => &mut among.offered,
                Part::Unshared => &mut among.lacks.unshared,
                Part::LeftOut => &mut among.lacks.left_out,
            };
            *count = if comes { *count + 1 } else { count.saturating_sub(1) };
        }
        self.touch(folder);
    }

    /// Walk number `walk` has told all that is in the folder at `path`.
    pub(in crate::index) fn saw(&mut self, path: &str, modified: i64, walk: u64) {
        let Some(id) = self.folder(path) else { return };
        let Some(folder) = self.folders.get_mut(id) else { return };
        // A walk of the whole is overtaken by one of a part.
        if folder.seen.is_some_and(|seen| seen.walk > walk) {
            return;
        }
        let before = folder.seen.replace(Seen { modified, walk });
        if before.is_none_or(|before| before.modified != modified) {
            self.touch(id);
        }
    }

    /// Names in the folder at `path` changed at `modified`; it makes no difference before a walk saw all of it.
    pub(in crate::index) fn changed(&mut self, path: &str, modified: i64) {
        let Some(id) = self.by_path.get(path).copied() else { return };
        let seen = self.folders.get_mut(id).and_then(|folder| folder.seen.as_mut());
        if let Some(seen) = seen.filter(|seen| seen.modified != modified) {
            seen.modified = modified;
            self.touch(id);
        }
    }

    /// Takes away the folders at and beneath `start` that neither walk `walk` nor a later one saw.
    pub(in crate::index) fn sweep(&mut self, start: &str, walk: u64) {
        for id in self.at_or_in(start).collect::<Vec<_>>() {
            let Some(folder) = self.folders.get_mut(id) else { continue };
            if folder.seen.is_some_and(|seen| seen.walk < walk) {
                folder.seen = None;
                self.touched.insert(folder.path.clone());
                self.tidy(id);
            }
        }
    }

    /// Forgets a folder in which nothing is, unless a walk saw it.
    pub(super) fn tidy(&mut self, id: Id) {
        let idle = |folder: &Folder| folder.files.is_empty() && folder.seen.is_none();
        if self.folders.get(id).is_some_and(idle)
            && let Some(folder) = self.folders.take(id)
        {
            self.by_path.remove(&folder.path);
            self.touch_above(&folder.path);
        }
    }

    /// Notes that something else may be to be said of a folder. Of one that no walk has seen yet nothing is said.
    pub(super) fn touch(&mut self, id: Id) {
        let folder = self.folders.get(id).filter(|folder| folder.seen.is_some());
        self.touched.extend(folder.map(|folder| folder.path.clone()));
    }

    /// The same for the folder that the one at `path` is in.
    pub(super) fn touch_above(&mut self, path: &str) {
        let above = path.rmatch_indices('/').map(|(slash, _)| &path[..slash]);
        let id = above.into_iter().find_map(|above| self.by_path.get(above).copied());
        if let Some(id) = id {
            self.touch(id);
        }
    }

    /// What is to be stated of the folder at `path`: something, if nothing offered is in it or names in it are not shared.
    pub(in crate::index) fn stated(&self, path: &str) -> Option<Stated> {
        let folder = self.folders.get(*self.by_path.get(path)?)?;
        let seen = folder.seen?;
        let lacks = folder.lacks;
        let empty = || folder.offered == 0 && !self.has_folders(path);
        (!lacks.is_none() || empty()).then_some(Stated { modified: seen.modified, lacks })
    }

    fn has_folders(&self, path: &str) -> bool {
        self.beneath(path).next().is_some()
    }

    /// The folders beneath `path`.
    fn beneath(&self, path: &str) -> impl Iterator<Item = Id> + use<'_, T> {
        // Their paths lie between these two: `0` follows `/`.
        let (from, to) = (format!("{path}/"), format!("{path}0"));
        let range = (Bound::Included(from.as_str()), Bound::Excluded(to.as_str()));
        self.by_path.range::<str, _>(range).map(|(_, id)| *id)
    }

    /// The folder at `path` and those beneath it.
    pub(super) fn at_or_in(&self, path: &str) -> impl Iterator<Item = Id> + use<'_, T> {
        self.by_path.get(path).copied().into_iter().chain(self.beneath(path))
    }

    /// All folders that are to be stated.
    pub(in crate::index) fn all_stated(&self) -> Vec<Name> {
        let stated = |path: &&Name| self.stated(path).is_some();
        self.by_path.keys().filter(stated).cloned().collect()
    }

    /// How many names at and beneath the folder at `start` are not shared, and `max` of those that cannot be, as `is_one` tells.
    pub(in crate::index) fn lacking(
        &self,
        start: &str,
        max: usize,
        is_one: impl Fn(&T) -> bool,
    ) -> (Lacks, Vec<Name>) {
        let (mut lacks, mut names) = (Lacks::default(), Vec::new());
        for folder in self.at_or_in(start).filter_map(|id| self.folders.get(id)) {
            lacks.unshared += folder.lacks.unshared;
            lacks.left_out += folder.lacks.left_out;
            if folder.lacks.unshared > 0 && names.len() < max {
                let ones = folder.files.iter().filter(|id| self.get(**id).is_some_and(&is_one));
                names.extend(ones.take(max - names.len()).filter_map(|id| self.name(*id)));
            }
        }
        (lacks, names)
    }

    /// How many folders there are.
    pub(in crate::index) fn folders(&self) -> usize {
        self.folders.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files that are offered, in folders that walk 1 saw.
    fn of(folders: &[&str], files: &[&str]) -> Files<bool> {
        let mut all = Files::default();
        for path in files {
            let id = all.add(path, true).unwrap();
            all.count(id, Part::Offered, true);
        }
        folders.iter().for_each(|path| all.saw(path, 5, 1));
        all
    }

    fn lack(files: &mut Files<bool>, path: &str, part: Part) {
        let id = files.add(path, false).unwrap();
        files.count(id, part, true);
    }

    /// With how many names that cannot be shared, and that are left out.
    fn stated(files: &Files<bool>) -> Vec<(String, (u64, u64))> {
        let lacks = |path: &Name| files.stated(path).unwrap().lacks;
        let of = |path: &Name| (path.to_string(), (lacks(path).unshared, lacks(path).left_out));
        files.all_stated().iter().map(of).collect()
    }

    fn taken(files: &mut Files<bool>) -> Vec<String> {
        std::iter::from_fn(|| files.next_touched()).map(|path| path.to_string()).collect()
    }

    #[test]
    fn only_folders_are_stated_that_files_do_not_tell_of() {
        let mut files = of(&["s", "s/a", "s/a/b", "s/a/b/c", "s/d", "s/d0"], &["s/a/x", "s/d0/x"]);
        assert_eq!(stated(&files), [("s/a/b/c".into(), (0, 0)), ("s/d".into(), (0, 0))]);
        assert_eq!(files.stated("s/d"), Some(Stated { modified: 5, lacks: Lacks::default() }));
        lack(&mut files, "s/a/link", Part::LeftOut);
        lack(&mut files, "s/d/\\bad", Part::Unshared);
        lack(&mut files, "s/d/\\worse", Part::Unshared);
        let expected = [("s/a".into(), (0, 1)), ("s/a/b/c".into(), (0, 0)), ("s/d".into(), (2, 0))];
        assert_eq!(stated(&files), expected);
        let (lacks, names) = files.lacking("s", 1, |offered| !offered);
        assert_eq!(lacks, Lacks { unshared: 2, left_out: 1 });
        assert_eq!((&*names[0], names.len()), ("s/d/\\bad", 1));
        assert_eq!(files.lacking("s/a/b", 9, |offered| !offered), (Lacks::default(), Vec::new()));
        assert!(of(&[], &["s/a/x"]).all_stated().is_empty(), "no walk has seen it whole");
        assert_eq!(stated(&of(&["s"], &[])), [("s".into(), (0, 0))], "a shared folder itself");
    }

    #[test]
    fn what_comes_and_goes_touches_the_folders_it_makes_a_difference_to() {
        let mut files = of(&["s", "s/a", "s/a/b"], &[]);
        assert_eq!(taken(&mut files), ["s", "s/a", "s/a/b"]);
        files.saw("s/a/b", 5, 2);
        assert!(taken(&mut files).is_empty(), "as before");
        files.changed("s/a/b", 6);
        files.changed("s/elsewhere", 6);
        assert_eq!(taken(&mut files), ["s/a/b"]);
        let id = files.add("s/a/b/x", true).unwrap();
        files.count(id, Part::Offered, true);
        assert_eq!((taken(&mut files), stated(&files)), (vec!["s/a/b".into()], vec![]));
        files.count(id, Part::Offered, false);
        files.remove(id);
        assert_eq!((taken(&mut files), files.folders()), (vec!["s/a/b".into()], 3));
        files.sweep("s/a/b", 3);
        assert_eq!(taken(&mut files), ["s/a", "s/a/b"]);
        assert_eq!((stated(&files), files.folders()), (vec![("s/a".into(), (0, 0))], 2));
        // Two walks at once: what the later one saw stands.
        files.saw("s/a", 6, 2);
        files.saw("s/a", 5, 1);
        files.sweep("s/a", 2);
        assert_eq!(
            (files.stated("s/a").map(|stated| stated.modified), files.folders()),
            (Some(6), 2)
        );
        files.sweep("s", 3);
        assert_eq!(files.folders(), 0);
    }
}
