//! Which of the folders that catalogues state hold nothing.

use std::collections::{BTreeMap, HashSet};

use super::Stored;

/// Takes entries of one or several catalogues, in any order, and knows then in which of the folders stated nothing is.
#[derive(Default)]
pub struct Empties {
    /// Folders stated, each with when names in it last changed, unix milliseconds.
    stated: BTreeMap<String, i64>,
    /// Folders in which something is, each by a hash of its path: one deep entry lies in as many of them as it has parts, and their
    /// paths together are many times as long as its own.
    filled: HashSet<[u8; 16]>,
}

/// Tells one path from another. Nobody can choose two that are the same by it.
fn short(path: &str) -> [u8; 16] {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(path.as_bytes()).as_bytes()[..16]);
    short
}

impl Empties {
    /// Takes the entry at `path`.
    pub fn add(&mut self, path: &str, stored: &Stored) {
        for (slash, _) in path.rmatch_indices('/') {
            // What is above one that is known is known.
            if !self.filled.insert(short(&path[..slash])) {
                break;
            }
        }
        if !stored.is_file() {
            let modified = self.stated.entry(path.to_owned()).or_insert(stored.modified);
            *modified = stored.modified.max(*modified);
        }
    }

    /// The empty folders, by path, each with when names in it last changed.
    pub fn found(self) -> impl Iterator<Item = (String, i64)> {
        let Self { stated, filled } = self;
        stated.into_iter().filter(move |(path, _)| !filled.contains(&short(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::{Kind, Place};

    fn folder() -> Stored {
        Stored {
            kind: Kind::Folder { unshared: 0, left_out: 0 },
            size: 0,
            modified: 3,
            flags: 0,
            root: None,
            place: Place { position: 0, index: 0 },
        }
    }

    /// 60 folders within each other would be 117 KB if each was kept by its path.
    #[test]
    fn a_deep_folder_takes_little_more_than_its_path() {
        let mut empties = Empties::default();
        let path = ["x"; 60].map(|part| part.repeat(64)).join("/");
        empties.add(&path, &folder());
        let kept: usize = empties.filled.iter().map(|kept| kept.len()).sum();
        assert!(kept < path.len(), "{kept}");
        assert_eq!(empties.found().collect::<Vec<_>>(), [(path, 3)]);
    }

    #[test]
    fn a_folder_is_empty_if_nothing_is_beneath_it_in_any_catalogue() {
        let folder = folder();
        let file = Stored { kind: Kind::File, ..folder };
        let mut empties = Empties::default();
        for path in ["s", "s/a", "s/a-b", "s/c", "s/d/e"] {
            empties.add(path, &folder);
        }
        empties.add("s/a/x/y", &file);
        empties.add("s/c", &Stored { modified: 5, ..folder });
        let found: Vec<_> = empties.found().collect();
        assert_eq!(found, [("s/a-b".into(), 3), ("s/c".into(), 5), ("s/d/e".into(), 3)]);
    }
}
