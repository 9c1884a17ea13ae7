//! The manifest pages of one file, as far as they have come and verified.

use std::collections::BTreeMap;

use blake3::hazmat::ChainingValue;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::{Layout, ManifestError, PAGE_CHUNKS, check_page, check_page_values};

/// Verified pages.
pub(super) struct Pages {
    layout: Layout,
    root: Root,
    tops: Option<Vec<ChainingValue>>,
    pages: BTreeMap<u64, Vec<ChainingValue>>,
}

impl Pages {
    pub(super) const fn new(layout: Layout, root: Root) -> Self {
        Self { layout, root, tops: None, pages: BTreeMap::new() }
    }

    /// Takes page `page`, or the values of the pages themselves, if they verify.
    pub(super) fn take(
        &mut self,
        page: Option<u64>,
        values: Vec<ChainingValue>,
    ) -> Result<(), ManifestError> {
        let Some(page) = page else {
            check_page_values(self.layout, &self.root, &values)?;
            self.tops = Some(values);
            return Ok(());
        };
        let top = match &self.tops {
            Some(tops) => Some(
                usize::try_from(page)
                    .ok()
                    .and_then(|at| tops.get(at))
                    .ok_or(ManifestError::NoPage)?,
            ),
            None => None,
        };
        check_page(self.layout, &self.root, top, page, &values)?;
        self.pages.insert(page, values);
        Ok(())
    }

    /// What verifies chunk `index`: `Some(None)` for a file of one chunk, which its root verifies; `None` if the page has
    /// not come.
    pub(super) fn value(&self, index: u64) -> Option<Option<ChainingValue>> {
        if self.layout.pages() == 0 {
            return Some(None);
        }
        let page = self.pages.get(&(index / PAGE_CHUNKS))?;
        let at = usize::try_from(index % PAGE_CHUNKS).ok()?;
        page.get(at).copied().map(Some)
    }
}
