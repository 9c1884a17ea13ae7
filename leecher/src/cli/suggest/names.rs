//! Shared names that begin as typed.

use std::collections::BTreeSet;

use tokio::time::Instant;

use super::{Catalogue, MOST};
use crate::replica::{LogView, ReplicaError};

/// So many entries are looked at between two looks at the clock: what is small is told whole on the slowest day.
const STRIDE: u32 = 64;

/// Files and folders whose path begins with `typed`, folders with a slash behind and without what is in them; of a word without a slash also
/// files that are called so in whatever folder.
pub(super) fn shared(known: &Catalogue, typed: &str, until: Instant) -> Vec<String> {
    let mut found = Found { names: BTreeSet::new(), until, looked: 0 };
    let (here, path) = match typed.strip_prefix("./") {
        Some(path) => ("./", path),
        None => ("", typed),
    };
    let views = known.views();
    // What cannot be read is not suggested.
    let _ = views.iter().try_for_each(|view| found.add_paths(view, path));
    if !path.is_empty() && !path.contains('/') {
        let _ = views.iter().try_for_each(|view| found.add_files(view, path));
    }
    found.names.into_iter().map(|name| word(here, &name)).collect()
}

/// `name` as an argument: one that begins with a dash would be a flag.
fn word(here: &str, name: &str) -> String {
    let here = if name.starts_with('-') { "./" } else { here };
    format!("{here}{name}")
}

struct Found {
    names: BTreeSet<String>,
    until: Instant,
    looked: u32,
}

impl Found {
    /// Adds what is at paths that begin with `typed`, down to the next slash.
    fn add_paths(&mut self, view: &LogView, typed: &str) -> Result<(), ReplicaError> {
        let above = typed.rfind('/').map_or(0, |at| at + 1);
        let mut entries = view.entries(typed)?;
        while let Some(entry) = entries.next() {
            let (path, stored) = entry?;
            let Some(rest) = path.get(above..).filter(|_| path.starts_with(typed)) else { break };
            let inside = rest.find('/').map(|at| above + at);
            let is_folder = inside.is_some() || !stored.is_file();
            let name = &path[..inside.unwrap_or(path.len())];
            self.names.insert(if is_folder { format!("{name}/") } else { name.to_owned() });
            if self.is_enough() {
                break;
            }
            if inside.is_some() {
                // The first letter after a slash: behind all that is in the folder.
                entries = view.entries(&format!("{name}0"))?;
            }
        }
        Ok(())
    }

    /// Adds files that are called as typed, in whatever folder.
    fn add_files(&mut self, view: &LogView, typed: &str) -> Result<(), ReplicaError> {
        for entry in view.entries("")? {
            let (path, stored) = entry?;
            let name = path.rsplit('/').next().unwrap_or(&path);
            if stored.is_file() && name.starts_with(typed) {
                self.names.insert(name.to_owned());
            }
            if self.is_enough() {
                break;
            }
        }
        Ok(())
    }

    /// Whether there are as many as anybody reads, or the moment is over.
    fn is_enough(&mut self) -> bool {
        self.looked = self.looked.wrapping_add(1);
        let late = self.looked.is_multiple_of(STRIDE) && Instant::now() >= self.until;
        late || self.names.len() >= MOST
    }
}
