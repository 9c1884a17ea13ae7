//! The command `leecher`.

use std::process::ExitCode;

use sealift_command::exit::Failure;
use sealift_leecher::cli;
use sealift_leecher::cli::args::Arguments;
use sealift_platform::Platform;

fn main() -> ExitCode {
    if let Some(answered) = sealift_command::completion::answer(cli::suggest::command) {
        return answered;
    }
    let arguments = Arguments::read();
    let console = arguments.common.console();
    sealift_command::trace::start(arguments.common.verbose, arguments.common.json);
    let result =
        sealift_command::process::run(|| cli::run(Platform::system(), arguments, console.clone()));
    match result {
        Ok(exit) => exit.code(),
        Err(failure) => {
            let failure: Failure = failure;
            console.failure(&failure);
            failure.exit.code()
        }
    }
}
