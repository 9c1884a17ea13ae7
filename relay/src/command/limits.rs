//! `relay limits`: what the configuration that is found allows.

use std::io::{self, Write};

use sealift_command::event::Event;
use sealift_platform::disk::Disk;
use sealift_server::limits::listing;

use super::args::Args;
use super::settings::Settings;
use crate::limits::Limits;

/// Prints every limit.
///
/// # Errors
/// When the configuration is wrong or standard output takes nothing.
pub(super) fn run(args: &Args, disk: &dyn Disk) -> anyhow::Result<()> {
    let limits = Settings::gather(args, disk)?.limits;
    let text = if args.json { as_json(&limits) } else { listing(&limits) };
    let mut out = io::stdout().lock();
    super::printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

fn as_json(limits: &Limits) -> String {
    let values = limits.entries().map(|entry| (entry.name.to_owned(), entry.value.to_string()));
    format!("{}\n", super::json_line(&Event::Limits { limits: values.collect() }))
}
