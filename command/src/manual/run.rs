//! The subcommands `completions` and `man` of programs for people.

use std::io::ErrorKind;

use clap::Command;
use sealift_platform::Platform;

use super::{About, Manual};
use crate::escape::escape_os;
use crate::exit::{Exit, Failure};

/// Does what `manual` asks about `command`, on standard output or in the folder it names.
///
/// # Errors
/// When the folder cannot be written. A reader that closed standard output has what it wanted; all is well.
pub fn run(
    manual: &Manual,
    command: Command,
    about: &About,
    platform: &Platform,
) -> Result<Exit, Failure> {
    match manual.write(command, about, &*platform.disk, &mut std::io::stdout().lock()) {
        Ok(()) => Ok(Exit::Done),
        Err(failed) if failed.error.kind() == ErrorKind::BrokenPipe => Ok(Exit::Done),
        Err(failed) => {
            let place = failed
                .place
                .map_or_else(|| "standard output".to_owned(), |place| escape_os(place.as_os_str()));
            Err(Failure::disk(place, &failed.error))
        }
    }
}
