//! Accepting connections, also when the system has no descriptor left for one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use sealift_platform::net::Listener;

use crate::entrance::{Service, welcome};

/// How long to wait after the system could not accept, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// How many that have not shown who they are make room at once, for as many newcomers.
const EVICTED: usize = 16;
/// How many newcomers are turned away at once where nobody can make room.
const TURNED_AWAY: usize = 64;
/// How long a newcomer is waited for that is to be turned away.
const PRESENT: Duration = Duration::from_millis(5);

/// How long to wait before what the system could not give is asked for again: longer each time in a row, since what fails at once
/// must not be tried without end.
pub(crate) struct Backoff(Duration);

impl Backoff {
    /// Nothing has failed yet.
    pub(crate) const fn new() -> Self {
        Self(RETRY.0)
    }

    /// It went well.
    pub(crate) const fn reset(&mut self) {
        self.0 = RETRY.0;
    }

    /// It failed: waits.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(RETRY.1);
    }
}

/// Accepts connections until `closing` turns true, then waits for those that are open.
pub async fn accept_all<S: Service>(
    listener: Box<dyn Listener>,
    service: Arc<S>,
    mut closing: watch::Receiver<bool>,
) {
    let mut open = JoinSet::new();
    let mut reserve = Reserve::take();
    let mut backoff = Backoff::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = open.join_next() => continue,
            _ = closing.wait_for(|closing| *closing) => break,
        };
        match accepted {
            Ok((stream, from)) => {
                backoff.reset();
                service.entrance().counts.accepted.add(1);
                open.spawn(welcome(Arc::clone(&service), stream, from));
            }
            Err(error) => {
                service.entrance().counts.not_accepted.add(1);
                tracing::warn!(%error, "cannot accept a connection");
                if is_exhaustion(&error) && !service.entrance().gate.evict(EVICTED) {
                    reserve = turn_away(&*listener, reserve).await;
                }
                // Whoever was told to go needs a moment for it.
                backoff.wait().await;
            }
        }
    }
    drop(listener);
    while open.join_next().await.is_some() {}
}

/// Lets newcomers know that there is no room, instead of leaving them waiting: a connection that is not accepted looks to its client
/// like a server that is slow. The reserve is a descriptor that is given up so that there is one to accept them with, each for a
/// moment, and taken again behind them.
async fn turn_away(listener: &dyn Listener, reserve: Option<Reserve>) -> Option<Reserve> {
    drop(reserve?);
    for _ in 0..TURNED_AWAY {
        let Ok(Ok(newcomer)) = tokio::time::timeout(PRESENT, listener.accept()).await else {
            break;
        };
        drop(newcomer);
    }
    Reserve::take()
}

/// A descriptor that is used for nothing else.
struct Reserve {
    #[cfg(unix)]
    _held: std::os::fd::OwnedFd,
}

impl Reserve {
    #[cfg(unix)]
    fn take() -> Option<Self> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
        let flags = SocketFlags::CLOEXEC;
        let held = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).ok()?;
        Some(Self { _held: held })
    }

    #[cfg(not(unix))]
    const fn take() -> Option<Self> {
        None
    }
}

/// Whether descriptors, or the memory for one, have run out.
fn is_exhaustion(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        use rustix::io::Errno;
        [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM]
            .contains(&Errno::from_io_error(error).unwrap_or(Errno::IO))
    }
    #[cfg(not(unix))]
    {
        let _ = error;
        false
    }
}
