//! What happens in a session that serves, for whoever tells it.

use std::net::SocketAddr;

use sealift_transport::path::Way;

use crate::hashes::Name;

/// Something that a person, a page or a test may want to know.
#[derive(Debug, Clone)]
pub enum Event {
    /// Content was sent.
    Sent {
        /// The way it took.
        way: Way,
        /// A file it was of; `None` for many small ones.
        name: Option<Name>,
        /// Bytes.
        bytes: u64,
    },
    /// The other end says that it has so many files complete.
    Completed {
        /// How many files.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// There is a direct link beside the first one, or it has ended.
    Link {
        /// The way it takes.
        way: Way,
        /// Where its other end is.
        place: SocketAddr,
        /// Why it ended; `None` if it has just begun.
        ended: Option<String>,
    },
}

/// Hears what happens in one session, at once and in order.
pub trait Listener: Send + Sync + 'static {
    /// `event` has happened. Must not block.
    fn hear(&self, event: Event);
}
