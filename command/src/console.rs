//! What the person or program at the other end of the command sees: results on standard output, everything else on
//! standard error, as text or as one JSON object per line.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::{Arc, Mutex};

use sealift_platform::sync::lock;

use crate::event::Event;
use crate::exit::{Exit, Failure};
use crate::paint::{Paint, When};
use crate::screen::{Block, Screen, USUAL};
use crate::terminal::{self, Glyphs};
use crate::wrap::wrapped;

/// How much is said beside results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Results and errors only (`-q`).
    Quiet,
    /// What a person wants to know.
    Normal,
    /// Details too (`-v`).
    Verbose,
}

/// Where a line goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Standard output.
    Result,
    /// Standard error.
    Note,
}

/// Writes what a command has to say. Cheap to clone; all clones share one terminal.
#[derive(Clone)]
pub struct Console {
    json: bool,
    verbosity: Verbosity,
    sink: Sink,
    screen: Screen,
    paint: Paint,
    /// Standard output carries something else: results go to standard error.
    aside: bool,
    /// What stays if the command is interrupted now.
    kept: Arc<Mutex<Option<String>>>,
}

#[derive(Clone)]
enum Sink {
    Process { stdout_terminal: bool, stderr_terminal: bool },
    Memory(Lines),
}

/// Lines that a captured console wrote.
pub type Lines = Arc<Mutex<Vec<(Channel, String)>>>;

impl Console {
    /// The console of this process.
    #[must_use]
    pub fn process(json: bool, verbosity: Verbosity) -> Self {
        let stderr_terminal = std::io::stderr().is_terminal();
        let looks = stderr_terminal && !json && verbosity > Verbosity::Quiet;
        let stdout_terminal = std::io::stdout().is_terminal();
        Self {
            json,
            verbosity,
            sink: Sink::Process { stdout_terminal, stderr_terminal },
            screen: Screen::new(looks && terminal::can_redraw()),
            paint: Paint::new(When::Auto, stdout_terminal, |name| std::env::var_os(name)),
            aside: false,
            kept: Arc::default(),
        }
    }

    /// A console whose lines are kept, for programs that run inside another.
    #[must_use]
    pub fn captured(json: bool) -> (Self, Lines) {
        let lines = Lines::default();
        let sink = Sink::Memory(lines.clone());
        let screen = Screen::new(false);
        (
            Self {
                json,
                verbosity: Verbosity::Verbose,
                sink,
                screen,
                paint: Paint::NONE,
                aside: false,
                kept: Arc::default(),
            },
            lines,
        )
    }

    /// The same console with the colours that were asked for.
    #[must_use]
    pub fn coloured(self, when: When) -> Self {
        let paint = Paint::new(when, self.stdout_is_terminal(), |name| std::env::var_os(name));
        Self { paint, ..self }
    }

    /// The same console, but for a command that writes content to standard output: results go to standard error.
    #[must_use]
    pub fn aside(&self) -> Self {
        Self { aside: true, ..self.clone() }
    }

    /// Whether output is JSON.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// How much is said.
    #[must_use]
    pub const fn verbosity(&self) -> Verbosity {
        self.verbosity
    }

    /// Whether a person looks at standard error: live progress makes sense, and hints are welcome.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        matches!(self.sink, Sink::Process { stderr_terminal: true, .. }) && !self.json
    }

    /// Whether standard output goes to a terminal.
    #[must_use]
    pub const fn stdout_is_terminal(&self) -> bool {
        matches!(self.sink, Sink::Process { stdout_terminal: true, .. })
    }

    /// The columns of standard output, where a person reads results there; `None` for a file, a pipe, or JSON.
    #[must_use]
    pub fn columns(&self) -> Option<usize> {
        let read = self.stdout_is_terminal() && !self.json && !self.aside;
        read.then(|| terminal::size_of_output().unwrap_or(USUAL).columns)
    }

    /// Colours results.
    #[must_use]
    pub const fn paint(&self) -> Paint {
        self.paint
    }

    /// Room for lines that are drawn again in place; nothing is shown where nobody would see them.
    #[must_use]
    pub fn block(&self) -> Block {
        self.screen.block()
    }

    /// The characters that the terminal can show.
    #[must_use]
    pub const fn glyphs(&self) -> Glyphs {
        self.screen.glyphs()
    }

    /// Takes away what is drawn in place: the command ends, and what it says last stays.
    pub fn close(&self) {
        self.screen.close();
    }

    /// Writes a result: `text`, or with `--json` the event, to standard output.
    pub fn result(&self, text: impl AsRef<str>, event: &Event) {
        self.write(Channel::Result, text.as_ref(), Some(event));
    }

    /// Tells something on standard error, unless `-q`.
    pub fn note(&self, text: impl AsRef<str>, event: &Event) {
        if self.verbosity >= Verbosity::Normal {
            self.write(Channel::Note, text.as_ref(), Some(event));
        }
    }

    /// Tells a detail on standard error, with `-v` only.
    pub fn detail(&self, text: impl AsRef<str>, event: &Event) {
        if self.verbosity >= Verbosity::Verbose {
            self.write(Channel::Note, text.as_ref(), Some(event));
        }
    }

    /// Tells on standard error that something is not as it should be, even with `-q`.
    pub fn warn(&self, text: impl AsRef<str>, event: &Event) {
        self.write(Channel::Note, &format!("warning: {}", text.as_ref()), Some(event));
    }

    /// Shows what is for eyes alone, even with `-q`: it was asked for. A reader of JSON has none.
    pub fn show(&self, channel: Channel, text: &str) {
        self.write(channel, text, None);
    }

    /// Tells what is for eyes alone on standard error, unless `-q`.
    pub fn remark(&self, text: &str) {
        if self.verbosity >= Verbosity::Normal {
            self.show(Channel::Note, text);
        }
    }

    /// Remembers what stays if the command is interrupted: `205 MiB of report.pdf kept`.
    pub fn keep(&self, what: String) {
        *lock(&self.kept) = Some(what);
    }

    /// Tells why the command ends. Where a signal ended it that is one line, with what is kept.
    pub fn failure(&self, failure: &Failure) {
        self.screen.close();
        let mut failed = failure.failed();
        let text = if matches!(failure.exit, Exit::Interrupted | Exit::Terminated) {
            let kept = lock(&self.kept);
            failed.kept.clone_from(&kept);
            let kept =
                kept.as_ref().map(|kept| format!(": {kept}; the same command goes on there"));
            format!("{}{}", failure.what, kept.unwrap_or_default())
        } else {
            failure.to_string()
        };
        self.write(Channel::Note, &text, Some(&Event::Error(failed)));
    }

    /// The columns that lines of `channel` are broken for, where a person reads them as they come.
    fn wraps(&self, channel: Channel) -> Option<usize> {
        let read = matches!(channel, Channel::Note) && self.is_live();
        read.then(|| terminal::size().unwrap_or(USUAL).columns)
    }

    fn write(&self, channel: Channel, text: &str, event: Option<&Event>) {
        let channel = if self.aside { Channel::Note } else { channel };
        let line = match (self.wraps(channel), event) {
            (_, Some(event)) if self.json => event.to_line(),
            (_, None) if self.json => return,
            (Some(columns), _) => wrapped(text, columns),
            (None, _) => text.to_owned(),
        };
        match &self.sink {
            Sink::Memory(lines) => {
                lock(lines).push((channel, line));
            }
            Sink::Process { .. } => self.screen.print_above(|| print(channel, &line)),
        }
    }
}

/// A closed standard error cannot be reported anywhere. A closed standard output means that the reader has what it
/// wanted, as with `| head`: the process ends like any other tool in a pipe. What else goes wrong with it is told.
fn print(channel: Channel, line: &str) {
    match channel {
        Channel::Result => {
            let mut out = std::io::stdout().lock();
            if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
                std::process::exit(i32::from(unwritten(&error).number()));
            }
        }
        Channel::Note => {
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        }
    }
}

/// Standard output takes nothing more: how the process ends, which is told unless its reader just went away.
pub(crate) fn unwritten(error: &std::io::Error) -> Exit {
    if error.kind() == ErrorKind::BrokenPipe {
        return Exit::Done;
    }
    let failure = Failure::disk("standard output", error);
    let _ = writeln!(std::io::stderr().lock(), "{failure}");
    failure.exit
}
