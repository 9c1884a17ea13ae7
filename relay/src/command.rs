//! The command: its flags, where it listens, what it prints and how it ends.

mod args;
mod ready;

use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use etcetera::BaseStrategy;

use sealift_manual::Manual;
use sealift_platform::Platform;
use sealift_platform::net::{Listener, Net};
use sealift_proto::frame::DEFAULT_PORT;

use crate::log::{Format, Log};
use crate::{Config, Limits, Relay, RelayError};
use args::Args;

/// Exit code when something went wrong that no other code names.
const OTHER: u8 = 1;
/// Exit code when the local disk is what is wrong.
const DISK: u8 = 8;

/// How often it is told what was left out of the log.
const UNSAID: Duration = Duration::from_secs(10);

/// Runs the command.
#[must_use]
pub fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(manual) = &args.manual {
        return describe(&args, manual);
    }
    let log = start_logging(&args);
    raise_file_limit();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&args, &anyhow::Error::new(error).context("cannot start")),
    };
    let result = runtime.block_on(run(&args, &log));
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&args, &error),
    }
}

/// Prints or writes what a shell or `man` wants to know.
fn describe(args: &Args, manual: &Manual) -> ExitCode {
    let platform = Platform::system();
    let Err(failed) = manual.write(Args::command(), &*platform.disk, &mut io::stdout().lock())
    else {
        return ExitCode::SUCCESS;
    };
    let error = anyhow::Error::new(failed.error);
    match failed.place {
        Some(place) => {
            tell(args, DISK, &error.context(format!("cannot write into {}", place.display())))
        }
        // Whoever closed standard output has what it wanted.
        None => ExitCode::from(OTHER),
    }
}

async fn run(args: &Args, log: &Log) -> anyhow::Result<()> {
    // Before anything is announced: whoever reads the ready line may send a signal at once.
    let signal = signal().context("cannot watch for signals")?;
    let platform = Platform::system();
    let config = Config {
        home: home(args)?,
        limits: Limits::default(),
        allowed_spaces: args.allow_space.clone(),
        drain: Duration::from_secs(30),
    };
    log.set_rate(config.limits.log_lines_per_second);
    let listeners = listen(&*platform.net, &args.listen).await?;
    let relay = Relay::open(platform, config).await?;
    announce(args, &listeners, relay.pin())?;
    let serving = relay.serve(listeners, signal);
    tokio::pin!(serving);
    let mut unsaid = tokio::time::interval(UNSAID);
    let served = loop {
        tokio::select! {
            served = &mut serving => break served,
            _ = unsaid.tick() => log.tell_unsaid(),
        }
    };
    log.tell_unsaid();
    Ok(served?)
}

/// `DIR/relay` if a home was named, else `$XDG_DATA_HOME/sealift/relay`.
fn home(args: &Args) -> anyhow::Result<PathBuf> {
    if let Some(home) = &args.home {
        return Ok(home.join("relay"));
    }
    let base = etcetera::base_strategy::Xdg::new().context(
        "this user has no home folder; name a folder for the relay's files with --home DIR",
    )?;
    Ok(base.data_dir().join("sealift").join("relay"))
}

async fn listen(net: &dyn Net, named: &[SocketAddr]) -> anyhow::Result<Vec<Box<dyn Listener>>> {
    let mut listeners = Vec::new();
    for address in named {
        listeners.push(net.listen(*address).await.map_err(|error| cannot_listen(*address, error))?);
    }
    if !named.is_empty() {
        return Ok(listeners);
    }
    let everywhere = [
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, DEFAULT_PORT)),
    ];
    let mut missing = None;
    for address in everywhere {
        match net.listen(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                return Err(cannot_listen(address, error));
            }
            // A machine without IPv6, or without IPv4.
            Err(error) => missing = Some((address, error)),
        }
    }
    match missing {
        Some((address, error)) if listeners.is_empty() => Err(cannot_listen(address, error)),
        Some((address, error)) => {
            tracing::debug!(%address, %error, "not listening there");
            Ok(listeners)
        }
        None => Ok(listeners),
    }
}

fn cannot_listen(address: SocketAddr, error: io::Error) -> anyhow::Error {
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {} is in use: perhaps a relay runs already. Stop it, or take another port: relay --listen {}",
            address.port(),
            SocketAddr::new(address.ip(), 7744),
        ),
        io::ErrorKind::PermissionDenied => {
            format!(
                "this user may not listen on {address}: ports below 1024 need a privilege; take a higher one"
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!(
                "this machine does not have the address {}: name one of its own, or 0.0.0.0",
                address.ip()
            )
        }
        _ => format!("cannot listen on {address}"),
    };
    anyhow::Error::new(error).context(what)
}

fn announce(args: &Args, listeners: &[Box<dyn Listener>], pin: [u8; 16]) -> anyhow::Result<()> {
    let mut bound = Vec::new();
    for listener in listeners {
        bound.push(listener.local_addr().context("cannot tell where it listens")?);
    }
    let places = ready::places(args.public.as_ref(), &bound, &ready::machine_addresses());
    let mut out = io::stdout().lock();
    for place in &places {
        // Whoever does not want to read it may close the pipe; the relay goes on.
        let _ = writeln!(out, "{}", ready::line(place, &pin, args.json));
    }
    let _ = out.flush();
    let person = io::stderr().is_terminal() && !args.json && !args.quiet;
    if let Some(place) = places.first().filter(|_| person) {
        let wildcard = bound.iter().any(|address| address.ip().is_unspecified());
        eprint!("{}", ready::hint(place, &pin, args.public.is_none() && wildcard));
    }
    Ok(())
}

fn fail(args: &Args, error: &anyhow::Error) -> ExitCode {
    let code = match error.downcast_ref::<RelayError>() {
        Some(error) if error.is_disk() => DISK,
        _ => OTHER,
    };
    tell(args, code, error)
}

fn tell(args: &Args, code: u8, error: &anyhow::Error) -> ExitCode {
    if args.json {
        let told = serde_json::json!({"v": 1, "type": "error", "code": code, "what": format!("{error:#}")});
        eprintln!("{told}");
    } else {
        eprintln!("relay: {error:#}");
    }
    ExitCode::from(code)
}

/// Logs go to standard error: as `SEALIFT_LOG` says, else by `-q` and `-v`.
fn start_logging(args: &Args) -> Log {
    let level = match (args.quiet, args.verbose) {
        (true, _) => "error",
        (false, 0) => "info",
        (false, 1) => "info,sealift_relay=debug",
        (false, _) => "debug",
    };
    let level = std::env::var("SEALIFT_LOG").unwrap_or_else(|_| level.to_owned());
    Log::start(if args.json { Format::Json } else { Format::Text }, &level)
}

/// Each connection is a file: take as many as the system gives without being asked for more.
#[cfg(unix)]
fn raise_file_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

#[cfg(not(unix))]
const fn raise_file_limit() {}

/// Ends at Ctrl-C or SIGTERM; a second one ends the process at once.
#[cfg(unix)]
fn signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(0);
        });
    })
}

#[cfg(not(unix))]
fn signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}
