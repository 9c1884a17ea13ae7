//! Metrics in the text format of Prometheus. Labels are words of the program; nothing names a device, space or address.

use std::fmt::Write;

use crate::metrics::ByReason;

/// One metric, as it is read off a report.
pub struct Metric<R> {
    /// Its name.
    pub name: &'static str,
    /// `gauge` or `counter`.
    pub kind: &'static str,
    /// What it says.
    pub help: &'static str,
    /// Reads it.
    pub value: fn(&R) -> Value,
}

/// The value of a metric at one moment.
pub enum Value {
    /// One number.
    One(u64),
    /// A number for each value of a label.
    Each(&'static str, Vec<(String, u64)>),
    /// Nothing is known.
    Unknown,
}

use Value::{Each, One, Unknown};

/// Makes the metrics of a program, `"name" kind "help" function of the report;`, as a constant.
///
/// ```
/// use sealift_server::admin::Value::One;
///
/// struct Report { uptime: u64 }
///
/// sealift_server::metrics! {
///     const METRICS of Report;
///     "echo_uptime_seconds" gauge "Time since the program started" |report| One(report.uptime);
/// }
///
/// let page = sealift_server::admin::expose(&METRICS, &Report { uptime: 5 });
/// assert!(page.ends_with("echo_uptime_seconds 5\n"));
/// ```
#[macro_export]
macro_rules! metrics {
    (const $METRICS:ident of $Report:ty; $($name:literal $kind:ident $help:literal $value:expr;)+) => {
        /// Every metric, in the order in which they are told.
        pub(crate) const $METRICS: &[$crate::admin::Metric<$Report>] = &[$(
            $crate::admin::Metric { name: $name, kind: stringify!($kind), help: $help, value: $value },
        )+];
    };
}

/// A number for each reason, as [`Value::Each`] has them.
#[must_use]
pub fn pairs(numbers: &ByReason) -> Vec<(String, u64)> {
    numbers.iter().map(|(label, count)| (label.clone(), *count)).collect()
}

/// All `metrics` of `report`.
#[must_use]
pub fn expose<R>(metrics: &[Metric<R>], report: &R) -> String {
    let mut text = String::new();
    for metric in metrics {
        let Metric { name, kind, help, value } = metric;
        // Writing into a string does not fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        let _ = match value(report) {
            One(number) => writeln!(text, "{name} {number}"),
            Each(label, numbers) => numbers.iter().try_for_each(|(what, number)| {
                writeln!(text, "{name}{{{label}=\"{}\"}} {number}", quoted(what))
            }),
            Unknown => Ok(()),
        };
    }
    text
}

fn quoted(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
