//! Which shared folder a folder of this machine is a copy of.
//!
//! A folder is taken for a copy of a shared folder (or sub folder) that has its name and at least one file at the same place
//! below. Of several such shared folders the one counts that most files fit; then the one above which more names fit too. The
//! outermost such folder counts: what lies beneath a copy is part of it. Names are compared in the form that every disk takes.

use std::borrow::Borrow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use super::walk::{Local, LocalFile};
use crate::replica::{LogView, ReplicaError};
use sealift_content::naming::portable_name;

/// A folder of this machine that is compared with a shared one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Beneath the path looked at, in the form that is compared; empty for that path itself.
    pub local: String,
    /// The same as it is called on this disk.
    pub place: PathBuf,
    /// Path of the shared folder.
    pub folder: String,
}

/// What one walk over the catalogues finds out.
#[derive(Debug, Default)]
pub struct Survey {
    /// The copies, by local path; none lies within another.
    pub copies: Vec<Copy>,
    /// Lengths of files here that some file of a catalogue has too.
    pub sizes: HashSet<u64>,
}

/// Files that fit, by local folder and then by shared folder.
type Fits<'a> = BTreeMap<&'a str, HashMap<String, HashSet<u32>>>;

/// Compares the places of files here with those in `views`.
///
/// # Errors
/// What the disk says, or that the replica is damaged.
pub fn survey<V: Borrow<LogView>>(views: &[V], local: &Local) -> Result<Survey, ReplicaError> {
    let sizes: HashSet<u64> = local.files.iter().map(|file| file.size).collect();
    let tails = Tails::of(local);
    let mut survey = Survey::default();
    let mut fits = Fits::new();
    for view in views.iter().map(Borrow::borrow) {
        for entry in view.entries("")? {
            let (path, stored) = entry?;
            if !stored.is_file() {
                continue;
            }
            if sizes.contains(&stored.size) {
                survey.sizes.insert(stored.size);
            }
            tails.find(&path, &mut fits);
        }
    }
    survey.copies = choose(fits, local);
    Ok(survey)
}

/// `path` of a catalogue in the form that is compared.
#[must_use]
pub fn local_text(path: &str) -> String {
    let names: Vec<_> = path.split('/').map(portable_name).collect();
    names.join("/")
}

/// The ends of the paths of all files here, each from some folder's name on.
struct Tails<'a> {
    files: &'a [LocalFile],
    /// By the hash of a tail: number of the file, and length of the path of the folder whose name begins the tail.
    by_hash: HashMap<u64, Vec<(u32, u32)>>,
    /// Last names of all files, to pass over most of a catalogue quickly.
    names: HashSet<&'a str>,
}

impl<'a> Tails<'a> {
    fn of(local: &'a Local) -> Self {
        let mut tails =
            Self { files: &local.files, by_hash: HashMap::new(), names: HashSet::new() };
        // A single file is a copy of no folder.
        let files = if local.single { &[][..] } else { &local.files[..] };
        for (file, number) in files.iter().zip(0_u32..) {
            let Some(text) = &file.text else { continue };
            tails.names.insert(last(text));
            if let Some(name) = local.above.last() {
                tails.add(hash(&[name, text]), number, 0);
            }
            let mut start = 0;
            for (slash, _) in text.match_indices('/') {
                tails.add(hash(&[&text[start..]]), number, slash);
                start = slash + 1;
            }
        }
        tails
    }

    fn add(&mut self, hash: u64, file: u32, folder: usize) {
        let Ok(folder) = u32::try_from(folder) else { return };
        self.by_hash.entry(hash).or_default().push((file, folder));
    }

    /// Notes which local folders the file at `path` of a catalogue is in, and thereby which shared folders they may be.
    fn find(&self, path: &str, fits: &mut Fits<'a>) {
        let name = last(path);
        // Most files are called as they are, and are not here.
        if !self.names.contains(name) && !self.names.contains(&*portable_name(name)) {
            return;
        }
        let text = local_text(path);
        let mut rest = &*text;
        for (slash, _) in path.match_indices('/') {
            for (file, folder) in self.by_hash.get(&hash(&[rest])).into_iter().flatten() {
                let Some(here) = self.files.get(*file as usize).and_then(|f| f.text.as_deref())
                else {
                    continue;
                };
                let shared = fits.entry(&here[..*folder as usize]).or_default();
                shared.entry(path[..slash].to_owned()).or_default().insert(*file);
            }
            rest = rest.split_once('/').map_or("", |(_, rest)| rest);
        }
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A number for names that are joined by `/`. That two tails share one by chance only makes a folder look more alike.
fn hash(parts: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        for name in part.split('/') {
            name.hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// The outermost folders that fit something, each with what it fits best.
fn choose(fits: Fits<'_>, all: &Local) -> Vec<Copy> {
    let mut chosen: HashSet<&str> = HashSet::new();
    let mut copies = Vec::new();
    // By path, a folder comes before all that is in it.
    let above = &all.above;
    for (local, shared) in fits {
        let within = |(slash, _)| chosen.contains(&local[..slash]);
        if chosen.contains("") || local.match_indices('/').any(within) {
            continue;
        }
        let best = shared.into_iter().max_by_key(|(folder, files)| {
            (files.len(), common_end(above, local, folder), Reverse(folder.clone()))
        });
        if let Some((folder, files)) = best {
            chosen.insert(local);
            let depth = local.split('/').filter(|name| !name.is_empty()).count();
            let within = files.iter().next().and_then(|file| all.files.get(*file as usize));
            let place = within.map(|file| file.path.iter().take(depth).collect());
            let place = place.unwrap_or_default();
            copies.push(Copy { local: local.to_owned(), place, folder });
        }
    }
    copies
}

/// How many names the local folder and `folder` have in common, counted from their ends.
fn common_end(above: &[String], local: &str, folder: &str) -> usize {
    let within = local.split('/').filter(|name| !name.is_empty());
    let here: Vec<&str> = above.iter().map(String::as_str).chain(within).collect();
    let there: Vec<String> = folder.split('/').map(portable_name).collect();
    here.iter().rev().zip(there.iter().rev()).take_while(|(a, b)| **a == b.as_str()).count()
}
