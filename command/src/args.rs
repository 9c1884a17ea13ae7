//! Flags that `seeder` and `leecher` share.

use std::path::PathBuf;

use clap::Args;
use sealift_proto::place::RelayPlace;

use crate::console::{Console, Verbosity};
use crate::paint::When;

/// Flags of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct CommonArgs {
    /// Keep everything Sealift stores for this user in DIR
    #[arg(long, value_name = "DIR", env = "SEALIFT_HOME", global = true, hide_env_values = true)]
    pub home: Option<PathBuf>,
    /// Relay to use from now on; it is remembered. PIN makes sure that it is the right one
    #[arg(long, value_name = "HOST:PORT[#PIN]", global = true)]
    pub relay: Option<RelayPlace>,
    /// Use only the space of this name
    #[arg(long, value_name = "SPACE", global = true)]
    pub space: Option<String>,
    /// Print one JSON object per line
    #[arg(long, global = true)]
    pub json: bool,
    /// Print results and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print details too
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Colour what is listed: auto, always or never
    #[arg(
        long,
        value_name = "WHEN",
        global = true,
        default_value = "auto",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub color: When,
}

impl CommonArgs {
    /// The console these flags ask for.
    #[must_use]
    pub fn console(&self) -> Console {
        let verbosity = match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        };
        Console::process(self.json, verbosity).coloured(self.color)
    }
}
