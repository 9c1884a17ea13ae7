//! Where the files of a space lie in the profile, and what it means that one of them is missing.

use super::{OwnerFile, SpaceError, path};
use crate::profile::file::{FileError, Folder};

/// The owner's key, also if it has not got its name yet.
pub(super) fn read_owner(folder: &Folder, name: &str) -> Result<Option<OwnerFile>, FileError> {
    for path in [owner_path(name), begun_path(name)] {
        if let Some(file) = folder.read(&path)? {
            return Ok(Some(file));
        }
    }
    // Another program may have given it its name in between.
    folder.read(&owner_path(name))
}

/// A space whose owner's key is there has been made and used: another one in its place would be a surprise.
pub(super) fn lost(folder: &Folder, name: &str) -> SpaceError {
    SpaceError::Lost {
        state: folder.place(state_path(name)),
        space: folder.place(path(name, "")),
        aside: folder.place(format!("lost-{name}")),
    }
}

/// Where the owner's key lies until the state of its space does: alone under its own name, it means that the state was lost.
pub(super) fn begun_path(name: &str) -> String {
    path(name, "owner.key-begun")
}

pub(super) fn state_path(name: &str) -> String {
    path(name, "space.json")
}

pub(super) fn owner_path(name: &str) -> String {
    path(name, "owner.key")
}
