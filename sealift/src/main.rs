//! The command `sealift`.

use std::process::ExitCode;

use sealift::args::{Cli, Command};
use sealift::{commands, suggest};
use sealift_command::exit::Exit;
use sealift_command::{completion, process, program, trace};
use sealift_platform::Platform;
use sealift_seeder::cli::foreground;

fn main() -> ExitCode {
    program::has_every_verb();
    if let Some(answered) = completion::answer(suggest::command) {
        return answered;
    }
    let Cli { common, command } = Cli::read();
    let console = common.console();
    trace::start(common.verbose, common.json);
    let result = match command {
        Command::Share(args) => foreground::share(&common, &args.watch()).map(|()| Exit::Done),
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
