//! The tokens of a private server: whoever shows one may bring a space. Only hashes of them are kept.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A token's name: of one that admits a space no more is remembered.
pub type TokenName = [u8; 16];

/// Shortest token, bytes: nobody guesses one of these at the rate at which they may be tried.
const SHORTEST: usize = 16;
/// Longest token, bytes.
const LONGEST: usize = 256;
/// Largest file of tokens, bytes.
pub const LARGEST: usize = 1 << 20;

/// Why a file of tokens cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// A line that is no token.
    #[error(
        "line {0}: a token is one line of {SHORTEST} to {LONGEST} bytes; `openssl rand -base64 24` makes one"
    )]
    Line(usize),
    /// Nothing in it.
    #[error("there is no token in it; `openssl rand -base64 24` makes one")]
    Empty,
}

/// The tokens that are good.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tokens(Vec<[u8; 32]>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} tokens", self.0.len())
    }
}

impl Tokens {
    /// Reads a file of tokens: one on each line, empty lines and those that begin with `#` left out.
    ///
    /// # Errors
    /// [`TokenError`], with the number of the line.
    pub fn parse(text: &[u8]) -> Result<Self, TokenError> {
        let mut tokens = Vec::new();
        for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            if !(SHORTEST..=LONGEST).contains(&line.len()) {
                return Err(TokenError::Line(number));
            }
            tokens.push(hash(line));
        }
        if tokens.is_empty() { Err(TokenError::Empty) } else { Ok(Self(tokens)) }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of the token that was shown, if it is good. Takes as long for a bad one as for a good one.
    #[must_use]
    pub fn find(&self, shown: &[u8]) -> Option<TokenName> {
        let shown = hash(shown.trim_ascii());
        let good = self.0.iter().fold(0, |good, token| good | token.ct_eq(&shown).unwrap_u8());
        (good == 1).then(|| name(&shown))
    }

    /// Whether the token of this name is still good.
    #[must_use]
    pub fn has(&self, named: &TokenName) -> bool {
        self.0.iter().any(|token| name(token) == *named)
    }
}

fn hash(token: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(b"sealift relay token\0").chain_update(token).finalize().into()
}

/// What is remembered of a token.
fn name(hash: &[u8; 32]) -> TokenName {
    let mut name = [0; 16];
    name.copy_from_slice(&Sha256::digest(hash)[..16]);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_token_on_each_line() {
        let tokens =
            Tokens::parse(b"# for Ann\n0123456789abcdef\n\n  fedcba9876543210zz \r\n").unwrap();
        let ann = tokens.find(b"0123456789abcdef").unwrap();
        let ben = tokens.find(b"fedcba9876543210zz\n").unwrap();
        assert!(ann != ben && tokens.has(&ann) && tokens.has(&ben));
        for bad in [&b""[..], b"0123456789abcdeF", b"# for Ann", b"0123456789abcdef0"] {
            assert_eq!(tokens.find(bad), None);
        }
        assert!(!Tokens::parse(b"fedcba9876543210zz").unwrap().has(&ann));
        assert_eq!(format!("{tokens:?}"), "2 tokens");
    }

    #[test]
    fn what_is_no_token_is_told_by_its_line() {
        assert_eq!(Tokens::parse(b"# nothing\n\n"), Err(TokenError::Empty));
        assert_eq!(Tokens::parse(b"0123456789abcdef\nshort\n"), Err(TokenError::Line(2)));
        assert_eq!(Tokens::parse(&[b'x'; 300]), Err(TokenError::Line(1)));
    }
}
