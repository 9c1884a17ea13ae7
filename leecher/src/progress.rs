//! Progress on a terminal; nothing where nobody looks.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sealift_peer::console::{Console, Verbosity};
use sealift_peer::human;
use sealift_peer::path::{self, Way};
use serde_json::json;
use tokio::time::Instant;

use crate::fetch::schedule::SourceView;

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

/// Progress of a download: a bar on a terminal, a line now and then elsewhere; with a line for each link to a seeder if
/// details are wanted.
pub struct DownloadBar {
    console: Console,
    bar: ProgressBar,
    sources: Mutex<Vec<ProgressBar>>,
    what: String,
    total: u64,
    files: usize,
    start: Instant,
    last_line: Mutex<Instant>,
}

/// How often the bar moves.
pub const TICK: Duration = Duration::from_millis(100);
/// How often a line is written where there is no bar.
const LINE: Duration = Duration::from_secs(5);

/// How far a download is.
#[derive(Debug, Clone, Default)]
pub struct Moment {
    /// Bytes that are there.
    pub have: u64,
    /// Bytes of them that came by this process.
    pub fresh: u64,
    /// Files that are there.
    pub files: usize,
    /// The links at work, with the names of the seeders (escaped).
    pub sources: Vec<(String, SourceView)>,
    /// Bytes that came by this process, by the way they took.
    pub ways: Vec<(Way, u64)>,
}

impl Moment {
    /// Who still has to read a file before it can send it, if anybody.
    fn reading(&self) -> String {
        let mut reading = self.sources.iter().filter_map(|(name, of)| Some((name, of.reading?)));
        reading.next().map_or(String::new(), |(name, (done, size))| {
            format!(", {name} still reads it ({} %)", percent(done, size))
        })
    }
}

impl Moment {
    /// Which ways work now: `directly over TCP and through the relay`.
    fn now(&self) -> String {
        let works = |of: &SourceView| !of.stands_by && of.speed.is_some();
        let mut ways: Vec<_> =
            self.sources.iter().filter(|(_, of)| works(of)).map(|(_, of)| of.way).collect();
        ways.sort_unstable_by(|a, b| b.cmp(a));
        ways.dedup();
        match &ways[..] {
            [] => path::chief(&self.ways).phrase().to_owned(),
            ways => ways.iter().map(|way| way.phrase()).collect::<Vec<_>>().join(" and "),
        }
    }
}

impl DownloadBar {
    /// Begins a download of `files` files, `total` bytes in all; `what` is shown before the bar.
    #[must_use]
    pub fn new(console: &Console, what: &str, total: u64, files: usize) -> Self {
        let template =
            "{msg} {wide_bar} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta} {prefix}";
        let style =
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(total).with_style(style).with_message(what.to_owned());
        let bar = console.bars().add(bar);
        let now = Instant::now();
        Self {
            console: console.clone(),
            bar,
            sources: Mutex::default(),
            what: what.to_owned(),
            total,
            files,
            start: now,
            last_line: Mutex::new(now),
        }
    }

    /// Shows `moment`.
    pub fn set(&self, moment: &Moment) {
        self.bar.set_position(moment.have.min(self.total));
        let mut message = self.what.clone();
        if self.files > 1 {
            message += &format!(", {} done", moment.files);
        }
        message += &moment.reading();
        self.bar.set_message(message);
        self.bar.set_prefix(moment.now());
        if self.console.is_live() {
            if self.console.verbosity() == Verbosity::Verbose {
                self.show_sources(&moment.sources);
            }
        } else if is_time(&self.last_line) {
            self.line(moment);
        }
    }

    /// One line beneath the bar for each link to a seeder.
    fn show_sources(&self, sources: &[(String, SourceView)]) {
        let mut lines = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        while lines.len() < sources.len() {
            let style = ProgressStyle::with_template("  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            lines.push(self.console.bars().add(ProgressBar::new_spinner().with_style(style)));
        }
        for line in lines.drain(sources.len()..) {
            line.finish_and_clear();
        }
        for (line, source) in lines.iter().zip(sources) {
            line.set_message(source_line(source));
            line.tick();
        }
    }

    fn line(&self, moment: &Moment) {
        let rate = rate(moment.fresh, self.start.elapsed());
        let left = self.total.saturating_sub(moment.have).checked_div(rate);
        let left_text =
            left.map_or(String::new(), |left| format!(", {} left", human::duration(left)));
        let files = match self.files {
            0 | 1 => String::new(),
            all => format!(", {} of {all} files", moment.files),
        };
        let reading = moment.reading();
        let source = |(name, of): &(String, SourceView)| {
            json!({
                "seeder": name, "path": of.way.name(), "standby": of.stands_by,
                "bytes": of.delivered, "bytes_per_second": of.speed,
                "reading": of.reading.map(|(done, size)| json!({"bytes": done, "total": size})),
            })
        };
        self.console.note(
            format!(
                "{} of {}{files}{reading}, {}{left_text}, {}",
                human::size(moment.have),
                human::size(self.total),
                human::speed(rate),
                moment.now()
            ),
            &json!({
                "type": "progress", "bytes": moment.have, "total": self.total,
                "bytes_per_second": rate, "seconds_left": left, "path": path::chief(&moment.ways).name(),
                "paths": path::shares_json(&moment.ways),
                "files": moment.files, "files_total": self.files,
                "sources": moment.sources.iter().map(source).collect::<Vec<_>>(),
            }),
        );
        if !self.console.is_json() && self.console.verbosity() == Verbosity::Verbose {
            for source in &moment.sources {
                self.console.detail(format!("  {}", source_line(source)), &json!(null));
            }
        }
    }

    /// How long it has taken so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Removes the bar.
    pub fn end(&self) {
        self.show_sources(&[]);
        self.bar.finish_and_clear();
    }
}

fn source_line((name, of): &(String, SourceView)) -> String {
    let what = match (of.reading, of.speed) {
        _ if of.stands_by => "stands by".to_owned(),
        (Some((done, size)), _) => format!("reads the file, {} %", percent(done, size)),
        (None, Some(speed)) => human::speed(speed),
        (None, None) => "starting".to_owned(),
    };
    format!("from {name} {}: {}, {what}", of.way.phrase(), human::size(of.delivered))
}

fn percent(done: u64, size: u64) -> u128 {
    u128::from(done) * 100 / u128::from(size.max(1))
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
