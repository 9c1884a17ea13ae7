//! A download as a command begins it and shows it.

use std::sync::Arc;

use sealift_command::args::CommonArgs;
use sealift_command::people::speaker::Speaker;
use sealift_content::fetch::download::Download;
use sealift_content::fetch::event::Listener;
use sealift_content::fetch::schedule::Offer;
use sealift_content::fetch::view::View;
use sealift_content::landing::sink::Sink;
use sealift_space::profile::space::SpaceState;
use tokio::time::Instant;

use super::{Tally, manner, merged};
use crate::cli::args::DownloadArgs;
use crate::cli::known::leecher;
use crate::cli::progress::{Moment, Waiting};
use crate::cli::words::fetch::{Telling, waited_for};
use crate::freshen::Connection;
use crate::reach::{Names, Reach};

/// A file to fetch.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// What to call it in messages, escaped.
    pub(super) label: String,
    /// Who has it; the content is the same everywhere, or not stated yet at a single holder.
    pub(super) offers: Vec<Offer>,
}

/// A download as it is shown: what can be seen of it, with names for it.
pub(super) struct Shown {
    pub(super) view: View,
    pub(super) names: Names,
    /// What the files are called, escaped.
    labels: Vec<String>,
}

impl Shown {
    /// Verified bytes by the name of the seeder that sent them.
    pub(super) fn shares(&self) -> Vec<(String, u64)> {
        let shares = self.view.shares().into_iter();
        shares.map(|(device, bytes)| (self.names.of(&device), bytes)).collect()
    }
}

/// Gets a download of `wanted` from a space ready, which may be reached already.
pub(super) fn begin(
    (speaker, common, args): (&Speaker, &CommonArgs, &DownloadArgs),
    (space, connection): (SpaceState, Option<Connection>),
    wanted: Vec<Wanted>,
    sink: Arc<dyn Sink>,
) -> (Download<Reach>, Shown) {
    let (labels, offers): (Vec<_>, Vec<_>) =
        wanted.into_iter().map(|wanted| (wanted.label, wanted.offers)).unzip();
    let elsewhere = (&offers[..], args.from.is_none());
    let (reach, joined) =
        Reach::new(leecher(speaker, common), space, connection, args.wrap, elsewhere);
    let (names, console) = (reach.names(), speaker.console.clone());
    let telling =
        Telling { console, names: names.clone(), labels: labels.clone(), start: Instant::now() };
    let listener: Arc<dyn Listener> = Arc::new(telling);
    let platform = speaker.profile.platform();
    let download = Download::new(platform, (reach, joined), offers, sink, manner(args), listener);
    let view = download.view();
    (download, Shown { view, names, labels })
}

/// How far it is, with what came `before`; `come` is what was written, and what an earlier run left and is verified.
pub(super) fn moment(
    Shown { view, names, labels }: &Shown,
    (written, resumed): (u64, u64),
    before: &Tally,
) -> Moment {
    let (part, coming) = view.parts();
    Moment {
        have: before.have(written + resumed + part),
        fresh: before.written + written + coming,
        found: view.found(),
        files: usize::try_from(before.files).unwrap_or(0) + view.files_done(),
        current: view.current().and_then(|job| labels.get(job).cloned()),
        sources: view.sources().into_iter().map(|of| (names.of(&of.device), of)).collect(),
        ways: merged(before.ways.iter().copied(), view.ways()),
        waiting: view.waiting().map(|(whom, until)| Waiting {
            whom: waited_for(&whom, names),
            left: until.saturating_duration_since(Instant::now()),
        }),
    }
}
