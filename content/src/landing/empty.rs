//! Folders that hold nothing: made when the files have landed, so that new folders can still be built out of sight before.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift_platform::Platform;
use sealift_platform::disk::Root as Folder;

use super::LandingError;
use super::folders::{Folders, Trouble};

/// A folder to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmptyTarget {
    /// Path beneath `--out`; every name in it is safe on this system.
    pub path: PathBuf,
    /// When names in it last changed, unix milliseconds.
    pub modified_ms: i64,
}

/// Makes `targets` in the folder `out`, and their names durable; of each whether it was there already.
///
/// # Errors
/// When `out` cannot be opened, or the new names not be made durable.
pub fn make_folders(
    platform: &Platform,
    out: &Path,
    targets: &[EmptyTarget],
) -> Result<Vec<Result<bool, LandingError>>, LandingError> {
    let folder = platform.disk.open_or_create(out, false);
    let folder = folder.map_err(|error| LandingError::disk(out, error))?;
    let (ends, unsynced) = make_in(&folder, targets);
    for path in unsynced {
        let synced = folder.sync_folder(&path);
        synced.map_err(|error| LandingError::disk(out.join(&path), error))?;
    }
    Ok(ends.into_iter().map(|end| end.map_err(|trouble| trouble.at(out))).collect())
}

type Made = (Vec<Result<bool, Trouble>>, std::collections::BTreeSet<PathBuf>);

/// The same, but for what makes the names durable; the folders in which it has to be done.
pub(super) fn make_in(folder: &Arc<dyn Folder>, targets: &[EmptyTarget]) -> Made {
    let folders = Folders::new(folder.clone());
    let ends = targets.iter().map(|target| {
        let was_there = !folders.is_bare(&target.path);
        folders.make(&target.path)?;
        if !was_there {
            let modified = i128::from(target.modified_ms) * 1_000_000;
            match folder.set_folder_modified(&target.path, modified) {
                // Where folders have no such times there is none to keep.
                Err(error) if error.kind() != ErrorKind::Unsupported => {
                    return Err(Trouble::Disk(target.path.clone(), error));
                }
                _ => {}
            }
        }
        Ok(was_there)
    });
    (ends.collect(), folders.take_unsynced())
}
