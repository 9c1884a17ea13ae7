//! What says that a process lives, and removes what one that does not has left.
//!
//! Small files of a process are hidden under names with an ID of its own. A file `.sealift-part-small-ID` in `--out` is locked
//! as long as the process lives and lists the folders it uses: whoever finds it unlocked removes what was left there.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift_platform::disk::{File, Kind, Listed, Root as Folder, read_all};
use sealift_platform::random::Random;
use sealift_proto::text::hex;

use super::claim::{PREFIX, lock};
use super::stage::remove_tree;
use super::target::Target;

/// What follows [`PREFIX`] in names of small files.
const KIND: &str = "small-";
/// Bytes of an ID; it is written in hexadecimal.
const ID: usize = 8;
/// What follows the ID in the name of the folder in which new folders are built.
const STAGE: &str = "-new";
/// Longest list of folders that is believed, bytes.
const LIST_MAX: usize = 64 * 1024 * 1024;

/// The ID, and the file that says that its process lives.
pub(super) struct Mark {
    folder: Arc<dyn Folder>,
    id: String,
    _locked: Box<dyn File>,
}

impl Mark {
    /// A new ID for files in `folders`.
    pub(super) fn make(
        folder: &Arc<dyn Folder>,
        random: &dyn Random,
        folders: &BTreeSet<&Path>,
    ) -> io::Result<Self> {
        loop {
            let id = hex(&random.bytes::<ID>());
            let path = mark_path(&id);
            let file = folder.create(&path, true)?;
            // Another process may have taken it for a leftover before the lock came.
            if lock(&**folder, &path, &*file)? {
                let mark = Self { folder: folder.clone(), id, _locked: file };
                mark._locked.write_all_at(&list_of(folders), 0)?;
                return Ok(mark);
            }
        }
    }

    /// The hidden name of the file of `job`, which is to be at `path`.
    pub(super) fn beside(&self, path: &Path, job: usize) -> PathBuf {
        path.with_file_name(format!("{PREFIX}{KIND}{}-{job}", self.id))
    }

    /// The folder in which new folders are built.
    pub(super) fn stage(&self) -> PathBuf {
        stage_path(&self.id)
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        // What stays is removed by the next process.
        let staged = remove_tree(&*self.folder, &self.stage());
        if staged.is_ok() || staged.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            let _ = self.folder.remove(&mark_path(&self.id));
        }
    }
}

/// Removes the small files of processes that are no more, in the folders that they list and in those of `targets`.
/// `found` are the names in the folder itself.
pub(super) fn sweep(folder: &dyn Folder, found: &[Listed], targets: &[Target]) {
    let mut staged = Vec::new();
    for listed in found {
        let name = listed.name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let Some(name) = name.and_then(|name| name.strip_prefix(KIND)) else { continue };
        let id = name.strip_suffix(STAGE).unwrap_or(name);
        // What cannot be removed now harms nobody, and stays for the next process.
        match is_id(id) {
            true if listed.kind == Kind::Folder && id != name => staged.push(id.to_owned()),
            true if id == name => drop(sweep_one(folder, id, targets)),
            _ => {}
        }
    }
    for id in staged {
        // A power cut may have taken the mark. That of a process that lives is there before the folder, and after it.
        let mark = folder.stat(&mark_path(&id));
        if mark.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            let _ = remove_tree(folder, &stage_path(&id));
        }
    }
}

fn mark_path(id: &str) -> PathBuf {
    PathBuf::from(format!("{PREFIX}{KIND}{id}"))
}

fn stage_path(id: &str) -> PathBuf {
    PathBuf::from(format!("{PREFIX}{KIND}{id}{STAGE}"))
}

/// The folders, a zero byte behind each; names that are no text are not made here.
fn list_of(folders: &BTreeSet<&Path>) -> Vec<u8> {
    let named = folders.iter().filter_map(|folder| folder.to_str());
    named.flat_map(|folder| [folder.as_bytes(), b"\0"].concat()).collect()
}

fn is_id(text: &str) -> bool {
    text.len() == 2 * ID && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn sweep_one(folder: &dyn Folder, id: &str, targets: &[Target]) -> io::Result<()> {
    let path = mark_path(id);
    let file = folder.open_write(&path)?;
    if !lock(folder, &path, &*file)? {
        return Ok(());
    }
    let list = read_all(folder, &path, LIST_MAX).unwrap_or_default();
    let prefix = format!("{PREFIX}{KIND}{id}-");
    let names = list.split(|byte| *byte == 0).filter_map(|name| std::str::from_utf8(name).ok());
    // A power cut may have taken the list: whoever runs the same command again has the same folders.
    let folders: BTreeSet<&Path> =
        names.map(Path::new).chain(targets.iter().map(Target::parent)).collect();
    for within in folders {
        let Ok(listed) = folder.list(within) else { continue };
        let left = listed.iter().filter(|listed| listed.kind != Kind::Folder);
        for name in left.filter_map(|listed| listed.name.to_str()) {
            if name.starts_with(&prefix) {
                folder.remove(&within.join(name))?;
            }
        }
    }
    match remove_tree(folder, &stage_path(id)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => folder.remove(&path),
    }
}
