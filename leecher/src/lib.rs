//! The leecher: finds files of a space by name and fetches them, verified, into a folder.

pub mod args;
pub mod check;
pub mod commands;
mod elsewhere;
pub mod freshen;
pub mod online;
pub mod progress;
mod reach;
pub mod replica;
pub mod search;
pub mod select;
mod shown;
pub mod suggest;
pub mod sync;
mod text;
mod words;

use clap::CommandFactory;
use sealift_command::console::Console;
use sealift_command::exit::{Exit, Failure};
use sealift_command::manual::{About, ENVIRONMENT};
use sealift_command::people::speaker::Speaker;
use sealift_platform::Platform;
use sealift_space::home::Home;
use sealift_space::profile::Profile;

use args::{Arguments, Command, ListArgs, SearchArgs};

/// What the manual pages say beside what the flags do.
const ABOUT: About =
    About { exit: args::help::EXIT, environment: ENVIRONMENT, files: args::help::FILES };

/// Runs one command to its end.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(
    platform: Platform,
    arguments: Arguments,
    console: Console,
) -> Result<Exit, Failure> {
    let Arguments { common, command } = arguments;
    if let Command::Manual(manual) = &command {
        return sealift_command::manual::run(manual, Arguments::command(), &ABOUT, &platform);
    }
    let home = Home::find(common.home.as_deref())?;
    let profile = Profile::open(&platform, &home)?;
    let speaker = Speaker::new(profile, console)?;
    match command {
        Command::Join(args) => {
            commands::join::run(&speaker, &args.invite, args.name.as_deref()).await
        }
        Command::Search(args) => {
            let SearchArgs { patterns, limit, offline, long } = args;
            let pattern = &patterns.join(" ");
            let look = commands::search::Look { pattern, limit, offline, long };
            commands::search::run(&speaker, &common, look).await
        }
        Command::List(ListArgs { path, offline, long }) => {
            let look = commands::list::Look { offline, long };
            commands::list::run(&speaker, &common, path.as_deref(), look).await
        }
        Command::Download(args) => {
            sealift_command::people::ways::check_lan(args.lan, args.path)?;
            let speaker = speaker.limited(args.limit).on_lan(args.lan);
            commands::download::run(&speaker, &common, args).await
        }
        Command::Verify(args) => commands::verify::run(&speaker, &common, args).await,
        Command::Ping(args) => {
            commands::ping::run(&speaker, &common, &args.person, args.wait).await
        }
        Command::Members => commands::members::run(&speaker, &common).await,
        Command::Status => commands::status::run(&speaker, &common),
        Command::Manual(_) => Ok(Exit::Done),
    }
}
