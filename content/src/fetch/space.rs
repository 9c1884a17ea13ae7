//! Where those are who have files: what a download needs of a space.

use std::sync::{Arc, Mutex};

use sealift_platform::sync::lock;
use sealift_proto::control::Address;
use sealift_proto::identity::DeviceId;
use sealift_proto::space::Membership;
use sealift_transport::client::Presence;
use sealift_transport::control::Control;
use sealift_transport::path::Way;
use sealift_transport::session::{LeecherSession, SeederSession, SessionError};
use tokio::sync::{mpsc, watch};

use super::error::Unreachable;
use super::schedule::{Offer, Schedule};

/// A space as it is reached now.
pub trait Reached: Send + Sync + 'static {
    /// Who serves, as it changes.
    fn presence(&self) -> watch::Receiver<Presence>;

    /// Whether anything can still come of it.
    fn is_of_use(&self) -> bool;

    /// The connection to the relay, if there is one.
    fn relay(&self) -> Option<Control>;

    /// Opens a session with `device`; also which way its first link takes.
    ///
    /// # Errors
    /// [`SessionError`].
    fn session(
        &self,
        device: DeviceId,
    ) -> impl Future<Output = Result<(LeecherSession, Way), SessionError>> + Send;

    /// Waits until `member` is none any more, however often the space is reached anew.
    fn removed(&self, member: Membership) -> impl Future<Output = ()> + Send;

    /// Where sessions with this device are opened by others; `None` where none can be.
    fn address(&self) -> Option<Address>;

    /// Opens a session with one that fetches too.
    ///
    /// # Errors
    /// [`SessionError`].
    fn partner(
        &self,
        address: Address,
    ) -> impl Future<Output = Result<LeecherSession, SessionError>> + Send;
}

/// A space that can be reached again and again.
pub trait Space {
    /// The space, reached.
    type Reached: Reached;

    /// Reaches it by its relay.
    ///
    /// # Errors
    /// [`Unreachable`].
    fn reach(&mut self) -> impl Future<Output = Result<Arc<Self::Reached>, Unreachable>>;

    /// Reaches those on the local network alone; `None` where they are not to be asked.
    ///
    /// # Errors
    /// [`Unreachable`].
    fn near(&mut self) -> Option<Result<Arc<Self::Reached>, Unreachable>>;

    /// Looks for others who have the same contents. Asked again and again while a download lasts, and must not take long.
    fn look(&mut self, offers: &Offers<'_>) -> impl Future<Output = ()>;

    /// Sessions that others open with this device, through whichever relay it is connected to, from now on. Asked for once.
    fn accept(&mut self) -> mpsc::Receiver<SeederSession>;
}

/// Takes who else has the files of a download.
pub struct Offers<'a>(pub(super) &'a Mutex<Schedule>);

impl Offers<'_> {
    /// Bytes that have not come yet.
    #[must_use]
    pub fn bytes_left(&self) -> u64 {
        lock(self.0).bytes_left()
    }

    /// Adds somebody who has the very content of the file at this place of the list.
    pub fn add(&self, job: usize, offer: Offer) {
        lock(self.0).add_offer(job, offer);
    }
}
