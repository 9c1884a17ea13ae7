//! Progress on a terminal; nothing where nobody looks.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sealift_peer::console::Console;
use sealift_peer::human;
use serde_json::json;
use tokio::time::Instant;

/// Progress of a first sync.
pub struct SyncBar {
    console: Console,
    bar: ProgressBar,
    last_line: Mutex<Instant>,
}

impl SyncBar {
    /// A bar that shows once there is something to show.
    #[must_use]
    pub fn new(console: &Console) -> Self {
        let style = ProgressStyle::with_template("reading catalogues {wide_bar} {percent}% {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = console.bars().add(ProgressBar::new(0).with_style(style));
        Self { console: console.clone(), bar, last_line: Mutex::new(Instant::now()) }
    }

    /// So many segments of so many are there.
    pub fn set(&self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
        if !self.console.is_live() && is_time(&self.last_line) {
            self.console.note(
                format!("reading catalogues, {done} of {total} parts"),
                &json!({"type": "syncing", "segments": done, "total": total}),
            );
        }
    }

    /// Removes the bar.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Progress of a download: a bar on a terminal, a line now and then elsewhere.
pub struct DownloadBar {
    console: Console,
    bar: ProgressBar,
    total: u64,
    start: Instant,
    last_line: Mutex<Instant>,
}

/// How often the bar moves.
pub const TICK: Duration = Duration::from_millis(100);
/// How often a line is written where there is no bar.
const LINE: Duration = Duration::from_secs(5);

impl DownloadBar {
    /// Begins at `have` of `total` bytes; `what` is shown before the bar.
    #[must_use]
    pub fn new(console: &Console, what: &str, total: u64) -> Self {
        let template =
            "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} through the relay";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total).with_style(style).with_message(what.to_owned());
        let bar = console.bars().add(bar);
        let now = Instant::now();
        Self { console: console.clone(), bar, total, start: now, last_line: Mutex::new(now) }
    }

    /// `have` bytes are there, `fresh` of them came by this process.
    pub fn set(&self, have: u64, fresh: u64) {
        self.bar.set_position(have.min(self.total));
        if self.console.is_live() {
            return;
        }
        if !is_time(&self.last_line) {
            return;
        }
        let rate = rate(fresh, self.start.elapsed());
        let left = self.total.saturating_sub(have).checked_div(rate);
        let left_text =
            left.map_or(String::new(), |left| format!(", {} left", human::duration(left)));
        self.console.note(
            format!(
                "{} of {}, {}{left_text}, through the relay",
                human::size(have),
                human::size(self.total),
                human::speed(rate)
            ),
            &json!({
                "type": "progress", "bytes": have, "total": self.total, "bytes_per_second": rate,
                "seconds_left": left, "path": "relay",
            }),
        );
    }

    /// How long it has taken so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Removes the bar.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Whether it is time for another line; then it counts from now.
fn is_time(last: &Mutex<Instant>) -> bool {
    let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
    let due = last.elapsed() >= LINE;
    if due {
        *last = Instant::now();
    }
    due
}

/// Bytes per second.
#[must_use]
pub fn rate(bytes: u64, time: Duration) -> u64 {
    let micros = time.as_micros().max(1);
    u64::try_from(u128::from(bytes) * 1_000_000 / micros).unwrap_or(u64::MAX)
}
