//! What a shell suggests for arguments: shared names, people, spaces. It is asked while somebody waits at a Tab, so that all comes from
//! this machine, within a moment; nothing is made or changed, and whatever is wrong ends in no suggestions.

mod names;

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, Command, CommandFactory};
use sealift_command::completion::{ArgValueCompleter, CompletionCandidate, Line};
use sealift_platform::Platform;
use sealift_platform::private::is_marked;
use sealift_proto::shown::is_unsafe;
use sealift_proto::space::Role;
use sealift_space::home::Home;
use sealift_space::members::Members;
use sealift_space::profile::Profile;
use sealift_space::profile::space::SpaceState;
use tokio::time::Instant;

use crate::cli::args::Arguments;
use crate::replica::{LogView, logs};

/// Most suggestions.
const MOST: usize = 1000;
/// How long looking for them may take.
const MOMENT: Duration = Duration::from_millis(200);

/// The command line, with suggestions for what is typed on `line`.
#[must_use]
pub fn command(line: Line) -> Command {
    suggesting(Arguments::command(), "download", line)
}

/// `command`, whose verbs are those of `leecher` but that fetching is called `fetching`, with suggestions for what is typed on `line`.
#[must_use]
pub fn suggesting(command: Command, fetching: &'static str, line: Line) -> Command {
    let line = Arc::new(line);
    let shared = |arg: Arg| arg.add(completer(&line, names::shared));
    let people = |arg: Arg| arg.add(completer(&line, people));
    let spaces = |arg: Arg| arg.add(completer(&line, spaces));
    command
        .mut_arg("space", spaces)
        .mut_subcommand(fetching, |of| of.mut_arg("names", shared).mut_arg("from", people))
        .mut_subcommand("list", |of| of.mut_arg("path", shared))
        .mut_subcommand("search", |of| of.mut_arg("patterns", shared))
        .mut_subcommand("verify", |of| of.mut_arg("with", shared))
        .mut_subcommand("ping", |of| of.mut_arg("person", people))
}

/// What finds words that begin as typed.
type Find = fn(&Catalogue, &str, Instant) -> Vec<String>;

fn completer(line: &Arc<Line>, find: Find) -> ArgValueCompleter {
    let line = Arc::clone(line);
    ArgValueCompleter::new(move |typed: &OsStr| {
        let until = Instant::now() + MOMENT;
        let found = typed.to_str().zip(Catalogue::open(&line));
        let words = found.map_or_else(Vec::new, |(typed, known)| find(&known, typed, until));
        let fit = |word: &String| !line.bare || !word.contains(is_unsafe);
        words.into_iter().filter(fit).take(MOST).map(CompletionCandidate::new).collect()
    })
}

/// What this machine knows.
struct Catalogue {
    profile: Profile,
    spaces: Vec<SpaceState>,
    now: u64,
}

impl Catalogue {
    /// Opens what there is; `None` where there is nothing yet.
    fn open(line: &Line) -> Option<Self> {
        let platform = Platform::system();
        let home = Home::find(line.home.as_deref()).ok()?;
        // Opening a profile makes what is missing of it, which a Tab must not.
        let begun = platform.disk.open(&home.profile).ok()?;
        begun.stat("spaces".as_ref()).ok()?;
        let marked = [begun, platform.disk.open(&home.cache).ok()?];
        if !marked.iter().all(|root| is_marked(&**root, "".as_ref()).unwrap_or(false)) {
            return None;
        }
        let now = platform.clock.unix_seconds();
        let profile = Profile::open(&platform, &home).ok()?;
        let spaces = profile.spaces_named(line.space.as_deref()).ok()?;
        Some(Self { profile, spaces, now })
    }

    fn members(&self) -> impl Iterator<Item = (&SpaceState, Members)> {
        let load = |space| Some((space, Members::load(&self.profile, space, self.now).ok()?));
        self.spaces.iter().filter_map(load)
    }

    /// The catalogues of those who may offer files; damaged ones are left to the commands that can say so.
    fn views(&self) -> Vec<LogView> {
        let root = self.profile.cache().root();
        let mut views = Vec::new();
        for (space, members) in self.members() {
            let offers = |device| {
                members.get(device).is_some_and(|of| of.membership.role.allows(Role::OFFER))
            };
            let keys = logs(&**root, &space.id()).unwrap_or_default();
            let open = |key: &_| LogView::open(root, key).ok().flatten();
            views.extend(keys.iter().filter(|key| offers(&key.device)).filter_map(open));
        }
        views
    }
}

fn people(known: &Catalogue, typed: &str, _: Instant) -> Vec<String> {
    let mut names: Vec<_> = known
        .members()
        .flat_map(|(_, members)| members.iter().map(|of| of.name().to_owned()).collect::<Vec<_>>())
        .filter(|name| name.starts_with(typed) && !name.starts_with('-'))
        .collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn spaces(known: &Catalogue, typed: &str, _: Instant) -> Vec<String> {
    let names = known.spaces.iter().map(|space| space.secret().name.as_str().to_owned());
    names.filter(|name| name.starts_with(typed) && !name.starts_with('-')).collect()
}
