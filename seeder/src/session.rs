//! One session: from the ticket for its link, or a call on the local network, to its end.

use std::sync::{Arc, Mutex};

use sealift_content::serve::event::{Event, Listener};
use sealift_content::serve::holdings::Holdings;
use sealift_content::serve::swarm::Swarm;
use sealift_content::serve::{Origin, Ways, serve};
use sealift_platform::sync::lock;
use sealift_proto::control::Address;
use sealift_space::profile::space::SpaceState;
use sealift_transport::client::removed;
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
