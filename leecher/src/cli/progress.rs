//! Progress on a terminal; nothing where nobody looks.

mod moment;
mod slow;

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use sealift_command::console::{Channel, Console, Verbosity};
use sealift_command::event::{Event, Reading, Source};
use sealift_command::human;
use sealift_command::line::Line;
use sealift_command::meter::Meter;
use sealift_command::people::ways;
use sealift_command::screen::Block;
use sealift_platform::sync::lock;
use sealift_transport::path;
use tokio::time::Instant;

pub use moment::{Moment, Waiting};
use moment::{Pace, Whole, percent, source_words};
use sealift_content::fetch::schedule::SourceView;
use slow::Slowness;

/// How often the line moves.
pub const TICK: Duration = Duration::from_millis(100);
/// How often a line is written where there is none that moves.
const LINE: Duration = Duration::from_secs(5);
/// After so long without a byte that is told instead of a speed.
const SILENT: Duration = Duration::from_secs(4);

/// Progress of a first sync.
pub struct SyncBar {
    console: Console,
    block: Block,
    last_line: Mutex<Instant>,
}

impl SyncBar {
    /// A bar that shows once there is something to show.
    #[must_use]
    pub fn new(console: &Console) -> Self {
        let (console, block) = (console.clone(), console.block());
        Self { console, block, last_line: Mutex::new(Instant::now()) }
    }

    /// So many segments of so many are there.
    pub fn set(&self, done: u64, total: u64) {
        let line = Line::new().text(2, "reading catalogues").bar(1, done, total);
        self.block.set(vec![line.text(0, format!("{} %", percent(done, total)))]);
        if !self.console.is_live() && is_time(&self.last_line) {
            self.console.note(
                format!("reading catalogues, {done} of {total} parts"),
                &Event::Syncing { segments: done, total },
            );
        }
    }

    /// Removes the bar.
    pub fn end(&self) {
        self.block.clear();
    }
}

/// Progress of a download: a line that moves on a terminal, one now and then elsewhere; with a line for each link to a
/// seeder if details are wanted.
pub struct DownloadBar {
    console: Console,
    block: Block,
    whole: Whole,
    /// Whether what has come is kept if the command ends now.
    keeps: bool,
    start: Instant,
    state: Mutex<State>,
}

struct State {
    meter: Meter,
    /// When something came last, and how much there was then.
    came: (Instant, u64),
    last_line: Instant,
    /// Whether it was said what an earlier run left.
    told_found: bool,
    waited: bool,
    slowness: Slowness,
}

impl DownloadBar {
    /// Begins a download of `files` files, `total` bytes in all; `what` names it.
    #[must_use]
    pub fn new(console: &Console, what: &str, total: u64, files: usize) -> Self {
        let now = Instant::now();
        let state = State {
            meter: Meter::default(),
            came: (now, 0),
            last_line: now,
            told_found: false,
            waited: false,
            slowness: Slowness::default(),
        };
        Self {
            console: console.clone(),
            block: console.block(),
            whole: Whole { what: what.to_owned(), total, files },
            keeps: true,
            start: now,
            state: Mutex::new(state),
        }
    }

    /// The same for content that goes on at once and is not kept.
    #[must_use]
    pub fn passing(self) -> Self {
        Self { keeps: false, ..self }
    }

    /// What is fetched is `total` bytes now: something of it has changed where it comes from.
    pub const fn resize(&mut self, total: u64) {
        self.whole.total = total;
    }

    /// Shows `moment`.
    pub fn set(&self, moment: &Moment) {
        self.tell_turns(moment);
        self.tell_slow(moment);
        let pace = self.pace(moment);
        if self.keeps {
            self.console.keep(moment.kept(&self.whole.what));
        }
        if self.console.is_live() {
            let mut lines = vec![moment.line(&self.whole, pace, self.console.glyphs())];
            if self.console.verbosity() == Verbosity::Verbose {
                let source = |source| Line::new().name(0, format!("  {}", source_words(source)));
                lines.extend(moment.sources.iter().map(source));
            }
            self.block.set(lines);
        } else if self.is_time() {
            self.line(moment, pace);
        }
    }

    /// Says once what an earlier run left, and each time when it goes on after waiting.
    fn tell_turns(&self, moment: &Moment) {
        let mut state = self.state();
        let told_found = std::mem::replace(&mut state.told_found, moment.found > 0);
        let waited = std::mem::replace(&mut state.waited, moment.waiting.is_some());
        drop(state);
        if moment.found > 0 && !told_found {
            self.console.note(
                format!("going on at {}", human::size(moment.found)),
                &Event::Resumed { bytes: moment.found },
            );
        } else if waited && moment.waiting.is_none() {
            let back = moment.sources.first().map(|(name, _)| format!("{name} is back: "));
            let back = back.unwrap_or_default();
            self.console.note(
                format!("{back}going on at {}", human::size(moment.have)),
                &Event::GoingOn { bytes: moment.have },
            );
        }
    }

    /// Says once that so little comes that a connection which keeps breaking may bring nothing further.
    fn tell_slow(&self, moment: &Moment) {
        let busy =
            moment.waiting.is_none() && moment.reading().is_none() && !moment.now().is_empty();
        let slow = self.state().slowness.note(Instant::now(), moment.fresh, busy);
        let Some(speed) = slow else { return };
        self.console.note(
            format!(
                "only {} come {}: below {} a second, connections that break each half minute may bring a file no further",
                human::speed(speed),
                moment.now(),
                human::size(slow::LEAST),
            ),
            &Event::Slow { bytes_per_second: speed, path: path::chief(&moment.ways).name().into() },
        );
    }

    fn pace(&self, moment: &Moment) -> Pace {
        let now = Instant::now();
        let mut state = self.state();
        if moment.waiting.is_some() {
            // What came before the pause says nothing of what comes after it.
            state.meter = Meter::default();
        }
        state.meter.note(now, moment.fresh);
        if moment.fresh > state.came.1 {
            state.came.0 = now;
        }
        // What a link had brought of a piece may be lost with it.
        state.came.1 = moment.fresh;
        let silent = now - state.came.0;
        Pace { speed: state.meter.per_second(), silent: (silent >= SILENT).then_some(silent) }
    }

    fn is_time(&self) -> bool {
        let mut state = self.state();
        let due = state.last_line.elapsed() >= LINE;
        if due {
            state.last_line = Instant::now();
        }
        due
    }

    fn line(&self, moment: &Moment, pace: Pace) {
        let whole = &self.whole;
        let left = moment.seconds_left(whole, pace);
        let now = Some(moment.now()).filter(|now| !now.is_empty());
        let how = moment.halt(pace, self.console.glyphs()).map_or_else(
            || {
                let left = left.map(|left| format!("{} left", human::duration(left)));
                [pace.speed.map(human::speed), left, now].into_iter().flatten().collect()
            },
            |halt| vec![halt],
        );
        let mut words =
            vec![format!("{} of {}", human::size(moment.have), human::size(whole.total))];
        if whole.files > 1 {
            words.push(format!("{} of {} files", moment.files, whole.files));
            words.extend(moment.current.clone());
        }
        words.extend(how);
        self.console.note(words.join(", "), &self.event(moment, pace, left));
        if self.console.verbosity() == Verbosity::Verbose {
            for source in &moment.sources {
                self.console.show(Channel::Note, &format!("  {}", source_words(source)));
            }
        }
    }

    fn event(&self, moment: &Moment, pace: Pace, left: Option<u64>) -> Event {
        let source = |(name, of): &(String, SourceView)| Source {
            seeder: name.clone(),
            path: of.way.name().into(),
            standby: of.stands_by,
            bytes: of.delivered,
            bytes_per_second: of.speed,
            reading: of.reading.map(|(bytes, total)| Reading { bytes, total }),
        };
        let waiting = moment.waiting.as_ref();
        Event::Progress {
            bytes: moment.have,
            total: self.whole.total,
            bytes_per_second: pace.speed,
            seconds_left: left,
            path: path::chief(&moment.ways).name().into(),
            paths: ways::path_bytes(&moment.ways),
            files: moment.files,
            files_total: self.whole.files,
            file: moment.current.clone(),
            waiting_for: waiting.map(|waiting| waiting.whom.clone()),
            sources: moment.sources.iter().map(source).collect(),
        }
    }

    /// How long it has taken so far.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Removes the line.
    pub fn end(&self) {
        self.block.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

/// Whether it is time for another line; then it counts from now.
fn is_time(last: &Mutex<Instant>) -> bool {
    let mut last = lock(last);
    let due = last.elapsed() >= LINE;
    if due {
        *last = Instant::now();
    }
    due
}
