//! `leecher download`.

use std::path::PathBuf;
use std::sync::Arc;

use sealift_peer::args::CommonArgs;
use sealift_peer::connect::Speaker;
use sealift_peer::escape::{escape, escape_os};
use sealift_peer::exit::{Exit, Failure};
use sealift_peer::human;
use serde_json::json;
use tokio::time::interval;

use crate::args::DownloadArgs;
use crate::fetch::download::{Download, End, Holder, Manner, Wanted};
use crate::freshen::{Known, freshen, tell_unread};
use crate::progress::{DownloadBar, TICK, rate};
use crate::replica::LogKey;
use crate::search::{Match, search};
use crate::store::{Landing, Target};

/// A file chosen to be fetched.
struct Chosen {
    wanted: Wanted,
    target: Target,
    size: u64,
}

/// Fetches what the names mean.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(
    speaker: &Speaker,
    common: &CommonArgs,
    args: DownloadArgs,
) -> Result<Exit, Failure> {
    let mut spaces = freshen(speaker, common, false).await?;
    let known = spaces.pop().ok_or_else(|| Failure::new(Exit::NotFound, "no space"))?;
    let mut chosen = Vec::new();
    for name in &args.names {
        chosen.extend(thin_select(&known, name)?);
    }
    if chosen.is_empty() {
        tell_unread(speaker, &known);
        let names: Vec<_> = args.names.iter().map(|name| escape(name)).collect();
        return Err(Failure::new(
            Exit::NotFound,
            format!("nothing is called `{}`", names.join("`, `")),
        ));
    }
    fetch(speaker, common, known, chosen, &args).await
}

fn log_id(known: &Known, key: &LogKey) -> Option<[u8; 16]> {
    known.views.iter().find(|view| view.key() == key).map(|view| view.state().log_id)
}

fn thin_select(known: &Known, name: &str) -> Result<Vec<Chosen>, Failure> {
    let found = search(&known.views, name, 10)
        .map_err(|error| Failure::new(Exit::Disk, "the catalogues cannot be read").why(error))?;
    let hits =
        found.hits.into_iter().filter(|hit| matches!(hit.kind, Match::Name | Match::Path)).take(1);
    let choose = |hit: crate::search::Hit| {
        let first = hit.holdings.first()?;
        let file = first.path.rsplit('/').next().unwrap_or(&first.path).to_owned();
        let holder = |held: &crate::search::Holding| {
            Some(Holder { key: held.key, log_id: log_id(known, &held.key)?, stored: held.stored })
        };
        Some(Chosen {
            wanted: Wanted {
                label: escape(&file).into_owned(),
                holders: hit.holdings.iter().filter_map(holder).collect(),
            },
            target: Target { path: PathBuf::from(&file), modified_ms: first.stored.modified },
            size: first.stored.size,
        })
    };
    Ok(hits.filter_map(choose).collect())
}

async fn fetch(
    speaker: &Speaker,
    common: &CommonArgs,
    known: Known,
    chosen: Vec<Chosen>,
    args: &DownloadArgs,
) -> Result<Exit, Failure> {
    let total: u64 = chosen.iter().map(|chosen| chosen.size).sum();
    let what = match &chosen[..] {
        [one] => one.wanted.label.clone(),
        many => format!("{} files", many.len()),
    };
    let targets = chosen.iter().map(|chosen| chosen.target.clone()).collect();
    let landing = Landing::open(speaker.profile.platform(), &args.out, targets)?;
    let landing = Arc::new(landing);
    let bar = DownloadBar::new(&speaker.console, &what, total);
    let manner = Manner { wrap: args.wrap, wait: args.wait, patience: args.patience };
    let wanted = chosen.iter().map(|chosen| chosen.wanted.clone()).collect();
    let download = Download::new(
        speaker,
        common,
        known.space,
        known.connection,
        wanted,
        landing.clone(),
        manner,
    );
    let ends = watch(download.run(), &bar, &landing).await;
    bar.end();
    landing.record()?;
    report(speaker, &chosen, &ends, &landing, &bar, &what)
}

/// Moves the bar while the download goes on.
async fn watch(
    download: impl Future<Output = Vec<End>>,
    bar: &DownloadBar,
    landing: &Landing,
) -> Vec<End> {
    let mut ticks = interval(TICK);
    tokio::pin!(download);
    loop {
        tokio::select! {
            ends = &mut download => return ends,
            _ = ticks.tick() => bar.set(landing.written() + landing.resumed(), landing.written()),
        }
    }
}

/// States what was verified, and what is missing and why.
fn report(
    speaker: &Speaker,
    chosen: &[Chosen],
    ends: &[End],
    landing: &Landing,
    bar: &DownloadBar,
    what: &str,
) -> Result<Exit, Failure> {
    let mut failures = Vec::new();
    let (mut files, mut bytes, mut there) = (0, 0, 0);
    for (job, (chosen, end)) in chosen.iter().zip(ends).enumerate() {
        match end {
            End::Failed(failure) => failures.push((chosen, failure.clone())),
            End::Done => {
                files += 1;
                bytes += chosen.size;
                there += u64::from(tell_landed(speaker, chosen, landing, job));
            }
        }
    }
    if files > 0 {
        let speed = rate(landing.written(), bar.elapsed());
        let name = if failures.is_empty() {
            what.to_owned()
        } else {
            format!("{files} of {} files", chosen.len())
        };
        let how = if there == files {
            "already there".to_owned()
        } else {
            format!("{} through the relay", human::speed(speed))
        };
        speaker.console.result(
            format!("verified {name}, {}, {how}", human::size(bytes)),
            &json!({
                "type": "verified", "files": files, "bytes": bytes, "already_there": there, "path": "relay",
                "fetched_bytes": landing.written(), "bytes_per_second": speed,
                "seconds": bar.elapsed().as_secs_f64(),
            }),
        );
    }
    match failures.len() {
        0 => Ok(Exit::Done),
        1 if chosen.len() == 1 => Err(failures.remove(0).1),
        _ => Err(summary(speaker, chosen.len(), failures)),
    }
}

/// Tells where a file is, where that is not where one would look; whether it was there before.
fn tell_landed(speaker: &Speaker, chosen: &Chosen, landing: &Landing, job: usize) -> bool {
    let Some((path, there)) = landing.landed(job) else { return false };
    let place = escape_os(path.as_os_str());
    let event =
        json!({"type": "file", "path": place, "bytes": chosen.size, "already_there": there});
    if path.file_name() == chosen.target.path.file_name() {
        speaker
            .console
            .detail(format!("{place}{}", if there { " (already there)" } else { "" }), &event);
    } else {
        speaker
            .console
            .note(format!("{} is {place}, since its name was taken", chosen.wanted.label), &event);
    }
    there
}

/// Several files, some of which failed: each is told, and the command ends with the gravest code.
fn summary(speaker: &Speaker, all: usize, failures: Vec<(&Chosen, Failure)>) -> Failure {
    let gravest =
        [Exit::Tampered, Exit::Disk, Exit::Refused, Exit::Relay, Exit::Offline, Exit::NotFound];
    for (chosen, failure) in &failures {
        let why = failure.why.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
        speaker.console.warn(
            format!("{} is missing: {}{why}", chosen.wanted.label, failure.what),
            &json!({"type": "missing", "name": chosen.wanted.label, "error": failure.to_json()}),
        );
    }
    let has = |exit: &Exit| failures.iter().any(|(_, failure)| failure.exit == *exit);
    let exit = gravest.into_iter().find(has).unwrap_or(Exit::Other);
    Failure::new(exit, format!("{} of {all} files are missing", failures.len()))
        .next("the same command fetches what is missing")
}
