//! `leecher list`.

mod shown;

use std::collections::HashMap;

use sealift_command::args::CommonArgs;
use sealift_command::escape::escape;
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_command::program;

use super::facts::Owner;
use crate::cli::known::{excuse, freshen, tell_unread, unreadable};
use crate::freshen::{Known, News};
use crate::replica::{Listed, ReplicaError, Stored};
use crate::search::{compile, is_glob};
use crate::text::{fold, natural};

/// One line of a listing: a file, or a folder with what is in it.
#[derive(Default)]
struct Line {
    folder: bool,
    files: u64,
    bytes: u64,
    waiting: u64,
    /// Names in it that could not be shared.
    unshared: u64,
    /// Names in it that are left out on purpose.
    left_out: u64,
    newest: i64,
    hash: Option<String>,
    owners: Vec<Owner>,
}

/// How a listing is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Only at what is known already.
    pub offline: bool,
    /// With all that is known of each.
    pub long: bool,
}

/// Prints what is directly in the folder `path`, or all shared folders.
///
/// # Errors
/// When there is no such folder (exit 3), or the catalogues cannot be read.
pub async fn run(
    speaker: &Speaker,
    common: &CommonArgs,
    path: Option<&str>,
    look: Look,
) -> Result<Exit, Failure> {
    let path = path.map(|path| path.trim_start_matches("./").trim_matches('/'));
    let path = path.filter(|path| !path.is_empty());
    let mut spaces = freshen(speaker, common, News::wanted(look.offline)).await?;
    let mut any = show(speaker, &spaces, path, look.long)?;
    // That there is nothing is not said before everybody's newest catalogue has been looked at, if it can be had.
    if !any && spaces.iter().any(|known| known.late) {
        spaces = freshen(speaker, common, News::All).await?;
        any = show(speaker, &spaces, path, look.long)?;
    }
    match (any, path) {
        (true, _) => Ok(Exit::Done),
        (false, Some(path)) => {
            let missing =
                Failure::new(Exit::NotFound, format!("nothing is shared at `{}`", escape(path)));
            Err(excuse(
                &spaces,
                missing.next(format!("`{} list` shows the shared folders", program::finder())),
            ))
        }
        (false, None) => {
            speaker.console.note("nothing is shared yet", &Event::Empty);
            Ok(Exit::Done)
        }
    }
}

/// Prints what is there; whether anything is.
fn show(
    speaker: &Speaker,
    spaces: &[Known],
    path: Option<&str>,
    long: bool,
) -> Result<bool, Failure> {
    let mut any = false;
    for known in spaces {
        let lines = lines(known, path).map_err(|error| unreadable(speaker, &known.views, error))?;
        any |= !lines.is_empty();
        if (spaces.len() > 1 || long) && !lines.is_empty() {
            let name = known.space.display_name();
            speaker.console.remark(&format!("{name}:"));
        }
        shown::show(speaker, known, &lines, long);
        tell_unread(speaker, known);
    }
    Ok(any)
}

/// What there is in the folder `path`, at it, or fitting it as a glob; in the order of names.
fn lines(known: &Known, path: Option<&str>) -> Result<Vec<(String, Line)>, ReplicaError> {
    let mut lines = Lines::default();
    for view in &known.views {
        let owner = Owner::new(known, &view.key().device);
        match path {
            None => lines.add_all(view.entries("")?, 0, &owner)?,
            Some(path) => lines.add_all(view.beneath(path)?, path.len() + 1, &owner)?,
        }
    }
    if let Some(path) = path.filter(|_| lines.0.is_empty()) {
        for view in &known.views {
            if let Some(stored) = view.find(path)? {
                let owner = Owner::new(known, &view.key().device);
                lines.add(path, !stored.is_file(), &stored, &owner);
            }
        }
    }
    if let Some(glob) = path.filter(|path| lines.0.is_empty() && is_glob(path)) {
        lines.add_fitting(known, glob)?;
    }
    let mut lines: Vec<_> = lines.0.into_iter().map(|((name, _), line)| (name, line)).collect();
    lines.sort_by(|(a, x), (b, y)| natural(a, b).then(x.folder.cmp(&y.folder)));
    Ok(lines)
}

/// Lines by name, files and folders apart: one name can be both.
#[derive(Default)]
struct Lines(HashMap<(String, bool), Line>);

impl Lines {
    fn add(&mut self, name: &str, folder: bool, stored: &Stored, owner: &Owner) {
        let line = self.0.entry((name.to_owned(), folder)).or_default();
        line.folder = folder;
        line.add(stored, owner);
    }

    /// Adds `entries`, of whose paths the first `above` bytes are not shown.
    fn add_all(
        &mut self,
        mut entries: impl Iterator<Item = Result<Listed, ReplicaError>>,
        above: usize,
        owner: &Owner,
    ) -> Result<(), ReplicaError> {
        entries.try_for_each(|entry| {
            let (path, stored) = entry?;
            let rest = path.get(above..).unwrap_or(&path);
            match rest.split_once('/') {
                Some((name, _)) => self.add(name, true, &stored, owner),
                None => self.add(rest, !stored.is_file(), &stored, owner),
            }
            Ok(())
        })
    }

    /// Adds files and folders that fit `glob`; of a folder that fits, not what is in it.
    fn add_fitting(&mut self, known: &Known, glob: &str) -> Result<(), ReplicaError> {
        let on_path = glob.contains('/');
        let Some(matcher) = compile(&fold(glob), on_path) else { return Ok(()) };
        let fits = |path: &str| {
            let folded = fold(path);
            matcher.fits(if on_path { &folded } else { folded.rsplit('/').next().unwrap_or("") })
        };
        for view in &known.views {
            let owner = Owner::new(known, &view.key().device);
            for entry in view.entries("")? {
                let (path, stored) = entry?;
                let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
                if let Some(end) = ends.into_iter().find(|end| fits(&path[..*end])) {
                    let folder = end < path.len() || !stored.is_file();
                    self.add(&path[..end], folder, &stored, &owner);
                }
            }
        }
        Ok(())
    }
}

impl Line {
    fn add(&mut self, stored: &Stored, owner: &Owner) {
        self.files += u64::from(stored.is_file());
        self.unshared = self.unshared.saturating_add(stored.unshared());
        self.left_out = self.left_out.saturating_add(stored.left_out());
        // Sizes are what somebody states.
        self.bytes = self.bytes.saturating_add(stored.size);
        self.waiting += u64::from(stored.is_file() && stored.root.is_none());
        self.newest = self.newest.max(stored.modified);
        self.hash = stored.root.map(|root| root.hex());
        if self.owners.last().is_none_or(|last| last != owner) {
            self.owners.push(owner.clone());
        }
    }
}
