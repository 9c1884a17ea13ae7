//! Members on the local network, served without the relay.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sealift_proto::control::Address;
use sealift_proto::handshake::RefuseCode;
use sealift_proto::identity::DeviceId;
use sealift_proto::space::Membership;
use sealift_space::members::Members;
use sealift_space::profile::space::SpaceState;
use sealift_transport::device::ThisDevice;
use sealift_transport::lan::{Announcement, Caller, Door, LanError};
use sealift_transport::session::Acceptor;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::activity::Activity;
use crate::online::Online;
use crate::session::Library;
use crate::session::Session;
use sealift_content::serve::Ways;

/// Sessions at once.
const SESSIONS: usize = 64;
/// What came without the relay is numbered from here.
const FIRST: u64 = 1 << 32;
/// How long to wait when the machine has no network.
const RETRY: Duration = Duration::from_secs(30);

/// Why the local network is not served.
#[derive(Debug, thiserror::Error)]
pub enum Unserved {
    /// There is no port to be called at.
    #[error(transparent)]
    Port(#[from] io::Error),
    /// Nobody can be told of it.
    #[error(transparent)]
    Lan(#[from] LanError),
    /// The port takes no more calls.
    #[error("the port was closed")]
    Closed,
    /// So does everything.
    #[error("the seeder ends")]
    Ending,
}

/// The local network, as long as the seeder runs.
pub(crate) struct Neighbourhood {
    this: ThisDevice,
    space: watch::Receiver<Arc<SpaceState>>,
    library: Library,
    ways: Ways,
    acceptor: Arc<Acceptor>,
    opened: u64,
}

impl Neighbourhood {
    pub(crate) fn new(online: &Online, space: watch::Receiver<Arc<SpaceState>>) -> Self {
        let this = online.this.clone();
        let acceptor = Arc::new(Acceptor::paced(this.pace.clone()));
        let (library, ways) = (online.library.clone(), online.ways.clone());
        Self { this, space, library, ways, acceptor, opened: FIRST }
    }

    /// Announces this device and serves who calls, until it is dropped.
    pub(crate) async fn serve(mut self) {
        let mut sessions = JoinSet::new();
        loop {
            if let Err(why) = self.open(&mut sessions).await {
                self.library.teller.tell(Activity::OffLan(why));
            }
            sleep(RETRY).await;
        }
    }

    async fn open(&mut self, sessions: &mut JoinSet<()>) -> Result<(), Unserved> {
        let platform = self.this.profile.platform().clone();
        let mut door = Door::open(&platform).await?;
        let device = self.this.device.key.id();
        loop {
            // A new epoch has new names.
            let space = self.space.borrow_and_update().clone();
            let (key, epoch) = (space.keys().lan.clone(), space.epoch());
            let random = platform.random.clone();
            let _announced = Announcement::new(key, device, door.port(), random)?;
            self.library.teller.tell(Activity::OnLan { port: door.port() });
            while self.space.borrow().epoch() == epoch {
                tokio::select! {
                    caller = door.next() => self.answer(caller.ok_or(Unserved::Closed)?, sessions),
                    Some(_) = sessions.join_next() => {}
                    changed = self.space.changed() => changed.map_err(|_| Unserved::Ending)?,
                }
            }
        }
    }

    fn answer(&mut self, caller: Caller, sessions: &mut JoinSet<()>) {
        if sessions.len() >= SESSIONS {
            tracing::warn!("too many sessions at once; a call on the local network was not taken");
            return;
        }
        let Ok(device) = DeviceId::new(caller.device) else { return };
        let space = self.space.borrow().clone();
        let members = Members::load(&self.this.profile, &space, self.this.now());
        let Ok(mut members) = members else { return };
        self.opened += 1;
        let session = Session {
            number: self.opened,
            who: members.display_name(&device),
            this: self.this.clone(),
            space: self.space.clone(),
            address: Address { device: self.this.device.key.id(), connection: 0 },
            acceptor: self.acceptor.clone(),
            library: self.library.clone(),
            ways: self.ways.clone(),
            control: None,
        };
        let profile = self.this.profile.clone();
        // Who came by which invite must not be forgotten: without that, nobody new comes in.
        let admit = move |member: &Membership| match members.admit(&profile, member) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(RefuseCode::NotMember),
            Err(_) => Err(RefuseCode::Busy),
        };
        sessions.spawn(session.run(async move |acceptor, side| {
            acceptor.lan(side, caller.stream, caller.device, admit).await
        }));
    }
}
