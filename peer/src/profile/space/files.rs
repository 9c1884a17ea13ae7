//! Where the files of a space lie in the profile, and what it means that one of them is missing.

use super::{OwnerFile, path};
use crate::profile::file::Folder;
use sealift_command::escape::{escape_path, shell_word};
use sealift_command::exit::{Exit, Failure};

/// The owner's key, also if it has not got its name yet.
pub(super) fn read_owner(folder: &Folder, name: &str) -> Result<Option<OwnerFile>, Failure> {
    for path in [owner_path(name), begun_path(name)] {
        if let Some(file) = folder.read(&path)? {
            return Ok(Some(file));
        }
    }
    // Another program may have given it its name in between.
    folder.read(&owner_path(name))
}

/// A space whose owner's key is there has been made and used: another one in its place would be a surprise.
pub(super) fn lost(folder: &Folder, name: &str) -> Failure {
    let shown = |path: &str| shell_word(&folder.place(path).to_string_lossy());
    let (from, to) = (shown(&path(name, "")), shown(&format!("lost-{name}")));
    let what = format!("{} is missing", escape_path(&folder.place(state_path(name))));
    Failure::new(Exit::Disk, what)
        .why("the owner's key of this space lies beside it, but not what the space is")
        .next(format!("restore it from a backup; or, to go on without this space: mv {from} {to}"))
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
