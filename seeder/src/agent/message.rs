//! What is asked of the process that shares for a profile, and what it answers: one line of JSON each.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use sealift_proto::shown::escape_path;
use sealift_proto::text;
use serde::{Deserialize, Serialize};

use crate::names::WatchArg;
use crate::status::Report;

/// Longest request or answer, bytes.
pub const LINE_MAX: usize = 1 << 20;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Request {
    /// What it does now.
    Status,
    /// Share these folders too.
    Share {
        /// The folders.
        folders: Vec<AskedFolder>,
    },
    /// Share these no more.
    Unshare {
        /// Names that they are offered under.
        names: Vec<String>,
    },
    /// End.
    Stop,
}

/// A folder to share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedFolder {
    /// Name to offer it under, if not its own.
    pub name: Option<String>,
    /// The hexadecimal of the bytes of its path from the root: it need not be text.
    pub place: String,
}

impl AskedFolder {
    /// `folder`, as another process with another working folder understands it.
    #[must_use]
    pub fn new(folder: &WatchArg) -> Self {
        let place = std::path::absolute(&folder.dir).unwrap_or_else(|_| folder.dir.clone());
        Self { name: folder.name.clone(), place: text::hex(place.as_os_str().as_bytes()) }
    }

    /// The folder; `None` if its path is none from the root.
    #[must_use]
    pub fn folder(&self) -> Option<WatchArg> {
        let bytes: Vec<u8> = text::from_hex(&self.place)?;
        let dir = PathBuf::from(OsString::from_vec(bytes));
        dir.is_absolute().then(|| WatchArg { name: self.name.clone(), dir })
    }
}

/// What is answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// What it does now.
    Status(Box<Report>),
    /// What was asked for is shared.
    Shared {
        /// The folders that were asked for.
        folders: Vec<SharedFolder>,
    },
    /// What was asked for is shared no more.
    Unshared {
        /// The folders that were.
        folders: Vec<SharedFolder>,
    },
    /// It is about to end.
    Stopping {
        /// Its process.
        pid: u32,
    },
    /// It cannot do that.
    Failed(Explained),
}

/// A folder that is, or was, shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedFolder {
    /// Name it is offered under.
    pub name: String,
    /// Where it is, safe to show.
    pub place: String,
    /// Whether nothing had to be done.
    pub already: bool,
}

impl SharedFolder {
    /// The folder at `dir`, offered as `name`.
    #[must_use]
    pub fn new(name: &str, dir: &Path, already: bool) -> Self {
        Self { name: name.to_owned(), place: escape_path(dir), already }
    }
}

/// Why something was not done, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// Exit code that it is worth.
    pub code: u8,
    /// What did not work.
    pub what: String,
    /// Why.
    pub why: Option<String>,
    /// What a person can do.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_lines_that_say_what_is_asked() {
        let line = |request: &Request| serde_json::to_string(request).unwrap();
        assert_eq!(line(&Request::Status), r#"{"ask":"status"}"#);
        let asked = Request::Unshare { names: vec!["a".into()] };
        assert_eq!(line(&asked), r#"{"ask":"unshare","names":["a"]}"#);
        assert_eq!(serde_json::from_str::<Request>(&line(&asked)).unwrap(), asked);
        assert!(serde_json::from_str::<Request>(r#"{"ask":"everything"}"#).is_err());
    }

    #[test]
    fn any_path_is_understood_in_any_folder() {
        let odd = std::ffi::OsStr::from_bytes(b"/x/\xff\n");
        let asked = AskedFolder::new(&WatchArg { name: Some("n".into()), dir: odd.into() });
        assert_eq!(asked.folder().unwrap().dir, Path::new(odd));
        let relative = AskedFolder::new(&WatchArg { name: None, dir: "x".into() });
        assert!(relative.folder().unwrap().dir.is_absolute());
        for place in ["", "zz", &text::hex(b"x/y")] {
            assert!(AskedFolder { name: None, place: place.into() }.folder().is_none(), "{place}");
        }
    }
}
