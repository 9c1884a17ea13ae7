//! What a seeder offers: files and folders, changes and segments (PROTOCOL.md section 8).

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};
use crate::limits::CHANGE_WEIGHT;
use crate::manifest::FILE_MAX;
use crate::path::RelativePath;

pub use crate::limits::{CATALOGUE_MAX, FOLDED_MAX, UNFOLDED_MAX};

/// Compression level: these bytes are written once and read by many.
const LEVEL: i32 = 6;

/// The identity of a file's content: its BLAKE3 hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Root(#[serde(with = "codec::array")] pub [u8; 32]);

impl Root {
    /// Hash of the empty file.
    #[must_use]
    pub fn empty() -> Self {
        Self(blake3::hash(b"").into())
    }

    /// All 64 hexadecimal digits, as `b3sum` prints them.
    #[must_use]
    pub fn hex(&self) -> String {
        crate::text::hex(&self.0)
    }

    /// The first 8 hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        crate::text::hex(&self.0[..4])
    }
}

impl std::fmt::Debug for Root {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.short())
    }
}

/// Flag of an entry: its owner may execute it.
pub const EXECUTABLE: u8 = 1;

/// One file.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Where it is.
    pub path: RelativePath,
    /// Its length in bytes.
    pub size: u64,
    /// When its content last changed, unix milliseconds; may be before 1970.
    pub modified: i64,
    /// [`EXECUTABLE`]; other bits are ignored.
    pub flags: u8,
    /// Its content, `None` until it has been read.
    pub root: Option<Root>,
}

/// A folder of which the files alone do not tell: it holds nothing offered, or names that are not shared. It has neither
/// content nor size, and so none that could be asked for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Folder {
    /// Where it is; a shared folder itself has a path of one name.
    pub path: RelativePath,
    /// When names in it last changed, unix milliseconds; may be before 1970.
    pub modified: i64,
    /// How many names right in it could not be shared, of files and of folders with all they hold.
    pub unshared: u32,
    /// How many names right in it are left out on purpose: links, sockets, pipes and devices.
    pub left_out: u32,
}

/// One step from a catalogue to its next state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Change {
    /// The file is there, new or changed.
    Put(Entry),
    /// What was at the path is gone.
    Remove(RelativePath),
    /// The folder is there, new or changed.
    Folder(Folder),
}

impl Change {
    /// Which path it is about.
    #[must_use]
    pub const fn path(&self) -> &RelativePath {
        match self {
            Self::Put(entry) => &entry.path,
            Self::Remove(path) => path,
            Self::Folder(folder) => &folder.path,
        }
    }
}

/// How far the seeder is, in each head.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Status {
    /// Files offered that wait to be hashed.
    pub waiting: u64,
    /// Files offered in all.
    pub files: u64,
    /// Whether the folders are still being walked: there may be more.
    pub scanning: bool,
}

/// `changes` encoded and compressed: the content of a segment, before padding and sealing.
///
/// # Errors
/// [`CodecError::TooLong`] if it comes to over [`FOLDED_MAX`] or [`UNFOLDED_MAX`]: split it.
pub fn fold(changes: &[Change]) -> Result<Vec<u8>, CodecError> {
    let plain = codec::encode(&changes);
    if plain.len() > UNFOLDED_MAX {
        return Err(CodecError::TooLong);
    }
    let folded = zstd::bulk::compress(&plain, LEVEL).map_err(|_| CodecError::Malformed)?;
    if folded.len() > FOLDED_MAX { Err(CodecError::TooLong) } else { Ok(folded) }
}

/// What a segment of `sealed` bytes with `changes` costs whoever fetches and keeps it: for each change the bytes of its path and
/// [`CHANGE_WEIGHT`] more, but not less than came. Paths that repeat compress to nothing, and are to be kept all the same.
#[must_use]
pub fn weight(sealed: usize, changes: &[Change]) -> u64 {
    let of = |change: &Change| change.path().as_str().len() as u64 + CHANGE_WEIGHT;
    changes.iter().map(of).sum::<u64>().max(sealed as u64)
}

/// The changes of a segment; never unfolds to more than [`UNFOLDED_MAX`], whatever the bytes claim.
///
/// # Errors
/// When the bytes are no such list.
pub fn unfold(folded: &[u8]) -> Result<Vec<Change>, CodecError> {
    let mut plain = vec![0; UNFOLDED_MAX];
    let len = zstd::bulk::decompress_to_buffer(folded, &mut plain[..])
        .map_err(|_| CodecError::Malformed)?;
    let changes: Vec<Change> = codec::decode(&plain[..len])?;
    let too_long = |change: &Change| matches!(change, Change::Put(entry) if entry.size > FILE_MAX);
    if changes.iter().any(too_long) { Err(CodecError::TooLong) } else { Ok(changes) }
}

/// Puts `changes`, in order, into as few segments as fit, each folded.
///
/// # Errors
/// [`CodecError::TooLong`] if a single change does not fit, which its type rules out.
pub fn fold_all(changes: &[Change]) -> Result<Vec<Vec<u8>>, CodecError> {
    let mut segments = Vec::new();
    let mut rest = changes;
    let mut guess = 1024;
    while !rest.is_empty() {
        let mut take = guess.min(rest.len());
        let folded = loop {
            match fold(&rest[..take]) {
                Ok(folded) => break folded,
                Err(CodecError::TooLong) if take > 1 => take = (take * 3 / 4).max(1),
                Err(error) => return Err(error),
            }
        };
        // Aim a little below the limit next time: one compression a segment instead of two.
        let room = FOLDED_MAX * 15 / 16;
        guess = (take * room / folded.len().max(1)).clamp(1, 8192);
        rest = &rest[take..];
        segments.push(folded);
    }
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u32) -> Change {
        let mut root = [0; 32];
        root[..4].copy_from_slice(blake3::hash(&number.to_be_bytes()).as_bytes()[..4].as_ref());
        Change::Put(Entry {
            path: RelativePath::new(format!("share/folder {}/file {number}.txt", number / 100))
                .unwrap(),
            size: u64::from(number) * 1000,
            modified: 1_800_000_000_000,
            flags: 0,
            root: Some(Root(root)),
        })
    }

    #[test]
    fn changes_come_back_in_order_and_segments_fit() {
        let changes: Vec<_> = (0..5000).map(entry).collect();
        let segments = fold_all(&changes).unwrap();
        assert!(segments.iter().all(|segment| segment.len() <= FOLDED_MAX));
        let back: Vec<_> = segments.iter().flat_map(|segment| unfold(segment).unwrap()).collect();
        assert_eq!(back, changes);
        assert!(fold_all(&[]).unwrap().is_empty());
    }

    /// PROTOCOL.md section 8.2, byte for byte.
    #[test]
    fn a_folder_is_its_path_its_time_and_what_is_not_shared_of_it() {
        let path = RelativePath::new("s/d").unwrap();
        let folder = Change::Folder(Folder { path, modified: -1, unshared: 300, left_out: 2 });
        let bytes = [2, 3, b's', b'/', b'd', 1, 0xac, 2, 2];
        assert_eq!(codec::encode(&folder), bytes);
        assert_eq!(codec::decode::<Change>(&bytes), Ok(folder.clone()));
        let beyond_u32 = [&bytes[..6], &[0xff, 0xff, 0xff, 0xff, 0x1f, 2]].concat();
        assert!(codec::decode::<Change>(&beyond_u32).is_err());
        assert_eq!(weight(0, std::slice::from_ref(&folder)), 3 + CHANGE_WEIGHT);
        assert_eq!(unfold(&fold(std::slice::from_ref(&folder)).unwrap()), Ok(vec![folder]));
    }

    #[test]
    fn a_file_beyond_all_size_is_no_file() {
        let sized = |size| {
            let Change::Put(entry) = entry(1) else { unreachable!("a file") };
            unfold(&fold(&[Change::Put(Entry { size, ..entry })]).unwrap()).map(|list| list.len())
        };
        assert_eq!(sized(FILE_MAX), Ok(1));
        assert_eq!(sized(FILE_MAX + 1), Err(CodecError::TooLong));
    }

    #[test]
    fn changes_weigh_what_they_are_and_a_million_fit_twice() {
        let path = RelativePath::new("a".repeat(150)).unwrap();
        let changes = [Change::Remove(path), entry(1)];
        let length = |change: &Change| change.path().as_str().len() as u64;
        assert_eq!(weight(9, &changes), 150 + 64 + length(&changes[1]) + 64);
        assert_eq!(weight(9000, &changes), 9000, "what came counts too");
        assert!(2_000_000 * weight(0, &changes[..1]) <= CATALOGUE_MAX);
        // What is honest weighs by its changes.
        let many: Vec<_> = (0..5000).map(entry).collect();
        for folded in fold_all(&many).unwrap() {
            assert!(weight(0, &unfold(&folded).unwrap()) > folded.len() as u64 * 2);
        }
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = zstd::bulk::compress(&vec![0; 64 * UNFOLDED_MAX], 19).unwrap();
        assert!(bomb.len() < FOLDED_MAX);
        assert_eq!(unfold(&bomb), Err(CodecError::Malformed));
        assert!(unfold(b"garbage").is_err());
    }
}
