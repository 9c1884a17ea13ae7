//! What is offered now: every file found, how far it is, and what changed since it was last asked.

mod files;
mod holders;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sealift_proto::catalogue::{Change, EXECUTABLE, Entry, Folder, Root, Status};
use sealift_proto::path::RelativePath;

use files::Files;
pub use files::Id;
use holders::Holders;
use sealift_content::hashes::print::Print;

// Paths in the catalogue, always such that [`RelativePath`] accepts.
pub use sealift_content::hashes::Name;

/// Of so many files with one content one can be read, or none.
const SAME_MAX: usize = 16;
/// Files of their owner alone up to this size are named only when they were read, bytes. That does not take long.
const QUIET_MAX: u64 = 1024 * 1024;
/// So are files that others may read too, up to this: a copy of a key is that small, and may have got other rights.
const KEY_MAX: u64 = 1024;

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It changed a moment ago; it may still be written.
    Settling,
    /// It waits to be read.
    Waiting,
    /// It has been read in the state of its print.
    Hashed(Root),
    /// It cannot be shared: it cannot be read, or is nothing that could be.
    Unshared,
}

impl State {
    const fn is_offered(self) -> bool {
        !matches!(self, Self::Unshared)
    }
}

/// A file.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// The state it was found in.
    pub print: Print,
    /// Whether its owner may execute it.
    pub executable: bool,
    /// Whether not even its name is told before it was read: copies of keys are such files.
    quiet: bool,
    /// Whether it has to be compared with what was published.
    dirty: bool,
    /// How far it is.
    pub state: State,
    /// The last walk that found it.
    seen: u64,
}

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Found as it was.
    Same(State),
    /// New or changed; its content is known without reading it. True if its path was not there before.
    Known(bool),
    /// New or changed; it has to be read. True if its path was not there before.
    Fresh(bool),
}

/// All files of all folders: some 170 bytes for each.
#[derive(Default)]
pub struct Index {
    files: Files<Item>,
    holders: Holders,
    /// Files that are dirty, and some that are not any more.
    dirty: VecDeque<Id>,
    /// Names that are to be compared too, and are no files any more.
    gone: BTreeSet<Name>,
    /// Files that wait to be read and were not handed out yet, by the disk they are on.
    put_off: BTreeMap<u64, VecDeque<Id>>,
    waiting: u64,
    unshared: u64,
    /// Whether a folder is still being walked for the first time.
    pub scanning: bool,
}

impl Index {
    /// Takes a file with the permission bits `mode` that walk number `walk` found; `known` is its content if it is known.
    pub fn found(
        &mut self,
        name: &Name,
        print: Print,
        mode: u32,
        known: Option<Root>,
        walk: u64,
    ) -> Verdict {
        let executable = mode & 0o100 != 0;
        let quiet = print.size <= if mode & 0o077 == 0 { QUIET_MAX } else { KEY_MAX };
        let before = self.files.find(name);
        if let Some(id) = before
            && let Some(item) = self.files.get_mut(id)
            && item.print == print
        {
            item.seen = item.seen.max(walk);
            let state = item.state;
            if (item.executable, item.quiet) != (executable, quiet) {
                (item.executable, item.quiet) = (executable, quiet);
                self.set_dirty(id);
            }
            return Verdict::Same(state);
        }
        let state = known.map_or(State::Settling, State::Hashed);
        self.put(name, Item { print, executable, quiet, dirty: false, state, seen: walk });
        let is_new = before.is_none();
        if known.is_some() { Verdict::Known(is_new) } else { Verdict::Fresh(is_new) }
    }

    /// Takes away what is at or beneath `start` and was not found by walk `walk` or a later one. How many files went that were
    /// offered.
    pub fn sweep(&mut self, start: &str, walk: u64) -> u64 {
        let mut offered = 0;
        for id in self.files.at_or_beneath(start) {
            if let Some(item) = self.files.get(id).filter(|item| item.seen < walk) {
                offered += u64::from(item.state.is_offered());
                self.remove_one(id);
            }
        }
        self.files.sweep(start, walk);
        offered
    }

    /// Walk number `walk` found something called `name` that cannot be shared. It need not be a path: a name that cannot be said
    /// in a catalogue has one of its own.
    pub fn unshared(&mut self, name: &Name, walk: u64) {
        let item = self.get(name).filter(|item| item.print == Print::NONE);
        let seen = item.map_or(walk, |item| item.seen.max(walk));
        match item {
            Some(_) => self.item_mut(name).into_iter().for_each(|item| item.seen = seen),
            None => {
                let (print, state) = (Print::NONE, State::Unshared);
                self.put(
                    name,
                    Item { print, executable: false, quiet: false, dirty: false, state, seen },
                );
            }
        }
    }

    /// Walk number `walk` has told all that is in the folder `name`, whose names last changed at `modified`.
    pub fn saw_folder(&mut self, name: &str, modified: i64, walk: u64) {
        self.files.saw(name, modified, walk);
    }

    /// Names in the folder `name` last changed at `modified`.
    pub fn changed_folder(&mut self, name: &str, modified: i64) {
        self.files.changed(name, modified);
    }

    /// How many names at and beneath the folder `name` cannot be shared, and `max` of them.
    #[must_use]
    pub fn unshared_in(&self, name: &str, max: usize) -> (u64, Vec<Name>) {
        self.files.unshared(name, max, |item| !item.state.is_offered())
    }

    /// Forgets the file `name`.
    pub fn remove(&mut self, name: &str) {
        if let Some(id) = self.files.find(name) {
            self.remove_one(id);
        }
    }

    fn remove_one(&mut self, id: Id) {
        self.gone.extend(self.files.name(id));
        self.uncount(id);
        self.files.remove(id);
    }

    /// The file `name` is settled and waits to be read. Its print, if it is to be read.
    pub fn settled(&mut self, name: &str) -> Option<Print> {
        let item = self.item_mut(name)?;
        if item.state == State::Settling {
            item.state = State::Waiting;
        }
        (item.state == State::Waiting).then_some(item.print)
    }

    /// Has the file `name`, which waits to be read, handed out by [`Index::next_put_off`].
    pub fn put_off(&mut self, name: &str) {
        let id = self.files.find(name);
        if let Some((id, item)) = id.and_then(|id| Some((id, self.files.get(id)?))) {
            self.put_off.entry(item.print.device).or_default().push_back(id);
        }
    }

    /// The disks on which files were put off.
    #[must_use]
    pub fn put_off_on(&self) -> Vec<u64> {
        self.put_off.keys().copied().collect()
    }

    /// The next file that waits to be read of those put off on disk `device`.
    pub fn next_put_off(&mut self, device: u64) -> Option<(Name, Print)> {
        while let Some(id) = self.put_off.get_mut(&device)?.pop_front() {
            if let Some(item) = self.files.get(id).filter(|item| item.state == State::Waiting) {
                return Some((self.files.name(id)?, item.print));
            }
        }
        self.put_off.remove(&device);
        None
    }

    fn item_mut(&mut self, name: &str) -> Option<&mut Item> {
        let id = self.files.find(name)?;
        self.files.get_mut(id)
    }

    /// The file `name`, in the state `print`, was not complete after all. False if it does not wait to be read in it.
    pub fn unsettle(&mut self, name: &str, print: &Print) -> bool {
        match self.item_mut(name) {
            Some(item) if item.state == State::Waiting && item.print == *print => {
                item.state = State::Settling;
                true
            }
            _ => false,
        }
    }

    /// The file `name` was read in the state `print`. False if that is not its state any more.
    pub fn hashed(&mut self, name: &Name, print: &Print, root: Root) -> bool {
        self.change(name, print, State::Hashed(root))
    }

    /// The file `name`, in the state `print`, cannot be read. False if that is not its state any more.
    pub fn unreadable(&mut self, name: &Name, print: &Print) -> bool {
        self.change(name, print, State::Unshared)
    }

    fn change(&mut self, name: &Name, print: &Print, state: State) -> bool {
        let Some(item) = self.get(name).copied().filter(|item| item.print == *print) else {
            return false;
        };
        self.put(name, Item { state, ..item });
        true
    }

    fn put(&mut self, name: &Name, item: Item) {
        let id = match self.files.find(name) {
            Some(id) => {
                self.uncount(id);
                id
            }
            None => {
                self.gone.remove(name);
                let Some(id) = self.files.add(name, item) else { return };
                id
            }
        };
        if let Some(before) = self.files.get_mut(id) {
            *before = Item { dirty: before.dirty, ..item };
        }
        match item.state {
            State::Settling | State::Waiting => self.waiting += 1,
            State::Unshared => self.unshared += 1,
            State::Hashed(root) => self.holders.add(&root, id),
        }
        if item.state.is_offered() {
            self.files.count(id, true);
        }
        self.set_dirty(id);
    }

    fn uncount(&mut self, id: Id) {
        let state = self.files.get(id).map(|item| item.state);
        if state.is_some_and(State::is_offered) {
            self.files.count(id, false);
        }
        match state {
            None => {}
            Some(State::Settling | State::Waiting) => self.waiting -= 1,
            Some(State::Unshared) => self.unshared -= 1,
            Some(State::Hashed(root)) => self.holders.remove(&root, id),
        }
    }

    fn set_dirty(&mut self, id: Id) {
        if let Some(item) = self.files.get_mut(id)
            && !std::mem::replace(&mut item.dirty, true)
        {
            self.dirty.push_back(id);
        }
    }

    /// The file `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Item> {
        self.files.get(self.files.find(name)?)
    }

    /// Files with the content `root`, and their prints; of very many some.
    #[must_use]
    pub fn with_root(&self, root: &Root) -> Vec<(Name, Print)> {
        let ids = self.holders.of(root).filter_map(|id| Some((id, self.files.get(id)?)));
        let same = ids.filter(|(_, item)| item.state == State::Hashed(*root)).take(SAME_MAX);
        let mut named: Vec<_> =
            same.filter_map(|(id, item)| Some((self.files.name(id)?, item.print))).collect();
        named.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        named
    }

    /// Prints of all files.
    pub fn prints(&self) -> impl Iterator<Item = &Print> {
        self.files.iter().map(|item| &item.print)
    }

    /// Numbers of all files, folder by folder; a file that comes when another has gone may have its number.
    #[must_use]
    pub fn ids(&self) -> Vec<Id> {
        self.files.ids().collect()
    }

    /// What the catalogue should say of those of `ids` that are offered.
    #[must_use]
    pub fn files(&self, ids: &[Id]) -> Vec<Change> {
        let names = ids.iter().filter_map(|id| self.files.name(*id));
        names.filter_map(|name| self.entry(&name)).map(Change::Put).collect()
    }

    /// Folders that the catalogue should state.
    #[must_use]
    pub fn folders(&self) -> Vec<Name> {
        self.files.all_stated()
    }

    /// Names of all files, folder by folder.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        self.files.ids().filter_map(|id| self.files.name(id))
    }

    /// How many entries a catalogue has at most.
    #[must_use]
    pub fn entries_max(&self) -> usize {
        self.files.len() + self.files.folders()
    }

    /// What the catalogue should say of the path `name`; `None` if nothing.
    #[must_use]
    pub fn stated(&self, name: &str) -> Option<Change> {
        let file = self.entry(name).map(Change::Put);
        file.or_else(|| self.folder(name).map(Change::Folder))
    }

    /// The folder `name` as the catalogue should state it; `None` if the files tell all of it, or it is not there.
    #[must_use]
    pub fn folder(&self, name: &str) -> Option<Folder> {
        let stated = self.files.stated(name)?;
        let unshared = u32::try_from(stated.unshared).unwrap_or(u32::MAX);
        let path = RelativePath::new(name).ok()?;
        Some(Folder { path, modified: stated.modified, unshared })
    }

    /// The file `name` as the catalogue should say it; `None` if it is not offered.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<Entry> {
        let item = self.get(name)?;
        let root = match item.state {
            State::Settling | State::Waiting if item.quiet => return None,
            State::Settling | State::Waiting => None,
            State::Hashed(root) => Some(root),
            State::Unshared => return None,
        };
        Some(Entry {
            path: RelativePath::new(name).ok()?,
            size: item.print.size,
            modified: item.print.modified_ms(),
            flags: if item.executable { EXECUTABLE } else { 0 },
            root,
        })
    }

    /// How far the seeder is.
    #[must_use]
    pub fn status(&self) -> Status {
        let files = self.files.len() as u64 - self.unshared;
        Status { waiting: self.waiting, files, scanning: self.scanning }
    }

    /// Bytes of all files offered.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.prints().map(|print| print.size).sum()
    }

    /// Marks `name` as to be compared with what was published.
    pub fn mark(&mut self, name: Name) {
        match self.files.find(&name) {
            Some(id) => self.set_dirty(id),
            None => drop(self.gone.insert(name)),
        }
    }

    /// Whether anything changed since [`Index::take_dirty`].
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || !self.gone.is_empty() || self.files.is_touched()
    }

    /// Forgets what changed: all of it is about to be published.
    pub fn clear_dirty(&mut self) {
        self.gone.clear();
        while self.files.next_touched().is_some() {}
        for id in std::mem::take(&mut self.dirty) {
            self.files.get_mut(id).into_iter().for_each(|item| item.dirty = false);
        }
    }

    /// At most `max` names of what changed, in order.
    pub fn take_dirty(&mut self, max: usize) -> Vec<Name> {
        let others = || self.gone.pop_first().or_else(|| self.files.next_touched());
        let mut names: Vec<Name> = std::iter::from_fn(others).take(max).collect();
        while names.len() < max
            && let Some(id) = self.dirty.pop_front()
        {
            let dirty = self.files.get_mut(id).map(|item| std::mem::take(&mut item.dirty));
            names.extend(dirty.filter(|dirty| *dirty).and_then(|_| self.files.name(id)));
        }
        names.sort_unstable();
        names.dedup();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(inode: u64) -> Print {
        Print { size: KEY_MAX + 1, modified_ns: -1, changed_ns: 2, inode, device: 1 }
    }

    fn name(text: &str) -> Name {
        text.into()
    }

    #[test]
    fn a_file_goes_from_found_to_hashed_to_gone() {
        let mut index = Index::default();
        let a = name("s/a");
        assert_eq!(index.found(&a, print(1), 0o755, None, 1), Verdict::Fresh(true));
        assert_eq!(index.status(), Status { waiting: 1, files: 1, scanning: false });
        assert_eq!(index.entry("s/a").unwrap().root, None);
        assert_eq!(index.settled("s/a"), Some(print(1)));
        assert!(!index.hashed(&a, &print(2), Root([1; 32])));
        assert!(index.hashed(&a, &print(1), Root([1; 32])));
        let entry = index.entry("s/a").unwrap();
        assert_eq!((entry.root, entry.flags, entry.modified), (Some(Root([1; 32])), 1, -1));
        assert_eq!(index.with_root(&Root([1; 32])), [(a.clone(), print(1))]);
        assert_eq!(index.take_dirty(9), std::slice::from_ref(&a));
        assert_eq!(
            index.found(&a, print(1), 0o755, None, 2),
            Verdict::Same(State::Hashed(Root([1; 32])))
        );
        assert!(!index.is_dirty());
        assert_eq!(index.sweep("s", 3), 1);
        assert!(index.with_root(&Root([1; 32])).is_empty() && index.is_dirty());
        assert_eq!(index.status(), Status::default());
    }

    #[test]
    fn what_may_be_a_copy_of_a_key_is_named_only_when_it_was_read() {
        let mut index = Index::default();
        let (key, large) = (name("s/key"), name("s/large"));
        index.found(&key, print(1), 0o600, None, 1);
        assert!(index.entry("s/key").is_none());
        index.hashed(&key, &print(1), Root([1; 32]));
        assert!(index.entry("s/key").is_some());
        index.found(&large, Print { size: QUIET_MAX + 1, ..print(2) }, 0o600, None, 1);
        assert!(index.entry("s/large").is_some());
        let (copy, letter) = (name("s/copy"), name("s/letter"));
        index.found(&copy, Print { size: KEY_MAX, ..print(3) }, 0o644, None, 1);
        index.found(&letter, Print { size: KEY_MAX + 1, ..print(4) }, 0o644, None, 1);
        assert!(index.entry("s/copy").is_none() && index.entry("s/letter").is_some());
    }

    #[test]
    fn a_sweep_takes_only_what_is_beneath() {
        let mut index = Index::default();
        for text in ["s/a", "s/a/b", "s/a-b", "s/a0", "s/ab/c", "t/a"] {
            index.found(&name(text), print(1), 0o644, Some(Root([1; 32])), 1);
        }
        index.found(&name("s/a/new"), print(1), 0o644, None, 2);
        assert_eq!(index.sweep("s/a", 2), 2);
        let left: Vec<_> = index.names().map(|name| name.to_string()).collect();
        assert_eq!(left, ["s/a-b", "s/a0", "s/a/new", "s/ab/c", "t/a"]);
    }

    #[test]
    fn each_change_is_told_once_and_what_came_back_is_no_removal() {
        let mut index = Index::default();
        for text in ["s/c", "s/a", "s/b"] {
            index.found(&name(text), print(1), 0o644, None, 1);
            index.hashed(&name(text), &print(1), Root([1; 32]));
        }
        assert_eq!(index.take_dirty(2), [name("s/a"), name("s/c")]);
        index.remove("s/b");
        index.remove("s/a");
        // It has the number of one that is gone.
        index.found(&name("s/a"), print(2), 0o644, None, 1);
        index.found(&name("s/new"), print(3), 0o644, None, 1);
        assert_eq!(index.take_dirty(9), [name("s/a"), name("s/b"), name("s/new")]);
        assert!(!index.is_dirty() && index.take_dirty(9).is_empty());
        index.mark(name("s/a"));
        index.mark(name("s/elsewhere"));
        assert_eq!(index.take_dirty(9), [name("s/a"), name("s/elsewhere")]);
    }

    #[test]
    fn of_what_was_put_off_only_what_still_waits_is_handed_out() {
        let mut index = Index::default();
        for text in ["s/a", "s/b", "s/c"] {
            index.found(&name(text), print(1), 0o644, None, 1);
            index.settled(text);
            index.put_off(text);
        }
        index.hashed(&name("s/a"), &print(1), Root([1; 32]));
        index.remove("s/b");
        assert_eq!(index.put_off_on(), [1]);
        assert_eq!(
            (index.next_put_off(2), index.next_put_off(1)),
            (None, Some((name("s/c"), print(1))))
        );
        assert_eq!((index.next_put_off(1), index.put_off_on()), (None, vec![]));
    }

    #[test]
    fn a_folder_is_stated_while_the_files_do_not_tell_of_it() {
        let mut index = Index::default();
        let (a, link) = (name("s/d/a"), name("s/d/link"));
        index.saw_folder("s/d", -7, 1);
        index.saw_folder("s", 1, 1);
        let stated = |unshared| {
            let path = RelativePath::new("s/d").unwrap();
            Some(Change::Folder(Folder { path, modified: -7, unshared }))
        };
        assert_eq!(index.take_dirty(9), [name("s"), name("s/d")]);
        assert_eq!((index.stated("s"), index.stated("s/d")), (None, stated(0)));
        index.found(&a, print(1), 0o644, None, 1);
        assert_eq!(index.take_dirty(9), [name("s/d"), a.clone()]);
        assert_eq!(index.stated("s/d"), None);
        index.unshared(&link, 1);
        index.unshared(&link, 2);
        assert_eq!((index.stated("s/d"), index.stated("s/d/link")), (stated(1), None));
        assert_eq!(index.unshared_in("s", 9), (1, vec![link.clone()]));
        assert_eq!(index.status().files, 1);
        // It became a file, and the other one cannot be read.
        index.found(&link, print(2), 0o644, None, 2);
        assert_eq!(index.stated("s/d"), None);
        index.unreadable(&a, &print(1));
        assert_eq!(index.stated("s/d"), stated(1));
        assert_eq!(index.sweep("s/d", 3), 1, "one of them was offered");
        assert_eq!((index.folders(), index.stated("s/d")), (vec![name("s")], None));
    }

    #[test]
    fn what_cannot_be_read_is_not_offered_until_it_changes() {
        let mut index = Index::default();
        let a = name("s/a");
        index.found(&a, print(1), 0o644, None, 1);
        assert!(index.unreadable(&a, &print(1)));
        assert!(index.entry("s/a").is_none());
        assert_eq!(index.status(), Status::default());
        assert_eq!(index.found(&a, print(1), 0o644, None, 2), Verdict::Same(State::Unshared));
        assert_eq!(index.found(&a, print(2), 0o644, None, 3), Verdict::Fresh(false));
        assert_eq!(index.status().files, 1);
    }
}
