//! What becomes of single files: found, complete, read, wanted, gone.

use std::path::Path;

use sealift_proto::catalogue::Root;
use sealift_proto::message::Missing;
use tokio::time::Instant;

use super::walker::{Item, WalkedFile, WalkedFolder};
use super::{Engine, Waiter};
use crate::activity::Activity;
use crate::index::{Name, State, Verdict};
use crate::scan::is_absence;
use crate::settle::{CLOSED, OLD, QUIET};
use sealift_content::hashes::file::HashError;
use sealift_content::hashes::pool::{Outcome, Report};
use sealift_content::hashes::print::Print;

impl Engine {
    /// Takes what a walk found.
    pub(super) fn found(&mut self, folder: usize, walk: u64, items: Vec<Item>) {
        let first = !self.places[folder].walked;
        let shared = self.shared.clone();
        let mut index = shared.index();
        let mut fresh = Vec::new();
        for item in items {
            let WalkedFile { name, print, mode, known, closed } = match item {
                Item::File(file) => file,
                Item::Folder(WalkedFolder { name, modified, whole: true }) => {
                    index.saw_folder(&name, modified, walk);
                    continue;
                }
                Item::Folder(WalkedFolder { name, modified, whole: false }) => {
                    index.changed_folder(&name, modified);
                    continue;
                }
            };
            match index.found(&name, print, mode, known, walk) {
                Verdict::Same(State::Settling) if closed => {
                    self.settle.closed(&name, print.size, Instant::now());
                }
                Verdict::Same(_) => {}
                Verdict::Known(new) => {
                    self.settle.forget(&name);
                    self.pool.forget(&name);
                    if !first {
                        self.tell_content(&name, print.size, new);
                    }
                }
                Verdict::Fresh(new) => fresh.push((name, print, closed, new)),
            }
        }
        drop(index);
        for (name, print, closed, new) in fresh {
            self.fresh(&name, print, closed, new, first);
        }
        self.shared.changed.notify_one();
    }

    /// A file that has to be read: at once if it has been as it is for a while, else when it is complete.
    fn fresh(&mut self, name: &Name, print: Print, closed: bool, new: bool, first: bool) {
        self.pool.forget(name);
        if !first {
            *self.news.entry(name.clone()).or_default() |= new;
        }
        if self.is_old(&print) {
            self.settle.forget(name);
            self.read_settled(name);
        } else {
            let delay = if closed { CLOSED } else { QUIET };
            self.settle.touch(name, print.size, Instant::now(), delay);
        }
    }

    fn is_old(&self, print: &Print) -> bool {
        let now = i64::try_from(self.platform.clock.unix_millis()).unwrap_or(i64::MAX);
        let old = i64::try_from(OLD.as_millis()).unwrap_or(0);
        now.checked_sub(print.latest_ms()).is_some_and(|age| age >= old)
    }

    /// Has a file read that is complete.
    pub(super) fn read_settled(&mut self, name: &Name) {
        let Some(print) = self.shared.index().settled(name) else { return };
        let changed = !self.shared.index().scanning;
        if self.pool.is_full(&print, changed) {
            self.shared.index().put_off(name);
        } else {
            self.pool.push(name, print, changed);
        }
    }

    /// Gives the pool more of what was put off.
    fn go_on_reading(&mut self) {
        let devices = self.shared.index().put_off_on();
        for device in devices {
            while self.pool.is_hungry(device) {
                let next = self.shared.index().next_put_off(device);
                let Some((name, print)) = next else { break };
                self.pool.push(&name, print, false);
            }
        }
    }

    /// Takes a report of the pool.
    pub(super) fn report(&mut self, report: Report) {
        let outcome = self.pool.take(report);
        self.shared.bytes_read.store(self.pool.bytes(), std::sync::atomic::Ordering::Relaxed);
        let Some(Outcome { name, print, result }) = outcome else {
            return self.go_on_reading();
        };
        match result {
            Ok(root) => self.hashed(&name, print, root),
            Err(HashError::Changed) => self.changed_meanwhile(&name, print),
            Err(HashError::Unreadable(error)) if is_absence(&error) => {
                self.answer(&name, Err(Missing::Gone));
                self.changed_meanwhile(&name, print);
            }
            Err(HashError::Unreadable(error)) => {
                self.left_out(&name, print, format!("cannot be read: {error}"));
            }
            Err(why @ (HashError::Kept | HashError::MadeUp)) => {
                self.left_out(&name, print, why.to_string());
            }
        }
    }

    fn hashed(&mut self, name: &Name, print: Print, root: Root) {
        if !self.shared.index().hashed(name, &print, root) {
            return;
        }
        self.answer(name, Ok((root, print.size)));
        self.shared.changed.notify_one();
        self.shared.known.send_replace(());
        if let Some(new) = self.news.remove(name) {
            self.tell_content(name, print.size, new);
        }
    }

    fn tell_content(&self, name: &Name, size: u64, new: bool) {
        let name = name.clone();
        let told = if new { Activity::Added(name, size) } else { Activity::Changed(name, size) };
        self.teller.tell(told);
    }

    /// The file was not what it was found as: it is looked at again, and read again when it is quiet.
    fn changed_meanwhile(&mut self, name: &Name, print: Print) {
        self.answer(name, Err(Missing::Changed));
        if self.shared.index().unsettle(name, &print) {
            self.settle.touch(name, print.size, Instant::now(), QUIET);
        }
        self.recheck(name, false);
    }

    /// The file is not offered in the state `print`, which is told once.
    pub(super) fn left_out(&mut self, name: &Name, print: Print, why: String) {
        if self.shared.index().unreadable(name, &print) {
            let place = match self.shared.folders.find(name) {
                Some((_, folder, local)) => folder.dir.join(local),
                None => Path::new(&**name).to_owned(),
            };
            self.teller.tell(Activity::Skipped { place, why });
            self.shared.changed.notify_one();
        }
        self.answer(name, Err(Missing::Unreadable));
    }

    pub(super) fn recheck(&mut self, name: &Name, closed: bool) {
        let found = self.shared.folders.find(name).map(|(index, _, local)| (index, local));
        if let Some((index, local)) = found {
            self.look_at(index, &local, closed);
        }
    }

    /// Somebody wants to know the content of `name`.
    pub(super) fn want(&mut self, name: Name, reply: Waiter) {
        let item = self.shared.index().get(&name).copied();
        let now = match item.map(|item| (item.state, item.print)) {
            None => Err(Missing::Gone),
            Some((State::Lacking(_), _)) => Err(Missing::Unreadable),
            Some((State::Hashed(root), print)) => Ok((root, print.size)),
            Some((State::Settling | State::Waiting, print)) => {
                self.settle.forget(&name);
                // It is read as it is now; if it is still being written, that shows.
                let _ = self.shared.index().settled(&name);
                self.waiters.entry(name.clone()).or_default().push(reply);
                self.pool.want(&name, print);
                return;
            }
        };
        let _ = reply.send(now);
    }

    fn answer(&mut self, name: &Name, answer: Result<(Root, u64), Missing>) {
        for waiter in self.waiters.remove(name).unwrap_or_default() {
            let _ = waiter.send(answer);
        }
    }

    /// Takes away what walk number `walk` did not find at or beneath `start`.
    pub(super) fn sweep(&mut self, start: &str, walk: u64) {
        let (gone, news) = {
            let mut index = self.shared.index();
            (index.sweep(start, walk), index.is_dirty())
        };
        if news {
            self.shared.changed.notify_one();
        }
        if gone > 0 {
            self.teller.tell(Activity::Removed(gone));
            self.forget_gone();
        }
    }

    fn forget_gone(&mut self) {
        let index = self.shared.clone();
        self.news.retain(|name, _| index.index().get(name).is_some());
        let waiting: Vec<Name> = self.waiters.keys().cloned().collect();
        for name in waiting {
            if self.shared.index().get(&name).is_none() {
                self.answer(&name, Err(Missing::Gone));
            }
        }
    }

    /// Once every folder was walked to its end, what is offered is all there is.
    pub(super) fn scanned(&mut self) {
        let done = self.places.iter().all(|place| place.walked);
        let mut index = self.shared.index();
        if !done || !index.scanning {
            return;
        }
        index.scanning = false;
        self.shared.known.send_replace(());
        let cache = self.shared.cache.clone();
        let live = cache.wants_pruning(index.prints().count());
        // Not while the index is held.
        let live: Option<Vec<Print>> = live.then(|| index.prints().copied().collect());
        drop(index);
        self.teller.tell(Activity::Scanned);
        self.shared.changed.notify_one();
        let Some(live) = live else { return };
        tokio::task::spawn_blocking(move || {
            if let Err(error) = cache.prune(live.into_iter()) {
                tracing::debug!(%error, "old hashes were not thrown away");
            }
        });
    }
}
