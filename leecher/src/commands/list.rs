//! `leecher list`.

use std::collections::HashMap;

use sealift_command::args::CommonArgs;
use sealift_command::escape::escape;
use sealift_command::exit::{Exit, Failure};
use sealift_command::human;
use sealift_peer::connect::Speaker;
use serde_json::json;

use crate::freshen::{Known, News, excuse, freshen, tell_unread, unreadable};
use crate::replica::{Listed, LogView, ReplicaError, Stored};
use crate::search::{compile, is_glob};
use crate::text::{fold, natural};

/// One line of a listing: a file, or a folder with what is in it.
#[derive(Default)]
struct Line {
    folder: bool,
    files: u64,
    bytes: u64,
    waiting: u64,
    newest: i64,
    hash: Option<String>,
    owners: Vec<String>,
}

/// Prints what is directly in the folder `path`, or all shared folders.
///
/// # Errors
/// When there is no such folder (exit 3), or the catalogues cannot be read.
pub async fn run(
    speaker: &Speaker,
    common: &CommonArgs,
    path: Option<&str>,
    offline: bool,
) -> Result<Exit, Failure> {
    let path = path.map(|path| path.trim_start_matches("./").trim_matches('/'));
    let path = path.filter(|path| !path.is_empty());
    let mut spaces = freshen(speaker, common, News::wanted(offline)).await?;
    let mut any = show(speaker, &spaces, path)?;
    // That there is nothing is not said before everybody's newest catalogue has been looked at, if it can be had.
    if !any && spaces.iter().any(|known| known.late) {
        spaces = freshen(speaker, common, News::All).await?;
        any = show(speaker, &spaces, path)?;
    }
    match (any, path) {
        (true, _) => Ok(Exit::Done),
        (false, Some(path)) => {
            let missing =
                Failure::new(Exit::NotFound, format!("nothing is shared at `{}`", escape(path)));
            Err(excuse(&spaces, missing.next("`leecher list` shows the shared folders")))
        }
        (false, None) => {
            speaker.console.note("nothing is shared yet", &json!({"type": "empty"}));
            Ok(Exit::Done)
        }
    }
}

/// Prints what is there; whether anything is.
fn show(speaker: &Speaker, spaces: &[Known], path: Option<&str>) -> Result<bool, Failure> {
    let mut any = false;
    for known in spaces {
        let lines =
            lines(known, path).map_err(|error| unreadable(speaker, &known.views, &error))?;
        any |= !lines.is_empty();
        if spaces.len() > 1 && !lines.is_empty() && !speaker.console.is_json() {
            let name = known.space.display_name();
            speaker.console.note(format!("{name}:"), &json!({"type": "space", "name": name}));
        }
        for (name, line) in lines {
            print(speaker, known, &name, &line);
        }
        tell_unread(speaker, known);
    }
    Ok(any)
}

/// What there is in the folder `path`, at it, or fitting it as a glob; in the order of names.
fn lines(known: &Known, path: Option<&str>) -> Result<Vec<(String, Line)>, ReplicaError> {
    let mut lines = Lines::default();
    for view in &known.views {
        let owner = owner(known, view);
        match path {
            None => lines.add_all(view.entries("")?, 0, &owner)?,
            Some(path) => lines.add_all(view.beneath(path)?, path.len() + 1, &owner)?,
        }
    }
    if let Some(path) = path.filter(|_| lines.0.is_empty()) {
        for view in &known.views {
            if let Some(stored) = view.find(path)? {
                lines.add(path, false, &stored, &owner(known, view));
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

/// Who offers what `view` shows, and whether nobody answers there now.
fn owner(known: &Known, view: &LogView) -> String {
    let device = &view.key().device;
    let name = known.members.display_name(device);
    let online = known.connection.as_ref().map(|connection| &connection.online);
    if online.is_some_and(|online| !online.serves(device)) {
        format!("{name} (away)")
    } else {
        name
    }
}

/// Lines by name, files and folders apart: one name can be both.
#[derive(Default)]
struct Lines(HashMap<(String, bool), Line>);

impl Lines {
    fn add(&mut self, name: &str, folder: bool, stored: &Stored, owner: &str) {
        let line = self.0.entry((name.to_owned(), folder)).or_default();
        line.folder = folder;
        line.add(stored, owner);
    }

    /// Adds `entries`, of whose paths the first `above` bytes are not shown.
    fn add_all(
        &mut self,
        mut entries: impl Iterator<Item = Result<Listed, ReplicaError>>,
        above: usize,
        owner: &str,
    ) -> Result<(), ReplicaError> {
        entries.try_for_each(|entry| {
            let (path, stored) = entry?;
            let rest = path.get(above..).unwrap_or(&path);
            match rest.split_once('/') {
                Some((name, _)) => self.add(name, true, &stored, owner),
                None => self.add(rest, false, &stored, owner),
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
            let owner = owner(known, view);
            for entry in view.entries("")? {
                let (path, stored) = entry?;
                let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
                if let Some(end) = ends.into_iter().find(|end| fits(&path[..*end])) {
                    self.add(&path[..end], end < path.len(), &stored, &owner);
                }
            }
        }
        Ok(())
    }
}

impl Line {
    fn add(&mut self, stored: &Stored, owner: &str) {
        self.files += 1;
        // Sizes are what somebody states.
        self.bytes = self.bytes.saturating_add(stored.size);
        self.waiting += u64::from(stored.root.is_none());
        self.newest = self.newest.max(stored.modified);
        self.hash = stored.root.map(|root| root.hex());
        if self.owners.last().is_none_or(|last| last != owner) {
            self.owners.push(owner.to_owned());
        }
    }
}

fn print(speaker: &Speaker, known: &Known, name: &str, line: &Line) {
    let shown = escape(name);
    let now = i64::try_from(speaker.now()).unwrap_or(i64::MAX);
    let age = now.saturating_sub(line.newest.div_euclid(1000));
    let age = human::age(u64::try_from(age).unwrap_or(0));
    let owners = line.owners.join(", ");
    let size = human::size(line.bytes);
    let waiting = if line.waiting > 0 {
        format!("  [{} not hashed yet]", line.waiting)
    } else {
        String::new()
    };
    let text = if line.folder {
        let plural = if line.files == 1 { "" } else { "s" };
        format!("{shown}/  {} file{plural}, {size}  {age}  {owners}{waiting}", line.files)
    } else {
        format!("{shown}  {size}  {age}  {owners}{waiting}")
    };
    speaker.console.result(
        text,
        &json!({
            "type": if line.folder { "folder" } else { "file" }, "space": known.space.display_name(), "name": name,
            "files": line.files, "bytes": line.bytes, "modified_ms": line.newest, "not_hashed": line.waiting,
            "hash": if line.folder { None } else { line.hash.clone() }, "owners": line.owners,
        }),
    );
}
