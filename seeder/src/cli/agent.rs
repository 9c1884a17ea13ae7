//! Talking with the process that shares for a profile, and what it says itself.

use std::path::Path;

use sealift_command::args::CommonArgs;
use sealift_command::escape::escape;
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::program;
use sealift_platform::Platform;
use sealift_space::home::Home;
use sealift_space::profile::Profile;
use sealift_space::profile::file::FileError;

use super::args::WatchArgs;
use super::args::watch::parse_watch;
use super::sharing;
use crate::agent::folders::without;
use crate::agent::message::{Answer, AskedFolder, Explained, Request, SharedFolder};
use crate::agent::{self, Front};
use crate::config::Config;
use crate::error::Error;
use crate::names::WatchArg;
use crate::status::{FolderReport, Report};

/// What an agent of this program says and remembers.
pub(super) struct Spokesman;

impl Front for Spokesman {
    fn remember(&self, profile: &Profile, config: &Config) -> Result<(), FileError> {
        sharing::remember(profile, config)
    }

    fn explain(&self, error: &Error) -> Explained {
        let Failure { exit, what, why, next, .. } = error.into();
        Explained { code: exit.number(), what, why, next }
    }
}

/// Asks the process that shares for the profile in the folder `profile`; `None` if there is none that can be asked.
///
/// # Errors
/// What it cannot do, in its words; or that it does not answer.
pub fn ask(profile: &Path, request: &Request) -> Option<Result<Answer, Failure>> {
    let answer = agent::ask(profile, request)?.map_err(|error| silent(&error));
    Some(answer.and_then(|answer| match answer {
        Answer::Failed(Explained { code, what, why, next }) => {
            let exit = Exit::of(code).unwrap_or(Exit::Other);
            Err(Failure { exit, what, why, next, passing: exit == Exit::Relay })
        }
        answer => Ok(answer),
    }))
}

/// What the process that shares for the profile in the folder `profile` does; `None` if none says so.
#[must_use]
pub fn report(profile: &Path) -> Option<Report> {
    match ask(profile, &Request::Status)? {
        Ok(Answer::Status(report)) => Some(*report),
        _ => None,
    }
}

fn silent(error: &std::io::Error) -> Failure {
    Failure::new(Exit::Other, "the process that shares for this profile does not answer")
        .why(error)
        .next("try again; if that does not help, end that process and start it again")
}

fn odd() -> Failure {
    silent(&std::io::Error::other("it answered something else"))
}

/// Has the process that shares for this profile, if there is one, share what `watch` names too. `None` if there is none.
///
/// # Errors
/// With words and exit code for the person.
pub fn share(common: &CommonArgs, watch: &WatchArgs) -> Result<Option<Exit>, Failure> {
    let home = Home::find(common.home.as_deref())?;
    let folders: Vec<WatchArg> = watch
        .watch
        .iter()
        .map(|text| parse_watch(text))
        .collect::<Result<_, _>>()
        .map_err(|why| Failure::new(Exit::Usage, "a folder cannot be understood").why(why))?;
    let Some(report) = report(&home.profile) else { return Ok(None) };
    refuse_flags(common, watch, &report)?;
    if folders.is_empty() {
        report.folders.iter().for_each(|folder| tell_known(common, &report, folder));
        return Ok(Some(Exit::Done));
    }
    let request = Request::Share { folders: folders.iter().map(AskedFolder::new).collect() };
    match ask(&home.profile, &request) {
        Some(Ok(Answer::Shared { folders })) => {
            folders.iter().for_each(|folder| tell_shared(common, &report, folder));
            Ok(Some(Exit::Done))
        }
        Some(Ok(_)) => Err(odd()),
        Some(Err(failure)) => Err(failure),
        // It has just ended.
        None => Ok(None),
    }
}

/// Flags are those of the process that shares: better to say so than to seem to obey.
fn refuse_flags(common: &CommonArgs, watch: &WatchArgs, report: &Report) -> Result<(), Failure> {
    let of_common = [("--relay", common.relay.is_some()), ("--space", common.space.is_some())];
    let of_common = of_common.into_iter().find_map(|(flag, given)| given.then_some(flag));
    let of_watch = WatchArgs { watch: Vec::new(), ..watch.clone() }.given();
    let Some(flag) = of_watch.or(of_common) else { return Ok(()) };
    let what = format!("process {} shares for this profile, and {flag} is its to have", report.pid);
    Err(Failure::new(Exit::Usage, what)
        .next(format!("leave {flag} out, or end that process first: {} stop", program::sharer())))
}

fn tell_known(common: &CommonArgs, report: &Report, folder: &FolderReport) {
    let (name, place) = (folder.name.clone(), folder.place.clone());
    tell_shared(common, report, &SharedFolder { name, place, already: true });
}

fn tell_shared(common: &CommonArgs, report: &Report, folder: &SharedFolder) {
    let SharedFolder { name, place, already } = folder;
    let name = escape(name).into_owned();
    let by = if *already { "shares" } else { "shares now" };
    let word = if *already { " already" } else { "" };
    common.console().result(
        format!("process {} {by} {place} as {name}{word}", report.pid),
        &Event::Shared { name: name.clone(), folder: place.clone(), already: *already },
    );
}

/// Shares the folders called `names` no more, now and at the next start.
///
/// # Errors
/// When none is called so, or it cannot be remembered.
pub fn unshare(
    platform: &Platform,
    common: &CommonArgs,
    names: &[String],
) -> Result<Exit, Failure> {
    let home = Home::find(common.home.as_deref())?;
    let request = Request::Unshare { names: names.to_vec() };
    let gone = match ask(&home.profile, &request) {
        Some(Ok(Answer::Unshared { folders })) => folders,
        Some(Ok(_)) => return Err(odd()),
        Some(Err(failure)) => return Err(failure),
        None => forget(platform, &home, names)?,
    };
    for SharedFolder { name, place, .. } in gone {
        let name = escape(&name).into_owned();
        common.console().result(
            format!("{place} is not shared any more as {name}"),
            &Event::NotShared { name: name.clone(), folder: place.clone() },
        );
    }
    Ok(Exit::Done)
}

/// Takes `names` out of what is shared at the next start.
fn forget(
    platform: &Platform,
    home: &Home,
    names: &[String],
) -> Result<Vec<SharedFolder>, Failure> {
    let profile = Profile::open(platform, home)?;
    let Some(_lock) = profile.lock_seeder()? else {
        return Err(Failure::new(
            Exit::Other,
            "a process that cannot be asked shares for this profile",
        )
        .next("end it first (Ctrl-C)"));
    };
    let known = sharing::recall(&profile)?.map(|(watch, _)| watch.watch).unwrap_or_default();
    let folders = known.iter().filter_map(|text| parse_watch(text).ok());
    let (rest, gone) = without(&folders.collect::<Vec<_>>(), names).map_err(Error::from)?;
    sharing::remember_folders(&profile, &rest)?;
    Ok(gone)
}

/// Ends the process that shares for this profile.
///
/// # Errors
/// When there is none.
pub fn stop(common: &CommonArgs) -> Result<Exit, Failure> {
    let home = Home::find(common.home.as_deref())?;
    match ask(&home.profile, &Request::Stop) {
        Some(Ok(Answer::Stopping { pid })) => {
            common
                .console()
                .result(format!("process {pid} is about to end"), &Event::Stopping { pid });
            Ok(Exit::Done)
        }
        Some(Ok(_)) => Err(odd()),
        Some(Err(failure)) => Err(failure),
        None => Err(Failure::new(Exit::NotFound, "nothing shares for this profile")),
    }
}
