//! Folders that are never offered because a program of Sealift keeps its files there: this seeder's own, known by their paths
//! whether they exist yet or not, and all that carry the marker.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use sealift_platform::disk::Disk;
use sealift_platform::private::MARKER;
use sealift_space::home::Home;

use crate::folder::identity_at;

/// Profile and cache of this seeder, and what holds both where one folder was made for all of Sealift: a relay may keep its
/// key there too.
#[must_use]
pub fn folders(home: &Home) -> Vec<PathBuf> {
    let mut own = vec![home.profile.clone(), home.cache.clone()];
    if home.profile.parent() == home.cache.parent() {
        own.extend(home.profile.parent().map(Path::to_owned));
    }
    own
}

/// Where those of `own` that lie beneath `dir` are, or will be, beneath it.
#[must_use]
pub fn beneath(own: &[PathBuf], dir: &Path) -> Vec<PathBuf> {
    let dir = resolve(dir);
    let local = |own: &PathBuf| resolve(own).strip_prefix(&dir).ok().map(Path::to_owned);
    own.iter().filter_map(local).filter(|local| !local.as_os_str().is_empty()).collect()
}

/// Device and inode of those of `own` that are there: they may be reached by several paths.
#[must_use]
pub fn identities(own: &[PathBuf], disk: &dyn Disk) -> HashSet<(u64, u64)> {
    own.iter().filter_map(|dir| identity_at(disk, dir)).collect()
}

/// Whether the folder at `dir` or one above it carries the marker.
///
/// # Errors
/// When it cannot be told: the folder is not to be offered.
pub fn is_private(dir: &Path) -> io::Result<bool> {
    for folder in resolve(dir).ancestors() {
        match folder.join(MARKER).symlink_metadata() {
            Ok(_) => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// `path` without links, as far as it exists.
#[must_use]
pub fn resolve(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let found = path.ancestors().find_map(|above| {
        let real = above.canonicalize().ok()?;
        let rest = path.strip_prefix(above).ok()?;
        Some(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
    });
    found.unwrap_or(path)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use sealift_platform::testing::Share;

    #[test]
    fn homes_are_known_beneath_a_folder_before_they_exist_and_through_links() {
        let share = Share::new();
        std::os::unix::fs::symlink(share.dir.path(), share.path("again")).unwrap();
        let own = folders(&Home::beneath(&share.path("again/x/home")));
        let found = beneath(&own, share.dir.path());
        assert_eq!(found, ["x/home/profile", "x/home/cache", "x/home"].map(PathBuf::from));
        assert!(beneath(&own, &share.path("other")).is_empty());
    }

    #[test]
    fn a_marker_counts_for_all_that_is_beneath() {
        let share = Share::new();
        share.write("home/.sealift-private", "");
        share.write("home/a/b/c", "");
        let private = |path: &str| is_private(&share.path(path)).unwrap();
        assert!(private("home") && private("home/a/b") && !private(""));
    }
}
