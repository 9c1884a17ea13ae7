//! What can go wrong with what is known of a space.

use crate::home::HomeError;
use crate::profile::ProfileError;
use crate::profile::file::FileError;
use crate::profile::space::SpaceError;
use crate::profile::tokens::TokenError;

/// Why the profile did not give or take something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no place for it.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// One of its files.
    #[error(transparent)]
    File(#[from] FileError),
    /// What it holds does not fit what was asked.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// One of its spaces.
    #[error(transparent)]
    Space(#[from] SpaceError),
    /// A token for a private relay.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Error {
    /// Whether it is this device's disk: it fails, or what is on it is damaged or missing.
    #[must_use]
    pub const fn is_disk(&self) -> bool {
        match self {
            Self::Home(_) | Self::File(_) => true,
            Self::Profile(error) => {
                matches!(error, ProfileError::KeysMissing { .. } | ProfileError::KeysVanished)
            }
            Self::Space(error) => {
                matches!(error, SpaceError::Incoherent { .. } | SpaceError::Lost { .. })
            }
            Self::Token(error) => matches!(error, TokenError::Unreadable { .. }),
        }
    }

    /// Whether it is the disk, and may pass by itself.
    #[must_use]
    pub const fn is_disk_for_now(&self) -> bool {
        match self {
            Self::File(error) => error.may_pass(),
            Self::Token(error) => matches!(error, TokenError::Unreadable { .. }),
            Self::Home(_) | Self::Profile(_) | Self::Space(_) => false,
        }
    }
}
