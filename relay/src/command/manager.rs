//! The service manager that started the relay, if one did.

use std::time::Duration;

#[cfg(unix)]
use sealift_platform::service::Manager as Socket;
use sealift_platform::service::{State, watchdog};

use crate::Handle;
use crate::report::Report;

/// How often its one line is renewed when it does not watch over the relay.
const STATUS: Duration = Duration::from_secs(30);

/// Tells the manager how the relay is. Without one, nobody is told.
pub(super) struct Manager {
    #[cfg(unix)]
    socket: Option<Socket>,
}

impl Manager {
    /// The one that the environment names.
    #[cfg(unix)]
    pub(super) fn of_environment() -> Self {
        let socket = Socket::of_environment().unwrap_or_else(|error| {
            tracing::warn!(%error, "the service manager in NOTIFY_SOCKET cannot be told anything");
            None
        });
        Self { socket }
    }

    /// None.
    #[cfg(not(unix))]
    pub(super) const fn of_environment() -> Self {
        Self {}
    }

    pub(super) fn tell(&self, states: &[State<'_>]) {
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

    /// Says that all is well as long as it is: twice in the time after which the manager would end the relay.
    pub(super) async fn watch(&self, relay: &Handle) {
        if !self.listens() {
            return std::future::pending().await;
        }
        let every = watchdog().map_or(STATUS, |limit| limit / 2);
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !relay.answers().await {
                tracing::error!(
                    "the relay does not answer; its service manager is not told that it is well"
                );
                continue;
            }
            let Some(report) = relay.report().await else { return };
            self.tell(&[State::Watchdog, State::Status(&line(&report))]);
        }
    }
}

fn line(report: &Report) -> String {
    let (members, links) = (report.connections.members, report.links.open);
    let what = if report.draining { "ending: " } else { "" };
    format!("{what}{members} devices connected, {links} links at work")
}
