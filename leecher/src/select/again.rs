//! Files that changed since they were chosen, looked for once more.

use sealift_proto::catalogue::Root;

use super::{Chosen, Offer};
use crate::replica::{LogView, ReplicaError};
use crate::search::Holding;

/// Whether both have one content, which is known.
#[must_use]
pub fn same_content(one: &Chosen, other: &Chosen) -> bool {
    root(one).is_some() && root(one) == root(other)
}

fn root(chosen: &Chosen) -> Option<Root> {
    chosen.offers.first().and_then(|offer| offer.holding.stored.root)
}

/// What each file that was `chosen`, and is no longer what was stated, is now: the same content under whatever name, or else what has
/// its path. Where a person or a hash was chosen `by`, that holds.
///
/// # Errors
/// What the disk says, or that the replica is damaged.
pub fn again(
    views: &[&LogView],
    chosen: &[&Chosen],
    by: (bool, bool),
) -> Result<Vec<Option<Chosen>>, ReplicaError> {
    let (person, hash) = by;
    let mut found: Vec<(Vec<Offer>, Vec<Offer>)> =
        chosen.iter().map(|_| Default::default()).collect();
    for view in views {
        for entry in view.entries("")? {
            let (path, stored) = entry?;
            if !stored.is_file() {
                continue;
            }
            for (chosen, (same, there)) in chosen.iter().zip(&mut found) {
                let own = |offer: &&Offer| offer.holding.key == *view.key();
                let before = chosen.offers.iter().find(own);
                if person && before.is_none() {
                    continue;
                }
                let offer = || Offer {
                    holding: Holding { key: *view.key(), path: path.clone(), stored },
                    log_id: view.state().log_id,
                };
                if stored.root.is_some() && stored.root == root(chosen) {
                    same.push(offer());
                } else if !hash && before.is_some_and(|b| b.holding.path == path) {
                    there.push(offer());
                }
            }
        }
    }
    let now = |(before, (same, there)): (&&Chosen, (Vec<Offer>, Vec<Offer>))| {
        let mut offers = if same.is_empty() { there } else { same };
        let first = offers.first()?.holding.stored;
        // Those of one file have one content, or there is one.
        let alike = |offer: &Offer| {
            let stored = offer.holding.stored;
            stored.root.is_some() && (stored.root, stored.size) == (first.root, first.size)
        };
        if first.root.is_some() {
            offers.retain(alike)
        } else {
            offers.truncate(1)
        }
        Some(Chosen { out: before.out.clone(), offers })
    };
    Ok(chosen.iter().zip(found).map(now).collect())
}
