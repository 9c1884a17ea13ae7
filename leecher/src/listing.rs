//! What is shared, or what is in a folder, as people list it.

use std::collections::HashMap;

use sealift_proto::identity::DeviceId;

use crate::freshen::Known;
use crate::replica::{Listed, ReplicaError, Stored};
use crate::search::{compile, is_glob};
use crate::text::{fold, natural};

/// Who offers a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// Safe to show.
    pub name: String,
    /// Known not to be there now.
    pub away: bool,
}

impl Owner {
    /// The member whose device this is.
    #[must_use]
    pub fn new(known: &Known, device: &DeviceId) -> Self {
        let name = known.members.display_name(device);
        let online = known.connection.as_ref().map(|connection| &connection.online);
        Self { name, away: online.is_some_and(|online| !online.serves(device)) }
    }
}

/// One line of a listing: a file, or a folder with what is in it.
#[derive(Debug, Clone, Default)]
pub struct Line {
    /// Whether it is a folder.
    pub folder: bool,
    /// Files in it, of each who has it; 1 of each for a file.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Files of which nobody has read the content yet.
    pub waiting: u64,
    /// Names in it that could not be shared.
    pub unshared: u64,
    /// Names in it that are left out on purpose.
    pub left_out: u64,
    /// The newest time of change, unix milliseconds.
    pub newest: i64,
    /// Hash of the content of a file, in hexadecimal, if it is known.
    pub hash: Option<String>,
    /// Who has it.
    pub owners: Vec<Owner>,
}

/// What there is in the folder `path`, at it, or fitting it as a glob; in the order of names.
///
/// # Errors
/// What the disk says, or that the replica is damaged.
pub fn lines(known: &Known, path: Option<&str>) -> Result<Vec<(String, Line)>, ReplicaError> {
    let mut lines = Lines::default();
    for view in &known.views {
        let owner = Owner::new(known, &view.key().device);
        match path {
            None => lines.add_all(view.entries("")?, 0, &owner)?,
            Some(path) => lines.add_all(view.beneath(path)?, path.len() + 1, &owner)?,
        }
    }
    if let Some(path) = path.filter(|_| lines.0.is_empty()) {
        for view in &known.views {
            if let Some(stored) = view.find(path)? {
                let owner = Owner::new(known, &view.key().device);
                lines.add(path, !stored.is_file(), &stored, &owner);
            }
        }
    }
    if let Some(glob) = path.filter(|path| lines.0.is_empty() && is_glob(path)) {
        lines.add_fitting(known, glob)?;
    }
    let mut lines: Vec<_> = lines.0.into_iter().map(|((name, _), line)| (name, line)).collect();
    lines.sort_by(|(a, x), (b, y)| natural(a, b).then(x.folder.cmp(&y.folder)));
    Ok(lines)
}

/// Lines by name, files and folders apart: one name can be both.
#[derive(Default)]
struct Lines(HashMap<(String, bool), Line>);

impl Lines {
    fn add(&mut self, name: &str, folder: bool, stored: &Stored, owner: &Owner) {
        let line = self.0.entry((name.to_owned(), folder)).or_default();
        line.folder = folder;
        line.add(stored, owner);
    }

    /// Adds `entries`, of whose paths the first `above` bytes are not shown.
    fn add_all(
        &mut self,
        mut entries: impl Iterator<Item = Result<Listed, ReplicaError>>,
        above: usize,
        owner: &Owner,
    ) -> Result<(), ReplicaError> {
        entries.try_for_each(|entry| {
            let (path, stored) = entry?;
            let rest = path.get(above..).unwrap_or(&path);
            match rest.split_once('/') {
                Some((name, _)) => self.add(name, true, &stored, owner),
                None => self.add(rest, !stored.is_file(), &stored, owner),
            }
            Ok(())
        })
    }

    /// Adds files and folders that fit `glob`; of a folder that fits, not what is in it.
    fn add_fitting(&mut self, known: &Known, glob: &str) -> Result<(), ReplicaError> {
        let on_path = glob.contains('/');
        let Some(matcher) = compile(&fold(glob), on_path) else { return Ok(()) };
        let fits = |path: &str| {
            let folded = fold(path);
            matcher.fits(if on_path { &folded } else { folded.rsplit('/').next().unwrap_or("") })
        };
        for view in &known.views {
            let owner = Owner::new(known, &view.key().device);
            for entry in view.entries("")? {
                let (path, stored) = entry?;
                let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
                if let Some(end) = ends.into_iter().find(|end| fits(&path[..*end])) {
                    let folder = end < path.len() || !stored.is_file();
                    self.add(&path[..end], folder, &stored, &owner);
                }
            }
        }
        Ok(())
    }
}

impl Line {
    fn add(&mut self, stored: &Stored, owner: &Owner) {
        self.files += u64::from(stored.is_file());
        self.unshared = self.unshared.saturating_add(stored.unshared());
        self.left_out = self.left_out.saturating_add(stored.left_out());
        // Sizes are what somebody states.
        self.bytes = self.bytes.saturating_add(stored.size);
        self.waiting += u64::from(stored.is_file() && stored.root.is_none());
        self.newest = self.newest.max(stored.modified);
        self.hash = stored.root.map(|root| root.hex());
        if self.owners.last().is_none_or(|last| last != owner) {
            self.owners.push(owner.clone());
        }
    }
}
