//! What of the files can be given on: chunks that are verified and written, and the values that verify them.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use blake3::hazmat::ChainingValue;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::Layout;
use sealift_proto::message::Missing;

use super::{Schedule, State};
use crate::fetch::pages::Pages;
use crate::fetch::ranges::Ranges;

/// A file all of whose chunks are there.
struct Whole {
    job: usize,
    pages: Pages,
}

/// Contents of more bytes than this are named to others. Of smaller ones a link between two who fetch costs more than it brings.
const NAMED: u64 = 4 * 1024 * 1024;
/// Entries of the log looked through in one go.
const FRESH: usize = 4096;
/// Stands in the log for a file that was begun, in place of a chunk. No file has so many.
const BEGUN: u32 = u32::MAX;

/// Contents by their roots, where they are given on at all.
#[derive(Default)]
pub(super) struct Given {
    /// Under way, and which job that is.
    open: HashMap<Root, usize>,
    whole: HashMap<Root, Whole>,
    /// The contents that are named to others, by their jobs.
    named: BTreeMap<usize, Root>,
    /// What can be given of those, in the order in which it came: jobs and chunks, 8 bytes for each MiB.
    log: Vec<(u32, u32)>,
}

/// What can be given of one content: chunks that could not be before, none where it has only been begun.
#[derive(Debug, PartialEq, Eq)]
pub struct Fresh {
    /// The content.
    pub root: Root,
    /// The chunks.
    pub chunks: Ranges,
    /// Nothing of it was given before.
    pub begun: bool,
}

impl Given {
    /// The file of `job` is under way, and `done` is there of it.
    pub(super) fn begun(&mut self, root: Root, job: usize, layout: Layout, done: &Ranges) {
        self.open.insert(root, job);
        if layout.size() > NAMED {
            self.named.insert(job, root);
            self.note(job, BEGUN);
            for index in done.iter().flatten() {
                self.verified(job, index);
            }
        }
    }

    /// Chunk `index` of `job` is verified and written.
    pub(super) fn verified(&mut self, job: usize, index: u64) {
        if let (true, Ok(index)) = (self.named.contains_key(&job), u32::try_from(index)) {
            self.note(job, index);
        }
    }

    fn note(&mut self, job: usize, index: u32) {
        if let Ok(job) = u32::try_from(job) {
            self.log.push((job, index));
        }
    }

    /// All chunks of the file of `job` are there.
    pub(super) fn complete(&mut self, root: Root, job: usize, pages: Pages) {
        self.open.remove(&root);
        self.whole.insert(root, Whole { job, pages });
    }
}

impl Schedule {
    /// Remembers from now on what others can be given of the files.
    pub fn give_on(&mut self) {
        self.given.get_or_insert_default();
    }

    /// What can be given that could not be before `position` in the order of what came, and the position to go on from.
    #[must_use]
    pub fn fresh(&self, position: usize) -> (Vec<Fresh>, usize) {
        let Some(given) = &self.given else { return (Vec::new(), 0) };
        let end = given.log.len().min(position.saturating_add(FRESH));
        let mut fresh = BTreeMap::<u32, (Ranges, bool)>::new();
        for (job, index) in given.log.get(position..end).unwrap_or_default() {
            let (chunks, begun) = fresh.entry(*job).or_default();
            if *index == BEGUN {
                *begun = true;
            } else {
                chunks.insert(u64::from(*index)..u64::from(*index) + 1);
            }
        }
        let root = |job: u32| given.named.get(&usize::try_from(job).ok()?).copied();
        let named = fresh
            .into_iter()
            .filter_map(|(job, (chunks, begun))| Some(Fresh { root: root(job)?, chunks, begun }));
        (named.collect(), end)
    }

    /// Whether anything of this is named to others.
    #[must_use]
    pub fn names_any(&self) -> bool {
        self.given.as_ref().is_some_and(|given| !given.named.is_empty())
    }

    /// Chunk `index` of `job` is there now.
    pub(super) fn now_given(&mut self, job: usize, index: u64) {
        if let Some(given) = &mut self.given {
            given.verified(job, index);
        }
    }

    fn pages_of(&self, root: &Root) -> Option<(usize, &Pages)> {
        let given = self.given.as_ref()?;
        if let Some(whole) = given.whole.get(root) {
            return Some((whole.job, &whole.pages));
        }
        let job = *given.open.get(root)?;
        match &self.jobs.get(job)?.state {
            State::Open(file) if file.root == *root => Some((job, &file.pages)),
            _ => None,
        }
    }

    /// Which file has the content `root`, and how long it is; `None` if nothing of it can be given.
    #[must_use]
    pub fn given(&self, root: &Root) -> Option<(usize, Layout)> {
        self.pages_of(root).map(|(job, pages)| (job, pages.layout()))
    }

    /// Whether these chunks of `root` are verified and written.
    #[must_use]
    pub fn gives(&self, root: &Root, chunks: &Range<u64>) -> bool {
        let Some((job, pages)) = self.pages_of(root) else { return false };
        match self.jobs.get(job).map(|of| &of.state) {
            Some(State::Open(file)) if file.root == *root => file.has(chunks),
            _ => chunks.end <= pages.layout().chunks(),
        }
    }

    /// The values of page `page` of `root`, or of the pages themselves.
    ///
    /// # Errors
    /// Why they are not here.
    pub fn given_values(
        &self,
        root: &Root,
        page: Option<u64>,
    ) -> Result<Vec<ChainingValue>, Missing> {
        let (_, pages) = self.pages_of(root).ok_or(Missing::Gone)?;
        let there =
            page.map_or_else(|| pages.layout().pages() > 1, |page| page < pages.layout().pages());
        if !there {
            return Err(Missing::Refused);
        }
        pages.values(page).map(<[_]>::to_vec).ok_or(Missing::Gone)
    }
}
