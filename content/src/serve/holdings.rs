//! What can be served: the seam between serving and whatever holds content.

use std::ops::Range;
use std::pin::Pin;

use blake3::hazmat::ChainingValue;
use sealift_proto::catalogue::Root;
use sealift_proto::identity::DeviceId;
use sealift_proto::manifest::Layout;
use sealift_proto::message::Missing;

use super::passing::Passing;
use crate::entry::EntryPlace;
use crate::hashes::Name;

/// An answer that takes time.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Contents that can be given to others: a watched folder, a download that is not complete, a mirror.
pub trait Holdings: Send + Sync + 'static {
    /// Whether the device `to` may have `root`. What it may not have is Gone to it.
    fn may(&self, to: &DeviceId, root: &Root) -> bool;

    /// Waits until it is known of `roots` whether they are here; not for ever.
    fn known<'a>(&'a self, roots: &'a [Root]) -> Answer<'a, ()>;

    /// Length of `root`.
    ///
    /// # Errors
    /// Why it is not here.
    fn layout(&self, root: &Root) -> Result<Layout, Missing>;

    /// Whether these chunks of `root` are here, as far as can be told without opening it.
    fn has(&self, root: &Root, chunks: Range<u64>) -> bool;

    /// Opens `root`. Blocks.
    ///
    /// # Errors
    /// Why it is not here.
    fn open(&self, root: &Root) -> Result<Box<dyn Content>, Missing>;

    /// The values of page `page` of `root`, or of the pages themselves. Blocks.
    ///
    /// # Errors
    /// Why they are not here; [`Missing::Refused`] where there is no such page.
    fn values(&self, root: &Root, page: Option<u64>) -> Result<Vec<ChainingValue>, Missing>;

    /// Content and length of an entry that has none in the catalogue yet. Where it takes a while, `reading` hears about each
    /// second how many bytes of how many have been read.
    fn want<'a>(
        &'a self,
        entry: EntryPlace,
        reading: &'a (dyn Fn(u64, u64) + Send + Sync),
    ) -> Answer<'a, Result<(Root, u64), Missing>>;
}

/// An open content. All of it may block.
pub trait Content: Send + Sync {
    /// What it is called here, for whoever watches.
    fn name(&self) -> Option<Name>;

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    /// When it cannot be read, or ends before.
    fn read(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()>;

    /// Held while `range` is read: what it brings into the system's cache goes out of it again.
    fn passing(&self, range: Range<u64>) -> Option<Passing> {
        let _ = range;
        None
    }

    /// Whether it is still what was hashed.
    fn is_sound(&self) -> bool;

    /// It was not what it should be: whoever holds it should look again.
    fn doubt(&self);
}
