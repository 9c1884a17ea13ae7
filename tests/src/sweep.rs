//! Searching everything that a relay holds for what it must not know.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;
use data_encoding::{BASE32_NOPAD, BASE64_NOPAD, BASE64URL_NOPAD, Encoding, HEXLOWER, HEXUPPER};
use sha2::{Digest, Sha256};

/// What is searched for, in every form it might take.
#[derive(Default)]
pub struct Sweep {
    needles: Vec<Needle>,
    /// Made of the needles when they are first searched for.
    finder: OnceLock<AhoCorasick>,
}

struct Needle {
    what: String,
    bytes: Vec<u8>,
}

impl Sweep {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a text: as it is, in other case, as UTF-16, in common encodings, and its hashes.
    pub fn text(&mut self, text: &str) {
        self.forms(text, text.as_bytes());
        self.forms(&format!("{text} in lower case"), text.to_lowercase().as_bytes());
        self.forms(&format!("{text} in upper case"), text.to_uppercase().as_bytes());
        let units = || text.encode_utf16();
        self.add(&format!("{text} in UTF-16 LE"), units().flat_map(u16::to_le_bytes).collect());
        self.add(&format!("{text} in UTF-16 BE"), units().flat_map(u16::to_be_bytes).collect());
        for (name, hash) in [
            ("BLAKE3", blake3::hash(text.as_bytes()).as_bytes().to_vec()),
            ("SHA-256", Sha256::digest(text.as_bytes()).to_vec()),
        ] {
            let what = format!("{name} of {text}");
            self.add(&format!("{what} in hexadecimal"), HEXLOWER.encode(&hash).into_bytes());
            self.add(&what, hash);
        }
    }

    /// Adds bytes: as they are and in common encodings.
    pub fn bytes(&mut self, what: &str, bytes: &[u8]) {
        self.forms(what, bytes);
    }

    /// What is found in `haystack`, each thing once.
    ///
    /// # Panics
    /// Never: the needles are few and short.
    #[must_use]
    pub fn search(&self, haystack: &[u8]) -> Vec<&str> {
        let finder = self.finder.get_or_init(|| {
            let needles = self.needles.iter().map(|needle| &needle.bytes);
            AhoCorasick::new(needles).expect("few and short needles")
        });
        let found: BTreeSet<_> = finder
            .find_overlapping_iter(haystack)
            .map(|found| found.pattern().as_usize())
            .collect();
        found.into_iter().map(|number| self.needles[number].what.as_str()).collect()
    }

    /// What is found in all files and file names beneath `folder`.
    ///
    /// # Errors
    /// When something there cannot be read.
    pub fn search_folder(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let at = |what: &str| format!("{what}, at {}", path.display());
            let name = path.file_name().unwrap_or_default().as_encoded_bytes();
            found.extend(self.search(name).into_iter().map(at));
            let kind = fs::symlink_metadata(&path)?;
            if kind.is_dir() {
                found.extend(self.search_folder(&path)?);
            } else if kind.is_file() {
                found.extend(self.search(&fs::read(&path)?).into_iter().map(at));
            }
        }
        Ok(found)
    }

    /// What is found in the memory of a process, and how many bytes were searched.
    ///
    /// # Errors
    /// When the system does not let this process look.
    pub fn search_memory(&self, pid: u32) -> io::Result<(Vec<String>, u64)> {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
        let mut memory = fs::File::open(format!("/proc/{pid}/mem"))?;
        let (mut found, mut searched) = (Vec::new(), 0);
        for (line, from, to) in maps.lines().filter_map(region) {
            // Pages may go away while the process runs, and some belong to the kernel.
            let mut content = Vec::new();
            if memory.seek(SeekFrom::Start(from)).is_err() {
                continue;
            }
            let _ = (&mut memory).take(to - from).read_to_end(&mut content);
            searched += content.len() as u64;
            let at = |what: &str| format!("{what}, at {line}");
            found.extend(self.search(&content).into_iter().map(at));
        }
        Ok((found, searched))
    }

    fn forms(&mut self, what: &str, bytes: &[u8]) {
        self.add(what, bytes.to_vec());
        self.add(&format!("{what} in hexadecimal"), HEXLOWER.encode(bytes).into_bytes());
        self.add(&format!("{what} in HEXADECIMAL"), HEXUPPER.encode(bytes).into_bytes());
        for (name, encoding, group) in [
            ("base64", &BASE64_NOPAD, 3),
            ("base64 for URLs", &BASE64URL_NOPAD, 3),
            ("base32", &BASE32_NOPAD, 5),
        ] {
            self.grouped(&format!("{what} in {name}"), encoding, group, bytes);
        }
        let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
        self.add(&format!("{what} backwards"), reversed);
    }

    /// An encoding that takes `group` bytes at a time: what can be seen of `bytes` depends on where they begin.
    fn grouped(&mut self, what: &str, encoding: &Encoding, group: usize, bytes: &[u8]) {
        for skip in 0..group {
            let whole = bytes.len().saturating_sub(skip) / group * group;
            let encoded = encoding.encode(&bytes[skip.min(bytes.len())..][..whole]);
            self.add(what, encoded.to_ascii_lowercase().into_bytes());
            self.add(what, encoded.into_bytes());
        }
    }

    fn add(&mut self, what: &str, bytes: Vec<u8>) {
        // Shorter ones are found anywhere by chance.
        if bytes.len() >= 5 && self.needles.iter().all(|known| known.bytes != bytes) {
            self.finder = OnceLock::new();
            self.needles.push(Needle { what: what.to_owned(), bytes });
        }
    }
}

/// The bounds of a readable region in a line of `/proc/PID/maps`.
fn region(line: &str) -> Option<(&str, u64, u64)> {
    let mut parts = line.split_whitespace();
    let (from, to) = parts.next()?.split_once('-')?;
    let readable = parts.next()?.starts_with('r');
    let bounds = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
    (readable && !line.contains("[v")).then_some((line, bounds.0, bounds.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sweep() -> Sweep {
        let mut sweep = Sweep::new();
        sweep.text("Velvet Harbour.pdf");
        sweep
    }

    #[test]
    fn it_finds_every_form() {
        let text = "Velvet Harbour.pdf";
        let forms: [Vec<u8>; 8] = [
            text.into(),
            text.to_uppercase().into(),
            HEXUPPER.encode(text.as_bytes()).into(),
            HEXLOWER.encode(text.to_lowercase().as_bytes()).into(),
            data_encoding::BASE64.encode(format!("xy{text}z").as_bytes()).into(),
            BASE32_NOPAD.encode(format!("abcd{text}").as_bytes()).to_lowercase().into(),
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            blake3::hash(text.as_bytes()).to_hex().as_bytes().into(),
        ];
        for form in forms {
            let around = [&b"noise"[..], &form, b"noise"].concat();
            assert!(!sweep().search(&around).is_empty(), "{}", String::from_utf8_lossy(&form));
        }
        assert!(sweep().search(b"Velvet and a harbour.pdf").is_empty());
    }

    #[test]
    fn it_finds_names_and_content_of_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(sweep().search_folder(folder.path()).unwrap().is_empty());
        fs::create_dir(folder.path().join("velvet harbour.pdf.d")).unwrap();
        assert!(!sweep().search_folder(folder.path()).unwrap().is_empty());
        fs::write(folder.path().join("inside"), "a Velvet Harbour.pdf there").unwrap();
        assert!(sweep().search_folder(folder.path()).unwrap().len() >= 2);
    }

    #[test]
    fn it_finds_what_is_in_memory() {
        let (found, searched) = sweep().search_memory(std::process::id()).unwrap();
        assert!(searched > 100_000);
        assert!(!found.is_empty(), "this test itself holds the words");
    }
}
