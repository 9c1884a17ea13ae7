//! What the relay tells on its own, and the queue in which it waits to be read.

use std::sync::Arc;
use std::time::Duration;

use sealift_proto::control::{Address, LogHead, Refusal};
use sealift_proto::identity::DeviceId;
use sealift_proto::space::HostName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Events waiting to be read; beyond, the relay waits.
const COUNT: usize = 4096;
/// Bytes of events waiting to be read, counted in full: a relay that sends the largest ones fills no more memory.
const ROOM: u32 = 8 * 1024 * 1024;
/// What an event counts beside its statement or body.
const OWN_SIZE: u32 = 128;

/// Something the relay told without being asked for it by a request with a number.
#[derive(Debug, Clone)]
pub enum Event {
    /// A body that another connection forwarded.
    Deliver {
        /// Who sent it.
        from: Address,
        /// Sealed object.
        body: Vec<u8>,
    },
    /// A Forward or OpenLink that could not be done.
    Undeliverable {
        /// Where it was to go.
        to: Address,
        /// Why.
        why: Refusal,
    },
    /// A statement, asked for by Heads or new.
    Head(LogHead),
    /// All that Heads asked for has come.
    HeadsEnd,
    /// This side's half of a link.
    LinkTicket {
        /// To be shown when connecting.
        ticket: [u8; 32],
        /// Which session it is for.
        tag: [u8; 16],
        /// The other side.
        peer: Address,
        /// Where to connect; `None` is the relay as it was dialled.
        address: Option<(HostName, u16)>,
    },
    /// A device serves now.
    PeerHere(DeviceId),
    /// A device no longer serves.
    PeerGone(DeviceId),
    /// All that Peers asked for have come.
    PeersEnd,
    /// The relay is about to end.
    Leaving {
        /// How long devices are to spread over when they look for it again.
        spread: Duration,
        /// Where a relay with the same key takes over; none means at the same place.
        places: Vec<(HostName, u16)>,
    },
    /// The connection has ended; the last event.
    Closed {
        /// What the relay said, if it said anything.
        why: Option<Refusal>,
    },
}

impl Event {
    fn size(&self) -> u32 {
        let content = match self {
            Self::Deliver { body, .. } => body.len(),
            Self::Head(head) => head.statement.len(),
            _ => 0,
        };
        // A frame holds far less than all the room.
        u32::try_from(content).unwrap_or(ROOM).saturating_add(OWN_SIZE).min(ROOM)
    }
}

/// Events in the order in which the relay sent them. The last one is [`Event::Closed`].
pub struct Events {
    queue: mpsc::Receiver<(Event, OwnedSemaphorePermit)>,
}

impl Events {
    /// Waits for the next event; `None` behind the last one. Nothing is lost when the future is dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        self.queue.recv().await.map(|(event, _room)| event)
    }
}

pub(super) struct EventSender {
    queue: mpsc::Sender<(Event, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
}

impl EventSender {
    /// Waits for room. Where nobody reads any more, the event is dropped.
    pub(super) async fn send(&self, event: Event) {
        let room = self.room.clone().acquire_many_owned(event.size());
        tokio::select! {
            room = room => if let Ok(room) = room {
                let _ = self.queue.send((event, room)).await;
            },
            () = self.queue.closed() => {}
        }
    }
}

pub(super) fn channel() -> (EventSender, Events) {
    let (sender, queue) = mpsc::channel(COUNT);
    let room = Arc::new(Semaphore::new(ROOM as usize));
    (EventSender { queue: sender, room }, Events { queue })
}
