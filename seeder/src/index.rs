//! What is offered now: every file found, how far it is, and what changed since it was last asked.

mod files;
mod holders;
mod item;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use sealift_proto::catalogue::{Change, EXECUTABLE, Entry, Folder, Root, Status};
use sealift_proto::path::RelativePath;

use files::Files;
pub use files::{Id, Lacks};
use holders::Holders;
pub use item::{Item, Lack, State};
use sealift_content::hashes::print::Print;

// Paths in the catalogue, always such that [`RelativePath`] accepts.
pub use sealift_content::hashes::Name;

/// Of so many files with one content one can be read, or none.
const SAME_MAX: usize = 16;
/// Files of their owner alone up to this size are named only when they were read, bytes. That does not take long.
const QUIET_MAX: u64 = 1024 * 1024;
/// So are files that others may read too, up to this: a copy of a key is that small, and may have got other rights.
const KEY_MAX: u64 = 1024;

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
    /// Names that are not shared.
    lacking: u64,
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
        let before = self.files.find(name);
        if let Some(id) = before
            && let Some(item) = self.files.get_mut(id)
            && item.print == print
        {
            item.seen = item.seen.max(walk);
            let state = item.state;
            if item.executable != executable {
                item.executable = executable;
                self.set_dirty(id);
            }
            return Verdict::Same(state);
        }
        let small = print.size <= if mode & 0o077 == 0 { QUIET_MAX } else { KEY_MAX };
        let is_named = before.and_then(|id| self.files.get(id)).is_some_and(Item::is_named);
        let quiet = small && !is_named;
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

    /// Walk number `walk` found something called `name` that is not shared. It need not be a path: a name that cannot be said
    /// in a catalogue has one of its own.
    pub fn lacks(&mut self, name: &Name, walk: u64, lack: Lack) {
        let state = State::Lacking(lack);
        let same = |item: &&Item| item.print == Print::NONE && item.state == state;
        let item = self.get(name).filter(same);
        let seen = item.map_or(walk, |item| item.seen.max(walk));
        match item {
            Some(_) => self.item_mut(name).into_iter().for_each(|item| item.seen = seen),
            None => {
                let print = Print::NONE;
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

    /// How many names at and beneath the folder `name` are not shared, and `max` of those that cannot be.
    #[must_use]
    pub fn lacking_in(&self, name: &str, max: usize) -> (Lacks, Vec<Name>) {
        self.files.lacking(name, max, |item| item.state == State::Lacking(Lack::Unshared))
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
        self.change(name, print, State::Lacking(Lack::Unshared))
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
            State::Lacking(_) => self.lacking += 1,
            State::Hashed(root) => self.holders.add(&root, id),
        }
        self.files.count(id, item.state.part(), true);
        self.set_dirty(id);
    }

    fn uncount(&mut self, id: Id) {
        let state = self.files.get(id).map(|item| item.state);
        if let Some(state) = state {
            self.files.count(id, state.part(), false);
        }
        match state {
            None => {}
            Some(State::Settling | State::Waiting) => self.waiting -= 1,
            Some(State::Lacking(_)) => self.lacking -= 1,
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
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        let Lacks { unshared, left_out } = stated.lacks;
        let path = RelativePath::new(name).ok()?;
        let (unshared, left_out) = (number(unshared), number(left_out));
        Some(Folder { path, modified: stated.modified, unshared, left_out })
    }

    /// The file `name` as the catalogue should say it; `None` if it is not offered.
    #[must_use]
    pub fn entry(&self, name: &str) -> Option<Entry> {
        let item = self.get(name)?;
        if !item.is_named() {
            return None;
        }
        let root = match item.state {
            State::Hashed(root) => Some(root),
            _ => None,
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
        let files = self.files.len() as u64 - self.lacking;
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
mod tests;
