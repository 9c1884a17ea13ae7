//! Chunks and the manifest that verifies them one by one (PROTOCOL.md section 9.2).
//!
//! The manifest is BLAKE3's own tree, cut at 1 MiB: a chunk's chaining value, merged upwards with the others, gives the
//! root that `b3sum` prints. A page holds the values of 4,096 chunks, and the values of the pages merge into the root, so
//! that each page is verified alone. A file of one chunk needs no page.

use blake3::hazmat::{
    ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root,
};

use crate::catalogue::Root;

pub use crate::limits::{CHUNK, FILE_MAX, PAGE_CHUNKS};

/// Why a manifest was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Over [`FILE_MAX`].
    #[error("a file of over 16 TiB")]
    TooLarge,
    /// Not as many values as the file's length asks for.
    #[error("wrong number of values")]
    Length,
    /// The values do not merge into what they should.
    #[error("wrong values")]
    Mismatch,
    /// A page that the file does not have.
    #[error("no such page")]
    NoPage,
}

/// Shape of a file of a given length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    size: u64,
}

impl Layout {
    /// The layout of a file of `size` bytes.
    ///
    /// # Errors
    /// [`ManifestError::TooLarge`] over [`FILE_MAX`].
    pub const fn new(size: u64) -> Result<Self, ManifestError> {
        if size > FILE_MAX { Err(ManifestError::TooLarge) } else { Ok(Self { size }) }
    }

    /// Length of the file, bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// How many chunks it has; an empty file has one, of no bytes.
    #[must_use]
    pub const fn chunks(&self) -> u64 {
        let chunks = self.size.div_ceil(CHUNK);
        if chunks == 0 { 1 } else { chunks }
    }

    /// How many pages: none for a file of one chunk.
    #[must_use]
    pub const fn pages(&self) -> u64 {
        if self.chunks() == 1 { 0 } else { self.chunks().div_ceil(PAGE_CHUNKS) }
    }

    /// Length of chunk `index`, bytes; 0 past the end.
    #[must_use]
    pub fn chunk_len(&self, index: u64) -> u64 {
        index.checked_mul(CHUNK).map_or(0, |start| self.size.saturating_sub(start).min(CHUNK))
    }

    /// How many values page `page` holds; 0 past the end.
    #[must_use]
    pub fn page_len(&self, page: u64) -> u64 {
        page.checked_mul(PAGE_CHUNKS)
            .map_or(0, |start| self.chunks().saturating_sub(start).min(PAGE_CHUNKS))
    }

    /// Bytes of the file under page `page`.
    fn page_bytes(&self, page: u64) -> u64 {
        (self.size - page * PAGE_CHUNKS * CHUNK).min(PAGE_CHUNKS * CHUNK)
    }
}

/// Chaining value of chunk `index` of a file of several chunks. `chunk` has the length that the layout says.
#[must_use]
pub fn chunk_value(index: u64, chunk: &[u8]) -> ChainingValue {
    let mut hasher = blake3::Hasher::new();
    hasher.set_input_offset(index * CHUNK).update(chunk).finalize_non_root()
}

/// Whether `chunk` is chunk `index` of a file: of the file itself if it has one chunk, else by the value in its page.
#[must_use]
pub fn chunk_fits(
    layout: Layout,
    root: &Root,
    value: Option<&ChainingValue>,
    index: u64,
    chunk: &[u8],
) -> bool {
    if u64::try_from(chunk.len()).ok() != Some(layout.chunk_len(index)) {
        return false;
    }
    match value {
        None => layout.chunks() == 1 && index == 0 && blake3::hash(chunk) == root.0,
        Some(value) => index < layout.chunks() && chunk_value(index, chunk) == *value,
    }
}

/// All the values of a file, page by page: what a seeder keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    layout: Layout,
    values: Vec<ChainingValue>,
}

impl Manifest {
    /// Takes the values of all chunks in order; none for a file of one chunk.
    ///
    /// # Errors
    /// [`ManifestError::Length`] when there are not as many as there should be.
    pub fn new(layout: Layout, values: Vec<ChainingValue>) -> Result<Self, ManifestError> {
        let expected = if layout.pages() == 0 { 0 } else { layout.chunks() };
        match u64::try_from(values.len()) {
            Ok(len) if len == expected => Ok(Self { layout, values }),
            _ => Err(ManifestError::Length),
        }
    }

    /// The file's root; `None` for a file of one chunk, whose root is its plain hash.
    #[must_use]
    pub fn root(&self) -> Option<Root> {
        match self.layout.pages() {
            0 => None,
            1 => Some(merge_root(&self.values, CHUNK, self.layout.size)),
            _ => Some(merge_root(&self.page_values(), CHUNK * PAGE_CHUNKS, self.layout.size)),
        }
    }

    /// The values of page `page`; empty past the end.
    #[must_use]
    pub fn page(&self, page: u64) -> &[ChainingValue] {
        let from = usize::try_from(page.saturating_mul(PAGE_CHUNKS)).unwrap_or(usize::MAX);
        let len = usize::try_from(self.layout.page_len(page)).unwrap_or(0);
        self.values.get(from..).and_then(|rest| rest.get(..len)).unwrap_or(&[])
    }

    /// The values of the pages themselves, for a file of several pages; else empty.
    #[must_use]
    pub fn page_values(&self) -> Vec<ChainingValue> {
        let pages = self.layout.pages();
        if pages < 2 {
            return Vec::new();
        }
        (0..pages).map(|page| merge(self.page(page), CHUNK, self.layout.page_bytes(page))).collect()
    }
}

/// Checks the values of all pages of a file of several pages against its root.
///
/// # Errors
/// When there are not as many as there should be or they do not merge into the root.
pub fn check_page_values(
    layout: Layout,
    root: &Root,
    values: &[ChainingValue],
) -> Result<(), ManifestError> {
    if layout.pages() < 2 {
        return Err(ManifestError::NoPage);
    }
    if u64::try_from(values.len()).ok() != Some(layout.pages()) {
        return Err(ManifestError::Length);
    }
    let found = merge_root(values, CHUNK * PAGE_CHUNKS, layout.size);
    if found == *root { Ok(()) } else { Err(ManifestError::Mismatch) }
}

/// Checks the values of page `page`: against the root if it is the only one, else against its own verified value.
///
/// # Errors
/// When there are not as many as there should be or they do not merge into what they should.
pub fn check_page(
    layout: Layout,
    root: &Root,
    page_value: Option<&ChainingValue>,
    page: u64,
    values: &[ChainingValue],
) -> Result<(), ManifestError> {
    if page >= layout.pages() {
        return Err(ManifestError::NoPage);
    }
    if u64::try_from(values.len()).ok() != Some(layout.page_len(page)) {
        return Err(ManifestError::Length);
    }
    let fits = match (layout.pages(), page_value) {
        (1, None) => merge_root(values, CHUNK, layout.size) == *root,
        (2.., Some(expected)) => merge(values, CHUNK, layout.page_bytes(page)) == *expected,
        _ => return Err(ManifestError::NoPage),
    };
    if fits { Ok(()) } else { Err(ManifestError::Mismatch) }
}

/// Merges the values of consecutive subtrees of `unit` bytes each (the last may be shorter) that hold `bytes` in all.
fn merge(values: &[ChainingValue], unit: u64, bytes: u64) -> ChainingValue {
    if let [only] = values {
        return *only;
    }
    let (left, right, left_bytes) = split(values, unit, bytes);
    merge_subtrees_non_root(
        &merge(left, unit, left_bytes),
        &merge(right, unit, bytes - left_bytes),
        Mode::Hash,
    )
}

fn merge_root(values: &[ChainingValue], unit: u64, bytes: u64) -> Root {
    let (left, right, left_bytes) = split(values, unit, bytes);
    let left = merge(left, unit, left_bytes);
    let right = merge(right, unit, bytes - left_bytes);
    Root(merge_subtrees_root(&left, &right, Mode::Hash).into())
}

/// Splits as BLAKE3 does: the left part is the largest power of two of bytes that leaves something to the right. The
/// callers checked that there are as many values as `bytes` asks for, at least two.
fn split(
    values: &[ChainingValue],
    unit: u64,
    bytes: u64,
) -> (&[ChainingValue], &[ChainingValue], u64) {
    let left_bytes = left_subtree_len(bytes);
    let at = usize::try_from(left_bytes / unit).unwrap_or(usize::MAX).min(values.len());
    let (left, right) = values.split_at(at);
    (left, right, left_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(content: &[u8]) -> (Layout, Manifest) {
        let layout = Layout::new(content.len() as u64).unwrap();
        let values = if layout.pages() == 0 {
            Vec::new()
        } else {
            content.chunks(1 << 20).enumerate().map(|(i, c)| chunk_value(i as u64, c)).collect()
        };
        (layout, Manifest::new(layout, values).unwrap())
    }

    #[test]
    fn the_root_is_the_plain_hash() {
        for size in [(1 << 20) + 1, 2 << 20, (3 << 20) + 5, (7 << 20) - 1, 8 << 20] {
            let content: Vec<u8> = (0..size).map(|i: usize| (i % 251) as u8).collect();
            let (layout, manifest) = manifest(&content);
            let root = Root(blake3::hash(&content).into());
            assert_eq!(manifest.root(), Some(root), "{size}");
            assert_eq!(check_page(layout, &root, None, 0, manifest.page(0)), Ok(()));
            let last = layout.chunks() - 1;
            let chunk = &content[last as usize * (1 << 20)..];
            let value = manifest.page(0)[last as usize];
            assert!(chunk_fits(layout, &root, Some(&value), last, chunk));
            assert!(!chunk_fits(layout, &root, Some(&value), last - 1, chunk));
        }
    }

    #[test]
    fn pages_merge_as_the_whole_does() {
        // Values stand for chunks: the tree above them is the same whatever was hashed.
        let size = CHUNK * (2 * PAGE_CHUNKS + 5) + 17;
        let layout = Layout::new(size).unwrap();
        let values: Vec<ChainingValue> =
            (0..layout.chunks()).map(|i| blake3::hash(&i.to_be_bytes()).into()).collect();
        let whole = merge_root(&values, CHUNK, size);
        let manifest = Manifest::new(layout, values).unwrap();
        assert_eq!(manifest.root(), Some(whole));
        let tops = manifest.page_values();
        assert_eq!(check_page_values(layout, &whole, &tops), Ok(()));
        for page in 0..layout.pages() {
            let top = tops.get(page as usize);
            assert_eq!(check_page(layout, &whole, top, page, manifest.page(page)), Ok(()));
            let mut wrong = manifest.page(page).to_vec();
            wrong[0][0] ^= 1;
            assert_eq!(check_page(layout, &whole, top, page, &wrong), Err(ManifestError::Mismatch));
        }
        assert_eq!(check_page(layout, &whole, None, 9, &[]), Err(ManifestError::NoPage));
    }

    #[test]
    fn layouts_reach_sixteen_tebibytes() {
        let layout = Layout::new(FILE_MAX).unwrap();
        assert_eq!((layout.chunks(), layout.pages()), (1 << 24, 4096));
        assert_eq!((layout.chunk_len((1 << 24) - 1), layout.chunk_len(1 << 24)), (CHUNK, 0));
        assert!(Layout::new(FILE_MAX + 1).is_err());
        let empty = Layout::new(0).unwrap();
        assert_eq!((empty.chunks(), empty.pages(), empty.chunk_len(0)), (1, 0, 0));
        assert!(chunk_fits(empty, &Root::empty(), None, 0, b""));
    }
}
