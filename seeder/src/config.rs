//! What a seeder is asked to do, checked before anything else happens.

use std::path::Path;

use sealift_command::console::Console;
use sealift_command::escape::escape_os;
use sealift_command::exit::{Exit, Failure};
use sealift_platform::disk::Disk;
use sealift_proto::path::RelativePath;
use sealift_proto::place::RelayPlace;
use sealift_space::home::Home;
use sealift_transport::pace::Rate;
use sealift_transport::path::Allowed;

use crate::folder::{Folder, Folders, MADE_UP};
use crate::names::{WatchArg, name_folders, shell};
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
    /// Where to tell what happens.
    pub console: Console,
    /// Whether `seeder status` may ask this one; it takes a socket in the profile's folder.
    pub answers_status: bool,
}

/// The folders to offer, each of them there and none of them Sealift's own.
///
/// # Errors
/// What is wrong with one, and what to type instead.
pub fn folders(disk: &dyn Disk, home: &Home, watch: &[WatchArg]) -> Result<Folders, Failure> {
    let named = name_folders(watch)?;
    let mut folders = Vec::with_capacity(named.len());
    for (name, dir) in named {
        folders.push(folder(disk, home, name, &dir)?);
    }
    Ok(Folders::new(folders))
}

fn folder(disk: &dyn Disk, home: &Home, name: RelativePath, dir: &Path) -> Result<Folder, Failure> {
    let root = disk.open(dir).map_err(|error| cannot_open(dir, &error))?;
    let identity = root.stat(Path::new("")).map_err(|error| cannot_open(dir, &error))?;
    if root.is_made_up() {
        let what = format!("{} cannot be shared", escape_os(dir.as_os_str()));
        return Err(Failure::new(Exit::Usage, what).why(MADE_UP).next("share another folder"));
    }
    let own = own::folders(home);
    let is_own = own::identities(&own, disk).contains(&(identity.device, identity.inode))
        || [&home.profile, &home.cache].into_iter().any(|own| is_inside(dir, own))
        || own.last() == Some(&own::resolve(dir));
    if is_own || own::is_private(dir).map_err(|error| cannot_open(dir, &error))? {
        return Err(is_kept(dir));
    }
    // A link that was named is followed once, now.
    Ok(Folder::new(name, own::resolve(dir), own))
}

fn is_kept(dir: &Path) -> Failure {
    let what =
        format!("{} is a folder of Sealift's own, or lies in one", escape_os(dir.as_os_str()));
    Failure::new(Exit::Usage, what)
        .why("keys are kept there, and nothing of it is ever shared")
        .next("share another folder")
}

fn cannot_open(dir: &Path, error: &std::io::Error) -> Failure {
    let shown = escape_os(dir.as_os_str());
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::new(Exit::Usage, format!("there is no folder {shown}"))
                .next(format!("make it with: mkdir -p {}", shell(dir)))
        }
        std::io::ErrorKind::NotADirectory => {
            Failure::new(Exit::Usage, format!("{shown} is no folder"))
                .next("put the file into a folder and share that")
        }
        _ => Failure::disk(shown, error),
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

    fn check(share: &Share, dir: &str) -> Result<Folders, Failure> {
        let home = Home::beneath(&share.path("home"));
        let watch = [WatchArg { name: None, dir: share.path(dir) }];
        folders(&SystemDisk, &home, &watch)
    }

    #[test]
    fn folders_that_cannot_be_shared_are_refused_in_words() {
        let share = Share::new();
        share.write("home/profile/device.key", "k");
        share.write("home/cache/hashes", "k");
        share.write("good/a", "x");
        assert!(check(&share, "good").is_ok());
        let missing = check(&share, "no such").err().unwrap();
        assert_eq!(missing.exit, Exit::Usage);
        assert!(missing.next.unwrap().starts_with("make it with: mkdir -p '/"));
        assert!(check(&share, "good/a").err().unwrap().what.contains("no folder"));
        for own in ["home/profile", "home/cache"] {
            assert!(check(&share, own).err().unwrap().what.contains("own"), "{own}");
        }
        assert!(check(&share, "home").is_err());
        // What holds Sealift's folder among others may be shared; that folder is left out.
        let above = check(&share, "").unwrap();
        let bounds = above.get(0).unwrap().bounds(&SystemDisk);
        assert_eq!((bounds.closed.len(), bounds.forbidden.len()), (3, 3));
        share.write("relay/.sealift-private", "");
        share.write("relay/sub/a", "x");
        for other in ["relay", "relay/sub"] {
            let refused = check(&share, other).err().unwrap();
            assert!(refused.exit == Exit::Usage && refused.what.contains("own"), "{other}");
        }
    }
}
