//! What tells one state of a file from another without reading it.

use sealift_platform::disk::Stat;
use serde::{Deserialize, Serialize};

/// Size, times and identity of a file. As long as none of it changes, its content counts as unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Print {
    /// Length, bytes.
    pub size: u64,
    /// Last change of the content, nanoseconds since 1970.
    pub modified_ns: i64,
    /// Last change of content or metadata, nanoseconds since 1970.
    pub changed_ns: i64,
    /// Number within its file system.
    pub inode: u64,
    /// File system.
    pub device: u64,
}

impl Print {
    /// The print of what is no file.
    pub const NONE: Self = Self { size: 0, modified_ns: 0, changed_ns: 0, inode: 0, device: 0 };

    /// The print of a file in the state `stat`. Times beyond the year 2262 count as that year.
    #[must_use]
    pub fn of(stat: &Stat) -> Self {
        Self {
            size: stat.len,
            modified_ns: clamp(stat.modified_ns),
            changed_ns: clamp(stat.changed_ns),
            inode: stat.inode,
            device: stat.device,
        }
    }

    /// Last change of the content, unix milliseconds.
    #[must_use]
    pub const fn modified_ms(&self) -> i64 {
        self.modified_ns.div_euclid(1_000_000)
    }

    /// The latest of its times, unix milliseconds.
    #[must_use]
    pub fn latest_ms(&self) -> i64 {
        self.modified_ns.max(self.changed_ns).div_euclid(1_000_000)
    }
}

fn clamp(ns: i128) -> i64 {
    i64::try_from(ns).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}
