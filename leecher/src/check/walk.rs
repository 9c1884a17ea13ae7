//! What lies at a path of this machine: every regular file beneath it, links not followed.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift_platform::disk::{Disk, Kind, Root as Folder};

use sealift_content::naming;

/// A regular file of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalFile {
    /// Where it is, beneath the opened folder.
    pub path: PathBuf,
    /// The same as text in the form that is compared, names separated by `/`; `None` if a name is no UTF-8, as no name of a catalogue is.
    pub text: Option<String>,
    /// Length in bytes.
    pub size: u64,
}

/// What there is at a path.
pub struct Local {
    /// The folder; of a single file the one it is in.
    pub folder: Arc<dyn Folder>,
    /// Names from the root of the machine down to the folder, as far as they are text.
    pub above: Vec<String>,
    /// Whether the path names a single file.
    pub single: bool,
    /// Regular files, by path.
    pub files: Vec<LocalFile>,
    /// Folders, as the text that is compared.
    pub folders: HashSet<String>,
    /// Links, pipes and the like, which are not looked at.
    pub skipped: Vec<PathBuf>,
    /// What cannot be read, and why.
    pub unreadable: Vec<(PathBuf, io::Error)>,
}

/// Looks at `path`, which may be a folder or a file. Blocks.
///
/// # Errors
/// When there is nothing at `path`, or nothing that can be read.
pub fn walk(disk: &dyn Disk, path: &Path) -> io::Result<Local> {
    let full = std::path::absolute(path)?;
    match disk.open(path) {
        Ok(folder) => {
            let mut local = Local::new(folder, names(&full), false);
            local.add_folders()?;
            Ok(local)
        }
        Err(error) if error.kind() == ErrorKind::NotADirectory => single(disk, &full),
        Err(error) => Err(error),
    }
}

fn single(disk: &dyn Disk, full: &Path) -> io::Result<Local> {
    let (Some(parent), Some(name)) = (full.parent(), full.file_name()) else {
        return Err(ErrorKind::InvalidInput.into());
    };
    let mut local = Local::new(disk.open(parent)?, names(parent), true);
    match local.folder.stat(Path::new(name))?.kind {
        Kind::File => local.add_file(PathBuf::from(name)),
        Kind::Link => return Err(io::Error::other("it is a link; name what it leads to")),
        _ => return Err(io::Error::other("it is neither a file nor a folder")),
    }
    Ok(local)
}

/// The names of a path. Where it goes up, what comes before says nothing.
fn names(path: &Path) -> Vec<String> {
    use std::path::Component;
    let mut names = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => names.push(naming::portable_name(&name.to_string_lossy())),
            Component::ParentDir => names.clear(),
            _ => {}
        }
    }
    names
}

impl Local {
    fn new(folder: Arc<dyn Folder>, above: Vec<String>, single: bool) -> Self {
        let (files, skipped, unreadable) = (Vec::new(), Vec::new(), Vec::new());
        let folders = HashSet::new();
        Self { folder, above, single, files, folders, skipped, unreadable }
    }

    fn add_folders(&mut self) -> io::Result<()> {
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            match self.folder.list(&folder) {
                Ok(listed) => {
                    for entry in listed {
                        let path = folder.join(&entry.name);
                        match entry.kind {
                            Kind::File | Kind::Folder if is_own(&entry.name) => {}
                            Kind::Folder => {
                                self.folders.extend(text_of(&path));
                                folders.push(path);
                            }
                            Kind::File => self.add_file(path),
                            Kind::Link | Kind::Other => self.skipped.push(path),
                        }
                    }
                }
                Err(error) if folder.as_os_str().is_empty() => return Err(error),
                Err(error) => self.unreadable.push((folder, error)),
            }
        }
        self.files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        self.skipped.sort_unstable();
        Ok(())
    }

    fn add_file(&mut self, path: PathBuf) {
        match self.folder.stat(&path) {
            Ok(stat) => {
                let text = text_of(&path);
                self.files.push(LocalFile { path, text, size: stat.len });
            }
            // Removed since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => self.unreadable.push((path, error)),
        }
    }
}

/// `path` as the text that is compared, names separated by `/`; `None` if a name is no UTF-8, as no name of a catalogue is.
fn text_of(path: &Path) -> Option<String> {
    let name = |name: &OsStr| name.to_str().map(naming::portable_name);
    let names: Option<Vec<_>> = path.iter().map(name).collect();
    names.map(|names| names.join("/"))
}

/// Whether `name` is that of a download that is not finished.
fn is_own(name: &OsStr) -> bool {
    name.to_str().is_some_and(naming::is_own)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_platform::disk::SystemDisk;

    fn texts(local: &Local) -> Vec<Option<&str>> {
        local.files.iter().map(|file| file.text.as_deref()).collect()
    }

    #[cfg(unix)]
    #[test]
    fn regular_files_are_found_and_nothing_else_is_touched() {
        use std::os::unix::ffi::OsStrExt;
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("out/a/b")).unwrap();
        for (name, content) in
            [("out/z", "1"), ("out/a/b/c.txt", "22"), ("out/.sealift-part-1", ""), ("else", "333")]
        {
            std::fs::write(at(name), content).unwrap();
        }
        std::fs::write(at("out").join(OsStr::from_bytes(b"no\xfftext")), "").unwrap();
        std::os::unix::fs::symlink(at("else"), at("out/link")).unwrap();
        std::os::unix::fs::symlink(dir.path(), at("out/a/up")).unwrap();
        let pipe = rustix::fs::Mode::from_raw_mode(0o600);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("out/pipe"), kind, pipe, 0).unwrap();

        let local = walk(&SystemDisk, &at("out")).unwrap();
        assert_eq!(texts(&local), [Some("a/b/c.txt"), None, Some("z")]);
        assert_eq!(local.files[0].size, 2);
        assert_eq!(local.above.last().unwrap(), "out");
        let skipped = ["a/up", "link", "pipe"].map(PathBuf::from);
        assert_eq!(local.skipped, skipped);
        assert!(local.unreadable.is_empty());

        let single = walk(&SystemDisk, &at("out/z")).unwrap();
        assert!(single.single && texts(&single) == [Some("z")]);
        // A folder may be named by a link, whose owner typed it; what is beneath may not lead out.
        assert!(walk(&SystemDisk, &at("out/a/up")).is_ok());
        for nothing in ["out/link", "out/pipe", "out/absent", "out/z/inside"] {
            assert!(walk(&SystemDisk, &at(nothing)).is_err(), "{nothing}");
        }
    }
}
