//! Who else has the content of files that are being fetched: under other names, or since a moment ago.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sealift_content::entry::EntryPlace;
use sealift_content::fetch::schedule::Offer;
use sealift_content::fetch::space::Offers;
use sealift_proto::catalogue::Root;
use sealift_proto::control::LogHead;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::Leecher;
use crate::freshen::views;
use crate::online::Online;
use crate::replica::LogView;
use crate::sync::Sync;

/// Looking again is done so often at most: every look reads all catalogues.
const PAUSE: Duration = Duration::from_secs(3);
/// Nobody else is looked for while so few bytes are left.
const WORTH: u64 = 8 * 1024 * 1024;

type Found = Vec<(usize, Offer)>;

/// Looks through the catalogues beside the download, at its start and when one of them changes.
pub(crate) struct Elsewhere {
    /// Which contents are looked for, and for which file.
    wanted: Arc<HashMap<(Root, u64), Vec<usize>>>,
    heads: Option<mpsc::Receiver<LogHead>>,
    looking: Option<JoinHandle<Found>>,
    due: Option<Instant>,
}

impl Elsewhere {
    /// Looks for the contents of the files of `offers`, if `elsewhere` is where they may come from.
    pub(crate) fn new(offers: &[Vec<Offer>], elsewhere: bool) -> Self {
        let mut wanted: HashMap<_, Vec<usize>> = HashMap::new();
        for (job, offers) in offers.iter().enumerate() {
            if let Some((Some(root), size)) = offers.first().map(|first| (first.root, first.size)) {
                wanted.entry((root, size)).or_default().push(job);
            }
        }
        let due = (elsewhere && !wanted.is_empty()).then(Instant::now);
        Self { wanted: Arc::new(wanted), heads: None, looking: None, due }
    }

    /// Takes what was found, and looks again when it is time.
    pub(crate) async fn step(&mut self, leecher: &Leecher, online: &Online, offers: &Offers<'_>) {
        let Some(due) = self.due else { return };
        if self.looking.as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(looking) = self.looking.take()
        {
            let found = looking.await.unwrap_or_default();
            found.into_iter().for_each(|(job, offer)| offers.add(job, offer));
        }
        if offers.bytes_left() < WORTH || Instant::now() < due || self.looking.is_some() {
            return;
        }
        let first = self.heads.is_none();
        if self.news(leecher, online).await || first {
            self.due = Some(Instant::now() + PAUSE);
            self.look(leecher, online);
        }
    }

    /// Whether a catalogue has changed; it is brought up to date then.
    async fn news(&mut self, leecher: &Leecher, online: &Online) -> bool {
        if let Some(heads) = online.take_heads() {
            self.heads = Some(heads);
        }
        let Some(heads) = &mut self.heads else { return false };
        let mut newest = Vec::new();
        while let Ok(head) = heads.try_recv() {
            newest.push(head);
        }
        if newest.is_empty() {
            return false;
        }
        // A catalogue that cannot be had now offers nothing new; what is being fetched goes on.
        let synced = match Sync::new(leecher, online, &|_, _| {}) {
            Ok(sync) => sync.news(&newest).await,
            Err(error) => Err(error),
        };
        synced.is_ok()
    }

    fn look(&mut self, leecher: &Leecher, online: &Online) {
        // One that is damaged is told by the next command that reads it.
        let Ok(views) = views(leecher, &online.space(), &online.members()) else { return };
        let wanted = self.wanted.clone();
        self.looking = Some(tokio::task::spawn_blocking(move || find(&views, &wanted)));
    }
}

fn find(views: &[LogView], wanted: &HashMap<(Root, u64), Vec<usize>>) -> Found {
    let mut found = Found::new();
    for view in views {
        let Ok(entries) = view.entries("") else { continue };
        for (_, stored) in entries.flatten() {
            let jobs = stored.root.and_then(|root| wanted.get(&(root, stored.size)));
            for job in jobs.into_iter().flatten() {
                let offer = Offer {
                    device: view.key().device,
                    root: stored.root,
                    size: stored.size,
                    entry: EntryPlace {
                        log_id: view.state().log_id,
                        position: stored.place.position,
                        index: stored.place.index,
                    },
                };
                found.push((*job, offer));
            }
        }
    }
    found
}
