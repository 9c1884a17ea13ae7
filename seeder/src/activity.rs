//! What happens in a running seeder, for whoever shows it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sealift_proto::catalogue::Status;
use sealift_proto::control::Refusal;
use sealift_proto::identity::DeviceId;
use sealift_proto::invite::Invite;
use sealift_proto::place::RelayPlace;
use sealift_proto::space::SpaceId;
use sealift_proto::wrap::Suite;
use sealift_transport::path::Way;
use sealift_transport::session::SessionError;
use tokio::sync::mpsc;

use crate::catalogue::log::LogError;
use crate::engine::Shared;
use crate::error::Error;
use crate::index::Name;
use crate::lan::Unserved;
use crate::watch::WatchError;

/// Something a person may want to see. Paths and names are raw: they are escaped where they are shown. Who is safe to show already.
pub enum Activity {
    /// A space was made, for there was none.
    NewSpace {
        /// Its name, safe to show.
        name: String,
        /// Which it is.
        id: SpaceId,
    },
    /// A folder is shared.
    Sharing {
        /// Where it is.
        place: PathBuf,
        /// Its name in the catalogue.
        name: String,
        /// Name of the space, safe to show.
        space: String,
        /// Name of this device.
        device: String,
    },
    /// A folder is shared no more, because somebody asked for that.
    NotShared {
        /// Where it is, safe to show.
        place: String,
        /// What its name in the catalogue was.
        name: String,
    },
    /// What is shared can be looked at from now on.
    Started(Arc<Shared>),
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
        why: io::Error,
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
        /// Why, where it was not asked for.
        why: Option<WatchError>,
    },
    /// So many are left out in a folder that no more are told.
    ManySkipped {
        /// Where it is.
        place: PathBuf,
        /// How many were told.
        told: usize,
    },
    /// Hashes of earlier runs are lost, or will not be kept.
    HashesLost(String),
    /// Hashes cannot be written for now.
    HashesUnwritten(io::Error),
    /// The relay shows a catalogue of this device that it did not sign.
    CatalogueForged,
    /// The relay has another catalogue of this device than the profile; it goes on behind that one.
    CatalogueAdopted {
        /// The profile had none.
        lost: bool,
    },
    /// What is new cannot be put into the catalogue for now.
    CatalogueUnwritten(LogError),
    /// The catalogue in the profile cannot be read, and is written anew.
    CatalogueUnreadable(io::Error),
    /// The relay does not take the catalogue for now.
    CatalogueRefused(Refusal),
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
        /// Why, if that is known.
        why: Option<Lost>,
    },
    /// Something else did not work; the seeder goes on.
    Failed(Error),
    /// What could not be written has been written.
    Written,
    /// A device that came by an invite is a member for good.
    Admitted {
        /// The device.
        device: DeviceId,
        /// Its name, safe to show.
        who: String,
    },
    /// Nobody else is in the space yet: this lets one in.
    Invited {
        /// The invite.
        invite: Invite,
        /// The relay as this device dials it.
        dialled: RelayPlace,
    },
    /// A device came by an invite that as many others as it allows have used, and is not served.
    Overused {
        /// Its name, safe to show.
        who: String,
        /// How many the invite allows.
        uses: u32,
    },
    /// An offer of a leecher was not taken.
    OfferRefused {
        /// The leecher, safe to show.
        who: String,
        /// Why.
        error: SessionError,
    },
    /// A leecher's session did not come about.
    SessionRefused {
        /// The leecher, safe to show.
        who: String,
        /// Why.
        error: SessionError,
    },
    /// Members on the local network find this seeder there.
    OnLan {
        /// The port.
        port: u16,
    },
    /// The local network is not served for now.
    OffLan(Unserved),
    /// A leecher opened a session.
    Session {
        /// Which session of this run.
        number: u64,
        /// The leecher, safe to show.
        who: String,
        /// How the key was wrapped.
        suite: Suite,
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
        why: Option<Cut>,
    },
}

/// Why the relay is lost.
pub enum Lost {
    /// It said so.
    Refused(Refusal),
    /// It was found out.
    Error(Error),
}

/// Why a session ended before its leecher ended it.
#[derive(Debug, thiserror::Error)]
pub enum Cut {
    /// The link, or what came on it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The leecher is no member any more.
    #[error("the owner removed this device")]
    Removed,
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
