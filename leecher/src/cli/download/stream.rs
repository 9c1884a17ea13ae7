//! `leecher download NAME --out -`: one file to standard output.

use std::sync::Arc;

use sealift_command::args::CommonArgs;
use sealift_command::escape::escape;
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_command::program;
use sealift_command::shell::shell_word;
use sealift_content::fetch::schedule::Outcome;

use super::begin::{Wanted, begin};
use super::{Asked, Tally, folders, source, space_for, watch};
use crate::cli::args::DownloadArgs;
use crate::cli::progress::DownloadBar;
use crate::cli::words::fetch::explain;
use crate::freshen::Known;
use crate::select::{Files, Unshared};
use sealift_content::landing::Stdout;
use sealift_content::landing::sink::Sink;

/// Writes the one file of `files` to standard output; everything else that is to be said goes to standard error.
pub(super) async fn run(
    speaker: &Speaker,
    common: &CommonArgs,
    mut spaces: Vec<Known>,
    Files { files, unshared, .. }: Files,
    args: &DownloadArgs,
) -> Result<Exit, Failure> {
    let speaker = &Speaker { console: speaker.console.aside(), ..speaker.clone() };
    let [file] = &files[..] else { return Err(not_one(files.len())) };
    let known = space_for(&spaces, &file.offers).and_then(|number| spaces.get_mut(number));
    let Some(known) = known else { return Err(not_one(0)) };
    let space = known.space.clone();
    let offers = file.offers.iter().filter(|offer| offer.holding.key.space == space.id());
    let offers: Vec<_> = offers.map(source).collect();
    let size = offers.first().map_or(0, |offer| offer.size);
    let label = escape(file.out.last().map_or("", String::as_str)).into_owned();
    let stdout = Stdout::of_process().map_err(|error| Failure::disk("standard output", &error))?;
    let sink: Arc<dyn Sink> = Arc::new(stdout);
    // What has gone on cannot be read again.
    let args = &DownloadArgs { no_swarm: true, ..args.clone() };
    let bar = DownloadBar::new(&speaker.console, &label, size, 1).passing();
    let wanted = vec![Wanted { label: label.clone(), offers }];
    let connection = known.connection.take();
    let (mut download, shown) =
        begin((speaker, common, args), (space, connection), wanted, sink.clone());
    let come = || (sink.written(), 0);
    let ends = watch(download.run(false), &bar, &shown, come, &Tally::default()).await;
    bar.end();
    if let Some(Outcome::Failed(error) | Outcome::Stale(error)) = ends.into_iter().next() {
        return Err(explain(&error, &label, &shown.names));
    }
    let tally = Tally {
        files: 1,
        bytes: size,
        written: sink.written(),
        shares: shown.shares(),
        ways: shown.view.ways(),
        ..Tally::default()
    };
    tally.report(speaker, &label, Asked { files: 1, folders: 0 }, bar.elapsed())?;
    folders::tell_unshared(speaker, &spaces, &unshared);
    Ok(if unshared.iter().any(Unshared::is_missed) { Exit::Other } else { Exit::Done })
}

/// Content on a terminal helps nobody, and may command it; and what has gone on cannot be given to others.
///
/// # Errors
/// When standard output is a terminal, with lines that work, or others are to get it.
pub(super) fn check(speaker: &Speaker, args: &DownloadArgs) -> Result<(), Failure> {
    if args.seed_for.is_some() {
        return Err(Failure::new(
            Exit::Usage,
            "what goes to standard output is not kept, so --seed-for has nothing to give",
        )
        .next("give a folder with --out"));
    }
    if !speaker.console.stdout_is_terminal() {
        return Ok(());
    }
    let names: Vec<_> = args.names.iter().map(|name| shell_word(name)).collect();
    let line = format!("{} download {} --out", program::finder(), names.join(" "));
    Err(Failure::new(Exit::Usage, "standard output is a terminal, and a file may hold anything")
        .next(format!("{line} - > FILE, or {line} FOLDER")))
}

fn not_one(count: usize) -> Failure {
    Failure::new(Exit::Usage, "--out - writes one file to standard output")
        .why(format!("what is named here are {count} files"))
        .next("name one file, or give a folder with --out")
}
