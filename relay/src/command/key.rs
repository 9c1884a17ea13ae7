//! `relay key`: a copy of the relay's key for a safe place, or for another machine.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sealift_command::event::Event;
use sealift_platform::disk::{Disk, Root};
use sealift_platform::{Platform, private};
use sealift_proto::text::base32;
use sealift_server::identity::{KeyError, KeyFile};

use super::args::KeyCommand;
use crate::program::PROGRAM;

/// Why there is no copy.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotCopied {
    /// The key cannot be read.
    #[error("{0}: {1}")]
    From(PathBuf, KeyError),
    /// The copy cannot be written.
    #[error("cannot write {0}: {1}")]
    To(PathBuf, KeyError),
    /// Something is there.
    #[error(
        "{0} is there already and is not replaced; move it away first if that is what you want"
    )]
    Exists(PathBuf),
}

fn disk_error(error: io::Error) -> KeyError {
    KeyError::Disk { program: PROGRAM, error }
}

/// Does what was asked and prints the pin.
///
/// # Errors
/// [`NotCopied`].
pub(super) fn run(
    platform: &Platform,
    home: &Path,
    command: &KeyCommand,
    json: bool,
) -> anyhow::Result<()> {
    let disk = &*platform.disk;
    let own = home.join(PROGRAM.key_file());
    let pin = match command {
        KeyCommand::Pin => read(disk, &own)?.pin(),
        KeyCommand::Export { file } => copy(disk, &own, file)?,
        KeyCommand::Import { file } => {
            let made = private::open(disk, home);
            made.map_err(|error| NotCopied::To(own.clone(), disk_error(error)))?;
            let pin = copy(disk, file, &own)?;
            hand_over(home).map_err(|error| NotCopied::To(own.clone(), disk_error(error)))?;
            pin
        }
    };
    let pin = base32(&pin);
    let line = if json { super::json_line(&Event::Key { pin }) } else { format!("pin {pin}") };
    super::printed(writeln!(io::stdout().lock(), "{line}"))
}

/// What root put in place belongs to whom the folder around it belongs to: a service has a user of its own.
#[cfg(unix)]
fn hand_over(home: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let around = home.canonicalize()?;
    let Some(around) = around.parent() else { return Ok(()) };
    let owner = std::fs::metadata(around)?;
    for path in [home.to_owned(), home.join(private::MARKER), home.join(PROGRAM.key_file())] {
        chown(path, Some(owner.uid()), Some(owner.gid()))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn hand_over(_: &Path) -> io::Result<()> {
    Ok(())
}

fn copy(disk: &dyn Disk, from: &Path, to: &Path) -> Result<[u8; 16], NotCopied> {
    let key = read(disk, from)?;
    let wrong = |error| NotCopied::To(to.to_owned(), error);
    let (folder, name) = open(disk, to).map_err(|error| wrong(disk_error(error)))?;
    key.write(&*folder, &name).map_err(|error| match error.disk_kind() {
        Some(io::ErrorKind::AlreadyExists) => NotCopied::Exists(to.to_owned()),
        _ => wrong(error),
    })?;
    Ok(key.pin())
}

fn read(disk: &dyn Disk, path: &Path) -> Result<KeyFile, NotCopied> {
    let wrong = |error| NotCopied::From(path.to_owned(), error);
    let (folder, name) = open(disk, path).map_err(|error| wrong(disk_error(error)))?;
    KeyFile::read(PROGRAM, &*folder, &name).map_err(wrong)
}

/// The folder of `path`, and its name there.
fn open(disk: &dyn Disk, path: &Path) -> io::Result<(std::sync::Arc<dyn Root>, PathBuf)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    Ok((disk.open(folder)?, name.into()))
}
