//! How much the store holds.

use redb::{ReadableDatabase, ReadableTable, ReadableTableMetadata};

use super::core::Shared;
use super::error::StoreError;
use super::tables::{INVITES, SEGMENTS, USAGE};

/// What the store holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Bytes, as they are charged.
    pub(crate) bytes: u64,
    /// Records, cards and heads.
    pub(crate) statements: u64,
    /// Sealed segments.
    pub(crate) segments: u64,
    /// Invites.
    pub(crate) invites: u64,
    /// Spaces with anything stored.
    pub(crate) spaces: u64,
    /// Bytes free on its disk.
    pub(crate) disk_free: u64,
}

impl Shared {
    pub(super) fn usage(&self) -> Result<Usage, StoreError> {
        let disk_free = self.root.free_bytes()?;
        self.with(|database| {
            let reading = database.begin_read()?;
            let usage = reading.open_table(USAGE)?;
            let (bytes, statements, _) =
                usage.get(&[][..])?.map_or((0, 0, 0), |found| found.value());
            let segments = reading.open_table(SEGMENTS)?.len()?;
            let invites = reading.open_table(INVITES)?.len()?;
            let mut spaces = 0;
            for found in usage.iter()? {
                // A space's own line; those of its devices are longer.
                spaces += u64::from(found?.0.value().len() == 32);
            }
            Ok(Usage { bytes, statements, segments, invites, spaces, disk_free })
        })
    }
}
