//! Finding files and empty folders in the replica: exact name, part of a name, glob, close misspelling, best first.

mod fuzzy;
mod marks;
mod query;
mod scan;

use std::borrow::Borrow;
use std::collections::HashMap;

use sealift_proto::catalogue::Root;

pub(crate) use marks::marks;
pub use query::Match;
pub(crate) use query::{compile, is_glob};

use crate::replica::{LogKey, LogView, ReplicaError, Stored};
use crate::text::natural;
use query::Query;
use scan::{Candidate, Scan, Wanted, joined, scan, threads};

/// So few candidates are looked at by one thread.
const ALONE: usize = 64;

/// One file or empty folder of one seeder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holding {
    /// Who has it, in which log.
    pub key: LogKey,
    /// Its path there.
    pub path: String,
    /// What is known of it.
    pub stored: Stored,
}

/// A file name with one content, or an empty folder, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// How its best place answers the pattern.
    pub kind: Match,
    /// Who has it and where, best first; never empty.
    pub holdings: Vec<Holding>,
}

/// What a search found.
#[derive(Debug, Default)]
pub struct Found {
    /// Best first.
    pub hits: Vec<Hit>,
    /// How many more there are.
    pub more: u64,
    /// Logs that are damaged and were left out.
    pub damaged: Vec<LogKey>,
}

/// The best `limit` answers to `pattern` in `views`. The order depends on the entries alone: kind of answer, letter case as
/// typed first, newest, path, device.
///
/// # Errors
/// What the disk says; damage is not an error but listed.
pub fn search<V: Borrow<LogView> + Sync>(
    views: &[V],
    pattern: &str,
    limit: usize,
) -> Result<Found, ReplicaError> {
    let query = Query::new(pattern);
    let mut found = scan(views, &Wanted::Query(&query));
    if found.total == 0
        && let Some(fuzzy) = query.fuzzy()
    {
        let failed = std::mem::take(&mut found.failed);
        found = scan(views, &Wanted::Close(&fuzzy));
        found.failed.extend(failed);
    }
    let damaged = damaged(views, std::mem::take(&mut found.failed))?;
    let mut result = group(views, found, limit)?;
    result.damaged = damaged;
    Ok(result)
}

/// File names close to `name`, for "did you mean".
///
/// # Errors
/// What the disk says.
pub fn near_misses<V: Borrow<LogView> + Sync>(
    views: &[V],
    name: &str,
    limit: usize,
) -> Result<Vec<String>, ReplicaError> {
    let last = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
    let found = search(views, last, limit * 4)?;
    let mut names: Vec<String> = Vec::new();
    for path in found.hits.iter().filter_map(|hit| hit.holdings.first()).map(|h| &h.path) {
        if !names.contains(path) {
            names.push(path.clone());
        }
    }
    names.truncate(limit);
    Ok(names)
}

fn damaged<V: Borrow<LogView>>(
    views: &[V],
    failed: Vec<(usize, ReplicaError)>,
) -> Result<Vec<LogKey>, ReplicaError> {
    let mut damaged = Vec::new();
    for (view, error) in failed {
        match error {
            ReplicaError::Corrupt(_) => damaged.push(*views[view].borrow().key()),
            other => return Err(other),
        }
    }
    damaged.sort_unstable();
    damaged.dedup();
    Ok(damaged)
}

/// Puts entries of the same name and content together.
fn group<V: Borrow<LogView> + Sync>(
    views: &[V],
    found: Scan,
    limit: usize,
) -> Result<Found, ReplicaError> {
    let mut entries = details(views, &found.best)?;
    entries.sort_by(|(a, x), (b, y)| {
        let (older, newer) = (x.stored.modified, y.stored.modified);
        a.cmp(b).then(newer.cmp(&older)).then(natural(&x.path, &y.path)).then(x.key.cmp(&y.key))
    });
    let mut hits: Vec<Hit> = Vec::new();
    let mut places: HashMap<(Option<Root>, String), usize> = HashMap::new();
    for (rank, holding) in entries {
        if let Some(same) = same(&holding) {
            if let Some(at) = places.get(&same) {
                hits[*at].holdings.push(holding);
                continue;
            }
            places.insert(same, hits.len());
        }
        hits.push(Hit { kind: rank.kind, holdings: vec![holding] });
    }
    let unseen = found.total.saturating_sub(found.best.len() as u64);
    let more = hits.len().saturating_sub(limit) as u64 + unseen;
    hits.truncate(limit);
    Ok(Found { hits, more, damaged: Vec::new() })
}

/// What a holding has in common with all others of its hit: content and name, or of a folder its path.
fn same(holding: &Holding) -> Option<(Option<Root>, String)> {
    let name = || holding.path.rsplit('/').next().unwrap_or_default().to_owned();
    match holding.stored.root {
        Some(root) => Some((Some(root), name())),
        None if holding.stored.is_file() => None,
        None => Some((None, holding.path.clone())),
    }
}

/// Reads the details of `candidates`, block by block, on several threads if there are many.
fn details<V: Borrow<LogView> + Sync>(
    views: &[V],
    candidates: &[Candidate],
) -> Result<Vec<(query::Rank, Holding)>, ReplicaError> {
    let mut in_place: Vec<&Candidate> = candidates.iter().collect();
    in_place.sort_unstable_by_key(|candidate| candidate.spot);
    let threads = if candidates.len() < ALONE { 1 } else { threads() };
    let share = in_place.len().div_ceil(threads).max(1);
    let parts: Vec<_> = std::thread::scope(|scope| {
        let shares = in_place.chunks(share);
        let running: Vec<_> =
            shares.map(|share| scope.spawn(move || details_of(views, share))).collect();
        running.into_iter().map(joined).collect()
    });
    let mut entries = Vec::with_capacity(candidates.len());
    for part in parts {
        entries.extend(part?);
    }
    Ok(entries)
}

/// The same for candidates in the order of their places. Of folders only the empty ones count: others are found by what is in
/// them.
fn details_of<V: Borrow<LogView>>(
    views: &[V],
    candidates: &[&Candidate],
) -> Result<Vec<(query::Rank, Holding)>, ReplicaError> {
    let (mut text, mut detail) = (Vec::new(), Vec::new());
    let mut entries = Vec::with_capacity(candidates.len());
    let block_of =
        |candidate: &Candidate| (candidate.spot.view, candidate.spot.level, candidate.spot.block);
    for block in candidates.chunk_by(|a, b| block_of(a) == block_of(b)) {
        let Some(first) = block.first().map(|candidate| candidate.spot) else { continue };
        let view = views[first.view as usize].borrow();
        let index = &view.levels()[first.level as usize];
        let text = index.text_again(first.block as usize, &mut text)?;
        index.detail(first.block as usize, &mut detail)?;
        for candidate in block {
            let entry = candidate.spot.entry as usize;
            if let Some(stored) = text.stored(entry, &detail)? {
                let path = text.path(entry)?.to_owned();
                if !stored.is_file() && view.beneath(&path)?.next().is_some() {
                    continue;
                }
                entries.push((candidate.rank, Holding { key: *view.key(), path, stored }));
            }
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
