//! The service manager that started the relay, if one did.

use std::time::Duration;

#[cfg(unix)]
use sealift_platform::service::Manager as Socket;
use sealift_platform::service::{State, watchdog};

use crate::Handle;
use crate::handle::PATIENCE;
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
        self.watch_every(every, PATIENCE, relay).await;
    }

    /// Asks the relay so often, and waits for its answer so long.
    async fn watch_every(&self, every: Duration, patience: Duration, relay: &Handle) {
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !relay.answers_within(patience).await {
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
    let count = |number, one| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    format!("{what}{} connected, {} at work", count(members, "device"), count(links, "link"))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::sync::mpsc;

    use super::*;
    use crate::limits::Limits;
    use crate::testing;

    /// What is told within `time`.
    fn hear(socket: &UnixDatagram, time: Duration) -> Option<String> {
        socket.set_read_timeout(Some(time)).unwrap();
        let mut told = [0; 500];
        let count = socket.recv(&mut told).ok()?;
        Some(String::from_utf8_lossy(&told[..count]).into_owned())
    }

    fn hears_that_all_is_well(socket: &UnixDatagram) {
        let told = hear(socket, Duration::from_secs(20)).expect("a message");
        assert!(told.starts_with("WATCHDOG=1\n"), "{told}");
    }

    /// On a thread that needs nothing of the relay: all of the relay's own may be stuck.
    #[test]
    fn nobody_is_told_that_a_stuck_relay_is_well() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = Manager { socket: Some(Socket::at(path.as_os_str()).unwrap()) };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (_home, relay) = runtime.block_on(testing::relay(Limits::default()));
        let (hub, handle) = (std::sync::Arc::clone(&relay.hub), relay.handle());
        let every = Duration::from_millis(20);
        runtime.spawn(async move { manager.watch_every(every, every, &handle).await });
        hears_that_all_is_well(&socket);
        let ((is_stuck, stuck), (release, released)) = (mpsc::channel(), mpsc::channel::<()>());
        let holder = std::thread::spawn(move || {
            hub.stuck_for(|| {
                is_stuck.send(()).unwrap();
                // Until the other end is gone.
                let _ = released.recv();
            });
        });
        stuck.recv().unwrap();
        // What was told before, and at most one that was on its way; then nothing for as long as dozens would take.
        socket.set_nonblocking(true).unwrap();
        while socket.recv(&mut [0; 500]).is_ok() {}
        socket.set_nonblocking(false).unwrap();
        let on_its_way = hear(&socket, every * 20);
        let more = on_its_way.and_then(|_| hear(&socket, every * 20));
        assert_eq!(more, None, "a stuck relay was said to be well");
        drop(release);
        holder.join().unwrap();
        hears_that_all_is_well(&socket);
    }
}
