//! Sharing more folders, or fewer, while a process shares, and for the next start.

use std::path::{Path, PathBuf};

use super::Agent;
use super::message::{Answer, AskedFolder, SharedFolder};
use crate::activity::Activity;
use crate::config::{Config, folders};
use crate::engine::EngineEnded;
use crate::error::{Error, FolderError};
use crate::names::{FILES, WatchArg, name_folders};
use crate::own;
use crate::run::tell_sharing;

impl Agent {
    pub(super) async fn share(&self, asked: &[AskedFolder]) -> Result<Answer, Error> {
        let asked: Option<Vec<_>> = asked.iter().map(AskedFolder::folder).collect();
        let asked = asked.ok_or_else(|| FolderError::Missing(PathBuf::new()))?;
        let mut config = self.config.lock().await;
        let (all, shared) = with(&config, asked)?;
        name_folders(&all)?;
        let disk = self.this.profile.platform().disk.clone();
        let (home, new) = (config.home.clone(), all[config.watch.len()..].to_vec());
        // Those that are shared already may be away just now.
        let opened = tokio::task::spawn_blocking(move || folders(&*disk, &home, &new)).await;
        for (_, folder) in opened.map_err(|_| Error::Ended)??.all() {
            tell_sharing(&self.this, &self.source.space_name, &folder, &self.teller)?;
            self.engine.share(folder).await?;
        }
        config.watch = all;
        self.this.bear(self.front.remember(&self.this.profile, &config))?;
        Ok(Answer::Shared { folders: shared })
    }

    pub(super) async fn unshare(&self, names: &[String]) -> Result<Answer, Error> {
        let mut config = self.config.lock().await;
        let (rest, gone) = without(&config.watch, names)?;
        for folder in &gone {
            self.engine.unshare(&folder.name).await?;
            let (name, place) = (folder.name.clone(), folder.place.clone());
            self.teller.tell(Activity::NotShared { name, place });
        }
        config.watch = rest;
        self.this.bear(self.front.remember(&self.this.profile, &config))?;
        Ok(Answer::Unshared { folders: gone })
    }
}

impl From<EngineEnded> for Error {
    fn from(_: EngineEnded) -> Self {
        Self::Ended
    }
}

/// What `config` shares with `asked` besides, which comes behind it, and of what was asked for whether it was shared already.
fn with(
    config: &Config,
    asked: Vec<WatchArg>,
) -> Result<(Vec<WatchArg>, Vec<SharedFolder>), FolderError> {
    let mut all = config.watch.clone();
    let mut shared = Vec::new();
    for folder in asked {
        let name = name_of(&folder)?;
        let is_it = |known: &WatchArg| {
            is_same(&known.dir, &folder.dir) && name_of(known).is_ok_and(|known| known == name)
        };
        let already = all.iter().any(is_it);
        shared.push(SharedFolder::new(&name, &folder.dir, already));
        if !already {
            all.push(folder);
        }
    }
    Ok((all, shared))
}

fn is_same(one: &Path, other: &Path) -> bool {
    own::resolve(one) == own::resolve(other)
}

/// The name under which `folder` is offered.
fn name_of(folder: &WatchArg) -> Result<String, FolderError> {
    let named = name_folders(std::slice::from_ref(folder))?;
    let name = named.into_iter().next().map(|(name, _)| name.as_str().to_owned());
    name.ok_or_else(|| FolderError::NoName { place: folder.dir.clone(), why: None })
}

/// What of `watch` stays when the folders called `names` go, and those.
///
/// # Errors
/// When none is called so.
pub fn without(
    watch: &[WatchArg],
    names: &[String],
) -> Result<(Vec<WatchArg>, Vec<SharedFolder>), FolderError> {
    let mut rest = watch.to_vec();
    let mut gone = Vec::new();
    for name in names {
        let wanted = name.trim_end_matches('/');
        let unknown = || FolderError::NotShared {
            name: wanted.to_owned(),
            known: watch.iter().filter_map(|folder| name_of(folder).ok()).collect(),
        };
        let is_it = |folder: &WatchArg| {
            // A file that is away just now looks like a folder.
            let file = || wanted.strip_prefix(FILES).and_then(|name| name.strip_prefix('/'));
            let is_away = || !folder.dir.exists();
            name_of(folder)
                .is_ok_and(|name| name == wanted || (Some(&*name) == file() && is_away()))
        };
        let folder = rest.remove(rest.iter().position(is_it).ok_or_else(unknown)?);
        gone.push(SharedFolder::new(wanted, &folder.dir, false));
    }
    Ok((rest, gone))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, dir: &str) -> WatchArg {
        WatchArg { name: Some(name.into()), dir: dir.into() }
    }

    #[test]
    fn folders_go_by_the_names_they_are_offered_under() {
        let watch = [named("a", "/x/one"), WatchArg { name: None, dir: "/x/two".into() }];
        let (rest, gone) = without(&watch, &["two/".into()]).unwrap();
        assert_eq!((rest, gone.len()), (vec![named("a", "/x/one")], 1));
        let (rest, gone) = without(&watch, &["a".into(), "two".into()]).unwrap();
        assert_eq!((rest.len(), gone.len()), (0, 2));
        // A file that is away has the name of a folder; a folder has never that of a file.
        assert_eq!(without(&watch, &["files/two".into()]).unwrap().0.len(), 1);
        let here = [WatchArg { name: Some("two".into()), dir: "/".into() }];
        assert!(without(&here, &["files/two".into()]).is_err());
        for wrong in [&["one".to_owned()][..], &["a".to_owned(), "a".to_owned()]] {
            let error = without(&watch, wrong).unwrap_err();
            assert!(matches!(error, FolderError::NotShared { known, .. } if known == ["a", "two"]));
        }
    }
}
