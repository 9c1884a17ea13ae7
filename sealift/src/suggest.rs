//! What a shell suggests: what it suggests for `leecher`, and the words of sharing.

use clap::{Command, CommandFactory};
use sealift_command::completion::Line;

use crate::args::Cli;

/// The command line, with suggestions for what is typed on `line`.
#[must_use]
pub fn command(line: Line) -> Command {
    sealift_leecher::cli::suggest::suggesting(Cli::command(), "get", line)
}
