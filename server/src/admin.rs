//! What a running program answers its operator: metrics and health on a loopback port, its state on a private socket.

mod exposition;
mod http;
#[cfg(unix)]
mod socket;

use std::future::Future;
use std::time::Duration;

use serde::Serialize;

use crate::Program;

pub use exposition::{Metric, Value, expose, pairs};
pub use http::{parse_address, serve as serve_metrics};
#[cfg(unix)]
pub use socket::{Bound, ask, bind, serve as serve_status};

/// How long a program that is well may take to answer.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// A running program, seen from outside. It does not keep the program alive.
pub trait Observed: Clone + Send + Sync + 'static {
    /// What the program is called.
    const PROGRAM: Program;
    /// What of its report is a metric.
    const METRICS: &'static [Metric<Self::Report>];
    /// What it says of itself.
    type Report: Serialize + Send + Sync;

    /// What it says of itself; `None` when it has ended.
    fn report(&self) -> impl Future<Output = Option<Self::Report>> + Send;

    /// Whether it is about to end, or has ended.
    fn is_draining(&self) -> bool;

    /// Whether it answers within that time: none of its parts is stuck.
    fn answers_within(&self, patience: Duration) -> impl Future<Output = bool> + Send;

    /// One line of a report, for whoever watches over services.
    fn line(report: &Self::Report) -> String;
}
