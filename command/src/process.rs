//! Running a command as a process: its runtime, and the signals that end it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use crate::exit::{Exit, Failure};

/// Runs the future that `command` makes until it is done or a signal comes. A command that is interrupted is dropped where it
/// stands, which every command of Sealift must bear, as it must bear a crash.
///
/// # Errors
/// What the command says; or [`Exit::Interrupted`] and [`Exit::Terminated`] as a failure in words.
pub fn run<F>(command: impl FnOnce() -> F) -> Result<Exit, Failure>
where
    F: Future<Output = Result<Exit, Failure>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, "cannot start").why(error))?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = command() => result,
            exit = fatal_signal() => Err(ended(exit)),
        }
    });
    // What still runs on other threads writes nothing that matters.
    runtime.shutdown_background();
    result
}

/// A command takes signals itself.
static TAKEN: AtomicBool = AtomicBool::new(false);
/// One has come since. Whoever waits for it later hears of it too: it may have come in the very moment of the taking.
static CAME: Notify = Notify::const_new();

/// Runs `part`, the last of a command, until it is done or a signal comes, which ends nothing else: neither it nor a later one.
pub async fn until_signal(part: impl Future<Output = ()>) {
    TAKEN.store(true, Ordering::Relaxed);
    tokio::select! {
        () = part => {}
        () = CAME.notified() => {}
    }
}

/// Waits for a signal that no command takes itself.
async fn fatal_signal() -> Exit {
    loop {
        let exit = signal().await;
        if !TAKEN.load(Ordering::Relaxed) {
            return exit;
        }
        CAME.notify_one();
    }
}

fn ended(exit: Exit) -> Failure {
    let what = if exit == Exit::Interrupted { "interrupted" } else { "terminated" };
    Failure::new(exit, what).next("the same command goes on where this one stopped")
}

/// Waits for Ctrl-C, SIGTERM or SIGHUP, which do nothing else from the moment of this call on. To be called within a runtime.
#[cfg(unix)]
pub fn signal() -> impl Future<Output = Exit> {
    use tokio::signal::unix::{SignalKind, signal};
    let ignored = hangup_is_ignored();
    let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
    let handlers = kinds.map(signal);
    async move {
        let [Ok(mut interrupt), Ok(mut terminate)] = handlers else {
            // Without handlers the signals end the process as they always do.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => Exit::Interrupted,
            _ = terminate.recv() => Exit::Terminated,
            () = hangup(ignored) => Exit::Terminated,
        }
    }
}

/// Waits for the terminal to go away, unless the process was started not to mind (`nohup`).
#[cfg(unix)]
async fn hangup(ignored: bool) {
    use tokio::signal::unix::{SignalKind, signal};
    if ignored {
        return std::future::pending().await;
    }
    match signal(SignalKind::hangup()) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        _ => std::future::pending().await,
    }
}

/// Whether SIGHUP was ignored when the process began. To be asked before a handler replaces that.
#[cfg(unix)]
fn hangup_is_ignored() -> bool {
    const SIGHUP: u64 = 1;
    // Where the system does not tell, the signal counts, as it does by default.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & (1 << (SIGHUP - 1)) != 0)
}

/// Waits for Ctrl-C.
#[cfg(not(unix))]
pub async fn signal() -> Exit {
    match tokio::signal::ctrl_c().await {
        Ok(()) => Exit::Interrupted,
        Err(_) => std::future::pending().await,
    }
}
