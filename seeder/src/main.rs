//! The command `seeder`.

use std::process::ExitCode;

use clap::CommandFactory;
use sealift_command::exit::Exit;
use sealift_command::{completion, process, trace};
use sealift_platform::Platform;
use sealift_seeder::cli::args::Cli;
use sealift_seeder::cli::{commands, foreground};

fn main() -> ExitCode {
    if let Some(answered) = completion::answer(|_| Cli::command()) {
        return answered;
    }
    let mut cli = Cli::read();
    let console = cli.common.console();
    trace::start(cli.common.verbose, cli.common.json);
    let result = match cli.command.take() {
        Some(command) => process::run(|| commands::run(Platform::system(), cli, command)),
        None => foreground::share(&cli.common, &cli.watch).map(|()| Exit::Done),
    };
    match result {
        Ok(exit) => exit.code(),
        Err(failure) => {
            console.failure(&failure);
            failure.exit.code()
        }
    }
}
