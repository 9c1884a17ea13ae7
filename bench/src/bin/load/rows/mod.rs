//! What is measured, row by row.

mod ceiling;
pub(crate) mod churn;
mod descriptors;
mod entries;
mod fair;
mod flood;
mod gone;
mod idle;
mod readers;
mod silent;

use anyhow::Result;
use clap::ValueEnum;

use super::report::Report;

pub(crate) use fair::hold_pipes;

/// One kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// Idle devices: memory of each, and what they leave to a transfer.
    Idle,
    /// Sockets that say nothing, while honest devices connect.
    Silent,
    /// Slow readers: memory of each, and what they leave to a transfer.
    Readers,
    /// Links that all have more to carry than the machine can.
    Fair,
    /// The same when another program of the relay's user has taken all pipes.
    FairWithoutPipes,
    /// A million catalogue entries: memory, and what they take to fetch.
    Entries,
    /// Connections that break off within their handshake.
    Churn,
    /// A relay of 256 descriptors, and a thousand sockets.
    Descriptors,
    /// A relay of 256 MiB of memory, and all of this at once.
    Ceiling,
    /// Members that send what they can, beside a transfer.
    Flood,
    /// A device that serves and vanishes.
    Gone,
}

impl Row {
    /// As it is named in the table.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Silent => "silent",
            Self::Readers => "readers",
            Self::Fair => "fair",
            Self::FairWithoutPipes => "fair, no pipes left",
            Self::Entries => "entries",
            Self::Churn => "churn",
            Self::Descriptors => "descriptors",
            Self::Ceiling => "ceiling",
            Self::Flood => "flood",
            Self::Gone => "gone",
        }
    }

    /// Produces the load; a tenth of it if `quick`.
    pub(crate) async fn run(self, report: &mut Report, quick: bool) -> Result<()> {
        match self {
            Self::Idle => idle::run(report, quick).await,
            Self::Silent => silent::run(report, quick).await,
            Self::Readers => readers::run(report, quick).await,
            Self::Fair => fair::run(report, quick).await,
            Self::FairWithoutPipes => fair::without_pipes(report, quick).await,
            Self::Entries => entries::run(report, quick).await,
            Self::Churn => churn::run(report, quick).await,
            Self::Descriptors => descriptors::run(report, quick).await,
            Self::Ceiling => ceiling::run(report, quick).await,
            Self::Flood => flood::run(report, quick).await,
            Self::Gone => gone::run(report, quick).await,
        }
    }
}

/// A number, or a tenth of it.
pub(crate) const fn scaled(number: usize, quick: bool) -> usize {
    if quick { number / 10 } else { number }
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) const fn figure(count: u64) -> f64 {
    count as f64
}
