//! `.sealiftignore`: what is not offered, in the syntax of gitignore.
//!
//! A file of that name rules its folder and everything beneath; a deeper one has the last word, and `!` takes back. As with
//! git, what lies in an ignored folder cannot be taken back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use sealift_platform::disk::Root;

/// Name of the files with rules.
pub const RULES_FILE: &str = ".sealiftignore";
/// How part files of downloads begin, and folders of such files; a half download in an offered folder is nobody's file.
pub const PART_PREFIX: &str = ".sealift-part-";
/// Longest file with rules, bytes.
const RULES_MAX: usize = 1024 * 1024;

/// The rules of one watched folder, read as they are needed and kept for one walk.
#[derive(Default)]
pub struct Rules {
    folders: HashMap<PathBuf, Option<Arc<Gitignore>>>,
    problems: Vec<(PathBuf, String)>,
}

impl Rules {
    /// Whether the entry at `path` beneath `root` is ruled out, its parents taken as not ruled out.
    pub fn excludes(&mut self, root: &dyn Root, path: &Path, is_folder: bool) -> bool {
        let name = path.file_name().map(std::ffi::OsStr::as_encoded_bytes).unwrap_or_default();
        if is_part(name) || !is_folder && name == RULES_FILE.as_bytes() {
            return true;
        }
        for folder in path.ancestors().skip(1) {
            let Some(rules) = self.of(root, folder) else { continue };
            let beneath = path.strip_prefix(folder).unwrap_or(path);
            match rules.matched(beneath, is_folder) {
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
                Match::None => {}
            }
        }
        false
    }

    /// Whether the entry at `path` beneath `root`, or any folder on the way to it, is ruled out.
    pub fn excludes_anywhere(&mut self, root: &dyn Root, path: &Path, is_folder: bool) -> bool {
        let mut parents: Vec<_> = path.ancestors().skip(1).collect();
        parents.pop();
        parents.iter().rev().any(|parent| self.excludes(root, parent, true))
            || self.excludes(root, path, is_folder)
    }

    /// Files with rules, or lines of them, that could not be used since the last call, each with the reason.
    pub fn take_problems(&mut self) -> Vec<(PathBuf, String)> {
        std::mem::take(&mut self.problems)
    }

    fn of(&mut self, root: &dyn Root, folder: &Path) -> Option<Arc<Gitignore>> {
        if let Some(known) = self.folders.get(folder) {
            return known.clone();
        }
        let rules = self.read(root, &folder.join(RULES_FILE)).map(Arc::new);
        self.folders.insert(folder.to_owned(), rules.clone());
        rules
    }

    fn read(&mut self, root: &dyn Root, path: &Path) -> Option<Gitignore> {
        let bytes = match sealift_platform::disk::read_all(root, path, RULES_MAX) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.problems.push((path.to_owned(), error.to_string()));
                return None;
            }
        };
        let mut builder = GitignoreBuilder::new(".");
        let text = String::from_utf8_lossy(&bytes);
        for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
            if let Err(error) = builder.add_line(None, line) {
                self.problems.push((path.to_owned(), format!("line {}: {error}", number + 1)));
            }
        }
        match builder.build() {
            Ok(rules) => Some(rules),
            Err(error) => {
                self.problems.push((path.to_owned(), error.to_string()));
                None
            }
        }
    }
}

/// Whether `name` is that of a part file.
fn is_part(name: &[u8]) -> bool {
    name.starts_with(PART_PREFIX.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Share;

    #[test]
    fn deeper_rules_have_the_last_word() {
        let share = Share::new();
        share.write(".sealiftignore", "\u{feff}*.log\n# words\n/top.txt\nbuild/\n!keep.log\n");
        share.write("sub/.sealiftignore", "!a.log\nsecret\n");
        let mut rules = Rules::default();
        let mut out =
            |path: &str, is_folder| rules.excludes(&*share.root(), Path::new(path), is_folder);
        assert!(out("x.log", false) && !out("keep.log", false));
        assert!(out("top.txt", false) && !out("sub/top.txt", false));
        assert!(out("build", true) && out("sub/build", true) && !out("build", false));
        assert!(!out("sub/a.log", false) && out("sub/b.log", false) && out("sub/secret", true));
        assert!(out(".sealiftignore", false) && out("sub/.sealift-part-0123", false));
        assert!(out(".sealift-part-small-0123-new", true));
        assert!(rules.excludes_anywhere(&*share.root(), Path::new("build/x"), false));
        assert!(!rules.excludes_anywhere(&*share.root(), Path::new("other/x"), false));
    }

    #[test]
    fn one_bad_line_does_not_stop_the_rest() {
        let share = Share::new();
        share.write(".sealiftignore", "[z-a]\n*.tmp\n");
        let mut rules = Rules::default();
        assert!(rules.excludes(&*share.root(), Path::new("x.tmp"), false));
        let problems = rules.take_problems();
        assert_eq!(problems.len(), 1);
        assert!(problems[0].1.starts_with("line 1"));
    }
}
