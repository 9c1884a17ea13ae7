//! What happens while files are fetched, for whoever tells it.

use std::net::SocketAddr;
use std::time::Duration;

use sealift_proto::identity::DeviceId;
use sealift_transport::path::Way;

use super::error::{Trouble, Unreachable};

/// Something that a person, a page or a test may want to know.
#[derive(Debug, Clone)]
pub enum Event {
    /// A way to a device is there, or works again.
    PathUp {
        /// Which device.
        device: DeviceId,
        /// Which way.
        way: Way,
        /// Where it leads, if directly.
        place: Option<SocketAddr>,
    },
    /// A way to a device is there no more.
    PathDown {
        /// Which device.
        device: DeviceId,
        /// Which way.
        way: Way,
        /// Where it led, if directly.
        place: Option<SocketAddr>,
        /// Why, as a part of a sentence.
        why: String,
    },
    /// The relay's link to a device carries nothing any more, since the direct ones do as well.
    StandsBy {
        /// Which device.
        device: DeviceId,
    },
    /// Nobody is at work any more; it is tried again for so long.
    Interrupted {
        /// What was the matter.
        why: Trouble,
        /// How long.
        patience: Duration,
    },
    /// Something else than the relay answers in its place, or it refuses for a while.
    Refused(Unreachable),
    /// The relay is lost, and direct links bring what they can.
    WithoutRelay(Unreachable),
    /// There is no relay: whoever is on the local network has to do.
    LookingNear(Unreachable),
    /// Nobody who has it is there; somebody is waited for.
    WaitingForSeeder,
    /// A device sent something wrong, and nothing more is taken from it.
    WrongChunk {
        /// Which one.
        by: DeviceId,
    },
    /// A device sent something wrong, and says that the file has changed.
    Excused {
        /// Which one.
        by: DeviceId,
        /// Which file, by its place in the list.
        job: usize,
    },
}

/// Hears what happens, at once and in order.
pub trait Listener: Send + Sync + 'static {
    /// `event` has happened. Must not block.
    fn hear(&self, event: Event);
}
