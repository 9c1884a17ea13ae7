//! Comparing files of this machine with what the catalogues state.
//!
//! Files within a [copy](places) of a shared folder are compared by their place. All others are known by their content
//! alone; directly at the path looked at, where single downloads land, a name that is shared with other content counts as
//! a difference too.

pub mod hash;
pub mod places;
pub mod walk;

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;

use sealift_proto::catalogue::Root;

use crate::replica::{Empties, LogView, ReplicaError, Stored};
use hash::Outcome;
use places::{Copy, local_text, survey};
use walk::{Local, LocalFile};

/// What became of one file or empty folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is what a catalogue states.
    Same,
    /// It is not what any catalogue states for its place or name.
    Differs,
    /// A catalogue states it for a shared folder whose copy is here, and it is not in that copy.
    Missing,
    /// It cannot be read here.
    Unreadable,
    /// No seeder has read its own yet, so that nobody knows what it should be.
    Unread,
    /// No catalogue has it.
    Unknown,
}

/// One file or empty folder, and what it was found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Where it is or should be, beneath the folder looked at.
    pub path: PathBuf,
    /// Whether it is a folder.
    pub folder: bool,
    /// What it is.
    pub state: State,
    /// Path in a catalogue that it was compared with.
    pub shared: Option<String>,
    /// Length in bytes: here, or of a missing one there.
    pub size: u64,
    /// Why it cannot be read.
    pub why: Option<String>,
}

/// What a catalogue states for a place.
struct Stated {
    path: String,
    stored: Stored,
}

/// What is to be compared with what.
pub struct Plan {
    /// What was found here.
    pub local: Local,
    /// Folders that are compared as wholes.
    pub copies: Vec<Copy>,
    /// What is stated for each file here, by its place.
    stated: Vec<Vec<Stated>>,
    /// What is stated and not here, by path beneath the folder looked at: path in the catalogue, and length.
    missing: BTreeMap<String, (String, u64)>,
    /// Empty folders stated, by path beneath the folder looked at, each with its path in a catalogue.
    folders: BTreeMap<String, String>,
    sizes: HashSet<u64>,
}

impl Plan {
    /// Finds out what of `views` the files of `local` are to be compared with; `with` names the shared folder, or for a
    /// single file the shared file, that they are a copy of.
    ///
    /// # Errors
    /// What the disk says, or that the replica is damaged.
    pub fn new<V: Borrow<LogView>>(
        views: &[V],
        local: Local,
        with: Option<&str>,
    ) -> Result<Self, ReplicaError> {
        let survey = survey(views, &local)?;
        let copies = match with {
            Some(with) => {
                vec![Copy { local: String::new(), place: PathBuf::new(), folder: with.to_owned() }]
            }
            None => survey.copies,
        };
        let stated = local.files.iter().map(|_| Vec::new()).collect();
        let (missing, folders, sizes) = (BTreeMap::new(), BTreeMap::new(), survey.sizes);
        let mut plan = Self { local, copies, stated, missing, folders, sizes };
        plan.compare_places(views)?;
        Ok(plan)
    }

    fn compare_places<V: Borrow<LogView>>(&mut self, views: &[V]) -> Result<(), ReplicaError> {
        let Self { local, copies, stated, missing, folders, .. } = self;
        let here: HashMap<&str, usize> = local
            .files
            .iter()
            .enumerate()
            .filter_map(|(n, f)| Some((f.text.as_deref()?, n)))
            .collect();
        for copy in copies {
            let mut empties = Empties::default();
            for view in views.iter().map(Borrow::borrow) {
                if local.single {
                    let stored = view.find(&copy.folder)?.filter(Stored::is_file);
                    let found = stored.map(|stored| Stated { path: copy.folder.clone(), stored });
                    stated.iter_mut().zip(found).for_each(|(list, found)| list.push(found));
                    continue;
                }
                for entry in view.beneath(&copy.folder)? {
                    let (path, stored) = entry?;
                    empties.add(&path, &stored);
                    if !stored.is_file() {
                        continue;
                    }
                    let place = local_place(copy, &path);
                    match here.get(&*place).and_then(|number| stated.get_mut(*number)) {
                        Some(list) => list.push(Stated { path, stored }),
                        None => drop(missing.insert(place, (path, stored.size))),
                    }
                }
            }
            let mut empty: BTreeMap<_, _> = empties.found().collect();
            // Where one has a file and another an empty folder, the file counts, as a download has it.
            for view in views.iter().map(Borrow::borrow) {
                if empty.is_empty() {
                    break;
                }
                for entry in view.beneath(&copy.folder)? {
                    let (path, stored) = entry?;
                    stored.is_file().then(|| empty.remove(&path));
                }
            }
            folders.extend(empty.into_keys().map(|path| (local_place(copy, &path), path)));
        }
        Ok(())
    }

    /// Whether any catalogue has something at the places compared.
    #[must_use]
    pub fn states_anything(&self) -> bool {
        let folders = !self.missing.is_empty() || !self.folders.is_empty();
        folders || self.stated.iter().any(|stated| !stated.is_empty())
    }

    /// The files whose content has to be known, by number. A length that nobody states needs no reading.
    #[must_use]
    pub fn to_hash(&self) -> Vec<(usize, PathBuf)> {
        let files = self.local.files.iter().zip(&self.stated).enumerate();
        let needed = files.filter(|(_, (file, stated))| {
            let read = |s: &Stated| s.stored.size == file.size && s.stored.root.is_some();
            if stated.is_empty() {
                self.sizes.contains(&file.size)
            } else {
                stated.iter().any(read)
            }
        });
        needed.map(|(number, (file, _))| (number, file.path.clone())).collect()
    }

    /// Bytes that [`Plan::to_hash`] names.
    #[must_use]
    pub fn bytes_to_hash(&self) -> u64 {
        let files = self.to_hash();
        files.iter().filter_map(|(number, _)| Some(self.local.files.get(*number)?.size)).sum()
    }

    /// What became of each file, by path.
    ///
    /// # Errors
    /// What the disk says, or that the replica is damaged.
    pub fn judge<V: Borrow<LogView>>(
        self,
        views: &[V],
        mut outcomes: HashMap<usize, Outcome>,
    ) -> Result<Vec<Finding>, ReplicaError> {
        let loose = Loose::find(views, &self, &outcomes)?;
        let mut findings = Vec::new();
        for (number, (file, stated)) in self.local.files.iter().zip(&self.stated).enumerate() {
            let outcome = outcomes.remove(&number);
            let (state, shared, why) = match (outcome, stated.as_slice()) {
                (Some(Err(error)), _) => (State::Unreadable, None, Some(error.to_string())),
                (Some(Ok(root)), []) => loose.judge(file, Some(&root)),
                (None, []) => loose.judge(file, None),
                (outcome, stated) => by_place(file, stated, outcome.and_then(Result::ok)),
            };
            let (path, size) = (file.path.clone(), file.size);
            findings.push(Finding { path, folder: false, state, shared, size, why });
        }
        findings.extend(self.local.unreadable.iter().map(|(path, error)| Finding {
            path: path.clone(),
            folder: false,
            state: State::Unreadable,
            shared: None,
            size: 0,
            why: Some(error.to_string()),
        }));
        findings.extend(self.missing.into_iter().map(|(place, (shared, size))| Finding {
            path: PathBuf::from(place),
            folder: false,
            state: State::Missing,
            shared: Some(shared),
            size,
            why: None,
        }));
        findings.extend(self.folders.into_iter().map(|(place, shared)| Finding {
            state: if self.local.folders.contains(&place) { State::Same } else { State::Missing },
            path: PathBuf::from(place),
            folder: true,
            shared: Some(shared),
            size: 0,
            why: None,
        }));
        findings.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(findings)
    }
}

/// Where the file at `path` of a catalogue is in the copy, beneath the folder looked at.
fn local_place(copy: &Copy, path: &str) -> String {
    let within = local_text(path.get(copy.folder.len() + 1..).unwrap_or_default());
    if copy.local.is_empty() { within } else { format!("{}/{within}", copy.local) }
}

type Judged = (State, Option<String>, Option<String>);

/// A file for whose place something is stated.
fn by_place(file: &LocalFile, stated: &[Stated], root: Option<Root>) -> Judged {
    let same = stated.iter().find(|s| root.is_some() && s.stored.root == root);
    let unread = stated.iter().find(|s| s.stored.root.is_none() && s.stored.size == file.size);
    let (state, one) = match (same, unread) {
        (Some(same), _) => (State::Same, Some(same)),
        (None, Some(unread)) => (State::Unread, Some(unread)),
        (None, None) => (State::Differs, stated.first()),
    };
    (state, one.map(|one| one.path.clone()), None)
}

/// Where the contents and names of files are stated that belong to no copy.
#[derive(Default)]
struct Loose {
    by_root: HashMap<Root, String>,
    by_name: HashMap<String, String>,
}

impl Loose {
    fn find<V: Borrow<LogView>>(
        views: &[V],
        plan: &Plan,
        outcomes: &HashMap<usize, Outcome>,
    ) -> Result<Self, ReplicaError> {
        let (mut roots, mut names) = (HashSet::<Root>::new(), HashSet::new());
        let by_name = plan.copies.iter().all(|copy| !copy.local.is_empty());
        for (number, (file, stated)) in plan.local.files.iter().zip(&plan.stated).enumerate() {
            if stated.is_empty() {
                roots.extend(outcomes.get(&number).and_then(|found| found.as_ref().ok().copied()));
                names.extend(top_name(file).filter(|_| by_name));
            }
        }
        let mut loose = Self::default();
        if roots.is_empty() && names.is_empty() {
            return Ok(loose);
        }
        for view in views.iter().map(Borrow::borrow) {
            for entry in view.entries("")? {
                let (path, stored) = entry?;
                let Some(root) = stored.root else { continue };
                let name = sealift_content::naming::portable_name(
                    path.rsplit('/').next().unwrap_or(&path),
                );
                if names.contains(name.as_str()) {
                    loose.by_name.entry(name).or_insert_with(|| path.clone());
                }
                if roots.contains(&root) {
                    loose.by_root.entry(root).or_insert(path);
                }
            }
        }
        Ok(loose)
    }

    fn judge(&self, file: &LocalFile, root: Option<&Root>) -> Judged {
        if let Some(path) = root.and_then(|root| self.by_root.get(root)) {
            return (State::Same, Some(path.clone()), None);
        }
        match top_name(file).and_then(|name| self.by_name.get(name)) {
            Some(path) => (State::Differs, Some(path.clone()), None),
            None => (State::Unknown, None, None),
        }
    }
}

/// The name of a file directly at the path looked at.
fn top_name(file: &LocalFile) -> Option<&str> {
    file.text.as_deref().filter(|text| !text.contains('/'))
}

#[cfg(test)]
mod tests;
