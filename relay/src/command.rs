//! The command: its flags and files, where it listens, what it prints and how it ends.

mod args;
mod key;
mod limits;
mod ready;
mod serve;
mod settings;
mod status;

use std::io;
use std::process::ExitCode;

use clap::CommandFactory;
use serde::Serialize;

use sealift_command::completion;
use sealift_command::event::{self, Event, Failed};
use sealift_command::exit::Exit;
use sealift_command::manual::{About, ENVIRONMENT, Manual};
use sealift_platform::Platform;
use sealift_server::log::{Log, escape};
use sealift_server::machine::raise_file_limit;

use crate::error::RelayError;
use crate::program::PROGRAM;
use args::{Args, Command};
use settings::{Settings, SettingsError};

/// Threads that read the store. More would not read faster, and each keeps memory of its own for good.
const BLOCKING: usize = 8;

/// What its manual pages say beside what its flags do.
const ABOUT: About =
    About { exit: args::help::EXIT, environment: ENVIRONMENT, files: args::help::FILES };

/// Runs the command.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(answered) = completion::answer(|_| Args::command()) {
        return answered;
    }
    let args: Args = sealift_command::usage::read();
    let platform = Platform::system();
    let done = match &args.command {
        Some(Command::Manual(manual)) => return describe(&args, manual),
        None => serve(&args, platform),
        Some(command) => beside(&args, &platform, command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&args, &error),
    }
}

fn serve(args: &Args, platform: Platform) -> anyhow::Result<()> {
    let settings = Settings::gather(args, &*platform.disk)?;
    let log = Log::start(PROGRAM, settings.log_format, settings.log_level);
    raise_file_limit();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(BLOCKING).build()?;
    let served = runtime.block_on(serve::serve(args, platform, settings, &log));
    runtime.shutdown_background();
    served
}

/// A command that is not the relay itself.
fn beside(args: &Args, platform: &Platform, command: &Command) -> anyhow::Result<()> {
    if let Command::Limits = command {
        return limits::run(args, &*platform.disk);
    }
    let home = settings::home(args, &*platform.disk)?;
    match command {
        Command::Status => status::run(&home, args.json),
        Command::Key(key) => key::run(platform, &home, key, args.json),
        Command::Limits | Command::Manual(_) => Ok(()),
    }
}

/// Prints or writes what a shell or `man` wants to know.
fn describe(args: &Args, manual: &Manual) -> ExitCode {
    let platform = Platform::system();
    let Err(failed) =
        manual.write(Args::command(), &ABOUT, &*platform.disk, &mut io::stdout().lock())
    else {
        return ExitCode::SUCCESS;
    };
    let error = failed.error;
    match failed.place {
        Some(place) => {
            let error = anyhow::Error::new(error);
            tell(args, Exit::Disk, &error.context(format!("cannot write into {}", place.display())))
        }
        None => match printed(Err(error)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => tell(args, Exit::Disk, &error),
        },
    }
}

/// Whoever closed standard output has what it wanted; what could not be printed for another reason is told.
fn printed(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::new(Unprinted(error)))
        }
        _ => Ok(()),
    }
}

/// Standard output took not all of it.
#[derive(Debug, thiserror::Error)]
#[error("cannot use standard output: {0}")]
struct Unprinted(#[source] io::Error);

fn fail(args: &Args, error: &anyhow::Error) -> ExitCode {
    let is_disk = error.downcast_ref::<RelayError>().is_some_and(RelayError::is_disk)
        || error.is::<key::NotCopied>()
        || error.is::<Unprinted>();
    let exit = match () {
        () if is_disk => Exit::Disk,
        () if error.is::<SettingsError>() => Exit::Usage,
        () => Exit::Other,
    };
    tell(args, exit, error)
}

/// One line of JSON, which says by `v` which form it has.
fn json_line(event: &impl Serialize) -> String {
    let mut value = serde_json::to_value(event).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("v".into(), 1.into());
    }
    event::line(value)
}

fn tell(args: &Args, exit: Exit, error: &anyhow::Error) -> ExitCode {
    if args.json {
        let code = exit.number();
        let failed = Failed { code, what: format!("{error:#}"), why: None, next: None, kept: None };
        eprintln!("{}", json_line(&Event::Error(failed)));
    } else {
        // With a line end of its own; a path of this machine may hold anything.
        eprint!("{}", escape(format!("relay: {error:#}").as_bytes()));
    }
    exit.code()
}
