//! Entries in the order of their paths, out of one index file or merged from several.

use super::block::Text;
use super::index::Index;
use super::{ReplicaError, Stored};

/// A path with its entry, or with `None` its removal.
pub(super) type Step = (String, Option<Stored>);

/// Something that yields steps with rising paths.
pub(super) type Source<'a> = Box<dyn Iterator<Item = Result<Step, ReplicaError>> + 'a>;

/// Walks one index file.
pub(super) struct Cursor<'a> {
    index: &'a Index,
    block: usize,
    entry: usize,
    count: usize,
    text: Vec<u8>,
    detail: Vec<u8>,
}

impl<'a> Cursor<'a> {
    /// Starts at the first path that is `from` or comes after it.
    pub(super) fn new(index: &'a Index, from: &str) -> Result<Self, ReplicaError> {
        let block = index.block_for(from);
        let mut cursor =
            Self { index, block, entry: 0, count: 0, text: Vec::new(), detail: Vec::new() };
        cursor.load()?;
        if cursor.count > 0 {
            cursor.entry = Text::view(&cursor.text)?.lower_bound(from);
        }
        Ok(cursor)
    }

    fn load(&mut self) -> Result<(), ReplicaError> {
        (self.entry, self.count) = (0, 0);
        if self.block < self.index.blocks().len() {
            self.count = self.index.text(self.block, &mut self.text)?.count();
            self.index.detail(self.block, &mut self.detail)?;
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Step>, ReplicaError> {
        while self.entry >= self.count {
            if self.count == 0 {
                return Ok(None);
            }
            self.block += 1;
            self.load()?;
        }
        let text = Text::view(&self.text)?;
        let step = (text.path(self.entry)?.to_owned(), text.stored(self.entry, &self.detail)?);
        self.entry += 1;
        Ok(Some(step))
    }
}

impl Iterator for Cursor<'_> {
    type Item = Result<Step, ReplicaError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Merges `sources`, oldest first: of several steps for one path the newest counts.
pub(super) struct Merge<'a> {
    sources: Vec<Source<'a>>,
    heads: Vec<Option<Step>>,
}

impl<'a> Merge<'a> {
    pub(super) fn new(mut sources: Vec<Source<'a>>) -> Result<Self, ReplicaError> {
        let heads =
            sources.iter_mut().map(|source| source.next().transpose()).collect::<Result<_, _>>()?;
        Ok(Self { sources, heads })
    }

    fn step(&mut self) -> Result<Option<Step>, ReplicaError> {
        let Some(least) = self.heads.iter().flatten().map(|(path, _)| path).min().cloned() else {
            return Ok(None);
        };
        let mut newest = None;
        for (head, source) in self.heads.iter_mut().zip(&mut self.sources) {
            if head.as_ref().is_some_and(|(path, _)| *path == least) {
                newest = std::mem::replace(head, source.next().transpose()?);
            }
        }
        Ok(newest)
    }
}

impl Iterator for Merge<'_> {
    type Item = Result<Step, ReplicaError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
