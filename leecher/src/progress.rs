//! Progress on a terminal; nothing where nobody looks.

use indicatif::{ProgressBar, ProgressStyle};
use sealift_peer::console::Console;

/// Progress of a first sync.
pub struct SyncBar {
    bar: ProgressBar,
}

impl SyncBar {
    /// A bar that shows once there is something to show.
    #[must_use]
    pub fn new(console: &Console) -> Self {
        let style = ProgressStyle::with_template("reading catalogues {wide_bar} {percent}% {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = console.bars().add(ProgressBar::new(0).with_style(style));
        Self { bar }
    }

    /// So many segments of so many are there.
    pub fn set(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Removes the bar.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}
