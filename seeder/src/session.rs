//! One session: from the ticket for its link, or a call on the local network, to its end.

use std::sync::{Arc, Mutex};

use sealift_content::serve::event::{Event, Listener};
use sealift_content::serve::holdings::Holdings;
use sealift_content::serve::swarm::Swarm;
use sealift_content::serve::{Origin, Ways, serve};
use sealift_platform::sync::lock;
use sealift_proto::control::Address;
use sealift_proto::space::Membership;
use sealift_space::profile::space::SpaceState;
use sealift_transport::control::Control;
use sealift_transport::device::ThisDevice;
use sealift_transport::session::{Acceptor, SeederSession, SessionError, Side};
use tokio::sync::watch;

use crate::activity::{Activity, Cut, Teller};
use crate::sent::Sent;

/// What a session needs to serve.
#[derive(Clone)]
pub struct Library {
    /// What is served.
    pub holdings: Arc<dyn Holdings>,
    /// The newest head that the relay has, encoded; empty if there is none.
    pub head: Arc<Mutex<Vec<u8>>>,
    /// Those who fetch from it.
    pub swarm: Arc<Swarm>,
    /// What has been sent.
    pub sent: Arc<Sent>,
    /// Where to tell what happens.
    pub teller: Teller,
}

/// Tells what happens in one session.
struct Telling {
    number: u64,
    sent: Arc<Sent>,
    teller: Teller,
}

impl Listener for Telling {
    fn hear(&self, event: Event) {
        let number = self.number;
        self.teller.tell(match event {
            Event::Sent { way, name, bytes } => {
                self.sent.add(way, bytes);
                Activity::Sent { number, way, name, bytes }
            }
            Event::Completed { files, bytes } => Activity::Completed { number, files, bytes },
            Event::Link { way, place, ended } => Activity::Link { number, way, place, ended },
        });
    }
}

/// A session, from how it comes about to its end.
pub(crate) struct Session {
    /// Names it in what is told.
    pub(crate) number: u64,
    /// Name of the leecher, safe to show.
    pub(crate) who: String,
    /// This device.
    pub(crate) this: ThisDevice,
    /// The space, as it changes.
    pub(crate) space: watch::Receiver<Arc<SpaceState>>,
    /// This device's connection.
    pub(crate) address: Address,
    /// Where its offer waits.
    pub(crate) acceptor: Arc<Acceptor>,
    /// What it may ask for.
    pub(crate) library: Library,
    /// Which ways content may take.
    pub(crate) ways: Ways,
    /// The connection to the relay; none where the session came without it.
    pub(crate) control: Option<Control>,
}

impl Session {
    /// Opens it by `open` and serves until one side ends it, or the owner removes the leecher.
    pub(crate) async fn run(
        self,
        open: impl AsyncFnOnce(&Acceptor, &Side<'_>) -> Result<SeederSession, SessionError>,
    ) {
        let space = self.space.borrow().clone();
        let side = Side {
            platform: self.this.profile.platform(),
            space: &space,
            key: &self.this.device.key,
            address: self.address,
        };
        let session = match open(&self.acceptor, &side).await {
            Ok(session) => session,
            Err(error) => {
                self.library.teller.tell(Activity::SessionRefused { who: self.who, error });
                return;
            }
        };
        let number = self.number;
        let suite = session.suite;
        self.library.teller.tell(Activity::Session { number, who: self.who.clone(), suite });
        let Library { holdings, head, swarm, sent, teller } = self.library;
        let telling = Telling { number, sent, teller: teller.clone() };
        let origin = Origin { head: lock(&head).clone(), swarm };
        let removed = removed(self.space.clone(), session.peer.membership, || self.this.now());
        let why = tokio::select! {
            end = serve(holdings, origin, session, (self.ways, self.control), Arc::new(telling)) => end.err().map(Cut::from),
            () = removed => Some(Cut::Removed),
        };
        teller.tell(Activity::Ended { number, why });
    }
}

/// Waits until `member` is none any more at unix time `now` in seconds, as each new record says. A relay would cut the link
/// too, but need not be asked to.
async fn removed(
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
mod tests {
    use std::task::{Context, Poll, Waker};

    use sealift_platform::random::{Random, SystemRandom};
    use sealift_proto::codec::{self, Bytes, List};
    use sealift_proto::identity::{SecretKey, Signed};
    use sealift_proto::object;
    use sealift_proto::space::{Label, SerialNumber};

    use super::*;

    /// The space after its owner has removed `serial`.
    fn without(space: &SpaceState, serial: [u8; 16]) -> SpaceState {
        let owner = space.owner().unwrap();
        let mut record = space.record().unverified().clone();
        record.number += 1;
        record.removed = List::new(vec![SerialNumber(serial)]).unwrap();
        let place = space.place(owner.id(), 0, record.number);
        let (secret, salt) =
            (codec::encode(space.secret()), (&SystemRandom as &dyn Random).bytes());
        let sealed = object::seal::<object::Record>(&space.keys().record, &place, salt, &secret);
        record.sealed = Bytes::new(sealed).unwrap();
        let mut after = space.clone();
        assert_eq!(after.take_record(Signed::sign(record, owner).unwrap()), Ok(true));
        after
    }

    #[test]
    fn a_session_ends_with_the_membership_of_its_leecher() {
        let device = SecretKey::from_seed([1; 32]).id();
        let name = Label::new("space").unwrap();
        let space = SpaceState::create(&SystemRandom, 1, &device, name, Vec::new()).unwrap();
        let member = space.verify_member(space.chain(), 1).unwrap();
        let spaces = watch::Sender::new(Arc::new(space.clone()));
        let mut ended = Box::pin(removed(spaces.subscribe(), member, || 1));
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(ended.as_mut().poll(&mut context), Poll::Pending);
        spaces.send_replace(Arc::new(without(&space, [9; 16])));
        assert_eq!(ended.as_mut().poll(&mut context), Poll::Pending, "somebody else");
        spaces.send_replace(Arc::new(without(&space, member.serial)));
        assert_eq!(ended.as_mut().poll(&mut context), Poll::Ready(()));
        // A handshake that was under way finds it at once.
        let mut begun = Box::pin(removed(spaces.subscribe(), member, || 1));
        assert_eq!(begun.as_mut().poll(&mut context), Poll::Ready(()));
        let mut alone =
            Box::pin(removed(watch::Sender::new(Arc::new(space)).subscribe(), member, || 1));
        assert_eq!(alone.as_mut().poll(&mut context), Poll::Pending);
    }
}
