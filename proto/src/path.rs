//! Paths of shared files (PROTOCOL.md section 9).

use serde::{Deserialize, Deserializer, Serialize};

pub use crate::limits::{DEPTH_MAX, NAME_MAX, PATH_MAX};

/// A path within a catalogue: names separated by `/`, the first being the shared folder. Exists only if it is UTF-8 of at
/// most [`PATH_MAX`] bytes and [`DEPTH_MAX`] names, each of 1 to [`NAME_MAX`] bytes, none `.` or `..`, without NUL, `\`
/// or control characters. Whether a name can exist on the receiver's disk is the receiver's question.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RelativePath(String);

/// A path that cannot be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Empty, or over [`PATH_MAX`].
    #[error("a path has 1 to 4096 bytes")]
    Length,
    /// A name is empty or over [`NAME_MAX`].
    #[error("a name has 1 to 255 bytes")]
    NameLength,
    /// Over [`DEPTH_MAX`] names.
    #[error("more than 64 folders deep")]
    Depth,
    /// `.` or `..`.
    #[error("`.` and `..` are no names")]
    Dots,
    /// NUL, a backslash or a control character.
    #[error("a control character or backslash in a name")]
    Character,
}

impl RelativePath {
    /// Checks `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn new(text: impl Into<String>) -> Result<Self, PathError> {
        let text = text.into();
        if text.is_empty() || text.len() > PATH_MAX {
            return Err(PathError::Length);
        }
        if text.split('/').count() > DEPTH_MAX {
            return Err(PathError::Depth);
        }
        for name in text.split('/') {
            check_name(name)?;
        }
        Ok(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its names, outermost first.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last name.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

fn check_name(name: &str) -> Result<(), PathError> {
    if name.is_empty() || name.len() > NAME_MAX {
        return Err(PathError::NameLength);
    }
    if name == "." || name == ".." {
        return Err(PathError::Dots);
    }
    if name.chars().any(|c| c == '\\' || c.is_control()) {
        return Err(PathError::Character);
    }
    Ok(())
}

impl std::fmt::Debug for RelativePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl<'de> Deserialize<'de> for RelativePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_exist() {
        for good in ["a", "share/a b/ü.txt", "share/-x", "..."] {
            assert!(RelativePath::new(good).is_ok(), "{good}");
        }
        for bad in
            ["", "/", "/a", "a/", "a//b", ".", "a/..", "../a", "a\\b", "a\0", "a\nb", "\u{9b}31m"]
        {
            assert!(RelativePath::new(bad).is_err(), "{bad:?}");
        }
        assert!(RelativePath::new("a".repeat(256)).is_err());
        assert!(RelativePath::new(vec!["a"; 65].join("/")).is_err());
    }
}
