//! Progress of hashing: a bar on a terminal, a line now and then elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sealift_peer::console::Console;
use sealift_peer::human;
use serde_json::json;
use tokio::time::Instant;

/// How often a line is written where there is no bar.
const LINE: Duration = Duration::from_secs(5);

/// Bytes read, of so many.
pub struct CheckBar {
    console: Console,
    bar: ProgressBar,
    total: u64,
    last_line: Instant,
}

impl CheckBar {
    /// Begins at 0 of `total` bytes.
    #[must_use]
    pub fn new(console: &Console, total: u64) -> Self {
        let template = "checking {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = console.bars().add(ProgressBar::new(total).with_style(style));
        Self { console: console.clone(), bar, total, last_line: Instant::now() }
    }

    /// `read` bytes are read.
    pub fn set(&mut self, read: u64) {
        self.bar.set_position(read.min(self.total));
        if self.console.is_live() || self.last_line.elapsed() < LINE {
            return;
        }
        self.last_line = Instant::now();
        self.console.note(
            format!("checking, {} of {}", human::size(read), human::size(self.total)),
            &json!({"type": "checking", "bytes": read, "total": self.total}),
        );
    }
}

impl Drop for CheckBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
