//! What a walk has found and not told yet.
//!
//! A walk may take minutes, and rules that it has read may change meanwhile. So what it finds is told only after the rules that
//! count for it were looked at once more: whatever was made after a rule that forbids it is not told.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use sealift_platform::disk::{Root, Stat};

use super::{Found, Visitor};
use crate::rules::Rules;

/// How many are told at once; their folders share one look at the rules.
const BATCH: usize = 512;

/// Something found, by its path beneath the watched folder.
pub(super) enum One {
    File(Found),
    Left(PathBuf, Stat),
    Passed(PathBuf, Stat),
}

impl One {
    fn path(&self) -> &Path {
        match self {
            Self::File(found) => &found.local,
            Self::Left(path, _) | Self::Passed(path, _) => path,
        }
    }

    fn tell(self, visitor: &mut dyn Visitor) {
        match self {
            Self::File(found) => visitor.found(found),
            Self::Left(path, stat) => visitor.leaving(&path, &stat),
            Self::Passed(path, stat) => visitor.passing(&path, &stat),
        }
    }
}

/// What is held back, in the order in which it was found.
#[derive(Default)]
pub(super) struct Held(Vec<One>);

impl Held {
    /// Holds `one` back too. True if it is time to tell.
    pub(super) fn push(&mut self, one: One) -> bool {
        self.0.push(one);
        self.0.len() >= BATCH
    }

    /// Tells what the rules do not forbid by now.
    pub(super) fn release(
        &mut self,
        root: &dyn Root,
        rules: &mut Rules,
        visitor: &mut dyn Visitor,
    ) {
        rules.renew(root, self.folders());
        for one in self.0.drain(..) {
            let is_folder = !matches!(one, One::File(_));
            if !rules.have_changed() || !rules.exclude_beneath(root, one.path(), is_folder) {
                one.tell(visitor);
            }
        }
    }

    /// Every folder whose rules count for something of this.
    fn folders(&self) -> HashSet<&Path> {
        let mut folders = HashSet::new();
        for one in &self.0 {
            for folder in one.path().ancestors().skip(1) {
                if !folders.insert(folder) {
                    break;
                }
            }
        }
        folders
    }
}
