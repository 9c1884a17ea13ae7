//! Direct links: byte streams between the two ends of a session without the relay (PROTOCOL.md sections 10.3 to 10.5).
//!
//! ```text
//! Direct          one per process: the sockets, and who waits for links on them
//!   own           the addresses of this side: interfaces, and what the relay sees
//!   mapped        ports that the router grants
//!   listen        who connects to this side           opening    both sides prove themselves
//! Paths           one per session: tries what the other side named until links stand
//!   tcp, udp      one try                             links      which links are wanted; those that stand
//!   ways          knocks: through routers, to where the other end really is (pure)
//!   socket        what is QUIC and what is not        quic, stream
//! ```
//!
//! Nothing here is sent to an address that the authenticated other end did not name or knock from. Everything ends when
//! [`Paths`] is dropped, and the sockets are closed when the last [`Direct`] is.

mod links;
mod listen;
mod mapped;
mod opening;
mod own;
mod paths;
mod quic;
mod report;
mod session;
mod socket;
mod stream;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;
mod ways;

use std::net::SocketAddr;
use std::sync::Arc;

use sealift_platform::Platform;
use sealift_platform::net::BoxStream;
use tokio::sync::OnceCell;

use crate::control::Control;
use listen::Opened;
use own::Own;
use session::Sessions;

pub use paths::Paths;
pub use report::{Outcome, Tried};
pub use sealift_proto::direct::{Candidate, Candidates, End, Ends, Origin, Transport};

/// What direct links of all sessions of this process share. Clones are the same. Nothing is opened before the first session
/// [joins](Direct::join).
#[derive(Clone)]
pub struct Direct {
    inner: Arc<Inner>,
}

struct Inner {
    platform: Platform,
    sessions: Arc<Sessions>,
    opened: OnceCell<Opened>,
    own: Arc<Own>,
}

/// A direct link that both ends have proved themselves on; nothing else has passed yet.
pub struct DirectLink {
    /// The bytes. The link ends when it is dropped.
    pub stream: BoxStream,
    /// What it runs over.
    pub transport: Transport,
    /// Where the other end is.
    pub remote: SocketAddr,
    /// Its number in the session, for the contexts of what is sealed on it.
    pub number: u32,
    /// How long a byte takes there and back, as the opening measured it.
    pub round_trip: std::time::Duration,
}

impl Direct {
    /// For a process; `platform` gives the sockets.
    #[must_use]
    pub fn new(platform: Platform) -> Self {
        let sessions = Arc::new(Sessions::default());
        let own = Arc::new(Own::new(platform.clone()));
        let inner = Inner { platform, sessions, opened: OnceCell::new(), own };
        Self { inner: Arc::new(inner) }
    }

    /// Lets the session `ends` have direct links: from now on the other end can reach this one. `control` is the connection to
    /// the relay that the session came over; it is asked what address the relay sees, and not kept.
    pub async fn join(&self, ends: Ends, control: &Control) -> Paths {
        let paths = self.enter(ends, control.remote().ip().to_canonical().is_loopback()).await;
        let (inner, control) = (Arc::downgrade(&self.inner), control.clone());
        tokio::spawn(async move {
            let Some(inner) = inner.upgrade() else { return };
            let (own, ports) =
                (Arc::clone(&inner.own), inner.opened.get().map(|it| Arc::clone(&it.ports)));
            drop(inner);
            if let Some(ports) = ports {
                own.see(&ports, control).await;
            }
        });
        paths
    }

    /// Gives back what the router has granted, to be called once no session is left: at most a second, and at once if there is
    /// nothing.
    pub async fn close(&self) {
        if let Some(opened) = self.inner.opened.get() {
            opened.close().await;
        }
    }

    /// As [`Direct::join`], but without a relay to ask; `loopback` says whether the other end may be on this machine.
    pub async fn enter(&self, ends: Ends, loopback: bool) -> Paths {
        let inner = &self.inner;
        let opening = || listen::open(&inner.platform, &inner.sessions, &inner.own);
        let opened = inner.opened.get_or_init(opening).await;
        inner.own.begin(&opened.ports, loopback);
        Paths::new(inner, opened.ports.udp.clone(), ends, loopback)
    }
}
