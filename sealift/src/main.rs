//! The command `sealift`.

use std::process::ExitCode;

use sealift::args::{Cli, Command};
use sealift::{commands, suggest};
use sealift_command::args::CommonArgs;
use sealift_command::exit::{Exit, Failure};
use sealift_command::{completion, process, program, trace};
use sealift_platform::Platform;
use sealift_seeder::cli::args::WatchArgs;
use sealift_seeder::cli::{agent, foreground};

fn main() -> ExitCode {
    program::has_every_verb();
    if let Some(answered) = completion::answer(suggest::command) {
        return answered;
    }
    let Cli { common, command } = Cli::read();
    let console = common.console();
    trace::start(common.verbose, common.json);
    let result = match command {
        Command::Share(args) => share(&common, &args.watch()),
        Command::Other(verb) => process::run(|| commands::run(Platform::system(), common, verb)),
    };
    match result {
        Ok(exit) => exit.code(),
        Err(failure) => {
            console.failure(&failure);
            failure.exit.code()
        }
    }
}

/// Has the process that shares for this profile share more; where there is none, this one shares until a signal comes.
fn share(common: &CommonArgs, watch: &WatchArgs) -> Result<Exit, Failure> {
    match agent::share(common, watch)? {
        Some(exit) => Ok(exit),
        None => foreground::share(common, watch).map(|()| Exit::Done),
    }
}
