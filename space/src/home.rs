//! Where the programs of one user keep their files.

use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

/// This user has no home folder.
#[derive(Debug, thiserror::Error)]
#[error("this user has no home folder: {0}")]
pub struct HomeError(pub etcetera::HomeDirError);

/// Folders of one user: everything beneath one, or the places of the XDG base directory specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Keys, spaces and what must not be lost.
    pub profile: PathBuf,
    /// What can be made again: replica of catalogues, hashes of files.
    pub cache: PathBuf,
}

/// Where this user's configuration of other programs is: `$XDG_CONFIG_HOME` with its default.
///
/// # Errors
/// When this user has no home folder.
pub fn configuration() -> Result<PathBuf, HomeError> {
    Ok(base()?.config_dir())
}

fn base() -> Result<etcetera::base_strategy::Xdg, HomeError> {
    etcetera::base_strategy::Xdg::new().map_err(HomeError)
}

impl Home {
    /// `home/profile` and `home/cache`.
    #[must_use]
    pub fn beneath(home: &Path) -> Self {
        Self { profile: home.join("profile"), cache: home.join("cache") }
    }

    /// Beneath `home` if it is given, else `$XDG_DATA_HOME/sealift` and `$XDG_CACHE_HOME/sealift` with their defaults.
    ///
    /// # Errors
    /// When this user has no home folder.
    pub fn find(home: Option<&Path>) -> Result<Self, HomeError> {
        if let Some(home) = home {
            return Ok(Self::beneath(home));
        }
        let base = base()?;
        Ok(Self {
            profile: base.data_dir().join("sealift"),
            cache: base.cache_dir().join("sealift"),
        })
    }
}
