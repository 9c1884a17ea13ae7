//! The relay's folder: its lock, its key, its store. A damaged store is set aside, a damaged key ends everything.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift_platform::Platform;
use sealift_platform::disk::{Lock, Root, give_name};
use sealift_server::home::{self, HomeError};
use sealift_server::identity::Identity;

use crate::error::RelayError;
use crate::limits::InForce;
use crate::program::PROGRAM;
use crate::store::{self, Closing, Store};

/// Damaged stores that are kept. A disk that damages more of them is no place for another.
const ASIDE: u32 = 5;

/// An open folder.
pub(crate) struct Home {
    pub(crate) store: Store,
    pub(crate) closing: Closing,
    pub(crate) identity: Identity,
    pub(crate) lock: Box<dyn Lock>,
}

impl Home {
    /// Opens the folder at `path`; the first time, makes its key and store.
    pub(crate) async fn open(
        platform: &Platform,
        path: &Path,
        limits: InForce,
    ) -> Result<Self, RelayError> {
        let (platform, folder) = (platform.clone(), path.to_owned());
        let opening = tokio::task::spawn_blocking(move || open_folder(&platform, &folder));
        let (root, lock, identity) = opening.await.map_err(|_| RelayError::Failed)??;
        let (store, closing) = open_store(root, path, limits).await?;
        Ok(Self { store, closing, identity, lock })
    }
}

type Opened = (Arc<dyn Root>, Box<dyn Lock>, Identity);

fn open_folder(platform: &Platform, home: &Path) -> Result<Opened, RelayError> {
    let opened = home::open(PROGRAM, &*platform.disk, home);
    let home::Home { root, lock } = opened.map_err(|error| match error {
        HomeError::Disk(error) => RelayError::Home(home.to_owned(), error),
        HomeError::InUse(holder) => RelayError::InUse(home.to_owned(), holder),
    })?;
    let is_there = |path: &Path| root.stat(path).is_ok();
    let used = is_there(Path::new(store::FILE)) || is_there(&aside(1));
    let identity = Identity::open(PROGRAM, &*root, &*platform.random, !used)
        .map_err(|error| RelayError::Key(home.to_owned(), error))?;
    Ok((root, lock, identity))
}

async fn open_store(
    root: Arc<dyn Root>,
    home: &Path,
    limits: InForce,
) -> Result<(Store, Closing), RelayError> {
    let broken = |error: &dyn std::error::Error| {
        RelayError::Store(home.join(store::FILE), error.to_string())
    };
    let error = match Store::open(Arc::clone(&root), limits.clone()).await {
        Ok(opened) => return Ok(opened),
        Err(error) if error.is_damage() => error,
        Err(error) => return Err(broken(&error)),
    };
    let renamed = Arc::clone(&root);
    let renaming = tokio::task::spawn_blocking(move || set_aside(&*renamed));
    let aside = renaming.await.map_err(|_| RelayError::Failed)?.map_err(|_| broken(&error))?;
    tracing::error!(
        %error,
        file = %home.join(aside).display(),
        "the store was damaged and lies there now; the relay starts with an empty one. Devices publish again when they \
         connect, open invites are lost"
    );
    Store::open(root, limits).await.map_err(|error| broken(&error))
}

fn aside(number: u32) -> PathBuf {
    format!("{}.damaged-{number}", store::FILE).into()
}

/// Gives the store another name, which it returns; nothing is replaced by it.
fn set_aside(root: &dyn Root) -> io::Result<PathBuf> {
    for number in 1..=ASIDE {
        let path = aside(number);
        match give_name(root, Path::new(store::FILE), &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => {
                root.sync_folder(Path::new(""))?;
                return Ok(path);
            }
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
