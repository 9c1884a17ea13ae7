//! Rules that are being written.
//!
//! Whoever saves a file with rules often empties it first, or takes it away and puts another in its place. What it says in
//! between is not what anybody meant, so for a while after each change its folder is held to what it said before as well.

use std::collections::HashMap;
use std::mem::discriminant;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use sealift_platform::sync::lock;
use tokio::time::Instant;

use super::Ruling;

/// For how long after a change of a file with rules what it said before holds too.
pub const RULES_SETTLE: Duration = Duration::from_secs(3);

/// What the files with rules of one watched folder said, from walk to walk.
#[derive(Default)]
pub struct Memory(Mutex<HashMap<PathBuf, Known>>);

struct Known {
    content: Content,
    now: Ruling,
    before: Ruling,
    since: Instant,
}

/// Tells one content of a file with rules from another; `None` for a file that is not there, or cannot be read.
pub(super) type Content = Option<blake3::Hash>;

impl Memory {
    /// What `folder` said until a moment ago, if its file with rules changed a moment ago; now it says `ruling`.
    pub(super) fn before(
        &self,
        folder: &Path,
        content: Content,
        ruling: &Ruling,
        now: Instant,
    ) -> Option<Ruling> {
        let mut folders = self.folders();
        let Some(known) = folders.get_mut(folder) else {
            if !matches!(ruling, Ruling::Free) {
                folders.insert(folder.to_owned(), Known::new(content, ruling, now));
            }
            return None;
        };
        known.look(content, ruling, now);
        if now < known.since + RULES_SETTLE {
            return Some(known.before.clone());
        }
        if matches!(known.now, Ruling::Free) {
            folders.remove(folder);
        }
        None
    }

    fn folders(&self) -> MutexGuard<'_, HashMap<PathBuf, Known>> {
        lock(&self.0)
    }
}

impl Known {
    /// What was there before anybody looked is nothing to hold to.
    fn new(content: Content, ruling: &Ruling, now: Instant) -> Self {
        let since = now.checked_sub(RULES_SETTLE).unwrap_or(now);
        Self { content, now: ruling.clone(), before: ruling.clone(), since }
    }

    fn look(&mut self, content: Content, ruling: &Ruling, now: Instant) {
        let settled = now >= self.since + RULES_SETTLE;
        if content == self.content && discriminant(ruling) == discriminant(&self.now) {
            return;
        }
        // Of several changes in a row, what was said before the first one counts.
        if settled {
            self.before = self.now.clone();
        }
        self.content = content;
        self.now = ruling.clone();
        self.since = now;
    }
}
