//! Signals: the first that asks for it ends the program in peace, the second at once; SIGHUP has the configuration read again.

use std::io::{self, IsTerminal};

/// What a signal asks for.
#[cfg(unix)]
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    /// Whether it was started on a terminal.
    on_terminal: bool,
}

#[cfg(unix)]
impl Signals {
    /// From now on signals are taken note of.
    ///
    /// # Errors
    /// What the system says.
    pub fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            on_terminal: io::stderr().is_terminal(),
        })
    }

    /// Waits for Ctrl-C or SIGTERM; `reload` is called for each SIGHUP before that. A terminal that goes away ends the program too.
    pub async fn end(&mut self, mut reload: impl FnMut()) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                // There is no more of it once the runtime ends.
                Some(()) = self.hangup.recv() => {
                    if self.on_terminal && !io::stderr().is_terminal() {
                        return;
                    }
                    reload();
                }
            }
        }
    }

    /// Ends the process at the next Ctrl-C or SIGTERM: what has been acknowledged is on disk.
    pub async fn then_end_at_once(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        tracing::warn!("ending at once");
        std::process::exit(0);
    }
}

/// Ctrl-C, where there are no other signals.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Ready at once.
    ///
    /// # Errors
    /// Never.
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for Ctrl-C.
    pub async fn end(&mut self, _: impl FnMut()) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends the process at the next Ctrl-C.
    pub async fn then_end_at_once(mut self) {
        self.end(|| {}).await;
        std::process::exit(0);
    }
}
