//! How a file is replaced so that a power cut leaves the old one or the new one, whole: write, sync the file, rename, sync the folder,
//! and only then say that it is done.
//!
//! ```text
//! cargo run -p sealift-platform --example replace
//! ```

use std::io;
use std::path::Path;

use sealift_platform::Platform;
use sealift_platform::disk::Root;

fn replace(folder: &dyn Root, name: &Path, content: &[u8]) -> io::Result<()> {
    let aside = Path::new("new");
    let file = folder.create(aside, true)?;
    file.write_all_at(content, 0)?;
    file.sync()?;
    folder.rename(aside, name)?;
    folder.sync_folder(Path::new(""))
}

fn main() -> io::Result<()> {
    let place = tempfile::tempdir()?;
    // Everything outside comes through the platform, where a test can put a disk that forgets what was not synced.
    let platform = Platform::system();
    let folder = platform.disk.open(place.path())?;
    let name = Path::new("settings");
    replace(&*folder, name, b"the first")?;
    replace(&*folder, name, b"the second")?;
    assert_eq!(std::fs::read(place.path().join(name))?, b"the second");
    // Paths are resolved beneath the folder, and no link leads out of it.
    std::os::unix::fs::symlink("/etc/passwd", place.path().join("link"))?;
    assert!(folder.open(Path::new("link")).is_err());
    println!("replaced: {:?}", folder.stat(name)?);
    Ok(())
}
