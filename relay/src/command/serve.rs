//! The relay from its first line to its end.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use anyhow::Context;

use sealift_platform::Platform;
use sealift_platform::net::Listener;
use sealift_platform::service::State;
use sealift_server::listen::{ListenError, listen};
use sealift_server::log::Log;
use sealift_server::manager::Manager;
use sealift_server::signals::Signals;
use sealift_server::{admin, reach};

use super::args::Args;
use super::ready;
use super::settings::Settings;
use crate::handle::Handle;
use crate::program::PROGRAM;
use crate::relay::{Config, Relay};

/// How often it is told what was left out of the log.
const UNSAID: Duration = Duration::from_secs(10);

/// Serves until a signal ends it.
pub(super) async fn serve(
    args: &Args,
    platform: Platform,
    settings: Settings,
    log: &Log,
) -> anyhow::Result<()> {
    // Before anything is announced: whoever reads the ready line may send a signal at once.
    let mut signals = Signals::new().context("cannot watch for signals")?;
    let manager = Manager::of_environment();
    log.set_rate(settings.limits.log_lines_per_second);
    if let Some(file) = &settings.file {
        tracing::info!(file = %file.display(), "configured");
    }
    let listeners = listen(PROGRAM, &*platform.net, &settings.listen).await?;
    let metrics = metrics_listener(&platform, &settings).await?;
    let relay = Relay::open(platform.clone(), config(&settings)).await?;
    let handle = relay.handle();
    handle.set_moved_to(settings.moved_to.clone());
    let status = status(&settings, handle.clone());
    announce(args, &platform, &settings, &listeners, relay.pin())?;
    manager.tell(&[State::Ready]);
    let mut running = settings.clone();
    let ended = async {
        signals.end(|| reload(args, &platform, &mut running, &handle, log, &manager)).await;
        manager.tell(&[State::Stopping]);
        tokio::spawn(signals.then_end_at_once());
        tracing::info!(limit = ?handle_drain(&handle), "ending; links at work may finish");
    };
    let serving = relay.serve(listeners, ended);
    let beside = beside(status, metrics, &handle, &manager, log);
    let served = tokio::select! {
        served = serving => served,
        () = beside => Ok(()),
    };
    log.tell_unsaid();
    Ok(served?)
}

fn handle_drain(handle: &Handle) -> Option<Duration> {
    handle.limits().map(|limits| limits.drain)
}

fn config(settings: &Settings) -> Config {
    Config {
        home: settings.home.clone(),
        limits: settings.limits.clone(),
        allowed: settings.allowed.clone(),
    }
}

async fn metrics_listener(
    platform: &Platform,
    settings: &Settings,
) -> anyhow::Result<Option<Box<dyn Listener>>> {
    let Some(address) = settings.metrics else { return Ok(None) };
    let listener = platform.net.listen(address).await;
    let listener = listener.map_err(|error| {
        anyhow::Error::new(ListenError::new(PROGRAM, address, error))
            .context("the metrics have no place: name another with --metrics")
    })?;
    tracing::info!(address = %listener.local_addr()?, "answering /metrics and /healthz");
    Ok(Some(listener))
}

/// What goes on beside serving; it never ends.
async fn beside(
    status: impl Future<Output = ()>,
    metrics: Option<Box<dyn Listener>>,
    relay: &Handle,
    manager: &Manager,
    log: &Log,
) {
    let answering = async {
        match metrics {
            Some(listener) => admin::serve_metrics(listener, relay.clone()).await,
            None => std::future::pending().await,
        }
    };
    let unsaid = async {
        let mut ticks = tokio::time::interval(UNSAID);
        loop {
            ticks.tick().await;
            log.tell_unsaid();
        }
    };
    tokio::join!(answering, status, manager.watch(relay), unsaid);
}

/// Answers `relay status`.
#[cfg(unix)]
fn status(settings: &Settings, relay: Handle) -> impl Future<Output = ()> {
    let bound = admin::bind(PROGRAM, &settings.home);
    async move {
        match bound {
            Ok(bound) => admin::serve_status(bound, relay).await,
            Err(error) => tracing::warn!(%error, "`relay status` cannot ask this relay"),
        }
    }
}

#[cfg(not(unix))]
async fn status(_: &Settings, _: Handle) {
    std::future::pending().await
}

/// Reads the configuration again and puts in force what can be. A file that is wrong changes nothing.
fn reload(
    args: &Args,
    platform: &Platform,
    running: &mut Settings,
    relay: &Handle,
    log: &Log,
    manager: &Manager,
) {
    manager.tell(&[State::Reloading]);
    match Settings::gather(args, &*platform.disk) {
        Ok(new) => {
            let waiting = new.needs_a_start(running);
            log.set_level(new.log_level);
            log.set_rate(new.limits.log_lines_per_second);
            relay.change(new.limits.clone(), new.allowed.clone());
            relay.set_moved_to(new.moved_to.clone());
            tracing::info!("the configuration was read again");
            if !waiting.is_empty() {
                let names = waiting.join(", ");
                tracing::warn!(names, "these take effect at the next start");
            }
            // What takes a start stays as it is, to be named again the next time.
            running.limits = new.limits;
        }
        Err(error) => {
            let error = format!("{error:#}");
            tracing::error!(error, "the configuration is refused; the old one stays in force");
        }
    }
    manager.tell(&[State::Ready]);
}

fn announce(
    args: &Args,
    platform: &Platform,
    settings: &Settings,
    listeners: &[Box<dyn Listener>],
    pin: [u8; 16],
) -> anyhow::Result<()> {
    let mut bound = Vec::new();
    for listener in listeners {
        bound.push(listener.local_addr().context("cannot tell where it listens")?);
    }
    let public = settings.public.as_ref();
    let places = reach::places(public, &bound, &reach::machine_addresses(&*platform.net));
    let mut out = io::stdout().lock();
    for place in &places {
        // Whoever does not want to read it may close the pipe; the relay goes on.
        let _ = writeln!(out, "{}", ready::line(place, &pin, args.json));
    }
    let _ = out.flush();
    let person = io::stderr().is_terminal() && !args.json && !args.quiet;
    if let Some(place) = places.first().filter(|_| person) {
        let wildcard = bound.iter().any(|address| address.ip().is_unspecified());
        eprint!("{}", ready::hint(place, &pin, public.is_none() && wildcard));
    }
    Ok(())
}
