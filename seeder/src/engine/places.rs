//! The folders as the engine looks after them: watched or walked, there or gone, with what is to be looked at.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sealift_platform::disk::Disk;
use sealift_platform::private::MARKER;
use tokio::time::Instant;

use super::walker::{Walked, Walker};
use super::{Engine, Senders};
use crate::activity::Activity;
use crate::folder::{Folder, Folders, Health};
use crate::index::{Lack, Name};
use crate::rules::{Memory, RULES_FILE, RULES_SETTLE};
use crate::watch::{Hint, WatchError, Watcher, Watching, watch};

/// A folder that is watched is walked this often all the same.
const RESCAN: Duration = Duration::from_secs(600);
/// A folder that cannot be watched is walked this often.
const POLL: Duration = Duration::from_secs(2);
/// A walk takes at most one part in so many of the time.
const SHARE: u32 = 10;
/// With more hints than this the whole folder is walked.
const HINTS: usize = 20_000;
/// Different things left out in one folder that are told.
const SKIPS: usize = 1000;

/// One folder.
#[derive(Default)]
pub(super) struct Place {
    /// Whether it is there; `None` before it was looked at.
    here: Option<bool>,
    watcher: Option<Arc<Watcher>>,
    /// How often it is walked, if it is not watched.
    poll: Option<Duration>,
    /// When the next walk of the whole folder is due.
    next_walk: Option<Instant>,
    /// When the walk of the whole folder that is under way began.
    walking: Option<Instant>,
    /// Whether it has been walked to the end once.
    pub(super) walked: bool,
    /// Paths to look at, each with whether what is there is known to be complete.
    pending: HashMap<PathBuf, bool>,
    looking: bool,
    /// What its files with rules said.
    rules: Arc<Memory>,
    /// Paths looked at during a walk of the whole folder: it may have told their past afterwards.
    replay: HashSet<PathBuf>,
    /// What was left out and told.
    skipped: HashMap<PathBuf, String>,
}

impl Place {
    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_walk.filter(|_| self.here == Some(true) && self.walking.is_none())
    }

    /// Has the whole folder walked in `time`, if not before.
    fn walk_within(&mut self, time: Duration) {
        let due = Instant::now() + time;
        self.next_walk = Some(self.next_walk.map_or(due, |before| before.min(due)));
    }
}

/// What looking after the folders brought.
pub(super) enum Checked {
    /// Of one of them.
    Folder { folder: usize, health: Health, watcher: Option<Result<Watcher, WatchError>> },
    /// All have been looked after.
    Done,
}

impl Engine {
    /// Looks whether each folder is there, on another thread.
    pub(super) fn check_places(&mut self) {
        if self.checking {
            return;
        }
        self.checking = true;
        let (folders, watching) = (self.shared.folders.clone(), self.watching);
        let (disk, senders) = (self.platform.disk.clone(), self.sender.clone());
        tokio::task::spawn_blocking(move || check(&folders, &disk, watching, &senders));
    }

    pub(super) fn checked(&mut self, checked: Checked) {
        match checked {
            Checked::Done => self.checking = false,
            Checked::Folder { health: Health::Same, .. } => {}
            Checked::Folder { folder, health: Health::Opened, watcher } => {
                self.opened(folder, watcher);
            }
            Checked::Folder { folder, health: Health::Gone(error), .. } => {
                self.gone(folder, error);
            }
        }
    }

    /// Offers `folder` from now on: it is looked at as those of the start were.
    pub(super) fn share(&mut self, folder: Arc<Folder>) {
        self.shared.folders.add(folder);
        self.places.push(Place::default());
        self.shared.index().scanning = true;
        self.next_check = Instant::now();
    }

    /// Offers the folder called `name` no more: whatever walks through it still say of it counts for nothing.
    pub(super) fn unshare(&mut self, name: &str) {
        let Some((index, folder)) = self.shared.folders.remove(name) else { return };
        folder.close();
        if let Some(place) = self.places.get_mut(index) {
            *place = Place { here: Some(false), walked: true, ..Place::default() };
        }
        self.sweep(name, u64::MAX);
        self.scanned();
    }

    fn opened(&mut self, index: usize, watcher: Option<Result<Watcher, WatchError>>) {
        let Some(folder) = self.shared.folders.get(index) else { return };
        let dir = folder.place();
        let asked = match self.watching {
            Watching::Poll(every) => Some(every),
            Watching::System => None,
        };
        let place = &mut self.places[index];
        if place.here == Some(false) {
            self.teller.tell(Activity::FolderBack { place: dir.clone() });
        }
        place.here = Some(true);
        place.next_walk = Some(Instant::now());
        place.watcher = None;
        place.poll = None;
        match watcher {
            Some(Ok(watcher)) => place.watcher = Some(Arc::new(watcher)),
            Some(Err(why)) => self.poll(index, Some(&why)),
            None => {
                let every = asked.unwrap_or(POLL);
                place.poll = Some(every);
                let why = asked.is_none().then_some(WatchError::Unreported);
                self.teller.tell(Activity::Polling { place: dir, every, why });
            }
        }
    }

    fn poll(&mut self, index: usize, why: Option<&WatchError>) {
        let Some(folder) = self.shared.folders.get(index) else { return };
        let place = &mut self.places[index];
        place.watcher = None;
        if place.poll.replace(POLL).is_some() {
            return;
        }
        place.next_walk = Some(Instant::now());
        let (place, why) = (folder.place(), why.cloned());
        self.teller.tell(Activity::Polling { place, every: POLL, why });
    }

    /// Nothing of the folder is offered until it is back.
    fn gone(&mut self, index: usize, why: std::io::Error) {
        let Some(folder) = self.shared.folders.get(index) else { return };
        let (dir, name) = (folder.place(), folder.name.clone());
        let place = &mut self.places[index];
        if place.here == Some(false) {
            return;
        }
        place.here = Some(false);
        place.watcher = None;
        place.pending.clear();
        place.walked = true;
        self.teller.tell(Activity::FolderGone { place: dir, why });
        self.sweep(name.as_str(), u64::MAX);
        self.scanned();
    }

    pub(super) fn hint(&mut self, hint: Hint) {
        match hint {
            Hint::Changed { folder, local, closed } => self.look_at(folder, &local, closed),
            Hint::Rescan { folder } => self.walk_soon(folder),
            Hint::Broken { folder, why } => self.poll(folder, Some(&why)),
        }
    }

    fn walk_soon(&mut self, folder: usize) {
        if let Some(place) = self.places.get_mut(folder) {
            place.next_walk = Some(Instant::now());
        }
    }

    /// Has the path `local` beneath folder number `folder` looked at.
    pub(super) fn look_at(&mut self, folder: usize, local: &Path, closed: bool) {
        if !self.shared.folders.get(folder).is_some_and(|folder| folder.covers(local)) {
            return;
        }
        let Some(place) = self.places.get_mut(folder) else { return };
        // Rules and markers count for the whole of their folder; and what happens to the folder itself, for all of it.
        let rules = local.file_name().is_some_and(|name| name == RULES_FILE || name == MARKER);
        let start = if rules { local.parent().unwrap_or(Path::new("")) } else { local };
        if start.as_os_str().is_empty() || place.pending.len() >= HINTS {
            place.next_walk = Some(Instant::now());
            return;
        }
        *place.pending.entry(start.to_owned()).or_default() |= closed;
    }

    pub(super) fn start_walks(&mut self, now: Instant) {
        for index in 0..self.places.len() {
            let place = &mut self.places[index];
            if place.here != Some(true) {
                continue;
            }
            if place.walking.is_none() && place.next_walk.is_some_and(|due| due <= now) {
                place.walking = Some(now);
                place.next_walk = None;
                self.start_walk(index, vec![(PathBuf::new(), false)], true);
            }
            let place = &mut self.places[index];
            if !place.looking && !place.pending.is_empty() {
                place.looking = true;
                let starts: Vec<_> = place.pending.drain().collect();
                if place.walking.is_some() {
                    place.replay.extend(starts.iter().map(|(start, _)| start.clone()));
                }
                self.start_walk(index, starts, false);
            }
        }
    }

    fn start_walk(&mut self, folder: usize, starts: Vec<(PathBuf, bool)>, whole: bool) {
        self.walk += 1;
        let (watcher, rules) =
            (self.places[folder].watcher.clone(), self.places[folder].rules.clone());
        let walker = Walker {
            watcher,
            shared: self.shared.clone(),
            disk: self.platform.disk.clone(),
            folder,
            rules,
            walk: self.walk,
            starts,
            whole,
            out: self.sender.walked.clone(),
            stop: self.stop.clone(),
        };
        tokio::task::spawn_blocking(move || walker.run());
    }

    pub(super) fn walked(&mut self, walked: Walked) {
        match walked {
            Walked::Found { folder, walk, items } => {
                if self.places[folder].here == Some(true) {
                    self.found(folder, walk, items);
                }
            }
            Walked::Skipped { folder, walk, local, why } => {
                if let Some(lack) =
                    why.to_others().filter(|_| self.places[folder].here == Some(true))
                {
                    self.lacks(folder, walk, &local, lack);
                }
                self.skipped(folder, local, &why.to_string());
            }
            Walked::Ended { folder, walk, start, result } => {
                self.walk_ended(folder, walk, &start, result);
            }
            Walked::Free { folder, whole, changing } => {
                self.walk_free(folder, whole);
                if changing {
                    self.places[folder].walk_within(RULES_SETTLE);
                }
            }
        }
    }

    fn walk_ended(
        &mut self,
        folder: usize,
        walk: u64,
        start: &Path,
        result: std::io::Result<bool>,
    ) {
        match result {
            Ok(true) => {
                if let Some(key) = self.key_of(folder, start) {
                    self.sweep(&key, walk);
                }
            }
            Ok(false) => {}
            // The folder as a whole cannot be looked at.
            Err(_) => self.next_check = Instant::now(),
        }
    }

    fn key_of(&self, folder: usize, local: &Path) -> Option<Name> {
        self.shared.folders.get(folder)?.key_of(local)
    }

    /// Counts what is not shared: those who fetch the folder are told.
    fn lacks(&self, folder: usize, walk: u64, local: &Path, lack: Lack) {
        if let Some(key) = self.key_of(folder, local) {
            self.shared.index().lacks(&key, walk, lack);
            self.shared.changed.notify_one();
        }
    }

    fn walk_free(&mut self, folder: usize, whole: bool) {
        let place = &mut self.places[folder];
        if !whole {
            place.looking = false;
            return;
        }
        let took = place.walking.take().map(|since| since.elapsed()).unwrap_or_default();
        let every = place.poll.map_or(RESCAN, |poll| poll.max(took * SHARE));
        place.next_walk.get_or_insert(Instant::now() + every);
        for start in std::mem::take(&mut place.replay) {
            place.pending.entry(start).or_default();
        }
        if !place.walked {
            place.walked = true;
            self.scanned();
        }
    }

    /// Tells each thing left out once, and again only if the reason changed.
    fn skipped(&mut self, folder: usize, local: PathBuf, why: &str) {
        let Some(dir) = self.shared.folders.get(folder).map(|folder| folder.dir.clone()) else {
            return;
        };
        let place = &mut self.places[folder];
        let told = place.skipped.get(&local).is_some_and(|before| before == why);
        if told || place.skipped.len() >= SKIPS {
            return;
        }
        self.teller.tell(Activity::Skipped { place: dir.join(&local), why: why.to_owned() });
        place.skipped.insert(local, why.to_owned());
        if place.skipped.len() == SKIPS {
            self.teller.tell(Activity::ManySkipped { place: dir, told: SKIPS });
        }
    }
}

/// Looks after all folders, and has the system watch those that came. Blocks.
fn check(folders: &Folders, disk: &Arc<dyn Disk>, watching: Watching, senders: &Senders) {
    for (index, folder) in folders.all() {
        let health = folder.check(disk);
        let opened = matches!(health, Health::Opened);
        let wanted = opened && watching == Watching::System;
        let by_system = wanted && folder.root().is_some_and(|root| root.watchable());
        let watcher = by_system.then(|| watch(index, &folder.dir, senders.hints.clone()));
        let _ = senders.checked.send(Checked::Folder { folder: index, health, watcher });
    }
    let _ = senders.checked.send(Checked::Done);
}
