//! Files that are no longer what was stated when they were chosen: looked for again, as the same command would a moment later.

use std::path::PathBuf;
use std::time::Duration;

use sealift_command::args::CommonArgs;
use sealift_command::event::Event;
use sealift_command::exit::Failure;
use sealift_command::people::speaker::Speaker;
use sealift_proto::catalogue::Root;
use tokio::time::{Instant, sleep};

use crate::cli::args::DownloadArgs;
use crate::cli::known::{freshen, unreadable};
use crate::freshen::{Known, News};
use crate::replica::LogView;
use crate::select::{Chosen, again, same_content};

/// Pause before looking again; doubled up to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(2));
/// A file that is stated nowhere any more may have been moved, which a seeder that polls finds out within this time.
const MOVED: Duration = Duration::from_secs(3);
/// A seeder states what it found out within this time.
const STATED: Duration = Duration::from_secs(10);

/// A file that nobody gives any more as it was stated.
pub(super) struct Stale {
    pub(super) label: String,
    pub(super) chosen: Chosen,
    /// Where it was to land, beneath the folder.
    pub(super) path: PathBuf,
    pub(super) failure: Failure,
}

impl Stale {
    /// Where something of which content may be left.
    pub(super) fn content(&self) -> Option<(PathBuf, Root, u64)> {
        let stored = self.chosen.offers.first()?.holding.stored;
        Some((self.path.clone(), stored.root?, stored.size))
    }
}

/// How long files have been stale.
pub(super) struct Again {
    since: Instant,
    pause: Duration,
}

impl Again {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), pause: PAUSE.0 }
    }

    /// Something came: what turns out to be stale now is so for the first time.
    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }

    /// Finds `stale` files in newer catalogues: the same content under whatever name, or else what has its path now. What is found
    /// nowhere, or is stated as before for too long, stays missing.
    pub(super) async fn look(
        &mut self,
        speaker: &Speaker,
        common: &CommonArgs,
        args: &DownloadArgs,
        stale: Vec<Stale>,
    ) -> Result<(Vec<Known>, Vec<Chosen>, Vec<Stale>), Failure> {
        for stale in &stale {
            speaker.console.detail(
                format!("{}; looking for what it is now", stale.failure.what),
                &Event::LookingAgain { name: stale.label.clone() },
            );
        }
        let mut files = Vec::new();
        loop {
            sleep(self.pause).await;
            self.pause = (self.pause * 2).min(PAUSE.1);
            let spaces = freshen(speaker, common, News::All).await?;
            let views: Vec<&LogView> = spaces.iter().flat_map(|known| &known.views).collect();
            let chosen: Vec<_> = stale.iter().map(|stale| &stale.chosen).collect();
            let found = again(&views, &chosen, (args.from.is_some(), args.hash.is_some()));
            let found = found.map_err(|error| unreadable(speaker, views.iter().copied(), error))?;
            let late = self.since.elapsed() >= STATED;
            if !late && self.since.elapsed() < MOVED && found.iter().any(Option::is_none) {
                continue;
            }
            let mut lost = Vec::new();
            for (stale, found) in stale.into_iter().zip(found) {
                match found.filter(|found| !late || !same_content(found, &stale.chosen)) {
                    Some(chosen) => files.push(chosen),
                    None => lost.push(stale),
                }
            }
            return Ok((spaces, files, lost));
        }
    }
}
