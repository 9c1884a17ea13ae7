//! Giving verified files their final names: content durable first, then the names, then the names durable.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use sealift_platform::disk::{Kind, give_name};
use sealift_platform::sync::lock;

use super::begin::{NAMES, hash_file};
use super::flush::{MANY_FILES, each};
use super::{Landing, LandingError, State, Target};
use crate::naming::numbered;

/// A file on its way to its name.
struct Ready<'a> {
    job: usize,
    target: &'a Target,
    state: State,
}

/// A file that has its name.
struct Named<'a> {
    ready: Ready<'a>,
    path: PathBuf,
    /// Somebody else's was there first.
    there: bool,
    /// The folder in which something got a new name for it.
    folder: &'a Path,
}

type Ends = Vec<(usize, Result<(), LandingError>)>;

impl Landing {
    pub(super) fn finish_jobs(&self, jobs: &[usize]) -> Ends {
        let mut ends = Vec::with_capacity(jobs.len());
        let ready = self.gather(jobs, &mut ends);
        let (ready, all_flushed) = self.make_durable(ready, &mut ends);
        let placed = self.place_folders(&ready, all_flushed);
        let named = ready
            .into_iter()
            .filter_map(|ready| self.give_name(ready, &placed, &mut ends))
            .collect();
        self.make_names_durable(named, &mut ends);
        ends
    }

    /// The files that are complete and not named yet, with the times and rights they are to have.
    fn gather(&self, jobs: &[usize], ends: &mut Ends) -> Vec<Ready<'_>> {
        let mut ready = Vec::with_capacity(jobs.len());
        for job in jobs.iter().copied() {
            match (self.state(job), self.targets.get(job)) {
                (Some(State::There(_) | State::Landed(_)), _) => ends.push((job, Ok(()))),
                (Some(State::Part(part)), Some(target)) => match part.seal(target, self.executable)
                {
                    Ok(()) => ready.push(Ready { job, target, state: State::Part(part) }),
                    Err(error) => self.fail(job, target, error, ends),
                },
                (Some(state @ State::Small(_)), Some(target)) => {
                    ready.push(Ready { job, target, state });
                }
                _ => ends.push((job, Err(LandingError::NotCome))),
            }
        }
        ready
    }

    /// Makes the content of all files durable, and leaves out those for which that failed. Also tells whether the whole file
    /// system was flushed.
    fn make_durable<'a>(&self, ready: Vec<Ready<'a>>, ends: &mut Ends) -> (Vec<Ready<'a>>, bool) {
        let unheld =
            |ready: &Ready<'_>| matches!(&ready.state, State::Small(small) if !small.is_held());
        let flushed = if ready.len() >= MANY_FILES || ready.iter().any(unheld) {
            self.flush.all(&*self.folder)
        } else {
            Ok(false)
        };
        let losses = self.flush.losses();
        let durable = each(&ready, |ready| match (&ready.state, &flushed) {
            (State::Small(small), _) if small.losses < losses => Err(lost()),
            (State::Small(_), Ok(true)) => Ok(()),
            (State::Small(small), Ok(false)) => small.sync(),
            (State::Small(_), Err(error)) => Err(error.kind().into()),
            // It tells of its own failures, also after a flush of everything.
            (State::Part(part), _) => part.sync(),
            _ => Ok(()),
        });
        let mut kept = Vec::with_capacity(ready.len());
        for (ready, end) in ready.into_iter().zip(durable) {
            match end {
                Ok(()) => kept.push(ready),
                Err(error) => self.fail(ready.job, ready.target, error, ends),
            }
        }
        (kept, matches!(flushed, Ok(true)))
    }

    /// Gives new folders their names, those that hold nothing but `ready` files; which these are.
    fn place_folders<'a>(&self, ready: &[Ready<'a>], all_flushed: bool) -> BTreeSet<&'a Path> {
        let mut files: BTreeMap<&Path, Vec<&Path>> = BTreeMap::new();
        for Ready { target, state, .. } in ready {
            if let Some(top) = state.top(target) {
                files.entry(top).or_default().push(&target.path);
            }
        }
        files.retain(|top, files| self.smalls.place(top, files, !all_flushed));
        files.into_keys().collect()
    }

    /// Gives the file its final name, or the next one that is free; never over anything. Those in the folders `placed` have theirs.
    fn give_name<'a>(
        &self,
        ready: Ready<'a>,
        placed: &BTreeSet<&Path>,
        ends: &mut Ends,
    ) -> Option<Named<'a>> {
        let (target, top) = (ready.target, ready.state.top(ready.target));
        if top.is_some_and(|top| placed.contains(top)) {
            ready.state.set_named();
            let path = target.path.clone();
            return Some(Named { ready, path, there: false, folder: Path::new("") });
        }
        // Until now its folder was somewhere else.
        let made = top.map_or(Ok(()), |_| self.make_folder(target.parent()));
        if let Err(error) = made {
            self.jobs().remove(&ready.job);
            ends.push((ready.job, Err(error)));
            return None;
        }
        match ready.state.hidden().and_then(|hidden| self.name(hidden, &target.path)) {
            Ok((path, there)) => {
                ready.state.set_named();
                Some(Named { ready, path, there, folder: target.parent() })
            }
            Err(error) => {
                self.fail(ready.job, target, error, ends);
                None
            }
        }
    }

    /// The name that the file at `part` has now, and whether that was there already, with the same content.
    fn name(&self, part: &Path, wanted: &Path) -> io::Result<(PathBuf, bool)> {
        for number in 0..NAMES {
            let path = numbered(wanted, number);
            match give_name(&*self.folder, part, &path) {
                Ok(()) => return Ok((path, false)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    // Another process may have been fetching the same, and was first.
                    if self.is_the_same(part, &path)? {
                        self.folder.remove(part)?;
                        return Ok((path, true));
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Whether what is at `path` is a file with the content of `part`.
    fn is_the_same(&self, part: &Path, path: &Path) -> io::Result<bool> {
        let (own, there) = (self.folder.stat(part)?, self.folder.stat(path));
        let alike = there.is_ok_and(|there| there.kind == Kind::File && there.len == own.len);
        if !alike {
            return Ok(false);
        }
        let (own, there) = (hash_file(&*self.folder, part)?, hash_file(&*self.folder, path)?);
        Ok(own.is_some() && own == there)
    }

    /// Makes the names durable, each folder once: those with new files and those with new folders.
    fn make_names_durable(&self, named: Vec<Named<'_>>, ends: &mut Ends) {
        let _alone = lock(&self.naming);
        let fresh = self.folders.take_unsynced();
        let parents = named.iter().map(|named| named.folder);
        let folders: BTreeSet<&Path> = parents.chain(fresh.iter().map(PathBuf::as_path)).collect();
        let folders: Vec<&Path> = folders.into_iter().collect();
        let failed = self.flush.names(&*self.folder, &folders);
        for Named { ready, path, there, .. } in named {
            // What lies deeper in a folder whose names may be lost may be lost with them.
            match failed.iter().find(|(folder, _)| ready.target.path.starts_with(folder)) {
                None => {
                    self.starts.end(ready.job);
                    let state = if there { State::There(path) } else { State::Landed(path) };
                    self.jobs().insert(ready.job, state);
                    ends.push((ready.job, Ok(())));
                }
                Some((_, error)) => self.fail(ready.job, ready.target, error.kind().into(), ends),
            }
        }
        let failed: BTreeSet<_> = failed.iter().map(|(folder, _)| folder.to_path_buf()).collect();
        self.folders.still_unsynced(fresh.intersection(&failed).cloned().collect());
    }

    /// Ends a job whose file could not land.
    fn fail(&self, job: usize, target: &Target, error: io::Error, ends: &mut Ends) {
        self.jobs().remove(&job);
        ends.push((job, Err(self.disk(&target.path, error))));
    }
}

impl State {
    /// The name beneath `--out` of the new folder that it grows in.
    fn top<'a>(&self, target: &'a Target) -> Option<&'a Path> {
        match self {
            Self::Small(small) => small.top(target),
            _ => None,
        }
    }

    /// Where its content is as long as it has no name.
    fn hidden(&self) -> io::Result<&Path> {
        match self {
            Self::Small(small) => Ok(small.path()),
            Self::Part(part) => Ok(part.path()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn set_named(&self) {
        match self {
            Self::Small(small) => small.set_named(),
            Self::Part(part) => part.forget_record(),
            _ => {}
        }
    }
}

fn lost() -> io::Error {
    io::Error::other("the disk has lost what was written")
}
