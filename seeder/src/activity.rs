//! What happens in a running seeder, for whoever shows it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use sealift_proto::catalogue::Status;
use sealift_transport::path::Way;
use tokio::sync::mpsc;

use crate::index::Name;

/// Something a person may want to see. Paths and names are raw: they are escaped where they are shown.
#[derive(Debug, Clone)]
pub enum Activity {
    /// All folders have been walked once.
    Scanned,
    /// A file is new, and its content known.
    Added(Name, u64),
    /// The content of a file changed.
    Changed(Name, u64),
    /// So many files are gone.
    Removed(u64),
    /// A file or folder is left out.
    Skipped {
        /// Where it is.
        place: PathBuf,
        /// Why.
        why: String,
    },
    /// A folder is gone: nothing of it is offered until it is back.
    FolderGone {
        /// Where it was.
        place: PathBuf,
        /// Why.
        why: String,
    },
    /// A folder is back.
    FolderBack {
        /// Where it is.
        place: PathBuf,
    },
    /// A folder is not watched by the system but walked again and again.
    Polling {
        /// Where it is.
        place: PathBuf,
        /// How often.
        every: Duration,
        /// Why, and what can be done, where it was not asked for.
        why: Option<String>,
    },
    /// Something else that is not as it should be.
    Warning(String),
    /// The relay has the catalogue as it is now.
    Published {
        /// How far the seeder was then.
        status: Status,
    },
    /// The relay is connected.
    Connected {
        /// `HOST:PORT` of it.
        relay: String,
        /// Whether it was before.
        again: bool,
    },
    /// The relay is lost.
    Lost {
        /// `HOST:PORT` of it.
        relay: String,
        /// Why, if it said so.
        why: Option<String>,
    },
    /// A leecher opened a session.
    Session {
        /// Which session of this run.
        number: u64,
        /// The leecher, safe to show.
        who: String,
        /// How the key was wrapped.
        suite: &'static str,
    },
    /// A session sent content.
    Sent {
        /// Which session.
        number: u64,
        /// The way it took.
        way: Way,
        /// A file it was of; `None` for many small ones.
        name: Option<Name>,
        /// Bytes.
        bytes: u64,
    },
    /// The leecher says that it has so many files complete.
    Completed {
        /// Which session.
        number: u64,
        /// How many files.
        files: u64,
        /// Their bytes.
        bytes: u64,
    },
    /// A session got a direct link beside the relay's, or lost one.
    Link {
        /// Which session.
        number: u64,
        /// The way it takes.
        way: Way,
        /// Where its other end is.
        place: SocketAddr,
        /// Why it ended; `None` if it has just begun.
        ended: Option<String>,
    },
    /// A session ended.
    Ended {
        /// Which session.
        number: u64,
        /// Why, if it did not end well.
        why: Option<String>,
    },
}

/// Takes activities; nobody has to listen.
#[derive(Clone)]
pub struct Teller(mpsc::UnboundedSender<Activity>);

impl Teller {
    /// A teller and what hears it.
    #[must_use]
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Activity>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Tells `activity`.
    pub fn tell(&self, activity: Activity) {
        // A listener that is gone does not want to know.
        let _ = self.0.send(activity);
    }
}
