//! What of the files can be given on: chunks that are verified and written, and the values that verify them.

use std::collections::HashMap;
use std::ops::Range;

use blake3::hazmat::ChainingValue;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::Layout;
use sealift_proto::message::Missing;

use super::{Schedule, State};
use crate::fetch::pages::Pages;

/// A file all of whose chunks are there.
struct Whole {
    job: usize,
    pages: Pages,
}

/// Contents by their roots, where they are given on at all.
#[derive(Default)]
pub(super) struct Given {
    /// Under way, and which job that is.
    open: HashMap<Root, usize>,
    whole: HashMap<Root, Whole>,
}

impl Given {
    /// The file of `job` is under way.
    pub(super) fn begun(&mut self, root: Root, job: usize) {
        self.open.insert(root, job);
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
