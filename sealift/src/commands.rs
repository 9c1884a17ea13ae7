//! What each command does: what `seeder` or `leecher` does by the same name.

use clap::CommandFactory;
use sealift_command::args::CommonArgs;
use sealift_command::exit::{Exit, Failure};
use sealift_leecher::cli::args::{Arguments, Command as Finding};
use sealift_platform::Platform;
use sealift_seeder::cli::agent;
use sealift_seeder::cli::args::Command as Sharing;

use crate::args::{ABOUT, Cli, Verb};
use crate::status;

/// Runs a command to its end.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(platform: Platform, common: CommonArgs, verb: Verb) -> Result<Exit, Failure> {
    let finding = match verb {
        Verb::Manual(manual) => {
            return sealift_command::manual::run(&manual, Cli::command(), &ABOUT, &platform);
        }
        Verb::Unshare(args) => return agent::unshare(&platform, &common, &args.names),
        Verb::Stop => return agent::stop(&common),
        Verb::Status => return status::run(&platform, &common),
        Verb::Invite(args) => return share(platform, &common, Sharing::Invite(args)).await,
        Verb::Service(what) => return share(platform, &common, Sharing::Service(what)).await,
        Verb::Search(args) => Finding::Search(args),
        Verb::List(args) => Finding::List(args),
        Verb::Get(args) => Finding::Download(args),
        Verb::Verify(args) => Finding::Verify(args),
        Verb::Join(args) => Finding::Join(args),
        Verb::Members => Finding::Members,
        Verb::Ping(args) => Finding::Ping(args),
    };
    let console = common.console();
    sealift_leecher::cli::run(platform, Arguments { common, command: finding }, console).await
}

async fn share(platform: Platform, common: &CommonArgs, command: Sharing) -> Result<Exit, Failure> {
    sealift_seeder::cli::commands::act(platform, common, command).await
}
