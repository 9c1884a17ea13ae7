//! What is offered now: every file found, how far it is, and what changed since it was last asked.

mod holders;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use sealift_proto::catalogue::{EXECUTABLE, Entry, Root, Status};
use sealift_proto::path::RelativePath;

use crate::print::Print;
use holders::Holders;

/// Path of a file in the catalogue; always one that [`RelativePath`] accepts.
pub type Name = Arc<str>;

/// Of so many files with one content one can be read, or none.
const SAME_MAX: usize = 16;
/// Files of their owner alone up to this size are named only when they were read, bytes. That does not take long.
const QUIET_MAX: u64 = 1024 * 1024;

/// How far a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It changed a moment ago; it may still be written.
    Settling,
    /// It waits to be read.
    Waiting,
    /// It has been read in the state of its print.
    Hashed(Root),
    /// It cannot be read and is not offered.
    Unreadable,
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

/// All files of all folders.
#[derive(Default)]
pub struct Index {
    files: BTreeMap<Name, Item>,
    holders: Holders,
    dirty: BTreeSet<Name>,
    waiting: u64,
    unreadable: u64,
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
        let quiet = mode & 0o077 == 0 && print.size <= QUIET_MAX;
        let before = self.files.get_mut(name);
        let is_new = before.is_none();
        if let Some(item) = before
            && item.print == print
        {
            item.seen = item.seen.max(walk);
            let state = item.state;
            if (item.executable, item.quiet) != (executable, quiet) {
                (item.executable, item.quiet) = (executable, quiet);
                self.dirty.insert(name.clone());
            }
            return Verdict::Same(state);
        }
        let state = known.map_or(State::Settling, State::Hashed);
        self.put(name, Item { print, executable, quiet, state, seen: walk });
        if known.is_some() { Verdict::Known(is_new) } else { Verdict::Fresh(is_new) }
    }

    /// Takes away what is at or beneath `start` and was not found by walk `walk` or a later one. How many files went.
    pub fn sweep(&mut self, start: &str, walk: u64) -> u64 {
        let gone = |(name, item): (&Name, &Item)| (item.seen < walk).then(|| name.clone());
        let (from, to) = beneath(start);
        let range = (Bound::Excluded(from.as_str()), Bound::Excluded(to.as_str()));
        let mut names: Vec<Name> = self.files.range::<str, _>(range).filter_map(gone).collect();
        names.extend(self.files.get_key_value(start).and_then(gone));
        for name in &names {
            self.remove(name);
        }
        names.len() as u64
    }

    /// Forgets the file `name`.
    pub fn remove(&mut self, name: &Name) {
        if let Some(item) = self.files.remove(name) {
            self.uncount(name, &item);
            self.dirty.insert(name.clone());
        }
    }

    /// The file `name` is settled and waits to be read. Its print, if it is to be read.
    pub fn settled(&mut self, name: &str) -> Option<Print> {
        let item = self.files.get_mut(name)?;
        if item.state == State::Settling {
            item.state = State::Waiting;
        }
        (item.state == State::Waiting).then_some(item.print)
    }

    /// The file `name`, in the state `print`, was not complete after all. False if it does not wait to be read in it.
    pub fn unsettle(&mut self, name: &str, print: &Print) -> bool {
        match self.files.get_mut(name) {
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
        self.change(name, print, State::Unreadable)
    }

    fn change(&mut self, name: &Name, print: &Print, state: State) -> bool {
        let Some(item) = self.files.get(name).copied().filter(|item| item.print == *print) else {
            return false;
        };
        self.put(name, Item { state, ..item });
        true
    }

    fn put(&mut self, name: &Name, item: Item) {
        let before = self.files.insert(name.clone(), item);
        if let Some(before) = &before {
            self.uncount(name, before);
        }
        match item.state {
            State::Settling | State::Waiting => self.waiting += 1,
            State::Unreadable => self.unreadable += 1,
            State::Hashed(root) => self.holders.add(root, name),
        }
        self.dirty.insert(name.clone());
    }

    fn uncount(&mut self, name: &Name, item: &Item) {
        match item.state {
            State::Settling | State::Waiting => self.waiting -= 1,
            State::Unreadable => self.unreadable -= 1,
            State::Hashed(root) => self.holders.remove(&root, name),
        }
    }

    /// The file `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Item> {
        self.files.get(name)
    }

    /// Files with the content `root`, and their prints; of very many the first by path.
    #[must_use]
    pub fn with_root(&self, root: &Root) -> Vec<(Name, Print)> {
        let names = self.holders.of(root, SAME_MAX).into_iter();
        names.filter_map(|name| Some((name.clone(), self.files.get(name)?.print))).collect()
    }

    /// Prints of all files.
    pub fn prints(&self) -> impl Iterator<Item = &Print> {
        self.files.values().map(|item| &item.print)
    }

    /// Names of all files.
    pub fn names(&self) -> impl Iterator<Item = &Name> {
        self.files.keys()
    }

    /// The entry of `name` as the catalogue should say it; `None` if it is not offered.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<Entry> {
        let item = self.files.get(name)?;
        let root = match item.state {
            State::Settling | State::Waiting if item.quiet => return None,
            State::Settling | State::Waiting => None,
            State::Hashed(root) => Some(root),
            State::Unreadable => return None,
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
        let files = self.files.len() as u64 - self.unreadable;
        Status { waiting: self.waiting, files, scanning: self.scanning }
    }

    /// Bytes of all files offered.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.values().map(|item| item.print.size).sum()
    }

    /// Marks `name` as to be compared with what was published.
    pub fn mark(&mut self, name: Name) {
        self.dirty.insert(name);
    }

    /// Whether anything changed since [`Index::take_dirty`].
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// At most `max` names of what changed, in order.
    pub fn take_dirty(&mut self, max: usize) -> Vec<Name> {
        if self.dirty.len() <= max {
            return std::mem::take(&mut self.dirty).into_iter().collect();
        }
        std::iter::from_fn(|| self.dirty.pop_first()).take(max).collect()
    }
}

/// All names beneath the folder `start` lie between these two: `0` follows `/`.
fn beneath(start: &str) -> (String, String) {
    (format!("{start}/"), format!("{start}0"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(inode: u64) -> Print {
        Print { size: 10, modified_ns: -1, changed_ns: 2, inode, device: 1 }
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
    fn small_files_of_their_owner_alone_are_named_only_when_they_were_read() {
        let mut index = Index::default();
        let (key, large) = (name("s/key"), name("s/large"));
        index.found(&key, print(1), 0o600, None, 1);
        assert!(index.entry("s/key").is_none());
        index.hashed(&key, &print(1), Root([1; 32]));
        assert!(index.entry("s/key").is_some());
        index.found(&large, Print { size: QUIET_MAX + 1, ..print(2) }, 0o600, None, 1);
        assert!(index.entry("s/large").is_some());
    }

    #[test]
    fn a_sweep_takes_only_what_is_beneath() {
        let mut index = Index::default();
        for text in ["s/a", "s/a/b", "s/a-b", "s/a0", "s/ab/c", "t/a"] {
            index.found(&name(text), print(1), 0o644, Some(Root([1; 32])), 1);
        }
        index.found(&name("s/a/new"), print(1), 0o644, None, 2);
        assert_eq!(index.sweep("s/a", 2), 2);
        let left: Vec<_> = index.names().map(ToString::to_string).collect();
        assert_eq!(left, ["s/a-b", "s/a/new", "s/a0", "s/ab/c", "t/a"]);
    }

    #[test]
    fn what_cannot_be_read_is_not_offered_until_it_changes() {
        let mut index = Index::default();
        let a = name("s/a");
        index.found(&a, print(1), 0o644, None, 1);
        assert!(index.unreadable(&a, &print(1)));
        assert!(index.entry("s/a").is_none());
        assert_eq!(index.status(), Status::default());
        assert_eq!(index.found(&a, print(1), 0o644, None, 2), Verdict::Same(State::Unreadable));
        assert_eq!(index.found(&a, print(2), 0o644, None, 3), Verdict::Fresh(false));
        assert_eq!(index.status().files, 1);
    }
}
