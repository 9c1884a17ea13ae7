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

use super::Ruling;

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
}

struct Known {
    content: Content,
    now: Ruling,
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

/// Tells one content of a file with rules from another; `None` for a file that is not there, or cannot be read.
pub(super) type Content = Option<blake3::Hash>;

impl Memory {
    /// What `folder` said until a moment ago, the oldest first, each with the number of the change that replaced it; now it
    /// says `ruling`. Numbers rise over all folders.
    pub(super) fn past(
        &self,
        folder: &Path,
        content: Content,
        ruling: &Ruling,
        now: Instant,
    ) -> Vec<(u64, Ruling)> {
        let mut folders = lock(&self.0);
        let Folders { known: all, changes } = &mut *folders;
        let Some(known) = all.get_mut(folder) else {
            // What was there before anybody looked is nothing to hold to.
            if !matches!(ruling, Ruling::Free) {
                let (now, past) = (ruling.clone(), VecDeque::new());
                all.insert(folder.to_owned(), Known { content, now, past });
            }
            return Vec::new();
        };
        known.look(content, ruling, now, changes);
        let past = known.past.iter().map(|past| (past.change, past.ruling.clone())).collect();
        if known.past.is_empty() && matches!(known.now, Ruling::Free) {
            all.remove(folder);
        }
        past
    }
}

impl Known {
    fn look(&mut self, content: Content, ruling: &Ruling, now: Instant, changes: &mut u64) {
        while self.past.front().is_some_and(|oldest| oldest.until <= now) {
            self.past.pop_front();
        }
        if content == self.content && discriminant(ruling) == discriminant(&self.now) {
            return;
        }
        *changes += 1;
        self.content = content;
        let ruling = std::mem::replace(&mut self.now, ruling.clone());
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
