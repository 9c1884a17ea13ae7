//! Log lines on standard error: text or JSON, at most so many of a kind in a second, and never a control character.

mod kinds;
mod plain;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

use crate::Program;
use kinds::Kinds;
use plain::Plain;
pub use plain::escape;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Level {
    /// Faults of the program and its machine.
    Error,
    /// Those, and what may become one.
    Warn,
    /// Those, starting and stopping, and refused connections with their reason.
    #[default]
    Info,
    /// Those, and each connection and link.
    Debug,
    /// Everything, that of libraries too.
    Trace,
}

impl Level {
    /// As a filter. What the environment variable `SEALIFT_LOG` says comes first (`info,sealift_relay=debug`).
    fn filter(self, program: Program) -> EnvFilter {
        let filter = match self {
            Self::Error => "error".to_owned(),
            Self::Warn => "warn".to_owned(),
            Self::Info => "info".to_owned(),
            Self::Debug => format!("info,sealift_server=debug,{}", program.detail),
            Self::Trace => "debug".to_owned(),
        };
        EnvFilter::new(std::env::var("SEALIFT_LOG").unwrap_or(filter))
    }
}

/// The running log.
pub struct Log {
    program: Program,
    level: reload::Handle<EnvFilter, Registry>,
    kinds: Kinds,
}

impl Log {
    /// Starts logging.
    #[must_use]
    pub fn start(program: Program, format: Format, level: Level) -> Self {
        let (filter, handle) = reload::Layer::new(level.filter(program));
        let kinds = Kinds::default();
        let layers = tracing_subscriber::registry().with(filter).with(kinds.clone());
        let lines = fmt::layer().with_writer(Plain).with_target(false);
        // A second subscriber in one process is a test's: the first one stays.
        let _ = match format {
            Format::Text => layers.with(lines).try_init(),
            Format::Json => layers.with(lines.json().flatten_event(true)).try_init(),
        };
        Self { program, level: handle, kinds }
    }

    /// From now on `level` decides what is logged.
    pub fn set_level(&self, level: Level) {
        // Only a subscriber that is gone refuses, and then nothing is logged anyway.
        let _ = self.level.reload(level.filter(self.program));
    }

    /// From now on at most so many lines of a kind in a second.
    pub fn set_rate(&self, per_second: u64) {
        self.kinds.set_rate(per_second);
    }

    /// Says how many lines were left out since the last time, by kind.
    pub fn tell_unsaid(&self) {
        for (kind, lines) in self.kinds.take_unsaid() {
            tracing::warn!(kind, lines, "log lines left out");
        }
    }
}
