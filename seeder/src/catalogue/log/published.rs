//! What is remembered of each path that was published: two numbers.

use sealift_content::numbers::Numbers;
use sealift_proto::catalogue::{Change, Entry};
use sealift_proto::codec;

/// What was last published of a path: enough to see whether it differs.
pub(super) type Digest = u64;
/// Which one it is of, a number made of its path: the paths themselves are in the segments.
pub type PathNumber = u64;

/// Notes what `change` says of its path.
pub(super) fn note(published: &mut Numbers<PathNumber, Digest>, change: &Change) {
    let path = number(change.path().as_str());
    match change {
        Change::Put(_) | Change::Folder(_) => published.insert(path, digest(change)),
        Change::Remove(_) => published.remove(path),
    };
}

/// Of a file that has not been read only its path matters: one that grows is not published again and again.
pub(super) fn digest(change: &Change) -> Digest {
    let bytes = match change {
        Change::Put(Entry { root: None, path, .. }) => codec::encode(path),
        _ => codec::encode(change),
    };
    first_number(&bytes)
}

/// The number of a path.
pub(super) fn number(path: &str) -> PathNumber {
    first_number(path.as_bytes())
}

fn first_number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(*blake3::hash(bytes).as_bytes().first_chunk().unwrap_or(&[0; 8]))
}
