//! A connected space that keeps up with what its relay tells: one owner of connection, record, cards and presence, for those who
//! share and those who fetch alike.

mod farewell;
mod presence;

use std::sync::{Arc, Mutex};

use sealift_proto::control::{LogHead, Refusal};
use sealift_proto::log::FIRST_CATALOGUE;
use sealift_proto::space::Membership;
use sealift_space::members::Members;
use sealift_space::profile::space::SpaceState;
use tokio::sync::watch;

use crate::connect::Connected;
use crate::control::Event;
use crate::device::ThisDevice;
use crate::error::Error;

pub use farewell::Farewell;
pub(crate) use presence::SERVING_MAX;
pub use presence::{Attendance, Presence};

/// A space as it is now, for those who go on over several connections.
pub type LiveSpace = watch::Sender<Arc<SpaceState>>;

/// A connected space. Whoever has it waits for [`SpaceClient::next`] again and again; everybody else sees what follows from it.
pub struct SpaceClient {
    this: ThisDevice,
    /// The connection, and what was told over it.
    pub connected: Connected,
    shown: LiveSpace,
    attendance: Arc<Attendance>,
    farewell: Farewell,
}

/// What the relay told, taken account of already.
#[derive(Debug)]
pub enum News {
    /// Something that concerns sessions.
    Session(Event),
    /// A head of a catalogue, not verified yet.
    Catalogue(LogHead),
    /// The space record may be a newer one.
    Record,
    /// A member's card may be a newer one.
    Card,
    /// The relay is about to end; what it said of that is [`SpaceClient::farewell`].
    Leaving,
    /// The connection has ended; what the relay said of it.
    Closed(Option<Refusal>),
}

impl SpaceClient {
    /// Keeps up with `connected`; `shown` shows the space from now on as it is.
    #[must_use]
    pub fn new(this: &ThisDevice, connected: Connected, shown: LiveSpace) -> Self {
        let attendance = Arc::new(Attendance::new(connected.serving.clone()));
        let client = Self {
            this: this.clone(),
            connected,
            shown,
            attendance,
            farewell: Farewell::default(),
        };
        client.show();
        client
    }

    /// Who serves.
    #[must_use]
    pub fn attendance(&self) -> Arc<Attendance> {
        self.attendance.clone()
    }

    /// The members, which others may look at meanwhile.
    #[must_use]
    pub fn roster(&self) -> Arc<Mutex<Members>> {
        self.connected.roster.clone()
    }

    /// Lets everybody see the space as it is now: sessions with members whom a new record removed end.
    pub fn show(&self) {
        self.shown.send_replace(Arc::new(self.connected.space.clone()));
    }

    /// Waits for what the relay tells next, and takes account of it. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the profile cannot be written, or the space can no longer be read.
    pub async fn next(&mut self) -> Result<News, Error> {
        match self.connected.events.recv().await {
            Some(event) => self.hear(event),
            None => Ok(self.closed(None)),
        }
    }

    fn hear(&mut self, event: Event) -> Result<News, Error> {
        match event {
            Event::Head(head) if head.log >= FIRST_CATALOGUE => return Ok(News::Catalogue(head)),
            Event::Head(head) => return self.statement(head),
            Event::PeerHere(device) => self.attendance.here(device),
            Event::PeerGone(device) => self.attendance.gone(&device),
            Event::Leaving { spread, places } => {
                self.farewell = Farewell::new(self.connected.control.relay(), spread, places);
                return Ok(News::Leaving);
            }
            Event::Closed { why } => return Ok(self.closed(why)),
            _ => {}
        }
        Ok(News::Session(event))
    }

    /// Whoever was removed is served nothing more, whatever the disk takes its time for.
    fn statement(&mut self, head: LogHead) -> Result<News, Error> {
        let news = if head.log == 0 { News::Record } else { News::Card };
        let taken = self.connected.take_head(&self.this, head);
        self.show();
        taken?;
        self.connected.save(&self.this)?;
        Ok(news)
    }

    fn closed(&self, why: Option<Refusal>) -> News {
        self.attendance.end();
        News::Closed(why)
    }

    /// What the relay said of its end, if it did.
    #[must_use]
    pub const fn farewell(&self) -> &Farewell {
        &self.farewell
    }

    /// The space as it is at the end, and what the relay said of its own.
    #[must_use]
    pub fn into_parts(self) -> (SpaceState, Farewell) {
        (self.connected.space, self.farewell)
    }
}

/// Waits until `member` is none any more at unix time `now` in seconds, as each new record says. A relay would cut the link
/// too, but need not be asked to.
pub async fn removed(
    mut space: watch::Receiver<Arc<SpaceState>>,
    member: Membership,
    now: impl Fn() -> u64,
) {
    let gone = |space: &Arc<SpaceState>| !member.still_holds(now(), &space.removed());
    if space.wait_for(gone).await.is_err() {
        // Nobody is left who could tell: everything ends.
        std::future::pending().await
    }
}

#[cfg(test)]
mod tests;
