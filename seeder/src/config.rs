//! What a seeder is asked to do, checked before anything else happens.

use std::io;
use std::path::{Path, PathBuf};

use sealift_platform::disk::Disk;
use sealift_proto::path::RelativePath;
use sealift_proto::place::RelayPlace;
use sealift_space::home::Home;
use sealift_transport::pace::Rate;
use sealift_transport::path::Allowed;

use crate::error::FolderError;
use crate::folder::{Folder, Folders};
use crate::names::{WatchArg, is_file, name_folders};
use crate::own;
use crate::watch::Watching;

/// What a seeder is asked to do.
#[derive(Clone)]
pub struct Config {
    /// Where it keeps its files.
    pub home: Home,
    /// Folders to offer.
    pub watch: Vec<WatchArg>,
    /// They are those of the last time: nobody has just named them.
    pub remembered: bool,
    /// Relay to use from now on.
    pub relay: Option<RelayPlace>,
    /// Space to offer them in; the name of a new one on a first run.
    pub space: Option<String>,
    /// Name of this device from now on.
    pub name: Option<String>,
    /// How folders are watched.
    pub watching: Watching,
    /// How fast all leechers together are served, if that is limited.
    pub limit: Option<Rate>,
    /// Which ways content may take.
    pub path: Allowed,
    /// Whether members on the local network are served without the relay too.
    pub lan: bool,
    /// Whether an invite is made at the start while nobody else is in the space, for somebody who reads what is told.
    pub invites: bool,
    /// Whether `seeder status` may ask this one; it takes a socket in the profile's folder.
    pub answers_status: bool,
}

/// The folders to offer, each of them there and none of them Sealift's own.
///
/// # Errors
/// What is wrong with one.
pub fn folders(disk: &dyn Disk, home: &Home, watch: &[WatchArg]) -> Result<Folders, FolderError> {
    let named = name_folders(watch)?;
    let mut folders = Vec::with_capacity(named.len());
    for (name, dir) in named {
        folders.push(match is_file(&name) {
            true => file(disk, home, name, &dir)?,
            false => folder(disk, home, name, &dir)?,
        });
    }
    Ok(Folders::new(folders))
}

fn folder(
    disk: &dyn Disk,
    home: &Home,
    name: RelativePath,
    dir: &Path,
) -> Result<Folder, FolderError> {
    let own = may_hold(disk, home, dir)?;
    // A link that was named is followed once, now.
    Ok(Folder::new(name, own::resolve(dir), own))
}

fn file(
    disk: &dyn Disk,
    home: &Home,
    name: RelativePath,
    place: &Path,
) -> Result<Folder, FolderError> {
    // A link that was named is followed once, now.
    let real = own::resolve(place);
    let parts = real.parent().zip(real.file_name());
    let (dir, only) = parts.ok_or_else(|| FolderError::NoFolder(place.to_owned()))?;
    let own = may_hold(disk, home, dir)?;
    Ok(Folder::with_only(name, dir.to_owned(), only.into(), own))
}

/// Folders of this seeder's own, unless the folder at `dir` is one or cannot be used.
fn may_hold(disk: &dyn Disk, home: &Home, dir: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let root = disk.open(dir).map_err(|error| cannot_open(dir, error))?;
    let identity = root.stat(Path::new("")).map_err(|error| cannot_open(dir, error))?;
    if root.is_made_up() {
        return Err(FolderError::MadeUp(dir.to_owned()));
    }
    let own = own::folders(home);
    let is_own = own::identities(&own, disk).contains(&(identity.device, identity.inode))
        || [&home.profile, &home.cache].into_iter().any(|own| is_inside(dir, own))
        || own.last() == Some(&own::resolve(dir));
    if is_own || own::is_private(dir).map_err(|error| cannot_open(dir, error))? {
        return Err(FolderError::Own(dir.to_owned()));
    }
    Ok(own)
}

fn cannot_open(dir: &Path, error: io::Error) -> FolderError {
    let place = dir.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => FolderError::Missing(place),
        io::ErrorKind::NotADirectory => FolderError::NoFolder(place),
        _ => FolderError::Unreadable { place, error },
    }
}

fn is_inside(dir: &Path, own: &Path) -> bool {
    own::resolve(dir).starts_with(own::resolve(own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_platform::disk::SystemDisk;
    use sealift_platform::testing::Share;

    fn check(share: &Share, dir: &str) -> Result<Folders, FolderError> {
        let home = Home::beneath(&share.path("home"));
        let watch = [WatchArg { name: None, dir: share.path(dir) }];
        folders(&SystemDisk, &home, &watch)
    }

    #[test]
    fn folders_that_cannot_be_shared_are_refused() {
        let share = Share::new();
        share.write("home/profile/device.key", "k");
        share.write("home/cache/hashes", "k");
        share.write("good/a", "x");
        assert!(check(&share, "good").is_ok());
        assert!(matches!(check(&share, "no such"), Err(FolderError::Missing(_))));
        let one = check(&share, "good/a").unwrap();
        assert_eq!(one.get(0).unwrap().only(), Some(Path::new("a")));
        for own in ["home/profile", "home/cache", "home/profile/device.key"] {
            assert!(matches!(check(&share, own), Err(FolderError::Own(_))), "{own}");
        }
        assert!(check(&share, "home").is_err());
        // What holds Sealift's folder among others may be shared; that folder is left out.
        let above = check(&share, "").unwrap();
        let bounds = above.get(0).unwrap().bounds(&SystemDisk);
        assert_eq!((bounds.closed.len(), bounds.forbidden.len()), (3, 3));
        share.write("relay/.sealift-private", "");
        share.write("relay/sub/a", "x");
        for other in ["relay", "relay/sub"] {
            assert!(matches!(check(&share, other), Err(FolderError::Own(_))), "{other}");
        }
    }
}
