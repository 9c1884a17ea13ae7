//! Walks a watched folder: what is there to offer, and what is left out and why.
//!
//! Only what [`Root`] gives is looked at, so no link is ever followed and nothing outside the folder is reached. A file that
//! cannot be offered is reported and never stops the rest.

mod held;

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use sealift_platform::disk::{Kind, Listed, Root, Stat};
use sealift_platform::private;
use sealift_proto::manifest::FILE_MAX;
use sealift_proto::path::{DEPTH_MAX, RelativePath};

use crate::index::Lack;
use crate::names::{NameError, offered_path};
use crate::rules::Rules;
use held::{Held, One};

/// A regular file that may be offered.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its path in the catalogue.
    pub path: RelativePath,
    /// Its path beneath the folder.
    pub local: PathBuf,
    /// Its state.
    pub stat: Stat,
}

/// Why something is left out.
#[derive(Debug, thiserror::Error)]
pub enum Skipped {
    /// Links are not followed, wherever they lead.
    #[error("a symbolic link; links are not followed")]
    Link,
    /// A pipe, socket or device.
    #[error("not a regular file")]
    Special,
    /// Its name is none that can be shared.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A further name of a file that belongs to somebody else.
    #[error("a hard link to a file of another user")]
    ForeignLink,
    /// Over the largest size.
    #[error("over 16 TiB")]
    TooLarge,
    /// Another file system is mounted there.
    #[error("another file system; watch it by itself to offer it")]
    Mount,
    /// Sealift's own files.
    #[error("Sealift keeps its own files there")]
    Home,
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(io::Error),
    /// A folder whose names can be listed and no more.
    #[error("what is in it cannot be looked at: {0}")]
    Shut(io::Error),
    /// A file with rules makes no sense.
    #[error("cannot be used as rules: {0}; nothing in its folder is offered until it can")]
    Rules(String),
}

impl Skipped {
    /// What it is to others who fetch the folder; nothing if Sealift keeps it for itself.
    #[must_use]
    pub const fn to_others(&self) -> Option<Lack> {
        match self {
            Self::Home => None,
            Self::Link | Self::Special => Some(Lack::LeftOut),
            _ => Some(Lack::Unshared),
        }
    }
}

/// Takes what a walk finds.
pub trait Visitor {
    /// The folder at `local` is about to be listed.
    fn entering(&mut self, _local: &Path) {}
    /// All that is in the folder at `local`, which was as `stat` says before it was listed, has been told, and all beneath it.
    fn leaving(&mut self, _local: &Path, _stat: &Stat) {}
    /// The folder at `local`, in which the walk began with one entry, is as `stat` says.
    fn passing(&mut self, _local: &Path, _stat: &Stat) {}
    /// The walk began beneath the folder at `local`, in which a program of Sealift keeps its files by now: nothing of it is offered.
    fn closed(&mut self, _local: &Path) {}
    /// A file to offer.
    fn found(&mut self, found: Found);
    /// Something left out, at `local` beneath the folder.
    fn skipped(&mut self, local: &Path, why: Skipped);
    /// Whether to stop.
    fn cancelled(&self) -> bool {
        false
    }
}

/// What does not change from walk to walk of one folder.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Name under which the folder is offered.
    pub name: RelativePath,
    /// Folders that are never entered, by their paths beneath it, whether they exist or not.
    pub closed: Vec<PathBuf>,
    /// The same by device and inode.
    pub forbidden: HashSet<(u64, u64)>,
}

/// Walks the entry at `start` beneath `root` (empty: the whole folder) and everything below it. True if the walk came to its
/// end and saw all that is there; a folder that could not be read makes no difference, what it holds counts as gone.
///
/// # Errors
/// When the folder itself cannot be looked at: nothing is known then about what it holds.
pub fn walk(
    root: &dyn Root,
    bounds: &Bounds,
    rules: &mut Rules,
    start: &Path,
    visitor: &mut dyn Visitor,
) -> io::Result<bool> {
    let top = root.stat(Path::new(""))?;
    let (open, held) = (Vec::new(), Held::default());
    let mut walk = Walk { root, bounds, rules, visitor, top, open, held };
    let result = walk.all(start);
    walk.release();
    if matches!(result, Ok(true)) {
        walk.rules.forget_gone(start);
    }
    result
}

/// Looks at the file `local` alone, which is offered as `bounds` is called, whatever rules say: somebody named it. True if it was seen.
///
/// # Errors
/// When its folder cannot be looked at.
pub fn one(
    root: &dyn Root,
    bounds: &Bounds,
    local: &Path,
    visitor: &mut dyn Visitor,
) -> io::Result<bool> {
    let top = root.stat(Path::new(""))?;
    visitor.entering(Path::new(""));
    let found = root.stat(local);
    // After the file was looked at: whoever keeps files there made the marker before them.
    if private::is_marked(root, Path::new(""))? {
        visitor.skipped(local, Skipped::Home);
        return Ok(true);
    }
    match found.map_err(|error| (is_absence(&error), error)) {
        Ok(stat) => match offerable(&stat, &top) {
            Ok(()) => {
                visitor.found(Found { path: bounds.name.clone(), local: local.to_owned(), stat });
            }
            Err(why) => visitor.skipped(local, why),
        },
        Err((true, _)) => {}
        Err((false, error)) => visitor.skipped(local, Skipped::Unreadable(error)),
    }
    Ok(true)
}

/// Whether what was found in a folder like `top` is a file that may be offered.
fn offerable(stat: &Stat, top: &Stat) -> Result<(), Skipped> {
    match stat.kind {
        Kind::File => {}
        Kind::Link => return Err(Skipped::Link),
        Kind::Folder | Kind::Other => return Err(Skipped::Special),
    }
    if stat.links > 1 && stat.owner != top.owner {
        return Err(Skipped::ForeignLink);
    }
    if stat.len > FILE_MAX { Err(Skipped::TooLarge) } else { Ok(()) }
}

struct Walk<'a> {
    root: &'a dyn Root,
    bounds: &'a Bounds,
    rules: &'a mut Rules,
    visitor: &'a mut dyn Visitor,
    top: Stat,
    open: Vec<Open>,
    held: Held,
}

/// A folder that the walk has not left yet.
struct Open {
    folder: PathBuf,
    stat: Stat,
    /// Whether what is in it has been told, or is open above it.
    told: bool,
}

impl Walk<'_> {
    fn all(&mut self, start: &Path) -> io::Result<bool> {
        self.begin(start)?;
        self.tell_problems();
        while let Some(Open { folder, stat, told }) = self.open.pop() {
            if told {
                self.hold(One::Left(folder, stat));
                continue;
            }
            if self.visitor.cancelled() {
                return Ok(false);
            }
            self.visitor.entering(&folder);
            match self.root.list(&folder) {
                Ok(listed) => self.enter_unmarked(folder, stat, listed),
                Err(error) if folder.as_os_str().is_empty() => return Err(error),
                Err(error) => self.unreadable(&folder, error),
            }
        }
        Ok(true)
    }

    fn hold(&mut self, one: One) {
        if self.held.push(one) {
            self.release();
        }
    }

    /// Tells what was found so far.
    fn release(&mut self) {
        self.held.release(self.root, self.rules, self.visitor);
        self.tell_problems();
    }

    /// Looks at `start` as a walk from the top would have come to it: nothing is offered below something left out.
    fn begin(&mut self, start: &Path) -> io::Result<()> {
        if start.as_os_str().is_empty() {
            self.open.push(Open { folder: PathBuf::new(), stat: self.top, told: false });
            return Ok(());
        }
        // Before the markers are looked for, as with a listing.
        let found = self.root.stat(start);
        let parents: Vec<_> = start.ancestors().skip(1).collect();
        if let Some(stop) = parents.into_iter().rev().find(|parent| !self.passes(parent)) {
            // What may pass, such as too many open files, takes away no more than was asked about.
            if matches!(private::is_marked(self.root, stop), Ok(true)) {
                self.visitor.closed(stop);
            }
            return Ok(());
        }
        match found {
            Ok(stat) => self.look(start, stat.kind),
            // Gone, or never there: the caller sees that it was not found.
            Err(error) if is_absence(&error) => {}
            Err(error) => self.unreadable(start, error),
        }
        let above = start.parent().unwrap_or(Path::new(""));
        // Afterwards: what is told of a folder is never older than what is in it.
        if let Ok(stat) = self.root.stat(above) {
            self.hold(One::Passed(above.to_owned(), stat));
        }
        Ok(())
    }

    /// Whether a walk from the top goes through the folder at `path`.
    fn passes(&mut self, path: &Path) -> bool {
        if self.is_marked(path) {
            return false;
        }
        if path.as_os_str().is_empty() {
            return true;
        }
        let enters = |stat: Stat| stat.kind == Kind::Folder && self.may_enter(path, &stat).is_ok();
        self.root.stat(path).is_ok_and(enters) && !self.rules.excludes(self.root, path, true)
    }

    /// Whether a program of Sealift keeps its files in `folder`; what cannot be told counts as yes.
    fn is_marked(&self, folder: &Path) -> bool {
        private::is_marked(self.root, folder).unwrap_or(true)
    }

    /// The marker is looked for after the listing: whoever keeps files there made it before them.
    fn enter_unmarked(&mut self, folder: PathBuf, stat: Stat, listed: Vec<Listed>) {
        match private::is_marked(self.root, &folder) {
            Ok(false) => self.enter(folder, stat, listed),
            Ok(true) => self.visitor.skipped(&folder, Skipped::Home),
            Err(error) if is_absence(&error) => {}
            Err(error) => self.visitor.skipped(&folder, Skipped::Shut(error)),
        }
    }

    fn enter(&mut self, folder: PathBuf, stat: Stat, mut listed: Vec<Listed>) {
        // In order of name, last pushed first taken: the same tree always gives the same sequence.
        listed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.open.push(Open { folder: folder.clone(), stat, told: true });
        let below = self.open.len();
        self.rules.look(self.root, &folder);
        for entry in listed {
            self.look(&folder.join(&entry.name), entry.kind);
        }
        self.open[below..].reverse();
        self.tell_problems();
    }

    fn tell_problems(&mut self) {
        for (path, why) in self.rules.take_problems() {
            self.visitor.skipped(&path, Skipped::Rules(why));
        }
    }

    fn look(&mut self, path: &Path, kind: Kind) {
        if self.rules.excludes(self.root, path, kind == Kind::Folder) {
            return;
        }
        let result = match kind {
            Kind::File => self.file(path),
            Kind::Folder => self.folder(path),
            Kind::Link => Err(Skipped::Link),
            Kind::Other => Err(Skipped::Special),
        };
        if let Err(why) = result {
            self.visitor.skipped(path, why);
        }
    }

    fn file(&mut self, path: &Path) -> Result<(), Skipped> {
        let offered = offered_path(&self.bounds.name, path)?;
        let stat = match self.root.stat(path) {
            Ok(stat) => stat,
            Err(error) if is_absence(&error) => return Ok(()),
            Err(error) => return Err(Skipped::Unreadable(error)),
        };
        // Became something else since it was listed; the next event tells.
        if stat.kind == Kind::Folder {
            return Ok(());
        }
        offerable(&stat, &self.top)?;
        self.hold(One::File(Found { path: offered, local: path.to_owned(), stat }));
        Ok(())
    }

    fn folder(&mut self, path: &Path) -> Result<(), Skipped> {
        if let Err(error) = offered_path(&self.bounds.name, path) {
            return Err(error.into());
        }
        if path.components().count() + 1 >= DEPTH_MAX {
            return Err(NameError::Path(sealift_proto::path::PathError::Depth).into());
        }
        let stat = match self.root.stat(path) {
            Ok(stat) => stat,
            Err(error) if is_absence(&error) => return Ok(()),
            Err(error) => return Err(Skipped::Unreadable(error)),
        };
        self.may_enter(path, &stat)?;
        self.open.push(Open { folder: path.to_owned(), stat, told: false });
        Ok(())
    }

    fn may_enter(&self, path: &Path, stat: &Stat) -> Result<(), Skipped> {
        debug_assert!(!path.as_os_str().is_empty());
        let by_path = self.bounds.closed.iter().any(|closed| closed == path);
        if by_path || self.bounds.forbidden.contains(&(stat.device, stat.inode)) {
            return Err(Skipped::Home);
        }
        if stat.device != self.top.device {
            return Err(Skipped::Mount);
        }
        Ok(())
    }

    fn unreadable(&mut self, path: &Path, error: io::Error) {
        if !is_absence(&error) {
            self.visitor.skipped(path, Skipped::Unreadable(error));
        }
    }
}

/// Whether `error` says that nothing of that name is there, now or beneath folders only.
#[must_use]
pub fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests;
