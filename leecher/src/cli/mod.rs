//! The program `leecher`: its command line, and all that it says. The rest of this crate does not speak.

pub mod args;
pub mod checking;
mod choose;
pub mod download;
mod facts;
pub mod join;
mod known;
pub mod list;
pub mod members;
pub mod ping;
pub mod progress;
pub mod search;
pub mod status;
pub mod suggest;
pub mod verify;
mod words;

use clap::CommandFactory;
use sealift_command::console::Console;
use sealift_command::exit::{Exit, Failure};
use sealift_command::manual::{About, ENVIRONMENT};
use sealift_command::people::speaker::Speaker;
use sealift_platform::Platform;
use sealift_space::home::Home;
use sealift_space::profile::Profile;

pub use known::leecher;

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
        Command::Join(args) => join::run(&speaker, &args.invite, args.name.as_deref()).await,
        Command::Search(args) => {
            let SearchArgs { patterns, limit, offline, long } = args;
            let pattern = &patterns.join(" ");
            let look = search::Look { pattern, limit, offline, long };
            search::run(&speaker, &common, look).await
        }
        Command::List(ListArgs { path, offline, long }) => {
            let look = list::Look { offline, long };
            list::run(&speaker, &common, path.as_deref(), look).await
        }
        Command::Download(args) => {
            sealift_command::people::ways::check_lan(args.lan, args.path)?;
            let speaker = speaker.limited(args.limit).on_lan(args.lan);
            download::run(&speaker, &common, args).await
        }
        Command::Verify(args) => verify::run(&speaker, &common, args).await,
        Command::Ping(args) => ping::run(&speaker, &common, &args.person, args.wait).await,
        Command::Members => members::run(&speaker, &common).await,
        Command::Status => status::run(&speaker, &common),
        Command::Manual(_) => Ok(Exit::Done),
    }
}
