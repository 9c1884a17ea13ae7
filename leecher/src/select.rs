//! What a NAME on the command line means: which files, from whom, and where they go.

mod again;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use sealift_proto::identity::DeviceId;

use crate::replica::{Empties, LogKey, LogView, ReplicaError, Stored};
use crate::search::{Holding, Match, compile, is_glob, search};
use crate::text::fold;

pub use again::{again, same_content};

/// How many files of one name are looked at; more cannot be told apart by anybody.
const SAME_NAME_MAX: usize = 10_000;

/// What narrows the choice.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Only these devices.
    pub from: Option<BTreeSet<DeviceId>>,
    /// Only contents whose hash, in hexadecimal, begins so.
    pub hash: Option<String>,
}

impl Choice {
    /// Whether it leaves the entry; of one content no folder is.
    fn allows(&self, view: &LogView, stored: &Stored) -> bool {
        let from = self.from.as_ref().is_none_or(|from| from.contains(&view.key().device));
        let prefix = self.hash.as_deref();
        let fits = |prefix: &str| {
            stored.root.is_some_and(|root| root.hex().starts_with(&prefix.to_ascii_lowercase()))
        };
        from && prefix.is_none_or(fits)
    }
}

/// A file that one seeder has, and the generation of the log that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Whose, where, what.
    pub holding: Holding,
    /// Generation of the log.
    pub log_id: [u8; 16],
}

/// A file to fetch: all its offers have one content, or there is one whose content is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Names beneath the folder that files land in.
    pub out: Vec<String>,
    /// Who has it; never empty.
    pub offers: Vec<Offer>,
}

/// A file with several contents: each with those who have it.
pub type Contents = Vec<Vec<Offer>>;

/// A file that was left out of many because it has several contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Names beneath the folder that files land in.
    pub out: Vec<String>,
    /// What there is to choose from.
    pub contents: Contents,
}

/// A folder that is to be made, since nothing is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Empty {
    /// Names beneath the folder that files land in.
    pub out: Vec<String>,
    /// When names in it last changed, unix milliseconds.
    pub modified: i64,
}

/// Names of a folder that somebody did not share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unshared {
    /// Path of the folder.
    pub folder: String,
    /// Whose it is, and in which log.
    pub key: LogKey,
    /// How many names in it and beneath could not be shared: what is fetched of it is not all there is.
    pub names: u64,
    /// How many are left out on purpose.
    pub left_out: u64,
}

impl Unshared {
    /// Whether something of the folder is missing.
    #[must_use]
    pub const fn is_missed(&self) -> bool {
        self.names > 0
    }
}

/// What is to be fetched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files {
    /// To be fetched.
    pub files: Vec<Chosen>,
    /// Left out: a choice is needed for each.
    pub left_out: Vec<LeftOut>,
    /// Folders to be made.
    pub folders: Vec<Empty>,
    /// What is missing of folders that were named.
    pub unshared: Vec<Unshared>,
}

/// What a NAME means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// These files and folders, less files that have several contents.
    Files(Files),
    /// One file, but of several contents.
    Several(Contents),
    /// Several folders of that name, by path.
    SeveralFolders(Vec<String>),
    /// Nothing.
    Nothing,
}

/// What `name` means among `views`: a path, a file name, the end of a path, a folder, or a glob, in this order; as typed
/// before other letter case.
///
/// # Errors
/// What the disk says, or that the replica is damaged.
pub fn select<V: Borrow<LogView> + Sync>(
    views: &[V],
    name: &str,
    choice: &Choice,
) -> Result<Selected, ReplicaError> {
    let wants_folder = name.ends_with('/');
    let name = name.trim_start_matches("./").trim_matches('/');
    if !wants_folder {
        let offers = at_path(views, name, choice)?;
        if !offers.is_empty() {
            return Ok(one_file(offers));
        }
    }
    let selected = folder(views, name, choice)?;
    if selected != Selected::Nothing {
        return Ok(selected);
    }
    if !wants_folder {
        let offers = named(views, name, choice)?;
        if !offers.is_empty() {
            return Ok(one_file(offers));
        }
    }
    let folders = folders_named(views, name, choice)?;
    match folders.as_slice() {
        [] if is_glob(name) => glob(views, name, choice),
        [] => Ok(Selected::Nothing),
        [one] => folder(views, one, choice),
        _ => Ok(Selected::SeveralFolders(folders)),
    }
}

fn offer(view: &LogView, path: String, stored: Stored) -> Offer {
    let holding = Holding { key: *view.key(), path, stored };
    Offer { holding, log_id: view.state().log_id }
}

/// Offers of the very path `path`.
fn at_path<V: Borrow<LogView> + Sync>(
    views: &[V],
    path: &str,
    choice: &Choice,
) -> Result<Vec<Offer>, ReplicaError> {
    let mut offers = Vec::new();
    for view in views.iter().map(Borrow::borrow) {
        let stored = view.find(path)?.filter(|s| s.is_file() && choice.allows(view, s));
        offers.extend(stored.map(|stored| offer(view, path.to_owned(), stored)));
    }
    Ok(offers)
}

/// Offers whose file name, or end of path, is `name`.
fn named<V: Borrow<LogView> + Sync>(
    views: &[V],
    name: &str,
    choice: &Choice,
) -> Result<Vec<Offer>, ReplicaError> {
    let found = search(views, name, SAME_NAME_MAX)?;
    let fitting =
        found.hits.into_iter().filter(|hit| matches!(hit.kind, Match::Name | Match::Path));
    let mut offers = Vec::new();
    for holding in fitting.flat_map(|hit| hit.holdings) {
        let Some(view) = views.iter().map(Borrow::borrow).find(|view| *view.key() == holding.key)
        else {
            continue;
        };
        // A copy of a hit may be found by its folder only.
        let file = holding.stored.is_file();
        if file
            && choice.allows(view, &holding.stored)
            && ends_with(&fold(&holding.path), &fold(name))
        {
            offers.push(offer(view, holding.path, holding.stored));
        }
    }
    let exact = offers.iter().any(|offer| ends_with(&offer.holding.path, name));
    offers.retain(|offer| !exact || ends_with(&offer.holding.path, name));
    Ok(offers)
}

/// Whether `path` is `end` or ends with it from some folder on.
fn ends_with(path: &str, end: &str) -> bool {
    path.strip_suffix(end).is_some_and(|above| above.is_empty() || above.ends_with('/'))
}

/// Paths of the folders that are called `name` or end with it.
fn folders_named<V: Borrow<LogView> + Sync>(
    views: &[V],
    name: &str,
    choice: &Choice,
) -> Result<Vec<String>, ReplicaError> {
    let folded = fold(name);
    let mut folders = BTreeSet::new();
    for view in views.iter().map(Borrow::borrow) {
        for entry in view.entries("")? {
            let (path, stored) = entry?;
            if !choice.allows(view, &stored) {
                continue;
            }
            let itself = (!stored.is_file()).then_some(path.len());
            for end in path.match_indices('/').map(|(slash, _)| slash).chain(itself) {
                if !folders.contains(&path[..end]) && ends_with(&fold(&path[..end]), &folded) {
                    folders.insert(path[..end].to_owned());
                }
            }
        }
    }
    let exact = folders.iter().any(|folder| ends_with(folder, name));
    folders.retain(|folder| !exact || ends_with(folder, name));
    Ok(folders.into_iter().collect())
}

/// Everything beneath the folder at the path `folder`.
fn folder<V: Borrow<LogView> + Sync>(
    views: &[V],
    folder: &str,
    choice: &Choice,
) -> Result<Selected, ReplicaError> {
    let mut found = Found::default();
    for view in views.iter().map(Borrow::borrow) {
        let itself = view.find(folder)?.filter(|stored| !stored.is_file());
        let itself = itself.map(|stored| Ok((folder.to_owned(), stored)));
        let before = (found.names, found.apart);
        for entry in itself.into_iter().chain(view.beneath(folder)?) {
            let (path, stored) = entry?;
            if choice.allows(view, &stored) {
                found.empties.add(&path, &stored);
                found.add(view, path, stored);
            }
        }
        let (names, left_out) = (found.names - before.0, found.apart - before.1);
        if names > 0 || left_out > 0 {
            let (folder, key) = (folder.to_owned(), *view.key());
            found.unshared.push(Unshared { folder, key, names, left_out });
        }
    }
    let above = folder.rfind('/').map_or(0, |slash| slash + 1);
    Ok(found.at(Some(above)))
}

/// Everything that fits the glob.
fn glob<V: Borrow<LogView> + Sync>(
    views: &[V],
    glob: &str,
    choice: &Choice,
) -> Result<Selected, ReplicaError> {
    let on_path = glob.contains('/');
    let Some(matcher) = compile(&fold(glob), on_path) else { return Ok(Selected::Nothing) };
    let mut found = Found::default();
    for view in views.iter().map(Borrow::borrow) {
        for entry in view.entries("")? {
            let (path, stored) = entry?;
            if !choice.allows(view, &stored) {
                continue;
            }
            found.empties.add(&path, &stored);
            let folded = fold(&path);
            let subject = if on_path { &*folded } else { folded.rsplit('/').next().unwrap_or("") };
            if matcher.fits(subject) {
                found.add(view, path, stored);
            }
        }
    }
    // What is missing of a folder is told to whoever names the folder.
    found.unshared.clear();
    Ok(found.at(None))
}

/// What was found in several catalogues.
#[derive(Default)]
struct Found {
    offers: Vec<Offer>,
    folders: BTreeSet<String>,
    /// Of all that was looked at.
    empties: Empties,
    /// How many names could not be shared.
    names: u64,
    /// How many are left out on purpose.
    apart: u64,
    unshared: Vec<Unshared>,
}

impl Found {
    fn add(&mut self, view: &LogView, path: String, stored: Stored) {
        self.names = self.names.saturating_add(stored.unshared());
        self.apart = self.apart.saturating_add(stored.left_out());
        match stored.is_file() {
            true => self.offers.push(offer(view, path, stored)),
            false => drop(self.folders.insert(path)),
        }
    }

    /// All of it, by path; `above` bytes of each path are not part of where it goes, or all that is common to them.
    fn at(self, above: Option<usize>) -> Selected {
        let Self { offers, folders, empties, unshared, .. } = self;
        let found = empties.found().filter(|(path, _)| folders.contains(path));
        let mut empties: BTreeMap<_, _> = found.collect();
        // Where one has a file and another an empty folder, the file keeps its name.
        for offer in &offers {
            empties.remove(&offer.holding.path);
        }
        if offers.is_empty() && empties.is_empty() {
            return Selected::Nothing;
        }
        let common = || {
            let files = offers.iter().map(|offer| offer.holding.path.as_str());
            common_folder(files.chain(empties.keys().map(String::as_str)))
        };
        let above = above.unwrap_or_else(common);
        let empty = |(path, modified): (String, i64)| Empty { out: out(&path, above), modified };
        let folders = empties.into_iter().map(empty).collect();
        let (files, left_out) = many(offers, above);
        Selected::Files(Files { files, left_out, folders, unshared })
    }
}

/// The names of `path` from byte `above` on.
fn out(path: &str, above: usize) -> Vec<String> {
    path[above..].split('/').map(str::to_owned).collect()
}

/// Length of the deepest folder that all `paths` share, with its slash.
fn common_folder<'a>(mut paths: impl Iterator<Item = &'a str>) -> usize {
    let parent = |path: &'a str| path.rfind('/').map_or("", |slash| &path[..=slash]);
    let mut common = paths.next().map_or("", parent);
    for path in paths {
        while !path.starts_with(common) {
            common = parent(common.trim_end_matches('/'));
        }
    }
    common.len()
}

/// One file: of one content, or of several.
fn one_file(offers: Vec<Offer>) -> Selected {
    let mut contents = contents(offers);
    match contents.pop() {
        None => Selected::Nothing,
        Some(offers) if contents.is_empty() => {
            let name = offers.first().and_then(|offer| offer.holding.path.rsplit('/').next());
            let out = vec![name.unwrap_or_default().to_owned()];
            Selected::Files(Files { files: vec![Chosen { out, offers }], ..Files::default() })
        }
        Some(last) => {
            contents.push(last);
            Selected::Several(contents)
        }
    }
}

/// Many files, by path; `above` bytes of each path are not part of where it goes.
fn many(offers: Vec<Offer>, above: usize) -> (Vec<Chosen>, Vec<LeftOut>) {
    let mut by_path: BTreeMap<String, Vec<Offer>> = BTreeMap::new();
    for offer in offers {
        by_path.entry(offer.holding.path.clone()).or_default().push(offer);
    }
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for (path, offers) in by_path {
        let mut contents = contents(offers);
        let out = out(&path, above);
        match contents.pop() {
            Some(offers) if contents.is_empty() => files.push(Chosen { out, offers }),
            Some(last) => {
                contents.push(last);
                left_out.push(LeftOut { out, contents });
            }
            None => {}
        }
    }
    (files, left_out)
}

/// Puts offers of one content together, the newest first. Where a seeder has not read a file yet, and all who have agree
/// on its content and length, it is taken for that content but not asked for it; else what it has is a content of its own.
fn contents(offers: Vec<Offer>) -> Contents {
    let mut known: Contents = Vec::new();
    let mut unknown = Vec::new();
    for offer in offers {
        let Some(root) = offer.holding.stored.root else {
            unknown.push(offer);
            continue;
        };
        // Who states another length for the same hash lies, and must not spoil the others' file.
        let content = (Some(root), offer.holding.stored.size);
        let same = |group: &&mut Vec<Offer>| {
            let first = &group[0].holding.stored;
            (first.root, first.size) == content
        };
        match known.iter_mut().find(same) {
            Some(group) => group.push(offer),
            None => known.push(vec![offer]),
        }
    }
    let agreed = match known.as_slice() {
        [one] => one.first().map(|offer| offer.holding.stored.size),
        _ => None,
    };
    unknown.retain(|offer| Some(offer.holding.stored.size) != agreed);
    known.extend(unknown.into_iter().map(|offer| vec![offer]));
    let newest = |group: &Vec<Offer>| group.iter().map(|offer| offer.holding.stored.modified).max();
    known.sort_by_key(|group| std::cmp::Reverse(newest(group)));
    known
}

#[cfg(test)]
mod tests;
