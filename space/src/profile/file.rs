//! One file of the profile: a line that names its kind, version and checksum, then JSON.
//!
//! The checksum tells damage apart from an empty or missing file, so that a broken disk never passes for a first start.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sealift_platform::disk::{self, Root};
use sealift_platform::private;
use sealift_proto::shown::escape;
use sealift_proto::text;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Longest file of a profile, bytes.
const FILE_MAX: usize = 16 * 1024 * 1024;
const VERSION: u32 = 1;
/// Held only while a file is read, changed and written, never longer.
const TURN_LOCK: &str = "write.lock";
/// How often, and how many times, a program asks whether it is its turn: ten seconds in all.
const TURN_PAUSE: Duration = Duration::from_millis(5);
const TURN_TRIES: u32 = 2000;
/// Names tried for a file beside the one to be made.
const BESIDE_TRIES: u32 = 64;

/// Why a file of the profile was not read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system did not do it.
    #[error("cannot use {}: {error}", shown(place))]
    Disk {
        /// The file.
        place: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Other programs did not come to the end of their turns.
    #[error("cannot use {}: another program is writing the profile", shown(place))]
    Busy {
        /// The lock file.
        place: PathBuf,
    },
    /// Its content does not match its checksum, or it is of another version.
    #[error(
        "{} is damaged: its content does not match its checksum, or another version of Sealift wrote it",
        shown(place)
    )]
    Damaged {
        /// The file.
        place: PathBuf,
    },
}

impl FileError {
    /// Whether the disk may take it later.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        !matches!(self, Self::Damaged { .. })
    }
}

/// Something that is kept in a file of its own.
pub trait Kept: Serialize + DeserializeOwned {
    /// What the first line calls it: one word.
    const KIND: &'static str;
}

/// Folder of the profile, with its path for messages.
#[derive(Clone)]
pub struct Folder {
    root: Arc<dyn Root>,
    place: PathBuf,
}

impl Folder {
    /// The folder `root`, which is at `place`.
    #[must_use]
    pub fn new(root: Arc<dyn Root>, place: &Path) -> Self {
        Self { root, place: place.to_owned() }
    }

    /// The folder itself.
    #[must_use]
    pub fn root(&self) -> &Arc<dyn Root> {
        &self.root
    }

    /// Where `path` beneath it is, for messages.
    #[must_use]
    pub fn place(&self, path: impl AsRef<Path>) -> PathBuf {
        self.place.join(path)
    }

    /// Reads `path`; `None` if it does not exist.
    ///
    /// # Errors
    /// When it cannot be read or is damaged; the message names the file.
    pub fn read<T: Kept>(&self, path: &str) -> Result<Option<T>, FileError> {
        let bytes = match disk::read_all(&*self.root, Path::new(path), FILE_MAX) {
            Ok(bytes) => Zeroizing::new(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed(path, error)),
        };
        decode(&bytes).map(Some).ok_or_else(|| FileError::Damaged { place: self.place(path) })
    }

    /// Calls `change` while no other program of this user does the same: what is read within it is still so when it writes.
    /// Not to be nested.
    ///
    /// # Errors
    /// What `change` says, or when the others do not come to an end.
    pub fn in_turn<T, E: From<FileError>>(
        &self,
        change: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        for _ in 0..TURN_TRIES {
            let lock = self.root.try_lock(Path::new(TURN_LOCK));
            let lock = lock.map_err(|error| self.failed(TURN_LOCK, error))?;
            if lock.is_some() {
                return change();
            }
            std::thread::sleep(TURN_PAUSE);
        }
        Err(FileError::Busy { place: self.place(TURN_LOCK) }.into())
    }

    /// Makes the private folder `path` if it is not there, such that it outlives a power cut.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_folder(&self, path: &str) -> Result<(), FileError> {
        let path = Path::new(path);
        let made = match self.root.create_folder(path, true) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.root.sync_folder(path.parent().unwrap_or(Path::new(""))),
        };
        made.map_err(|error| self.failed(path, error))
    }

    /// Writes `path` such that it holds either what it held or all of `value`, whatever happens; `private` files are
    /// readable by this user only.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write<T: Kept>(&self, path: &str, value: &T, private: bool) -> Result<(), FileError> {
        let bytes = Zeroizing::new(encode(value));
        if bytes.len() > FILE_MAX {
            // It could never be read again.
            let error = io::Error::new(io::ErrorKind::FileTooLarge, "it would become too long");
            return Err(self.failed(path, error));
        }
        disk::replace(&*self.root, Path::new(path), &bytes, private)
            .map_err(|error| self.failed(path, error))
    }

    /// Writes `path` only if there is nothing: a key is never replaced.
    ///
    /// # Errors
    /// When it exists or cannot be written.
    pub fn write_new<T: Kept>(&self, path: &str, value: &T) -> Result<(), FileError> {
        let bytes = Zeroizing::new(encode(value));
        self.create(Path::new(path), &bytes).map_err(|error| self.failed(path, error))
    }

    /// A crash must not leave half a key under its name, so it is written beside and given its name only if free.
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (beside, file) = self.create_beside(path)?;
        let result = file
            .write_all_at(bytes, 0)
            .and_then(|()| file.sync())
            .and_then(|()| disk::give_name(&*self.root, &beside, path));
        if result.is_err() {
            // The error is the news; a leftover is passed over next time.
            let _ = self.root.remove(&beside);
        }
        result?;
        self.root.sync_folder(path.parent().unwrap_or(Path::new("")))
    }

    /// A new file beside `path` that nobody else has: another thread, or a program in another container with the same
    /// process number, may be making the same key.
    fn create_beside(&self, path: &Path) -> io::Result<(PathBuf, Box<dyn disk::File>)> {
        let mut number = 0;
        loop {
            let beside = path.with_extension(format!("new-{}-{number}", std::process::id()));
            match self.root.create(&beside, true) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => return result.map(|file| (beside, file)),
            }
            number += 1;
            if number == BESIDE_TRIES {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "too many leftovers beside it",
                ));
            }
        }
    }

    /// Gives what was written as `from`, if it is there, its name `to`.
    ///
    /// # Errors
    /// When it cannot be renamed; an existing `to` is never replaced.
    pub fn settle(&self, from: &str, to: &str) -> Result<(), FileError> {
        let (from, to) = (Path::new(from), Path::new(to));
        let settled = match self.root.rename_new(from, to) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => Err(error),
            Ok(()) => self.root.sync_folder(to.parent().unwrap_or(Path::new(""))),
        };
        settled.map_err(|error| self.failed(to, error))
    }

    pub(crate) fn failed(&self, path: impl AsRef<Path>, error: io::Error) -> FileError {
        FileError::Disk { place: self.place(path), error }
    }
}

fn shown(place: &Path) -> String {
    escape(&place.to_string_lossy()).into_owned()
}

fn encode<T: Kept>(value: &T) -> Vec<u8> {
    // Values of the profile are plain structs with text keys: they always have a JSON form.
    let json = serde_json::to_string_pretty(value).expect("profile values have a JSON form");
    let mut out = format!("{}\n", first_line::<T>(&json)).into_bytes();
    out.extend_from_slice(json.as_bytes());
    out.push(b'\n');
    out
}

fn decode<T: Kept>(bytes: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (first, json) = text.split_once('\n')?;
    let json = json.strip_suffix('\n')?;
    if first == first_line::<T>(json) { serde_json::from_str(json).ok() } else { None }
}

/// It also says that the file is one of ours, wherever it is copied to.
fn first_line<T: Kept>(json: &str) -> String {
    format!("{}{} {VERSION} {}", private::FIRST, T::KIND, checksum(json.as_bytes()))
}

fn checksum(bytes: &[u8]) -> String {
    text::hex(&Sha256::digest(bytes)[..16])
}

/// Bytes as hexadecimal text in JSON.
pub mod hex {
    use sealift_proto::text;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes them.
    ///
    /// # Errors
    /// What the serializer says.
    pub fn serialize<S: Serializer>(
        bytes: impl AsRef<[u8]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text::hex(bytes.as_ref()))
    }

    /// Reads them.
    ///
    /// # Errors
    /// When the text is not of the right form or length.
    pub fn deserialize<'de, T: TryFrom<Vec<u8>>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = text::from_hex(&text).ok_or_else(|| D::Error::custom("no hexadecimal text"))?;
        T::try_from(bytes).map_err(|_| D::Error::custom("wrong length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    struct Note {
        text: String,
    }
    impl Kept for Note {
        const KIND: &'static str = "note";
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let note = Note { text: "ü".repeat(20) };
        let bytes = encode(&note);
        assert!(private::is_kept(&bytes));
        assert_eq!(decode::<Note>(&bytes), Some(note));
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert_eq!(decode::<Note>(&flipped), None, "byte {at}");
            assert_eq!(decode::<Note>(&bytes[..at]), None, "cut {at}");
        }
    }
}
