//! Entries of catalogues, as far as content is asked for by them.

/// Where a catalogue states a file: how one is named whose content is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryPlace {
    /// Which log.
    pub log_id: [u8; 16],
    /// Position of the segment in it.
    pub position: u64,
    /// Place of the change within the segment.
    pub index: u32,
}
