//! What each program tells a shell and `man` about itself: the subcommands `completions` and `man`.

mod page;
mod run;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, Subcommand};
use clap_complete::Shell;
use sealift_platform::disk::{Disk, replace};

use crate::completion;

pub use run::run;

/// Subcommands that describe the program; every program has them.
#[derive(Debug, Clone, Subcommand)]
pub enum Manual {
    /// Print a script with which your shell completes words, flags and names
    #[command(after_help = COMPLETIONS_HELP)]
    Completions {
        /// The shell it is for
        shell: Shell,
    },
    /// Print the manual page, or write all of them into a folder
    #[command(after_help = MAN_HELP)]
    Man {
        /// Write one page for the command and one for each of its subcommands into DIR; made if missing
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

const COMPLETIONS_HELP: &str = "\
Examples, with COMMAND for relay, sealift, seeder or leecher; the folder must be there (`mkdir -p FOLDER`):
  bash    COMMAND completions bash > ~/.local/share/bash-completion/completions/COMMAND
  zsh     COMMAND completions zsh > DIR/_COMMAND, with DIR one of those that `echo $fpath` shows
  fish    COMMAND completions fish > ~/.config/fish/completions/COMMAND.fish";

const MAN_HELP: &str = "\
Examples, with COMMAND for relay, sealift, seeder or leecher:
  COMMAND man | man -l -                        read it now
  COMMAND man --dir ~/.local/share/man/man1     so that `man COMMAND` finds it, where `manpath` names \
~/.local/share/man";

/// What every program heeds of its environment.
pub const ENVIRONMENT: &str = "  \
SEALIFT_HOME                     the same as --home
  SEALIFT_LOG                      what is logged: debug, sealift_transport=trace
  XDG_DATA_HOME, XDG_CACHE_HOME    instead of ~/.local/share and ~/.cache
  LC_ALL, LC_CTYPE, LANG           whether lines are drawn with more than ASCII
  NO_COLOR                         nothing is coloured by itself";

/// What a program says of itself in its manual pages, beside what its flags do.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// How it ends; lines that are indented stay as they are.
    pub exit: &'static str,
    /// What it heeds of its environment.
    pub environment: &'static str,
    /// Where its files are.
    pub files: &'static str,
}

impl Manual {
    /// Writes what was asked for about `command`, of whose program `about` tells more: to `out`, or into the folder that was named, on `disk`.
    ///
    /// # Errors
    /// Where it could not be written, and what the system says.
    pub fn write(
        &self,
        command: Command,
        about: &About,
        disk: &dyn Disk,
        out: &mut dyn Write,
    ) -> Result<(), NotWritten> {
        let to_out = |error| NotWritten { place: None, error };
        match self {
            Self::Completions { shell } => {
                let script = completion::script(*shell, command).map_err(to_out)?;
                out.write_all(&script).and_then(|()| out.flush()).map_err(to_out)
            }
            Self::Man { dir: None } => {
                let page = page::page(&built(command), about).map_err(to_out)?;
                out.write_all(&page).and_then(|()| out.flush()).map_err(to_out)
            }
            Self::Man { dir: Some(dir) } => write_pages(command, about, disk, dir)
                .map_err(|error| NotWritten { place: Some(dir.clone()), error }),
        }
    }
}

/// Why a script or page is not where it should be.
#[derive(Debug)]
pub struct NotWritten {
    /// The folder; `None` for standard output.
    pub place: Option<PathBuf>,
    /// What the system says.
    pub error: io::Error,
}

/// The command with what the parser adds to it. `help` has no page: the pages are the help.
fn built(command: Command) -> Command {
    let mut command = command.disable_help_subcommand(true);
    command.build();
    command
}

fn write_pages(command: Command, about: &About, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let folder = disk.open_or_create(dir, false)?;
    for (name, page) in page::all(&built(command), about)? {
        replace(&*folder, Path::new(&name), &page, false)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
