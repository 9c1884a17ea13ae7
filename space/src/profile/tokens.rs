//! Tokens for private relays, by the key of the relay: a token is never shown to another one.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use sealift_platform::disk::read_all;
use sealift_proto::text;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Profile;
use super::file::Kept;
use crate::error::Error;
use sealift_proto::place::RelayPlace;

/// Name of the file in the profile.
const FILE: &str = "relay-tokens";
/// Largest file that a token is read from, bytes.
const LARGEST: usize = 4096;
/// Lengths that a relay takes, bytes.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=256;

/// Why a token was not taken from a file.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("cannot use {}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file holds no token.
    #[error("there is no token in {}", file.display())]
    Missing {
        /// The file.
        file: PathBuf,
    },
    /// The relay's key is not known: whoever answers first at an address must not get a token.
    #[error("a token is shown only to a relay whose key is known")]
    UnknownRelay,
}

/// What a private relay's operator gives to those who may bring a space. Cleared when dropped; never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, zeroize::ZeroizeOnDrop)]
#[serde(transparent)]
pub struct RelayToken(String);

impl std::fmt::Debug for RelayToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RelayToken(..)")
    }
}

impl RelayToken {
    /// Reads the one token of a file; empty lines and those that begin with `#` are left out.
    #[must_use]
    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = std::str::from_utf8(bytes).ok()?.lines().map(str::trim);
        let token = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
        LENGTHS.contains(&token.len()).then(|| Self(token.to_owned()))
    }

    /// As it is shown to the relay.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// Tokens by the pin of the relay.
#[derive(Default, Serialize, Deserialize)]
struct Tokens {
    by_pin: BTreeMap<String, RelayToken>,
}

impl Kept for Tokens {
    const KIND: &'static str = "relay-tokens";
}

impl Profile {
    /// The token for the relay whose key `pin` names.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn relay_token(&self, pin: &[u8; 16]) -> Result<Option<RelayToken>, Error> {
        let mut kept: Tokens = self.folder.read(FILE)?.unwrap_or_default();
        Ok(kept.by_pin.remove(&text::base32(pin)))
    }

    /// Remembers the token in `file` for `relay`, else for the relay used last.
    ///
    /// # Errors
    /// When the file holds none, or the relay's key is not known: whoever answers first at an address must not get a token.
    pub fn remember_relay_token(
        &self,
        file: &Path,
        relay: Option<&RelayPlace>,
    ) -> Result<(), Error> {
        let token = self.read_token(file)?;
        let relay = self.relay(relay)?;
        let pin = relay.pin.ok_or(TokenError::UnknownRelay)?;
        self.folder.in_turn(|| {
            let mut kept: Tokens = self.folder.read(FILE)?.unwrap_or_default();
            kept.by_pin.insert(text::base32(&pin), token);
            Ok(self.folder.write(FILE, &kept, true)?)
        })
    }

    fn read_token(&self, file: &Path) -> Result<RelayToken, TokenError> {
        let unreadable = |error| TokenError::Unreadable { file: file.to_owned(), error };
        let real = std::fs::canonicalize(file).map_err(unreadable)?;
        let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(unreadable(io::ErrorKind::IsADirectory.into()));
        };
        let folder = self.platform().disk.open(folder).map_err(unreadable)?;
        let bytes = read_all(&*folder, Path::new(name), LARGEST).map_err(unreadable)?;
        RelayToken::parse(&Zeroizing::new(bytes))
            .ok_or_else(|| TokenError::Missing { file: file.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_token_and_it_is_never_printed() {
        let token = RelayToken::parse(b"# relay of Ann\n\n  0123456789abcdef \nmore").unwrap();
        assert_eq!(token.as_bytes(), b"0123456789abcdef");
        assert_eq!(format!("{token:?}"), "RelayToken(..)");
        for bad in [&b""[..], b"# nothing", b"short", &[0xff; 20], &[b'x'; 300]] {
            assert!(RelayToken::parse(bad).is_none());
        }
    }
}
