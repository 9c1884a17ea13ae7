//! Log lines on standard error: text or JSON, at most so many of a kind in a second, and never a control character.

mod kinds;
pub(crate) mod plain;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt};

use crate::limits::Limits;
use kinds::Kinds;
use plain::Plain;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Level {
    /// Faults of the relay and its machine.
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
    fn filter(self) -> EnvFilter {
        let filter = match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "info,sealift_relay=debug",
            Self::Trace => "debug",
        };
        EnvFilter::new(std::env::var("SEALIFT_LOG").as_deref().unwrap_or(filter))
    }
}

/// The running log.
pub(crate) struct Log {
    level: reload::Handle<EnvFilter, Registry>,
    kinds: Kinds,
}

impl Log {
    /// Starts logging.
    pub(crate) fn start(format: Format, level: Level) -> Self {
        let (filter, handle) = reload::Layer::new(level.filter());
        let kinds = Kinds::default();
        let layers = tracing_subscriber::registry().with(filter).with(kinds.clone());
        let lines = fmt::layer().with_writer(Plain).with_target(false);
        // A second subscriber in one process is a test's: the first one stays.
        let _ = match format {
            Format::Text => layers.with(lines).try_init(),
            Format::Json => layers.with(lines.json().flatten_event(true)).try_init(),
        };
        Self { level: handle, kinds }
    }

    /// From now on `level` decides what is logged.
    pub(crate) fn set_level(&self, level: Level) {
        // Only a subscriber that is gone refuses, and then nothing is logged anyway.
        let _ = self.level.reload(level.filter());
    }

    /// From now on at most so many lines of a kind in a second as the limits say.
    pub(crate) fn set_rate(&self, limits: &Limits) {
        self.kinds.set_rate(limits);
    }

    /// Says how many lines were left out since the last time, by kind.
    pub(crate) fn tell_unsaid(&self) {
        for (kind, lines) in self.kinds.take_unsaid() {
            tracing::warn!(kind, lines, "log lines left out");
        }
    }
}
