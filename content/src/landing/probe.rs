//! Trying out what the file system of a folder can do, under hidden names that a killed process's successor removes.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use sealift_platform::disk::{File, Kind, Listed, Root as Folder};
use sealift_platform::random::Random;
use sealift_proto::text::hex;

use super::claim::{PREFIX, lock};

/// What follows [`PREFIX`] in the names.
const KIND: &str = "probe-";
/// Bytes of what tells one probe from another; written in hexadecimal.
const MARK: usize = 8;

/// A locked file whose name begins those of everything that is tried out.
pub(crate) struct Probe<'a> {
    folder: &'a dyn Folder,
    path: PathBuf,
    _locked: Box<dyn File>,
}

impl<'a> Probe<'a> {
    /// Begins to try things out in `folder`.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn begin(folder: &'a dyn Folder, random: &dyn Random) -> io::Result<Self> {
        loop {
            let path = PathBuf::from(format!("{PREFIX}{KIND}{}", hex(&random.bytes::<MARK>())));
            let file = folder.create(&path, true)?;
            // Another process may have taken it for a leftover before the lock came.
            if lock(folder, &path, &*file)? {
                return Ok(Self { folder, path, _locked: file });
            }
        }
    }

    /// A name to try out; it ends with `tail`.
    pub(crate) fn name(&self, tail: &str) -> PathBuf {
        PathBuf::from(format!("{}-{tail}", self.path.display()))
    }

    /// Which execute bits the umask leaves; also shows whether folders can be made.
    pub(super) fn executable(&self) -> io::Result<u32> {
        let path = self.name("folder");
        self.folder.create_folder(&path, false)?;
        let mode = self.folder.stat(&path).map(|stat| stat.mode);
        self.folder.remove_folder(&path)?;
        Ok(mode? & 0o111)
    }

    /// Whether something can be given a name in one step that never replaces anything.
    pub(super) fn names_safely(&self) -> io::Result<bool> {
        let (from, to) = (self.name("from"), self.name("to"));
        drop(self.folder.create(&from, true)?);
        let (left, safely) = match self.folder.rename_new(&from, &to) {
            Ok(()) => (to, Ok(true)),
            Err(error) if error.kind() == io::ErrorKind::Unsupported => (from, Ok(false)),
            Err(error) => (from, Err(error)),
        };
        self.folder.remove(&left)?;
        safely
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        // What stays is removed by the next process.
        let _ = self.folder.remove(&self.path);
    }
}

/// Removes what killed processes left of what they tried out; `found` are the names in the folder.
pub(super) fn sweep(folder: &dyn Folder, found: &[Listed]) {
    let mark = |listed: &Listed| {
        let name = listed.name.to_str()?.strip_prefix(PREFIX)?.strip_prefix(KIND)?;
        let mark = name.get(..2 * MARK)?;
        mark.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| mark.to_owned())
    };
    let marks: BTreeSet<String> = found.iter().filter_map(mark).collect();
    for left in marks {
        let path = PathBuf::from(format!("{PREFIX}{KIND}{left}"));
        let held = match folder.open_write(&path) {
            Ok(file) if matches!(lock(folder, &path, &*file), Ok(true)) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            // It is tried out right now, or is not ours.
            _ => continue,
        };
        for listed in found.iter().filter(|listed| mark(listed).as_ref() == Some(&left)) {
            // What cannot be removed now harms nobody, and stays for the next process.
            let _ = remove(folder, Path::new(&listed.name), listed.kind);
        }
        drop(held);
    }
}

fn remove(folder: &dyn Folder, path: &Path, kind: Kind) -> io::Result<()> {
    match kind {
        Kind::Folder => folder.remove_folder(path),
        _ => folder.remove(path),
    }
}

#[cfg(test)]
mod tests {
    use sealift_platform::random::SystemRandom;

    use super::*;
    use sealift_platform::testing::MemoryDisk as Memory;

    fn swept(memory: &Memory) -> Vec<String> {
        let root = memory.root();
        sweep(&*root, &root.list(Path::new("")).unwrap());
        memory.files()
    }

    #[test]
    fn what_a_killed_process_tried_out_is_removed_and_what_a_living_one_does_stays() {
        let memory = Memory::new();
        let root = memory.root();
        let probe = Probe::begin(&*root, &SystemRandom).unwrap();
        root.create(&probe.name("x"), true).unwrap();
        root.create_folder(&probe.name("folder"), true).unwrap();
        memory.put_file(".sealift-part-probe-letters", b"somebody's");
        assert_eq!(swept(&memory).len(), 3);
        let path = probe.path.clone();
        drop(probe);
        root.create(&path, true).unwrap();
        assert_eq!(swept(&memory), [".sealift-part-probe-letters"]);
        assert!(root.stat(&PathBuf::from(format!("{}-folder", path.display()))).is_err());
    }

    #[test]
    fn what_can_be_done_is_found_out() {
        for (memory, safely) in [(Memory::new(), true), (Memory::that_replaces(), false)] {
            let root = memory.root();
            let probe = Probe::begin(&*root, &SystemRandom).unwrap();
            assert_eq!(probe.names_safely().unwrap(), safely);
            assert!(probe.executable().is_ok());
            drop(probe);
            assert!(memory.files().is_empty());
        }
    }
}
