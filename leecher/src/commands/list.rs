//! `leecher list`.

use std::collections::BTreeMap;

use sealift_peer::args::CommonArgs;
use sealift_peer::connect::Speaker;
use sealift_peer::escape::escape;
use sealift_peer::exit::{Exit, Failure};
use sealift_peer::human;
use serde_json::json;

use crate::freshen::{Known, News, excuse, freshen, tell_unread, unreadable};
use crate::replica::{ReplicaError, Stored};

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
    let path = path.map(|path| path.trim_matches('/')).filter(|path| !path.is_empty());
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
                Failure::new(Exit::NotFound, format!("there is no folder `{}`", escape(path)));
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
        for (name, line) in lines {
            print(speaker, known, &name, &line);
        }
        tell_unread(speaker, known);
    }
    Ok(any)
}

fn lines(known: &Known, path: Option<&str>) -> Result<BTreeMap<String, Line>, ReplicaError> {
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    for view in &known.views {
        let owner = known.members.display_name(&view.key().device);
        let mut add = |entry: Result<(String, Stored), ReplicaError>| -> Result<(), ReplicaError> {
            let (full, stored) = entry?;
            let rest = path.map_or(full.as_str(), |path| &full[path.len() + 1..]);
            let (name, deeper) =
                rest.split_once('/').map_or((rest, false), |(name, _)| (name, true));
            let line = lines.entry(name.to_owned()).or_default();
            line.add(&stored, deeper, &owner);
            Ok(())
        };
        match path {
            Some(path) => view.beneath(path)?.try_for_each(&mut add)?,
            None => view.entries("")?.try_for_each(&mut add)?,
        }
    }
    Ok(lines)
}

impl Line {
    fn add(&mut self, stored: &Stored, deeper: bool, owner: &str) {
        self.folder |= deeper;
        self.files += 1;
        self.bytes += stored.size;
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
        format!("{shown}/  {} files, {size}  {age}  {owners}{waiting}", line.files)
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
