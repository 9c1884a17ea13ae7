//! `.sealiftignore`: what is not offered, in the syntax of gitignore.
//!
//! A file of that name rules its folder and everything beneath; a deeper one has the last word, and `!` takes back. As with
//! git, what lies in an ignored folder cannot be taken back. Rules that cannot be read, or not wholly understood, close their
//! folder: what they were to keep out is not known.

mod changing;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use sealift_content::hashes::print::Print;
use sealift_platform::disk::{Kind, Root};
use tokio::time::Instant;

use changing::Version;
pub use changing::{Memory, RULES_SETTLE};

/// Name of the files with rules.
pub const RULES_FILE: &str = ".sealiftignore";
/// How part files of downloads begin, and folders of such files; a half download in an offered folder is nobody's file.
pub const PART_PREFIX: &str = ".sealift-part-";
/// Longest file with rules, bytes.
const RULES_MAX: usize = 64 * 1024;
/// Each pattern counts at least as so many bytes: it takes some KiB of memory however short it is.
const PATTERN_MIN: usize = 32;
/// Most bytes of patterns in all files with rules of one watched folder together.
const TOGETHER_MAX: usize = 4 * RULES_MAX;

/// Files that programs put beside those they are about, for as long as they run: swap files, locks, what is not complete yet,
/// and what file managers note. Left out unless a rule takes them back; the README lists them for people.
pub const PASSING: [&str; 15] = [
    ".*.sw[a-p]",
    r"\#*#",
    ".#*",
    ".~lock.*#",
    "~$*",
    "*.part",
    "*.crdownload",
    ".goutputstream-*",
    ".*.kate-swp",
    ".syncthing.*.tmp",
    ".nfs[0-9a-f]*",
    ".fuse_hidden*",
    ".DS_Store",
    "Thumbs.db",
    "desktop.ini",
];

/// The rules that [`PASSING`] makes. Walks begin often, and making them costs more than a short walk.
static LEFT_OUT: LazyLock<Gitignore> =
    LazyLock::new(|| build(&PASSING.join("\n")).unwrap_or_else(|_| Gitignore::empty()));

/// What one folder says of what is in it.
#[derive(Clone)]
enum Ruling {
    /// Nothing.
    Free,
    /// These rules.
    Rules(Arc<Gitignore>),
    /// Nobody knows: nothing in it is offered.
    Closed,
}

/// The rules of one watched folder, read as they are needed and kept for one walk.
pub struct Rules {
    memory: Arc<Memory>,
    folders: HashMap<PathBuf, Said>,
    problems: Vec<(PathBuf, String)>,
    changing: bool,
    renewed: bool,
    began: Instant,
}

/// What one folder says now, and what it said before, if that changed a moment ago.
#[derive(Clone)]
struct Said {
    /// The state of the file before it was read.
    print: State,
    now: Ruling,
    /// The oldest first, each with the number of the change that replaced it.
    past: Vec<(u64, Ruling)>,
}

/// Tells one state of a file with rules from another without reading it.
type State = Result<Print, std::io::ErrorKind>;

impl Said {
    fn at(&self, time: Time) -> &Ruling {
        let then = |(change, _): &&(u64, Ruling)| time.is_some_and(|time| *change >= time);
        self.past.iter().find(then).map_or(&self.now, |(_, ruling)| ruling)
    }
}

/// The moment whose rules count: just before the change of this number, or now.
type Time = Option<u64>;

impl Default for Rules {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl Rules {
    /// Rules for one walk through the folder whose rules of earlier walks `memory` holds.
    #[must_use]
    pub fn new(memory: Arc<Memory>) -> Self {
        Self {
            memory,
            folders: HashMap::new(),
            problems: Vec::new(),
            changing: false,
            renewed: false,
            began: Instant::now(),
        }
    }

    /// Whether some rules changed so short a time ago that those before them hold too. A walk after [`RULES_SETTLE`] will
    /// find what only they keep out.
    #[must_use]
    pub const fn is_changing(&self) -> bool {
        self.changing
    }

    /// Whether the entry at `path` beneath `root` is ruled out, its parents taken as not ruled out.
    pub fn excludes(&mut self, root: &dyn Root, path: &Path, is_folder: bool) -> bool {
        let name = path.file_name().map(std::ffi::OsStr::as_encoded_bytes).unwrap_or_default();
        if is_part(name) || !is_folder && is_rules(name) {
            return true;
        }
        self.excludes_at(None, root, path, is_folder)
            || self.changing
                && self
                    .changes_above(root, path)
                    .into_iter()
                    .any(|change| self.excludes_at(Some(change), root, path, is_folder))
    }

    /// The changes of a moment ago in rules that count for `path`.
    fn changes_above(&mut self, root: &dyn Root, path: &Path) -> Vec<u64> {
        let above = path.ancestors().skip(1);
        above.flat_map(|folder| self.of(root, folder).past).map(|(change, _)| change).collect()
    }

    fn excludes_at(&mut self, time: Time, root: &dyn Root, path: &Path, is_folder: bool) -> bool {
        let mut said = None;
        for folder in path.ancestors().skip(1) {
            match self.of(root, folder).at(time) {
                Ruling::Free => {}
                Ruling::Closed => return true,
                Ruling::Rules(rules) => {
                    let beneath = path.strip_prefix(folder).unwrap_or(path);
                    said = said.or_else(|| decides(&rules.matched(beneath, is_folder)));
                }
            }
        }
        said.unwrap_or_else(|| !is_folder && LEFT_OUT.matched(path, false).is_ignore())
    }

    /// Whether the entry at `path` beneath `root` or a folder it is in is ruled out.
    pub fn exclude_beneath(&mut self, root: &dyn Root, path: &Path, is_folder: bool) -> bool {
        let mut above = path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty());
        !path.as_os_str().is_empty() && self.excludes(root, path, is_folder)
            || above.any(|above| self.excludes(root, above, true))
    }

    /// Reads the rules of `folder`, if they have not been.
    pub fn look(&mut self, root: &dyn Root, folder: &Path) {
        self.of(root, folder);
    }

    /// The walk has been through all that is at and beneath `start`: what it did not meet is no longer there.
    pub fn forget_gone(&self, start: &Path) {
        self.memory.forget(start, self.began);
    }

    /// Forgets what was read of the rules in `folders`, where they are no longer what they were.
    pub fn renew<'a>(&mut self, root: &dyn Root, folders: impl IntoIterator<Item = &'a Path>) {
        for folder in folders {
            let old = self.folders.get(folder);
            if old.is_some_and(|said| said.print != state(root, &folder.join(RULES_FILE))) {
                self.folders.remove(folder);
                self.renewed = true;
            }
        }
    }

    /// Whether rules changed after this walk had read them, so that what they let pass before has to be looked at again.
    #[must_use]
    pub const fn have_changed(&self) -> bool {
        self.renewed
    }

    /// Files with rules that could not be used since the last call, each with the reason.
    pub fn take_problems(&mut self) -> Vec<(PathBuf, String)> {
        std::mem::take(&mut self.problems)
    }

    fn of(&mut self, root: &dyn Root, folder: &Path) -> Said {
        if let Some(known) = self.folders.get(folder) {
            return known.clone();
        }
        let path = folder.join(RULES_FILE);
        let print = state(root, &path);
        let version = self.read(root, folder, path);
        let past = self.memory.past(folder, &version, Instant::now());
        self.changing |= !past.is_empty();
        let said = Said { print, now: version.ruling, past };
        self.folders.insert(folder.to_owned(), said.clone());
        said
    }

    fn read(&mut self, root: &dyn Root, folder: &Path, path: PathBuf) -> Version {
        match read(root, &path).and_then(|text| self.version(folder, text)) {
            Ok(version) => version,
            Err(why) => {
                self.problems.push((path, why));
                Version { content: None, ruling: Ruling::Closed, weight: 0 }
            }
        }
    }

    fn version(&self, folder: &Path, text: Option<String>) -> Result<Version, String> {
        let Some(text) = text else {
            return Ok(Version { content: None, ruling: Ruling::Free, weight: 0 });
        };
        let content = blake3::hash(text.as_bytes());
        if let Some(known) = self.memory.rules(folder, content) {
            return Ok(known);
        }
        let weight = weight(&text);
        if weight > RULES_MAX {
            return Err("too many rules for one file".into());
        }
        if !self.memory.has_room(folder, weight) {
            return Err("too many rules together with those of other folders".into());
        }
        let ruling = Ruling::Rules(Arc::new(build(&text)?));
        Ok(Version { content: Some(content), ruling, weight })
    }
}

fn state(root: &dyn Root, path: &Path) -> State {
    root.stat(path).map(|stat| Print::of(&stat)).map_err(|error| error.kind())
}

/// Whether a rule keeps something out or takes it back.
fn decides<T>(matched: &Match<T>) -> Option<bool> {
    match matched {
        Match::None => None,
        Match::Ignore(_) => Some(true),
        Match::Whitelist(_) => Some(false),
    }
}

/// The text of the rules at `path`, if there are any.
fn read(root: &dyn Root, path: &Path) -> Result<Option<String>, String> {
    let bytes = match sealift_platform::disk::read_all(root, path, RULES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(explain(root, path, &error)),
    };
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    Ok(Some(text.trim_start_matches('\u{feff}').to_owned()))
}

fn explain(root: &dyn Root, path: &Path, error: &std::io::Error) -> String {
    match root.stat(path) {
        Ok(stat) if stat.kind == Kind::Link => "it is a link, and links are not followed".into(),
        _ => error.to_string(),
    }
}

/// Bytes that the patterns of `text` count as.
fn weight(text: &str) -> usize {
    let patterns = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    patterns.map(|line| line.len().max(PATTERN_MIN)).sum()
}

fn build(text: &str) -> Result<Gitignore, String> {
    let mut builder = GitignoreBuilder::new(".");
    for (number, line) in text.lines().enumerate() {
        let wrong = |why: &dyn std::fmt::Display| format!("line {}: {why}", number + 1);
        // No name that is shared has one: it is a line end of another system, or no text at all.
        if line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(wrong(&"a control character"));
        }
        builder.add_line(None, line).map_err(|error| wrong(&error))?;
    }
    builder.build().map_err(|error| error.to_string())
}

/// Whether `name` is that of a file with rules, or of an editor's copy of one: it names what is to stay here.
fn is_rules(name: &[u8]) -> bool {
    let marks: [&[u8]; 2] = [b".#", b"#"];
    let name = marks.iter().find_map(|mark| name.strip_prefix(*mark)).unwrap_or(name);
    name.starts_with(RULES_FILE.as_bytes())
}

/// Whether `name` is that of a part file.
fn is_part(name: &[u8]) -> bool {
    name.starts_with(PART_PREFIX.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sealift_platform::testing::Share;

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
        assert!(out("build", true) && !out("other", true) && !out("other/x", false));
    }

    /// A line that makes no sense was to keep something out as well.
    #[test]
    fn rules_that_cannot_be_used_close_their_folder() {
        let share = Share::new();
        share.write("long/.sealiftignore", vec![b'#'; RULES_MAX + 1]);
        share.write("line/.sealiftignore", "*.tmp\n[z-a]\n!kept\n");
        share.write("latin/.sealiftignore", b"gr\xfcn*\n");
        share.write("mac/.sealiftignore", "a\rb");
        share.write("elsewhere", "secret*\n");
        std::fs::create_dir_all(share.path("folder/.sealiftignore")).unwrap();
        for (folder, target) in [("link", "../elsewhere"), ("nowhere", "../none")] {
            std::fs::create_dir_all(share.path(folder)).unwrap();
            std::os::unix::fs::symlink(target, share.path(folder).join(".sealiftignore")).unwrap();
        }
        let mut rules = Rules::default();
        for folder in ["long", "line", "latin", "mac", "folder", "link", "nowhere"] {
            let root = share.root();
            for inside in ["x", "kept", "deep/er/y"] {
                assert!(rules.excludes(&*root, &Path::new(folder).join(inside), false), "{folder}");
            }
            assert!(!rules.excludes(&*root, Path::new(folder), true));
            let problems = rules.take_problems();
            assert_eq!(problems.len(), 1, "{folder}: {problems:?}");
        }
        assert!(!rules.excludes(&*share.root(), Path::new("elsewhere"), false));
    }

    /// They list what is to stay here.
    #[test]
    fn copies_that_editors_make_of_rules_stay_out() {
        let share = Share::new();
        share.write(".sealiftignore", "!*\n");
        let mut rules = Rules::default();
        let mut out =
            |path: &str, is_folder| rules.excludes(&*share.root(), Path::new(path), is_folder);
        for end in ["~", ".swp", ".swo", ".bak", ".orig", ".tmp.123"] {
            assert!(out(&format!("sub/.sealiftignore{end}"), false), "{end}");
        }
        assert!(out(".#.sealiftignore", false) && out("#.sealiftignore#", false));
        assert!(!out("sealiftignore", false) && !out(".sealiftignore.d", true));
    }

    #[test]
    fn what_programs_leave_beside_files_stays_out_unless_it_is_taken_back() {
        let share = Share::new();
        share.write("back/.sealiftignore", "!*.part\n");
        let mut rules = Rules::default();
        let mut out =
            |path: &str, is_folder| rules.excludes(&*share.root(), Path::new(path), is_folder);
        let passing = [
            ".a.txt.swp",
            ".swx/.b.swo",
            "#a.txt#",
            ".#a.txt",
            ".~lock.a.odt#",
            "~$a.docx",
            "film.mkv.part",
            "x.crdownload",
            ".goutputstream-ABC123",
            ".nfs000000000123",
            ".fuse_hidden0001",
            ".DS_Store",
            "deep/Thumbs.db",
            "deep/er/desktop.ini",
        ];
        for path in passing {
            assert!(out(path, false), "{path}");
            assert!(!out(path, true), "{path} as a folder");
        }
        for path in ["a.swp", "a#", "lock.odt", "part", "x.part1", ".nfs-notes", "a.tmp", "a~"] {
            assert!(!out(path, false), "{path}");
        }
        assert!(!out("back/film.part", false) && out("back/.DS_Store", false));
    }

    /// Saving a file often empties it first, or takes the old one away before the new one comes.
    #[tokio::test(start_paused = true)]
    async fn rules_that_change_hold_beside_those_before_them_for_a_while() {
        let share = Share::new();
        let memory = Arc::new(Memory::default());
        let out = |path: &str| {
            let mut rules = Rules::new(memory.clone());
            let out = rules.excludes(&*share.root(), Path::new(path), false);
            (out, rules.is_changing())
        };
        share.write(".sealiftignore", "secret\n");
        assert_eq!(out("secret"), (true, false));
        share.write(".sealiftignore", "");
        assert_eq!(out("secret"), (true, true));
        std::fs::remove_file(share.path(".sealiftignore")).unwrap();
        assert_eq!(out("secret"), (true, true));
        share.write(".sealiftignore", "other\n");
        assert_eq!((out("secret"), out("other")), ((true, true), (true, true)));
        tokio::time::advance(RULES_SETTLE).await;
        assert_eq!((out("secret"), out("other")), ((false, false), (true, false)));
        std::fs::remove_file(share.path(".sealiftignore")).unwrap();
        assert_eq!(out("other"), (true, true));
        tokio::time::advance(RULES_SETTLE).await;
        assert_eq!(out("other"), (false, false));
        share.write(".sealiftignore", "new\n");
        assert_eq!(out("new"), (true, false));
    }

    fn many(count: usize) -> String {
        (0..count).map(|number| format!("*{number}\n")).collect()
    }

    /// Each pattern takes memory and time for as long as its folder is watched.
    #[tokio::test(start_paused = true)]
    async fn too_many_rules_close_their_folder() {
        let share = Share::new();
        let (most, memory) = (RULES_MAX / PATTERN_MIN, Arc::new(Memory::default()));
        share.write("many/.sealiftignore", many(most + 1));
        share.write("most/.sealiftignore", format!("# words\n\n{}", many(most)));
        let out = |path: &str| {
            let mut rules = Rules::new(memory.clone());
            let out = rules.excludes(&*share.root(), Path::new(path), false);
            (out, rules.take_problems().len())
        };
        assert_eq!((out("many/x"), out("most/x")), ((true, 1), (false, 0)));
        for folder in 1..TOGETHER_MAX / RULES_MAX {
            share.write(format!("{folder}/.sealiftignore"), many(most));
            assert_eq!(out(&format!("{folder}/x")), (false, 0));
        }
        share.write("last/.sealiftignore", "*.tmp\n");
        assert_eq!((out("last/x"), out("most/x")), ((true, 1), (false, 0)));
        share.write("most/.sealiftignore", "a\n");
        assert_eq!((out("most/a"), out("last/a.tmp")), ((true, 0), (true, 0)));
        tokio::time::advance(RULES_SETTLE).await;
        assert_eq!(out("last/x"), (false, 0));
    }

    /// What was forbidden in between holds as well, and more changes than are remembered close the folder.
    #[tokio::test(start_paused = true)]
    async fn all_that_rules_said_within_the_last_seconds_holds() {
        let share = Share::new();
        let memory = Arc::new(Memory::default());
        let out = |path: &str| {
            Rules::new(memory.clone()).excludes(&*share.root(), Path::new(path), false)
        };
        share.write(".sealiftignore", "old\n");
        assert!(out("old"));
        tokio::time::advance(RULES_SETTLE).await;
        for rules in ["secret*\n", "", "more\n"] {
            share.write(".sealiftignore", rules);
            assert!(out("old"));
            tokio::time::advance(RULES_SETTLE / 3).await;
        }
        share.write("sub/.sealiftignore", "!secret.txt\n");
        assert!(out("secret.txt") && out("more") && !out("old") && !out("plain"));
        assert!(!out("sub/secret.txt"), "it has no past");
        share.write("sub/.sealiftignore", "other\n");
        assert!(out("sub/other") && !out("sub/secret.txt"), "it was forbidden at no time");
        tokio::time::advance(RULES_SETTLE).await;
        assert!(!out("secret.txt") && out("more"));
        for change in 0..40 {
            share.write(".sealiftignore", format!("x{change}\n"));
            assert!(out("more"));
        }
        assert!(out("plain"));
        tokio::time::advance(RULES_SETTLE).await;
        assert!(!out("plain") && out("x39"));
    }
}
