//! `leecher download`.

mod begin;
mod folders;
mod giving;
mod stale;
mod stream;
mod tally;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sealift_command::args::CommonArgs;
use sealift_command::escape::{escape, escape_os};
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_content::entry::EntryPlace;
use sealift_content::fetch::download::Manner;
use sealift_content::fetch::schedule::{Offer as Source, Outcome};
use sealift_content::landing::sink::Sink;
use sealift_content::landing::{EmptyTarget, Landing, Target, forget_older};
use sealift_content::naming::{self, Names as DiskNames};
use sealift_proto::catalogue::{EXECUTABLE, Root};
use tokio::time::interval;

use super::choose::{ask, choose, tell_left_out};
use crate::cli::args::DownloadArgs;
use crate::cli::known::freshen;
use crate::cli::progress::{DownloadBar, TICK};
use crate::cli::words;
use crate::freshen::{Known, News};
use crate::select::{Chosen, Empty, Files, Offer, Unshared};
use begin::{Shown, Wanted, begin, moment};
use giving::Giving;
use stale::{Again, Stale};
use tally::{Asked, Tally, merged};

/// As `--out`: standard output.
const STDOUT: &str = "-";

/// A file on its way.
struct Job {
    wanted: Wanted,
    target: Target,
    root: Option<Root>,
    size: u64,
    /// As it was chosen.
    chosen: Chosen,
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
    if args.out == Path::new(STDOUT) {
        stream::check(speaker, &args)?;
    }
    let mut spaces = freshen(speaker, common, News::Needed).await?;
    let args = ask(speaker, &spaces, &args).await?.unwrap_or(args);
    let mut chosen = choose(speaker, &spaces, &args);
    let missing = chosen.as_ref().is_err_and(|failure| failure.exit == Exit::NotFound);
    if missing && spaces.iter().any(|known| known.late) {
        spaces = freshen(speaker, common, News::All).await?;
        chosen = choose(speaker, &spaces, &args);
    }
    let chosen = chosen?;
    if args.out == Path::new(STDOUT) {
        return stream::run(speaker, common, spaces, chosen, &args).await;
    }
    let Files { files, left_out, folders, unshared } = chosen;
    let (jobs, empty) = jobs(speaker, &spaces, files, &folders, &args)?;
    let all: usize = jobs.values().map(Vec::len).sum();
    let what = match jobs.values().flatten().collect::<Vec<_>>()[..] {
        [one] => one.wanted.label.clone(),
        ref many => format!("{} files", many.len()),
    };
    let mut bar = DownloadBar::new(&speaker.console, &what, bytes(&jobs), all);
    let place = Some(place(&args, jobs.values().flatten(), &empty));
    let mut tally = Tally { place, ..Tally::default() };
    let (mut again, mut older) = (Again::new(), Vec::new());
    let (mut jobs, mut giving) = (jobs, Giving::new());
    loop {
        let before = tally.written;
        let given = (&mut tally, &mut giving);
        let stale = fetch((speaker, common, &args), &mut spaces, jobs, &bar, given).await?;
        if stale.is_empty() {
            break;
        }
        if tally.written > before {
            again.reset();
        }
        older.extend(stale.iter().filter_map(Stale::content));
        let (news, files, lost) = again.look(speaker, common, &args, stale).await?;
        older.retain(|(path, ..)| lost.iter().all(|lost| lost.path != *path));
        tally.failures.extend(lost.into_iter().map(|lost| (lost.label, lost.failure)));
        spaces = news;
        (jobs, _) = self::jobs(speaker, &spaces, files, &folders, &args)?;
        bar.resize(tally.have(bytes(&jobs)));
    }
    if tally.failures.is_empty() {
        for (path, root, size) in older {
            // What stays is hidden, and in nobody's way.
            let _ = forget_older(speaker.profile.platform(), &args.out, &path, root, size);
        }
    }
    bar.end();
    tell_left_out(speaker, &spaces, &left_out, &args);
    tally.failures.extend(folders::make(speaker, &args, &empty, all == 0)?);
    folders::tell_unshared(speaker, &spaces, &unshared);
    let all = Asked { files: all, folders: empty.len() };
    tally.report(speaker, &what, all, bar.elapsed())?;
    if let Some(time) = args.seed_for {
        giving::give(&speaker.console, giving, time).await;
    }
    let whole = left_out.is_empty() && !unshared.iter().any(Unshared::is_missed);
    Ok(if whole { Exit::Done } else { Exit::Other })
}

/// Fetches the files of `all`, space by space; those that are no longer what was stated.
async fn fetch(
    (speaker, common, args): (&Speaker, &CommonArgs, &DownloadArgs),
    spaces: &mut [Known],
    all: BTreeMap<usize, Vec<Job>>,
    bar: &DownloadBar,
    (tally, giving): (&mut Tally, &mut Giving),
) -> Result<Vec<Stale>, Failure> {
    let (mut stale, stays) = (Vec::new(), args.seed_for.is_some());
    for (number, jobs) in all {
        let known = &mut spaces[number];
        let connection = known.connection.take();
        let landing = landing(speaker, args, &jobs)?;
        let there = find_there(&landing, &jobs).await?;
        let wanted: Vec<_> = jobs.iter().map(|job| job.wanted.clone()).collect();
        let space = known.space.clone();
        let (mut download, shown) =
            begin((speaker, common, args), (space, connection), wanted, landing.clone());
        there.into_iter().for_each(|job| download.skip(job));
        let come = || (landing.written(), landing.resumed());
        let ends = watch(download.run(stays), bar, &shown, come, tally).await;
        landing.record();
        stale.extend(tally.add(speaker, jobs, ends, (&landing, &shown.names)));
        tally.shares = merged(tally.shares.drain(..), shown.shares());
        let view = &shown.view;
        tally.ways = merged(tally.ways.drain(..), view.ways());
        if stays {
            giving.push((download, shown));
        }
    }
    Ok(stale)
}

/// Bytes of all jobs; sizes are what somebody states.
fn bytes(jobs: &BTreeMap<usize, Vec<Job>>) -> u64 {
    jobs.values().flatten().map(|job| job.size).fold(0, u64::saturating_add)
}

/// Files by the space that they come from, and empty folders.
type Placed = (BTreeMap<usize, Vec<Job>>, Vec<EmptyTarget>);

/// The files by the space they come from, and empty folders, each with the name it gets here.
fn jobs(
    speaker: &Speaker,
    spaces: &[Known],
    files: Vec<Chosen>,
    folders: &[Empty],
    args: &DownloadArgs,
) -> Result<Placed, Failure> {
    let platform = speaker.profile.platform();
    let failed = |error| Failure::disk(escape_os(args.out.as_os_str()), &error);
    let folder = platform.disk.open_or_create(&args.out, false).map_err(failed)?;
    let outs = files.iter().map(|file| &file.out).chain(folders.iter().map(|empty| &empty.out));
    let all = outs.flatten().map(String::as_str);
    let names = DiskNames::of(&*folder, &*platform.random, all).map_err(failed)?;
    let path = |out: &[String]| naming::local_path(out.iter().map(String::as_str), names);
    let mut paths: Vec<_> = files.iter().map(|file| path(&file.out)).collect();
    let empty: Vec<_> = folders.iter().map(|empty| path(&empty.out)).collect();
    naming::separate(&*folder, &*platform.random, &mut paths, &empty).map_err(failed)?;
    let target = |(path, of): (PathBuf, &Empty)| EmptyTarget { path, modified_ms: of.modified };
    let empty = empty.into_iter().zip(folders).map(target).collect();
    let mut jobs: BTreeMap<usize, Vec<Job>> = BTreeMap::new();
    for (file, path) in files.into_iter().zip(paths) {
        let Some(number) = space_for(spaces, &file.offers) else { continue };
        let space = spaces[number].space.id();
        let offers = file.offers.iter().filter(|offer| offer.holding.key.space == space);
        let offers: Vec<_> = offers.collect();
        let Some(first) = offers.first().map(|offer| offer.holding.stored) else { continue };
        let offers = offers.into_iter().map(source).collect();
        let label = escape(file.out.last().map_or("", String::as_str)).into_owned();
        jobs.entry(number).or_default().push(Job {
            wanted: Wanted { label, offers },
            target: Target {
                path,
                modified_ms: first.modified,
                executable: args.preserve && first.flags & EXECUTABLE != 0,
            },
            root: first.root,
            size: first.size,
            chosen: file,
        });
    }
    Ok((jobs, empty))
}

/// The folder that all of it is in, escaped: a shared folder that was named, or where such folders go.
fn place<'a>(
    args: &DownloadArgs,
    jobs: impl Iterator<Item = &'a Job>,
    empty: &'a [EmptyTarget],
) -> String {
    let folders =
        jobs.map(|job| job.target.path.parent()).chain(empty.iter().map(|e| Some(&*e.path)));
    let tops: BTreeSet<_> = folders.map(|folder| folder?.iter().next()).collect();
    let top = tops.first().copied().flatten().filter(|_| tops.len() == 1);
    let place = top.map_or_else(|| args.out.clone(), |top| args.out.join(top));
    escape_os(place.as_os_str())
}

fn manner(args: &DownloadArgs) -> Manner {
    Manner {
        wait: args.wait,
        patience: args.patience,
        sources: args.jobs,
        path: args.path,
        swarm: !args.no_swarm,
    }
}

fn source(offer: &Offer) -> Source {
    let stored = offer.holding.stored;
    Source {
        device: offer.holding.key.device,
        root: stored.root,
        size: stored.size,
        entry: EntryPlace {
            log_id: offer.log_id,
            position: stored.place.position,
            index: stored.place.index,
        },
    }
}

/// Which space to take a file from that may be in several: one where somebody who has it serves.
fn space_for(spaces: &[Known], offers: &[Offer]) -> Option<usize> {
    let serves = |known: &Known, offer: &&Offer| {
        let connection = known.connection.as_ref();
        connection.is_some_and(|connection| connection.online.serves(&offer.holding.key.device))
    };
    let within = |known: &Known, offer: &&Offer| known.space.id() == offer.holding.key.space;
    let place = |fits: &dyn Fn(&Known, &&Offer) -> bool| {
        spaces.iter().position(|known| offers.iter().any(|offer| fits(known, &offer)))
    };
    place(&|known, offer| within(known, offer) && serves(known, offer)).or_else(|| place(&within))
}

/// Opens the folder to land in, and checks that all of it fits before a byte is asked for.
fn landing(speaker: &Speaker, args: &DownloadArgs, jobs: &[Job]) -> Result<Arc<Landing>, Failure> {
    let targets = jobs.iter().map(|job| job.target.clone()).collect();
    let landing = Landing::open(speaker.profile.platform(), &args.out, targets)
        .map_err(|error| words::landing::explain(&error))?;
    let missing = jobs
        .iter()
        .enumerate()
        .map(|(number, job)| landing.missing_bytes(number, job.root, job.size))
        .fold(0u64, u64::saturating_add);
    landing.check_room(missing).map_err(|error| words::landing::explain(&error))?;
    if landing.is_careless() {
        let place = escape_os(args.out.as_os_str());
        speaker.console.warn(
            format!("the file system of {place} gives no name in one step: do not let another program write the same names there meanwhile"),
            &Event::Names { place: place.clone(), one_step: false },
        );
    }
    Ok(Arc::new(landing))
}

/// The jobs whose content is there already.
async fn find_there(landing: &Arc<Landing>, jobs: &[Job]) -> Result<Vec<usize>, Failure> {
    let known: Vec<_> = jobs
        .iter()
        .enumerate()
        .filter_map(|(number, job)| Some((number, job.root?, job.size)))
        .collect();
    let landing = landing.clone();
    let find = move || {
        let mut there = Vec::new();
        for (number, root, size) in known {
            // Where it cannot be told, beginning that file fails for the same reason, and the others go on.
            if landing.find_there(number, root, size).unwrap_or(false) {
                there.push(number);
            }
        }
        there
    };
    let found = tokio::task::spawn_blocking(find).await;
    found.map_err(|error| Failure::new(Exit::Other, "a task ended early").why(error))
}

/// Moves the bar while the download goes on.
async fn watch(
    download: impl Future<Output = Vec<Outcome>>,
    bar: &DownloadBar,
    shown: &Shown,
    come: impl Fn() -> (u64, u64),
    before: &Tally,
) -> Vec<Outcome> {
    let mut ticks = interval(TICK);
    tokio::pin!(download);
    loop {
        let ends = tokio::select! {
            ends = &mut download => Some(ends),
            _ = ticks.tick() => None,
        };
        bar.set(&moment(shown, come(), before));
        if let Some(ends) = ends {
            return ends;
        }
    }
}
