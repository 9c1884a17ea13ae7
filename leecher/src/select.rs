//! What a NAME on the command line means: which files, from whom, and where they go.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use sealift_proto::identity::DeviceId;

use crate::replica::{LogView, ReplicaError, Stored};
use crate::search::{Holding, Match, compile, is_glob, search};
use crate::text::fold;

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

/// What a NAME means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selected {
    /// These files, less those that have several contents.
    Files {
        /// To be fetched.
        files: Vec<Chosen>,
        /// Left out: a choice is needed for each.
        left_out: Vec<LeftOut>,
    },
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
        let stored = view.find(path)?.filter(|stored| choice.allows(view, stored));
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
        if choice.allows(view, &holding.stored) && ends_with(&fold(&holding.path), &fold(name)) {
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
            for (slash, _) in path.match_indices('/') {
                if !folders.contains(&path[..slash]) && ends_with(&fold(&path[..slash]), &folded) {
                    folders.insert(path[..slash].to_owned());
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
    let mut offers = Vec::new();
    for view in views.iter().map(Borrow::borrow) {
        for entry in view.beneath(folder)? {
            let (path, stored) = entry?;
            if choice.allows(view, &stored) {
                offers.push(offer(view, path, stored));
            }
        }
    }
    let above = folder.rfind('/').map_or(0, |slash| slash + 1);
    Ok(many(offers, above))
}

/// Everything that fits the glob.
fn glob<V: Borrow<LogView> + Sync>(
    views: &[V],
    glob: &str,
    choice: &Choice,
) -> Result<Selected, ReplicaError> {
    let on_path = glob.contains('/');
    let Some(matcher) = compile(&fold(glob), on_path) else { return Ok(Selected::Nothing) };
    let mut offers = Vec::new();
    for view in views.iter().map(Borrow::borrow) {
        for entry in view.entries("")? {
            let (path, stored) = entry?;
            let folded = fold(&path);
            let subject = if on_path { &*folded } else { folded.rsplit('/').next().unwrap_or("") };
            if matcher.fits(subject) && choice.allows(view, &stored) {
                offers.push(offer(view, path, stored));
            }
        }
    }
    let above = common_folder(offers.iter().map(|offer| offer.holding.path.as_str()));
    Ok(many(offers, above))
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
            Selected::Files { files: vec![Chosen { out, offers }], left_out: Vec::new() }
        }
        Some(last) => {
            contents.push(last);
            Selected::Several(contents)
        }
    }
}

/// Many files, by path; `above` bytes of each path are not part of where it goes.
fn many(offers: Vec<Offer>, above: usize) -> Selected {
    let mut by_path: BTreeMap<String, Vec<Offer>> = BTreeMap::new();
    for offer in offers {
        by_path.entry(offer.holding.path.clone()).or_default().push(offer);
    }
    if by_path.is_empty() {
        return Selected::Nothing;
    }
    let (mut files, mut left_out) = (Vec::new(), Vec::new());
    for (path, offers) in by_path {
        let mut contents = contents(offers);
        let out = path[above..].split('/').map(str::to_owned).collect();
        match contents.pop() {
            Some(offers) if contents.is_empty() => files.push(Chosen { out, offers }),
            Some(last) => {
                contents.push(last);
                left_out.push(LeftOut { out, contents });
            }
            None => {}
        }
    }
    Selected::Files { files, left_out }
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
mod tests {
    use std::sync::Arc;

    use sealift_platform::disk::Root as Folder;
    use sealift_proto::catalogue::{Change, Entry, Root};
    use sealift_proto::identity::SecretKey;
    use sealift_proto::path::RelativePath;
    use sealift_proto::space::SpaceId;

    use super::*;
    use crate::replica::{LogKey, Update};
    use sealift_platform::testing::MemoryDisk;

    fn device(number: u8) -> DeviceId {
        SecretKey::from_seed([number; 32]).id()
    }

    /// The catalogue of seeder `number`: paths with contents; 0 is not hashed yet.
    fn view(number: u8, files: &[(&str, u8)]) -> LogView {
        let root: Arc<dyn Folder> = MemoryDisk::new().root();
        let space = SpaceId::from_bytes([1; 32]);
        let key = LogKey { space, device: device(number), log: 2 };
        let mut update = Update::begin(&root, &key, [number; 16], 0, 1, false).unwrap().unwrap();
        let changes = files.iter().map(|(path, content)| {
            Change::Put(Entry {
                path: RelativePath::new(*path).unwrap(),
                size: 9,
                modified: i64::from(*content),
                flags: 0,
                root: (*content > 0).then_some(Root([*content; 32])),
            })
        });
        update.apply([0; 32], 0, changes.collect()).unwrap();
        update.commit(vec![1]).unwrap();
        LogView::open(&root, &key).unwrap().unwrap()
    }

    fn any() -> Choice {
        Choice::default()
    }

    /// Where files go and how many have each; and how many are left out.
    fn files(views: &[LogView], name: &str, choice: &Choice) -> (Vec<(String, usize)>, usize) {
        match select(views, name, choice).unwrap() {
            Selected::Files { files, left_out } => (
                files.iter().map(|file| (file.out.join("/"), file.offers.len())).collect(),
                left_out.len(),
            ),
            other => panic!("{other:?}"),
        }
    }

    fn plain(list: &[&str]) -> (Vec<(String, usize)>, usize) {
        (list.iter().map(|name| ((*name).to_owned(), 1)).collect(), 0)
    }

    #[test]
    fn a_name_is_a_path_a_file_name_or_the_end_of_a_path() {
        let views = [view(1, &[("s/d/a.txt", 1), ("s/e/b.txt", 2), ("s/B.txt", 3)])];
        assert_eq!(files(&views, "s/d/a.txt", &any()), plain(&["a.txt"]));
        assert_eq!(files(&views, "a.txt", &any()), plain(&["a.txt"]));
        assert_eq!(files(&views, "d/a.txt", &any()), plain(&["a.txt"]));
        assert_eq!(files(&views, "A.TXT", &any()), plain(&["a.txt"]));
        assert_eq!(files(&views, "b.txt", &any()), plain(&["b.txt"]), "letter case as typed");
        assert_eq!(select(&views, ".txt", &any()).unwrap(), Selected::Nothing);
        assert_eq!(select(&views, "a.txt/", &any()).unwrap(), Selected::Nothing);
        assert_eq!(select(&views, "", &any()).unwrap(), Selected::Nothing);
    }

    #[test]
    fn a_folder_keeps_its_own_name_and_what_is_in_it() {
        let views = [view(1, &[("s/d/a", 1), ("s/d/x/b", 2), ("s/dd", 3), ("s/e/x/c", 4)])];
        let whole = plain(&["d/a", "d/x/b"]);
        assert_eq!(files(&views, "s/d", &any()), whole);
        assert_eq!(files(&views, "d/", &any()), whole);
        assert_eq!(files(&views, "D", &any()), whole);
        assert_eq!(files(&views, "s", &any()).0.len(), 4);
        assert_eq!(
            select(&views, "x", &any()).unwrap(),
            Selected::SeveralFolders(vec!["s/d/x".into(), "s/e/x".into()])
        );
    }

    #[test]
    fn a_glob_lands_below_the_deepest_common_folder() {
        let views = [
            view(1, &[("s/d/a.jpg", 1), ("s/d/x/b.JPG", 2), ("s/c.txt", 3)]),
            view(2, &[("t/c.txt", 4)]),
        ];
        assert_eq!(files(&views, "*.jpg", &any()), plain(&["a.jpg", "x/b.JPG"]));
        assert_eq!(files(&views, "x/*", &any()), plain(&["b.JPG"]));
        assert_eq!(files(&views, "*.txt", &any()), plain(&["s/c.txt", "t/c.txt"]));
        assert_eq!(select(&views, "*.png", &any()).unwrap(), Selected::Nothing);
        assert_eq!(select(&views, "[", &any()).unwrap(), Selected::Nothing);
    }

    #[test]
    fn several_contents_are_never_guessed() {
        let views = [
            view(1, &[("s/a.txt", 1), ("s/same", 7)]),
            view(2, &[("s/a.txt", 2), ("s/same", 7), ("s/own", 8)]),
        ];
        match select(&views, "a.txt", &any()).unwrap() {
            Selected::Several(contents) => {
                assert_eq!(contents.len(), 2);
                assert_eq!(contents[0][0].holding.key.device, device(2), "the newest first");
            }
            other => panic!("{other:?}"),
        }
        let (found, left_out) = files(&views, "s", &any());
        assert_eq!(found, [("s/own".into(), 1), ("s/same".into(), 2)]);
        assert_eq!(left_out, 1);
        let from = Choice { from: Some([device(1)].into()), hash: None };
        assert_eq!(files(&views, "a.txt", &from), plain(&["a.txt"]));
        let hash = Choice { from: None, hash: Some("0202".into()) };
        assert_eq!(files(&views, "s/a.txt", &hash), plain(&["a.txt"]));
        assert_eq!(files(&views, "s", &from), plain(&["s/a.txt", "s/same"]));
    }

    #[test]
    fn files_of_one_name_in_two_folders_are_several() {
        let views = [view(1, &[("s/a/x", 1), ("s/b/x", 2), ("s/a/y", 3), ("s/b/y", 3)])];
        assert!(matches!(select(&views, "x", &any()).unwrap(), Selected::Several(_)));
        assert_eq!(files(&views, "y", &any()), (vec![("y".into(), 2)], 0), "one content");
        assert_eq!(files(&views, "a/x", &any()), plain(&["x"]));
    }

    #[test]
    fn what_is_not_read_yet_counts_only_where_it_is_alone_or_differs() {
        let alone = [view(1, &[("s/a", 0)])];
        assert_eq!(files(&alone, "a", &any()), plain(&["a"]));
        let agreed = [view(1, &[("s/a", 0)]), view(2, &[("s/a", 5)])];
        assert_eq!(files(&agreed, "a", &any()), plain(&["a"]));
        let two = [view(1, &[("s/a", 0)]), view(2, &[("s/a", 0)])];
        assert!(matches!(select(&two, "a", &any()).unwrap(), Selected::Several(_)));
    }
}
