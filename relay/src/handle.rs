//! What the process around a relay may ask of it and change in it while it runs.

use std::sync::{Arc, Weak};
use std::time::Duration;

use sealift_command::human::count;
use sealift_proto::codec::List;
use sealift_proto::limits::PLACES_MAX;
use sealift_proto::space::HostName;

use sealift_server::Program;
use sealift_server::admin::{Metric, Observed};
use sealift_server::admission::Allowed;

use crate::exposition::METRICS;
use crate::hub::Hub;
use crate::limits::Limits;
use crate::program::PROGRAM;
use crate::report::{Report, report};

/// A running relay, seen from outside. It does not keep the relay alive.
#[derive(Clone)]
pub struct Handle(pub(crate) Weak<Hub>);

impl Handle {
    /// The limits in force; `None` when it has ended.
    #[must_use]
    pub fn limits(&self) -> Option<Arc<Limits>> {
        self.0.upgrade().map(|hub| hub.limits.get())
    }

    /// Where a relay with the same key takes over when this one ends; devices are told so then. At most [`PLACES_MAX`] are taken.
    pub fn set_moved_to(&self, mut places: Vec<(HostName, u16)>) {
        places.truncate(PLACES_MAX);
        if let (Some(hub), Ok(places)) = (self.0.upgrade(), List::new(places)) {
            hub.set_moved_to(places);
        }
    }

    /// Puts other limits in force, and carries only what is `allowed` from now on. What is connected and stored already stays,
    /// but members of a space that is no longer carried are told so. False when the relay has ended.
    pub fn change(&self, limits: Limits, allowed: Allowed) -> bool {
        let Some(hub) = self.0.upgrade() else { return false };
        hub.limits.set(limits);
        hub.set_allowed(allowed);
        true
    }
}

impl Observed for Handle {
    const PROGRAM: Program = PROGRAM;
    const METRICS: &'static [Metric<Report>] = METRICS;
    type Report = Report;

    async fn report(&self) -> Option<Report> {
        Some(report(&*self.0.upgrade()?).await)
    }

    fn is_draining(&self) -> bool {
        self.0.upgrade().is_none_or(|hub| hub.is_draining())
    }

    /// Its switchboard can be asked, and its store's writer is not stuck.
    async fn answers_within(&self, patience: Duration) -> bool {
        let Some(hub) = self.0.upgrade() else { return false };
        // On a thread of its own: a switchboard that hangs must not take the one who asks with it.
        let asked = tokio::spawn(async move {
            let _ = hub.count();
            hub.store.answers().await;
        });
        matches!(tokio::time::timeout(patience, asked).await, Ok(Ok(())))
    }

    fn line(report: &Report) -> String {
        let (members, links) = (report.connections.members, report.links.open);
        let what = if report.draining { "ending: " } else { "" };
        format!("{what}{} connected, {} at work", count(members, "device"), count(links, "link"))
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::net::UnixDatagram;
    use std::sync::mpsc;

    use sealift_server::manager::Manager;

    use super::*;
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
        let manager = Manager::at(path.as_os_str()).unwrap();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (_home, relay) = runtime.block_on(testing::relay(Limits::default()));
        let (hub, handle) = (Arc::clone(&relay.hub), relay.handle());
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
