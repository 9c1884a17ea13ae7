//! A database in one file of a [`Root`], so that whatever disk lies beneath the programs lies beneath it too.

use std::io;
use std::path::Path;

use redb::{Database, DatabaseError, StorageBackend};

use crate::disk::{File, Root, give_name};
use crate::private;

/// The database begins behind so many bytes, of which the first say whose file it is; as many as a page, for the sake of
/// alignment.
const HEAD: u64 = 4096;
const TITLE: &str = "database\n";

/// Opens the database at `path`, making an empty one if there is none; its folder must exist. Mode 0600 if `private`;
/// it keeps at most `cache` bytes in memory.
/// Nothing here keeps a second process away: the caller holds a lock of its own ([`Root::try_lock`]). Blocks.
///
/// # Errors
/// When the file cannot be read or written, or is no intact database.
pub fn open(
    root: &dyn Root,
    path: &Path,
    private: bool,
    cache: usize,
) -> Result<Database, DatabaseError> {
    let file = match root.open_write(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            initialise(root, path, private)?;
            root.open_write(path)
        }
        other => other,
    };
    let file = RedbFile::new(file.map_err(storage)?);
    if file.len().map_err(storage)? == 0 || !file.is_ours().map_err(storage)? {
        // An empty file would count as new, and what was lost would go unnoticed.
        return Err(storage(io::Error::new(
            io::ErrorKind::InvalidData,
            "it is no database of Sealift",
        )));
    }
    Database::builder().set_cache_size(cache).create_with_backend(file)
}

/// Makes an empty database under another name first: a power cut leaves none or a whole one.
fn initialise(root: &dyn Root, path: &Path, private: bool) -> Result<(), DatabaseError> {
    let mut name =
        path.file_name().ok_or_else(|| storage(io::ErrorKind::InvalidInput.into()))?.to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    match root.remove(&temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(storage(error)),
        _ => {}
    }
    let file = RedbFile::new(root.create(&temporary, private).map_err(storage)?);
    file.begin().map_err(storage)?;
    drop(Database::builder().create_with_backend(file)?);
    root.open_write(&temporary).and_then(|file| file.sync()).map_err(storage)?;
    give_name(root, &temporary, path).map_err(storage)?;
    root.sync_folder(path.parent().unwrap_or(Path::new(""))).map_err(storage)
}

fn storage(error: io::Error) -> DatabaseError {
    DatabaseError::Storage(redb::StorageError::Io(error))
}

fn title() -> String {
    format!("{}{TITLE}", private::FIRST)
}

/// Lends an open [`File`] to redb.
pub struct RedbFile(Box<dyn File>);

impl RedbFile {
    /// Takes `file`, open to read and write.
    #[must_use]
    pub fn new(file: Box<dyn File>) -> Self {
        Self(file)
    }

    fn begin(&self) -> io::Result<()> {
        self.0.set_len(HEAD)?;
        self.0.write_all_at(title().as_bytes(), 0)
    }

    fn is_ours(&self) -> io::Result<bool> {
        let mut found = vec![0; title().len()];
        Ok(self.0.read_at(&mut found, 0)? == found.len() && found == title().as_bytes())
    }
}

impl std::fmt::Debug for RedbFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedbFile")
    }
}

impl StorageBackend for RedbFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.stat()?.len.saturating_sub(HEAD))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut done = 0;
        while done < out.len() {
            match self.0.read_at(&mut out[done..], HEAD + offset + done as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => done += count,
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(HEAD + len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, HEAD + offset)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::disk::{Disk, SystemDisk};
    use redb::{ReadableDatabase, TableDefinition};

    const TABLE: TableDefinition<u64, &[u8]> = TableDefinition::new("t");

    #[test]
    fn what_was_committed_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let root = SystemDisk.open(folder.path()).unwrap();
        for round in 0..3_u64 {
            let database = open(&*root, Path::new("x.redb"), true, 1 << 20).unwrap();
            let write = database.begin_write().unwrap();
            write.open_table(TABLE).unwrap().insert(round, &[7; 5000][..]).unwrap();
            write.commit().unwrap();
            let table = database.begin_read().unwrap().open_table(TABLE).unwrap();
            for earlier in 0..=round {
                assert_eq!(table.get(earlier).unwrap().unwrap().value(), [7; 5000]);
            }
        }
        assert_eq!(root.stat(Path::new("x.redb")).unwrap().mode, 0o600);
    }

    #[test]
    fn an_emptied_or_foreign_file_is_an_error_not_a_new_database() {
        let folder = tempfile::tempdir().unwrap();
        let root = SystemDisk.open(folder.path()).unwrap();
        for content in [&b""[..], &[1; 9000]] {
            std::fs::write(folder.path().join("x.redb"), content).unwrap();
            assert!(open(&*root, Path::new("x.redb"), true, 1 << 20).is_err());
        }
    }
}
