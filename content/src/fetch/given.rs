//! A download as something that can be served, from its first verified chunk on.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use blake3::hazmat::ChainingValue;
use sealift_proto::catalogue::Root;
use sealift_proto::identity::DeviceId;
use sealift_proto::manifest::Layout;
use sealift_proto::message::Missing;

use super::shared::Shared;
use crate::entry::EntryPlace;
use crate::hashes::Name;
use crate::serve::holdings::{Answer, Content, Holdings};

/// What has been verified of a download: chunks out of part files, and the values that came with them.
pub(super) struct Given(pub(super) Arc<Shared>);

impl Holdings for Given {
    /// Every member of the space reads everything that is offered in it, so also what was fetched from it.
    fn may(&self, _: &DeviceId, _: &Root) -> bool {
        true
    }

    fn known<'a>(&'a self, _: &'a [Root]) -> Answer<'a, ()> {
        Box::pin(std::future::ready(()))
    }

    fn layout(&self, root: &Root) -> Result<Layout, Missing> {
        self.0.schedule().given(root).map(|(_, layout)| layout).ok_or(Missing::Gone)
    }

    fn has(&self, root: &Root, chunks: Range<u64>) -> bool {
        self.0.schedule().gives(root, &chunks)
    }

    fn open(&self, root: &Root) -> Result<Box<dyn Content>, Missing> {
        let (job, _) = self.0.schedule().given(root).ok_or(Missing::Gone)?;
        Ok(Box::new(Fetched { shared: self.0.clone(), job }))
    }

    fn values(&self, root: &Root, page: Option<u64>) -> Result<Vec<ChainingValue>, Missing> {
        self.0.schedule().given_values(root, page)
    }

    /// A download has no catalogue of its own.
    fn want<'a>(
        &'a self,
        _: EntryPlace,
        _: &'a (dyn Fn(u64, u64) + Send + Sync),
    ) -> Answer<'a, Result<(Root, u64), Missing>> {
        Box::pin(std::future::ready(Err(Missing::Gone)))
    }
}

/// A file that is being fetched, or was.
struct Fetched {
    shared: Arc<Shared>,
    job: usize,
}

impl Content for Fetched {
    fn name(&self) -> Option<Name> {
        None
    }

    fn read(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.shared.sink.read(self.job, offset, buffer)
    }

    /// What was written was verified. Whoever fetches it verifies it again.
    fn is_sound(&self) -> bool {
        true
    }

    fn doubt(&self) {}
}

#[cfg(test)]
pub(super) mod tests;
