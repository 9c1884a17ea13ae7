//! What could not be written, by a program that goes on without it, and writes it when it can if it stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether something is owed to the disk. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Unwritten {
    owed: Arc<AtomicBool>,
    stays: bool,
}

impl Unwritten {
    /// Of a program that stays, and tries again until everything is written.
    #[must_use]
    pub fn of_one_that_stays() -> Self {
        Self { stays: true, ..Self::default() }
    }

    /// Whether the program stays.
    #[must_use]
    pub const fn stays(&self) -> bool {
        self.stays
    }

    /// Something waits to be written. True if nothing did before: then it is news.
    #[must_use]
    pub fn owe(&self) -> bool {
        !self.owed.swap(true, Ordering::Relaxed)
    }

    /// Whether something waits to be written.
    #[must_use]
    pub fn is_owed(&self) -> bool {
        self.owed.load(Ordering::Relaxed)
    }

    /// Everything has been written. True if something had waited.
    #[must_use]
    pub fn settle(&self) -> bool {
        self.owed.swap(false, Ordering::Relaxed)
    }
}
