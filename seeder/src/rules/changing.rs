//! Rules that are being written.
//!
//! Whoever saves a file with rules often empties it first, or takes it away and puts another in its place. What it says in
//! between is not what anybody meant, so for a while after each change its folder is held to what it said before as well.

use std::collections::{HashMap, VecDeque};
use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use sealift_platform::sync::lock;
use tokio::time::Instant;

use super::{Ruling, TOGETHER_MAX};

/// For how long after a change of a file with rules what it said before holds too.
pub const RULES_SETTLE: Duration = Duration::from_secs(3);
/// Rulings of one folder that are remembered beside the last one.
const PAST: usize = 8;

/// What the files with rules of one watched folder said, from walk to walk.
#[derive(Default)]
pub struct Memory(Mutex<Folders>);

#[derive(Default)]
struct Folders {
    known: HashMap<PathBuf, Known>,
    /// Changes seen so far.
    changes: u64,
    /// What the rules known count as together, bytes.
    weight: usize,
}

struct Known {
    now: Version,
    /// When a walk last met it.
    met: Instant,
    /// What it said before, the oldest first.
    past: VecDeque<Replaced>,
}

/// What a folder said until a change.
struct Replaced {
    ruling: Ruling,
    change: u64,
    /// When it no longer counts.
    until: Instant,
}

/// What one file with rules says.
#[derive(Clone)]
pub(super) struct Version {
    /// Tells it from another; `None` for a file that is not there, or cannot be used.
    pub(super) content: Option<blake3::Hash>,
    pub(super) ruling: Ruling,
    /// What its rules count as, bytes.
    pub(super) weight: usize,
}

impl Version {
    fn is(&self, other: &Self) -> bool {
        self.content == other.content && discriminant(&self.ruling) == discriminant(&other.ruling)
    }
}

impl Memory {
    /// What `folder` said until a moment ago, the oldest first, each with the number of the change that replaced it; `version`
    /// is what it says now. Numbers rise over all folders.
    pub(super) fn past(
        &self,
        folder: &Path,
        version: &Version,
        now: Instant,
    ) -> Vec<(u64, Ruling)> {
        let mut folders = lock(&self.0);
        let Folders { known: all, changes, weight } = &mut *folders;
        let Some(known) = all.get_mut(folder) else {
            // What was there before anybody looked is nothing to hold to.
            if !matches!(version.ruling, Ruling::Free) {
                *weight += version.weight;
                let known = Known { now: version.clone(), met: now, past: VecDeque::new() };
                all.insert(folder.to_owned(), known);
            }
            return Vec::new();
        };
        *weight = *weight + version.weight - known.now.weight;
        known.look(version, now, changes);
        let past = known.past.iter().map(|past| (past.change, past.ruling.clone())).collect();
        if known.past.is_empty() && matches!(known.now.ruling, Ruling::Free) {
            all.remove(folder);
        }
        past
    }

    /// The rules of `folder`, if they are known and still have this content.
    pub(super) fn rules(&self, folder: &Path, content: blake3::Hash) -> Option<Version> {
        let folders = lock(&self.0);
        let now = &folders.known.get(folder)?.now;
        (now.content == Some(content)).then(|| now.clone())
    }

    /// Whether `folder` may have rules that count as `weight` bytes.
    pub(super) fn has_room(&self, folder: &Path, weight: usize) -> bool {
        let folders = lock(&self.0);
        let old = folders.known.get(folder).map_or(0, |known| known.now.weight);
        folders.weight - old + weight <= TOGETHER_MAX
    }

    /// Forgets what is at and beneath `start` and was met by no walk since `since`.
    pub(super) fn forget(&self, start: &Path, since: Instant) {
        let mut folders = lock(&self.0);
        let Folders { known, weight, .. } = &mut *folders;
        known.retain(|folder, known| {
            let stays = known.met >= since || !folder.starts_with(start);
            if !stays {
                *weight -= known.now.weight;
            }
            stays
        });
    }

    #[cfg(test)]
    pub(crate) fn folders(&self) -> usize {
        lock(&self.0).known.len()
    }
}

impl Known {
    fn look(&mut self, version: &Version, now: Instant, changes: &mut u64) {
        self.met = now;
        while self.past.front().is_some_and(|oldest| oldest.until <= now) {
            self.past.pop_front();
        }
        if version.is(&self.now) {
            return;
        }
        *changes += 1;
        let ruling = std::mem::replace(&mut self.now, version.clone()).ruling;
        self.past.push_back(Replaced { ruling, change: *changes, until: now + RULES_SETTLE });
        if self.past.len() > PAST {
            self.past.pop_front();
            // What was forgotten may have forbidden anything.
            if let Some(oldest) = self.past.front_mut() {
                oldest.ruling = Ruling::Closed;
            }
        }
    }
}
