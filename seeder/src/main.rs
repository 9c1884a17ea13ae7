//! The command `seeder`.

use std::process::ExitCode;

use clap::CommandFactory;
use sealift_command::event::Event;
use sealift_command::exit::{Exit, Failure};
use sealift_command::{completion, process, trace};
use sealift_platform::Platform;
use sealift_seeder::args::Cli;
use sealift_seeder::commands;

fn main() -> ExitCode {
    if let Some(answered) = completion::answer(|_| Cli::command()) {
        return answered;
    }
    let mut cli = Cli::read();
    let console = cli.common.console();
    trace::start(cli.common.verbose, cli.common.json);
    let result = match cli.command.take() {
        Some(command) => process::run(|| commands::run(Platform::system(), cli, command)),
        None => share(&cli).map(|()| Exit::Done),
    };
    match result {
        Ok(exit) => exit.code(),
        Err(failure) => {
            console.failure(&failure);
            failure.exit.code()
        }
    }
}

/// Shares until a signal comes: that is how a seeder is meant to end.
fn share(cli: &Cli) -> Result<(), Failure> {
    let config = commands::config(&cli.common, &cli.watch)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, "cannot start").why(error))?;
    let console = config.console.clone();
    let result = runtime.block_on(async {
        let signal = process::signal();
        let ended = async {
            let _ = signal.await;
        };
        sealift_seeder::run(Platform::system(), config, ended).await
    });
    // A walk or a reading that is under way has nothing to lose.
    runtime.shutdown_background();
    console.close();
    result.inspect(|()| {
        console.note(
            "stopped; nothing is lost, and the same command shares it again",
            &Event::Stopped,
        );
    })
}
