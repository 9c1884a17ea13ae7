//! The service manager that started the program, if one did.

use std::time::Duration;

#[cfg(unix)]
use sealift_platform::service::Manager as Socket;
use sealift_platform::service::{State, watchdog};

use crate::admin::{Observed, PATIENCE};

/// How often its one line is renewed when it does not watch over the program.
const STATUS: Duration = Duration::from_secs(30);

/// Tells the manager how the program is. Without one, nobody is told.
pub struct Manager {
    #[cfg(unix)]
    socket: Option<Socket>,
}

impl Manager {
    /// The one that the environment names.
    #[cfg(unix)]
    #[must_use]
    pub fn of_environment() -> Self {
        let socket = Socket::of_environment().unwrap_or_else(|error| {
            tracing::warn!(%error, "the service manager in NOTIFY_SOCKET cannot be told anything");
            None
        });
        Self { socket }
    }

    /// None.
    #[cfg(not(unix))]
    #[must_use]
    pub const fn of_environment() -> Self {
        Self {}
    }

    /// The one that listens at `address`: a path, or `@` and an abstract name.
    ///
    /// # Errors
    /// When it names no usable socket.
    #[cfg(unix)]
    pub fn at(address: &std::ffi::OsStr) -> std::io::Result<Self> {
        Ok(Self { socket: Some(Socket::at(address)?) })
    }

    /// Tells it something.
    pub fn tell(&self, states: &[State<'_>]) {
        #[cfg(unix)]
        if let Some(socket) = &self.socket
            && let Err(error) = socket.tell(states)
        {
            tracing::warn!(%error, "the service manager does not listen");
        }
        #[cfg(not(unix))]
        let _ = states;
    }

    #[cfg(unix)]
    const fn listens(&self) -> bool {
        self.socket.is_some()
    }

    #[cfg(not(unix))]
    const fn listens(&self) -> bool {
        false
    }

    /// Says that all is well as long as it is: twice in the time after which the manager would end the program.
    pub async fn watch<O: Observed>(&self, program: &O) {
        if !self.listens() {
            return std::future::pending().await;
        }
        let every = watchdog().map_or(STATUS, |limit| limit / 2);
        self.watch_every(every, PATIENCE, program).await;
    }

    /// Asks the program so often, and waits for its answer so long.
    pub async fn watch_every<O: Observed>(&self, every: Duration, patience: Duration, program: &O) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !program.answers_within(patience).await {
                let name = O::PROGRAM.name;
                tracing::error!(
                    "the {name} does not answer; its service manager is not told that it is well"
                );
                continue;
            }
            let Some(report) = program.report().await else { return };
            self.tell(&[State::Watchdog, State::Status(&O::line(&report))]);
        }
    }
}
