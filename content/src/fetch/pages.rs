//! The manifest pages of one file that are needed now, verified.

use std::collections::BTreeMap;

use blake3::hazmat::ChainingValue;
use sealift_proto::catalogue::Root;
use sealift_proto::manifest::{Layout, ManifestError, PAGE_CHUNKS, check_page, check_page_values};

/// Verified pages, 128 KiB each for 4 GiB of file.
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

    /// The file that they are of.
    pub(super) const fn layout(&self) -> Layout {
        self.layout
    }

    /// The values of page `page`, or of the pages themselves, if they are here.
    pub(super) fn values(&self, page: Option<u64>) -> Option<&[ChainingValue]> {
        match page {
            Some(page) => self.pages.get(&page).map(Vec::as_slice),
            None => self.tops.as_deref(),
        }
    }

    pub(super) const fn has_tops(&self) -> bool {
        self.tops.is_some()
    }

    pub(super) fn has(&self, page: u64) -> bool {
        self.pages.contains_key(&page)
    }

    pub(super) fn held(&self) -> impl Iterator<Item = u64> {
        self.pages.keys().copied()
    }

    pub(super) fn forget(&mut self, page: u64) {
        self.pages.remove(&page);
    }

    /// What verifies chunk `index`: `Some(None)` for a file of one chunk, which its root verifies; `None` if the page is
    /// not there.
    pub(super) fn value(&self, index: u64) -> Option<Option<ChainingValue>> {
        if self.layout.pages() == 0 {
            return Some(None);
        }
        let page = self.pages.get(&(index / PAGE_CHUNKS))?;
        let at = usize::try_from(index % PAGE_CHUNKS).ok()?;
        page.get(at).copied().map(Some)
    }
}
