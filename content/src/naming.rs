//! Names of strangers as names on this disk.
//!
//! A name that the disk takes is kept, so that it stays the same from one machine to the next. What may stand in no name is written as
//! `%` and two hexadecimal digits for each of its UTF-8 bytes, as in an address of the web:
//!
//! * everywhere, control characters, those that turn the direction of text or cannot be seen, and the first character of
//!   names like those of our own files (`.sealift-…`, `.sealiftignore`);
//! * on a disk that does not take them, `< > : " | ? *`, a dot or space at the end, and the first character of names that
//!   Windows keeps for devices (`CON`, `aux.txt`, `COM¹`, …).
//!
//! What has been written so is a name like any other, and is never written so again. Only a name that gets longer than a
//! disk can hold is shortened, and then ends in a hash of the whole.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use sealift_platform::disk::Root as Folder;
use sealift_platform::random::Random;
use sealift_proto::text::hex;
use unicode_normalization::UnicodeNormalization;

use crate::landing::Probe;

/// Longest name that common file systems hold, bytes.
const NAME_MAX: usize = 255;
/// Of a shortened name, bytes: kept from its start, and at most from its extension.
const SHORT: (usize, usize) = (180, 24);
/// How the names of our own hidden files begin.
const OWN: &str = ".sealift-";
/// What a stranger sends must not rule what is shared from here.
const RULES: &str = ".sealiftignore";

/// Which names a disk takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// All that the protocol knows.
    All,
    /// Those alone that every system takes.
    Portable,
}

impl Names {
    /// What `folder` takes. It is tried out only if one of `names` makes a difference.
    ///
    /// # Errors
    /// What the disk says.
    pub fn of<'a>(
        folder: &dyn Folder,
        random: &dyn Random,
        names: impl IntoIterator<Item = &'a str>,
    ) -> io::Result<Self> {
        let differs = |name: &str| local_name(name, Self::All) != portable_name(name);
        if names.into_iter().any(differs) { Self::tried(folder, random) } else { Ok(Self::All) }
    }

    fn tried(folder: &dyn Folder, random: &dyn Random) -> io::Result<Self> {
        let probe = Probe::begin(folder, random)?;
        for (tail, taken_for) in [("<>:\"|?*", ""), ("end.", "end"), ("end ", "end")] {
            let made = probe.name(tail);
            match folder.create(&made, true) {
                Ok(file) => drop(file),
                Err(error) if is_refusal(&error) => return Ok(Self::Portable),
                Err(error) => return Err(error),
            }
            // It may be one that alters names, too.
            let listed = folder.list(Path::new("")).unwrap_or_default();
            let as_is = listed.iter().any(|listed| Path::new(&listed.name) == made);
            let other = !taken_for.is_empty() && folder.stat(&probe.name(taken_for)).is_ok();
            folder.remove(&made)?;
            if !as_is || other {
                return Ok(Self::Portable);
            }
        }
        Ok(Self::All)
    }
}

/// Whether a name is what the disk refuses, and not the place.
fn is_refusal(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::StorageFull
            | ErrorKind::QuotaExceeded
    )
}

/// `name`, one name of a path, as it is called on a disk that takes `names`.
#[must_use]
pub fn local_name(name: &str, names: Names) -> String {
    let everywhere = names == Names::Portable;
    let first_goes = is_own(name) || (everywhere && is_device(name));
    let last = name.char_indices().next_back().map(|(at, _)| at);
    let mut out = String::with_capacity(name.len());
    for (at, c) in name.char_indices() {
        let ends = everywhere && Some(at) == last && matches!(c, '.' | ' ');
        let goes = deceives(c) || (everywhere && is_unportable(c));
        if goes || ends || (at == 0 && first_goes) {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                out.push('%');
                out.push_str(&hex(&[byte]).to_ascii_uppercase());
            }
        } else {
            out.push(c);
        }
    }
    if out.len() > NAME_MAX { shortened(&out) } else { out }
}

/// `name` as it is called on a disk that takes the fewest names. Names are compared so: it is the same for `a:b` and for what
/// became of that name somewhere.
#[must_use]
pub fn portable_name(name: &str) -> String {
    local_name(name, Names::Portable)
}

/// `path`, several names, each as it is called on a disk that takes `names`.
#[must_use]
pub fn local_path<'a>(path: impl IntoIterator<Item = &'a str>, names: Names) -> PathBuf {
    path.into_iter().map(|name| local_name(name, names)).collect()
}

/// `a.txt`, `a (1).txt`, `a (2).txt` … for `number` 0, 1, 2 …; a name that would get too long loses of its middle.
#[must_use]
pub fn numbered(path: &Path, number: u32) -> PathBuf {
    if number == 0 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy()));
    let tail = format!(" ({number}){}", extension.unwrap_or_default());
    let stem = cut(&stem, NAME_MAX.saturating_sub(tail.len()));
    path.with_file_name(format!("{stem}{tail}"))
}

fn is_unportable(c: char) -> bool {
    matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*')
}

/// Whether it makes a name look like another, or may stand in no name.
fn deceives(c: char) -> bool {
    c.is_control()
        || matches!(c, '/' | '\\')
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether Windows takes `name` for a device, whatever its extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end_matches(' ').to_uppercase();
    if matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$") {
        return true;
    }
    let port = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let mut letters = port.unwrap_or_default().chars();
    let digit = letters.next().is_some_and(|c| c.is_ascii_digit() || "¹²³".contains(c));
    digit && letters.next().is_none()
}

/// Whether `name` is like those of our own hidden files, or of those that rule what is shared.
#[must_use]
pub fn is_own(name: &str) -> bool {
    name.get(..OWN.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN))
        || name.eq_ignore_ascii_case(RULES)
}

/// The start of `name`, a hash of the whole of it, and its extension.
fn shortened(name: &str) -> String {
    let extension = name.rfind('.').map_or("", |at| &name[at..]);
    let extension = if extension.len() <= SHORT.1 { extension } else { "" };
    let hash = hex(&blake3::hash(name.as_bytes()).as_bytes()[..16]);
    format!("{}~{hash}{extension}", cut(name, SHORT.0))
}

/// At most `len` bytes from the start of `text`, in whole characters and whole escapes.
fn cut(text: &str, len: usize) -> &str {
    let mut end = len.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let start = &text[..end];
    let escape = if end == text.len() { None } else { start.rfind('%').filter(|at| at + 3 > end) };
    escape.map_or(start, |at| &start[..at])
}

/// Makes the paths of one batch differ for `folder`, which may take names for the same that differ in letter case or
/// composition only: of such paths the later get a number. Paths that are equal already get one too, and so does a file whose
/// path is that of a folder, of one of `empty` or of one which others lie in.
///
/// # Errors
/// What the disk says when it is asked how it takes names.
pub fn separate(
    folder: &dyn Folder,
    random: &dyn Random,
    paths: &mut [PathBuf],
    empty: &[PathBuf],
) -> io::Result<()> {
    let key = |path: &Path| collision_key(&path.to_string_lossy());
    let folders = folders_of(paths).into_iter().chain(folders_of(empty));
    let folders = folders.chain(empty.iter().map(PathBuf::as_path));
    let folders: HashSet<PathBuf> = folders.map(Path::to_owned).collect();
    let folder_keys: HashSet<String> = folders.iter().map(|path| key(path)).collect();
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, path) in paths.iter().enumerate() {
        groups.entry(key(path)).or_default().push(at);
    }
    groups.retain(|key, group| group.len() > 1 || folder_keys.contains(key));
    if groups.is_empty() {
        return Ok(());
    }
    let confused = confuses(folder, random)?;
    let same = |path: &Path| if confused { key(path) } else { path.to_string_lossy().into_owned() };
    let folders: HashSet<String> = folders.iter().map(|path| same(path)).collect();
    let mut taken: HashSet<String> = paths.iter().map(|path| same(path)).collect();
    let mut numbers = Numbers::default();
    for group in groups.into_values() {
        let mut met: HashSet<String> = HashSet::new();
        for at in group {
            let own = same(&paths[at]);
            if !folders.contains(&own) && met.insert(own) {
                continue;
            }
            let is_free = |path: &Path| {
                let name = same(path);
                !taken.contains(&name) && !folders.contains(&name)
            };
            if let Some(path) = numbers.free(&paths[at], same, is_free) {
                taken.insert(same(&path));
                paths[at] = path;
            }
        }
    }
    Ok(())
}

/// The next number to try for names that may get the same ones: what was taken never is free again, and to try all from the first
/// on would take time by the square of how many there are.
#[derive(Default)]
struct Numbers(HashMap<String, u32>);

impl Numbers {
    /// `path` with a number with which it is free.
    fn free(
        &mut self,
        path: &Path,
        same: impl Fn(&Path) -> String,
        is_free: impl Fn(&Path) -> bool,
    ) -> Option<PathBuf> {
        // Long names are cut for their number, and the most for the longest.
        let next = self.0.entry(same(&numbered(path, u32::MAX))).or_insert(1);
        // There are fewer paths than numbers.
        let mut numbers = (*next..).map(|number| (number, numbered(path, number)));
        let (number, path) = numbers.find(|(_, path)| is_free(path))?;
        *next = number.saturating_add(1);
        Some(path)
    }
}

/// The folders that `paths` lie in.
fn folders_of(paths: &[PathBuf]) -> HashSet<&Path> {
    let mut folders = HashSet::new();
    for path in paths {
        // What is above one that is known is known.
        path.ancestors().skip(1).find(|above| !folders.insert(*above));
    }
    folders
}

/// Whether `folder` takes names for the same that differ in letter case or composition.
fn confuses(folder: &dyn Folder, random: &dyn Random) -> io::Result<bool> {
    let probe = Probe::begin(folder, random)?;
    let made = probe.name("a\u{e9}");
    drop(folder.create(&made, true)?);
    let mut confused = false;
    for other in ["A\u{e9}", "ae\u{301}", "a\u{c9}"] {
        confused |= match folder.stat(&probe.name(other)) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            // A disk that cannot have the other form of the name may be one that alters names.
            Err(_) => true,
        };
    }
    folder.remove(&made)?;
    Ok(confused)
}

/// What two names share that a file system without letter case or with its own composition would take for one: more
/// forgiving than a search, since file systems fold by capitals.
fn collision_key(name: &str) -> String {
    let capital: String = name.nfd().flat_map(char::to_uppercase).collect();
    capital.chars().flat_map(char::to_lowercase).nfd().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sealift_platform::random::SystemRandom;

    use super::*;
    use sealift_platform::testing::MemoryDisk;

    #[test]
    fn a_disk_that_takes_a_name_keeps_it() {
        for plain in [
            "a:b",
            "CON",
            "a.",
            " ",
            "-rf",
            "50%41",
            "a%3Ab",
            "what? \"no\" <*>|",
            "ü 東京 👩‍🚀",
            ".bashrc",
        ] {
            assert_eq!(local_name(plain, Names::All), plain);
        }
        for (name, local) in [
            ("exe.\u{202e}gpj", "exe.%E2%80%AEgpj"),
            (".Sealift-part-x", "%2ESealift-part-x"),
            (".sealift-private", "%2Esealift-private"),
            (".sealiftignore", "%2Esealiftignore"),
        ] {
            assert_eq!(local_name(name, Names::All), local);
            assert_eq!(portable_name(name), local);
        }
    }

    #[test]
    fn other_disks_get_portable_names() {
        for plain in ["a.txt", "ü 東京 👩‍🚀", "100%.txt", "%zz", "a-b", "console", "COM10", "a%3Ab"]
        {
            assert_eq!(portable_name(plain), plain);
        }
        for (name, local) in [
            ("CON", "%43ON"),
            ("aux.txt", "%61ux.txt"),
            ("COM¹", "%43OM¹"),
            ("nul .tar.gz", "%6Eul .tar.gz"),
            ("a:b", "a%3Ab"),
            ("a.", "a%2E"),
            ("...", "..%2E"),
            (" ", "%20"),
        ] {
            assert_eq!(portable_name(name), local);
        }
    }

    #[test]
    fn what_a_disk_takes_is_tried_out_where_it_matters() {
        let tried = |disk: &MemoryDisk, name| Names::of(disk, &SystemRandom, [name]).unwrap();
        let narrow = MemoryDisk::of_portable_names();
        assert_eq!(tried(&MemoryDisk::new(), "a:b"), Names::All);
        for name in ["a:b", "a.", "CON"] {
            assert_eq!(tried(&narrow, name), Names::Portable);
        }
        assert_eq!(tried(&narrow, "plain"), Names::All);
        assert!(narrow.files().is_empty());
    }

    #[test]
    fn a_file_does_not_have_the_path_of_a_folder() {
        let mut paths = ["s/a", "s/a/b", "s/a (1)", "s/c/d", "S/C"].map(PathBuf::from);
        separate(&MemoryDisk::new(), &SystemRandom, &mut paths, &[]).unwrap();
        assert_eq!(paths, ["s/a (2)", "s/a/b", "s/a (1)", "s/c/d", "S/C"].map(PathBuf::from));
        let mut paths = ["s/c/d", "S/C"].map(PathBuf::from);
        separate(&MemoryDisk::without_case(), &SystemRandom, &mut paths, &[]).unwrap();
        assert_eq!(paths, ["s/c/d", "S/C (1)"].map(PathBuf::from));
        let (mut paths, empty) = (["s/a", "s/B", "s/e"].map(PathBuf::from), ["s/a", "s/b/c"]);
        let empty = empty.map(PathBuf::from);
        separate(&MemoryDisk::new(), &SystemRandom, &mut paths, &empty).unwrap();
        assert_eq!(paths, ["s/a (1)", "s/B", "s/e"].map(PathBuf::from));
        separate(&MemoryDisk::without_case(), &SystemRandom, &mut paths, &empty).unwrap();
        assert_eq!(paths, ["s/a (1)", "s/B (1)", "s/e"].map(PathBuf::from));
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let name = |last: char| format!("{}{last}.txt", ":".repeat(240));
        let (one, two) = (portable_name(&name('a')), portable_name(&name('b')));
        assert_ne!(one, two);
        assert!(one.len() <= NAME_MAX && one.ends_with(".txt") && one.starts_with("%3A%3A"));
        let full = "x".repeat(255);
        assert_eq!(portable_name(&full), full);
        let next = numbered(Path::new(&full), 12);
        assert_eq!(next.as_os_str().len(), 255);
        assert!(next.to_str().unwrap().ends_with("x (12)"));
        assert_eq!(numbered(Path::new("d/a.txt"), 1), Path::new("d/a (1).txt"));
    }

    #[test]
    fn a_disk_that_confuses_names_gets_different_ones() {
        let names = ["d/A.txt", "d/a.txt", "D/a.TXT", "d/a (1).txt", "d/b", "d/b"];
        let paths = || names.map(PathBuf::from);
        let mut plain = paths();
        separate(&MemoryDisk::new(), &SystemRandom, &mut plain, &[]).unwrap();
        assert_eq!(plain[..5], paths()[..5]);
        assert_eq!(plain[5], Path::new("d/b (1)"));
        let disk = MemoryDisk::without_case();
        let mut confused = paths();
        separate(&disk, &SystemRandom, &mut confused, &[]).unwrap();
        assert!(disk.files().is_empty());
        let keys: HashSet<_> =
            confused.iter().map(|path| collision_key(path.to_str().unwrap())).collect();
        assert_eq!(keys.len(), names.len(), "{confused:?}");
        assert_eq!(confused[0], Path::new("d/A.txt"), "the first keeps its name");
    }

    #[test]
    fn each_number_is_tried_once() {
        use std::cell::{Cell, RefCell};
        let (taken, tries) = (RefCell::new(HashSet::new()), Cell::new(0));
        let mut numbers = Numbers::default();
        let is_free = |path: &Path| {
            tries.set(tries.get() + 1);
            taken.borrow_mut().insert(path.to_owned())
        };
        let same = |path: &Path| path.to_string_lossy().into_owned();
        for file in 0..500 {
            let long = format!("d/{}{file:03}", "x".repeat(252));
            for path in ["d/a.txt", &long] {
                numbers.free(Path::new(path), same, is_free).unwrap();
            }
        }
        assert_eq!(tries.get(), 1000);
    }

    #[test]
    fn names_that_a_disk_may_confuse_share_a_key() {
        for (a, b) in
            [("A.txt", "a.TXT"), ("\u{e9}", "e\u{301}"), ("Straße", "STRASSE"), ("ſ", "s")]
        {
            assert_eq!(collision_key(a), collision_key(b), "{a} {b}");
        }
        assert_ne!(collision_key("a"), collision_key("b"));
    }

    /// Names as hostile as the rules allow: no slash, no NUL, not `.` or `..`.
    fn hostile() -> impl Strategy<Value = String> {
        let part = prop_oneof![
            Just("CON".to_owned()),
            Just("..".to_owned()),
            Just(".".to_owned()),
            Just(" ".to_owned()),
            Just("%".to_owned()),
            Just("%2E".to_owned()),
            Just("é".to_owned()),
            Just("e\u{301}".to_owned()),
            Just("\u{202e}".to_owned()),
            Just(":".to_owned()),
            Just("-".to_owned()),
            "[a-zA-Z0-9%.]{1,3}",
            "\\PC",
        ];
        prop::collection::vec(part, 1..6)
            .prop_map(|parts| parts.concat().replace(['/', '\\', '\0'], "_"))
            .prop_filter("a name", |name| name != "." && name != ".." && !name.is_empty())
    }

    proptest! {
        #[test]
        fn no_name_is_altered_twice(name in hostile()) {
            for names in [Names::All, Names::Portable] {
                let local = local_name(&name, names);
                prop_assert_eq!(local_name(&local, names), local.clone());
                prop_assert_eq!(portable_name(&local), portable_name(&name));
            }
        }

        #[test]
        fn names_never_lead_out_and_are_portable_where_they_must(name in hostile()) {
            for names in [Names::All, Names::Portable] {
                let local = local_name(&name, names);
                let mut parts = Path::new(&local).components();
                prop_assert!(matches!(parts.next(), Some(std::path::Component::Normal(_))));
                prop_assert!(parts.next().is_none());
                prop_assert!(!local.chars().any(deceives) && !is_own(&local));
            }
            let local = portable_name(&name);
            prop_assert!(!local.chars().any(is_unportable) && !is_device(&local));
            prop_assert!(!local.ends_with(['.', ' ']));
        }
    }
}
