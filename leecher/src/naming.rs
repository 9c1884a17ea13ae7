//! Names of strangers as names on this disk.
//!
//! A name that every system can have is kept as it is. Otherwise each character in question stands as `%` and two
//! hexadecimal digits for each of its UTF-8 bytes, as in an address of the web, so that the original can be told:
//!
//! * `< > : " | ? *`, control characters, and characters that turn the direction of text or cannot be seen;
//! * a dot or space at the end, and a hyphen at the start;
//! * the first character of names that Windows keeps for devices (`CON`, `aux.txt`, `COM¹`, …), and of names like those of
//!   our own part files;
//! * a `%` that two hexadecimal digits follow.
//!
//! Only a name that gets longer than a disk can hold is shortened, and then ends in a hash of the whole. The rule is the
//! same on every system, so that a folder fetched on one can be copied to another.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use sealift_platform::disk::Root as Folder;
use sealift_platform::random::Random;
use sealift_proto::text::hex;

use crate::text::collision_key;

/// Longest name that common file systems hold, bytes.
const NAME_MAX: usize = 255;
/// Of a shortened name, bytes: kept from its start, and at most from its extension.
const SHORT: (usize, usize) = (180, 24);
/// How the names of our own hidden files begin.
const OWN: &str = ".sealift-";

/// `name`, one name of a path, as it is called on this disk.
#[must_use]
pub fn local_name(name: &str) -> String {
    let first_goes = name.starts_with('-') || is_device(name) || is_own(name);
    let last = name.char_indices().next_back().map(|(at, _)| at);
    let mut out = String::with_capacity(name.len());
    for (at, c) in name.char_indices() {
        let ends = Some(at) == last && matches!(c, '.' | ' ');
        let goes = is_unportable(c) || ends || (at == 0 && first_goes);
        if goes || (c == '%' && hex_pair(&name[at + 1..]).is_some()) {
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

/// The name that `local` stands for; `None` if it stands for none.
#[must_use]
pub fn original_name(local: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(local.len());
    let mut rest = local;
    while let Some(at) = rest.find('%') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        match hex_pair(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[2..];
            }
            None => bytes.push(b'%'),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

/// `path`, several names, each as it is called on this disk.
#[must_use]
pub fn local_path<'a>(names: impl IntoIterator<Item = &'a str>) -> PathBuf {
    names.into_iter().map(local_name).collect()
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
    c.is_control()
        || matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*' | '/' | '\\')
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

/// Whether `name` is like those of our own hidden files.
pub(crate) fn is_own(name: &str) -> bool {
    name.get(..OWN.len()).is_some_and(|start| start.eq_ignore_ascii_case(OWN))
}

fn hex_pair(text: &str) -> Option<u8> {
    let pair = text.get(..2).filter(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u8::from_str_radix(pair, 16).ok()
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
/// composition only: of such paths the later get a number. Paths that are equal already get one too.
///
/// # Errors
/// What the disk says when it is asked how it takes names.
pub fn separate(folder: &dyn Folder, random: &dyn Random, paths: &mut [PathBuf]) -> io::Result<()> {
    let key = |path: &Path| collision_key(&path.to_string_lossy());
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, path) in paths.iter().enumerate() {
        groups.entry(key(path)).or_default().push(at);
    }
    groups.retain(|_, group| group.len() > 1);
    if groups.is_empty() {
        return Ok(());
    }
    let confused = confuses(folder, random)?;
    let same = |path: &Path| if confused { key(path) } else { path.to_string_lossy().into_owned() };
    let mut taken: HashSet<String> = paths.iter().map(|path| same(path)).collect();
    for group in groups.into_values() {
        let mut met: HashSet<String> = HashSet::new();
        for at in group {
            if met.insert(same(&paths[at])) {
                continue;
            }
            let free = (1..).map(|number| numbered(&paths[at], number));
            // There are fewer paths than numbers.
            if let Some(path) = free.into_iter().find(|path| !taken.contains(&same(path))) {
                taken.insert(same(&path));
                paths[at] = path;
            }
        }
    }
    Ok(())
}

/// Whether `folder` takes names for the same that differ in letter case or composition.
fn confuses(folder: &dyn Folder, random: &dyn Random) -> io::Result<bool> {
    let mark = hex(&random.bytes::<8>());
    let name = |letters: &str| PathBuf::from(format!("{OWN}part-probe-{mark}-{letters}"));
    let made = name("a\u{e9}");
    drop(folder.create(&made, true)?);
    let mut confused = false;
    for other in ["A\u{e9}", "ae\u{301}", "a\u{c9}"] {
        confused |= match folder.stat(&name(other)) {
            Ok(_) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            // A disk that cannot have the other form of the name may be one that alters names.
            Err(_) => true,
        };
    }
    folder.remove(&made)?;
    Ok(confused)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sealift_platform::random::SystemRandom;

    use super::*;
    use crate::memory::MemoryDisk;

    #[test]
    fn plain_names_stay_and_others_are_told() {
        for plain in [
            "a.txt",
            "ü 東京 👩‍🚀",
            ".bashrc",
            "100%.txt",
            "%zz",
            "a-b",
            "console",
            "COM10",
            "..."[..1].trim_end_matches('.'),
        ] {
            assert_eq!(local_name(plain), plain);
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
            ("-rf", "%2Drf"),
            ("exe.\u{202e}gpj", "exe.%E2%80%AEgpj"),
            ("50%41", "50%2541"),
            (".Sealift-part-x", "%2ESealift-part-x"),
        ] {
            assert_eq!(local_name(name), local);
            assert_eq!(original_name(local).as_deref(), Some(name));
        }
    }

    #[test]
    fn long_names_are_cut_and_stay_apart() {
        let name = |last: char| format!("{}{last}.txt", ":".repeat(240));
        let (one, two) = (local_name(&name('a')), local_name(&name('b')));
        assert_ne!(one, two);
        assert!(one.len() <= NAME_MAX && one.ends_with(".txt") && one.starts_with("%3A%3A"));
        let full = "x".repeat(255);
        assert_eq!(local_name(&full), full);
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
        separate(&MemoryDisk::new(), &SystemRandom, &mut plain).unwrap();
        assert_eq!(plain[..5], paths()[..5]);
        assert_eq!(plain[5], Path::new("d/b (1)"));
        let disk = MemoryDisk::without_case();
        let mut confused = paths();
        separate(&disk, &SystemRandom, &mut confused).unwrap();
        assert!(disk.files().is_empty());
        let keys: HashSet<_> =
            confused.iter().map(|path| collision_key(path.to_str().unwrap())).collect();
        assert_eq!(keys.len(), names.len(), "{confused:?}");
        assert_eq!(confused[0], Path::new("d/A.txt"), "the first keeps its name");
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
        fn the_original_can_be_told(name in hostile()) {
            let local = local_name(&name);
            prop_assert_eq!(original_name(&local), Some(name));
        }

        #[test]
        fn names_never_lead_out_and_are_portable(name in hostile()) {
            let local = local_name(&name);
            let mut parts = Path::new(&local).components();
            prop_assert!(matches!(parts.next(), Some(std::path::Component::Normal(_))));
            prop_assert!(parts.next().is_none());
            prop_assert!(!local.chars().any(is_unportable) && !is_device(&local) && !is_own(&local));
            prop_assert!(!local.ends_with(['.', ' ']) && !local.starts_with('-'));
        }

        #[test]
        fn two_names_never_become_one(a in hostile(), b in hostile()) {
            prop_assert_eq!(a == b, local_name(&a) == local_name(&b));
        }
    }
}
