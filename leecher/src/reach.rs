//! A space as a download reaches it: again and again, with names for those who are in it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use sealift_content::fetch::error::Unreachable;
use sealift_content::fetch::schedule::Offer;
use sealift_content::fetch::space::{Offers, Reached, Space};
use sealift_platform::sync::lock;
use sealift_proto::control::Address;
use sealift_proto::identity::DeviceId;
use sealift_proto::space::Membership;
use sealift_space::members::Members;
use sealift_space::profile::space::SpaceState;
use sealift_transport::client::{Farewell, LiveSpace, Presence};
use sealift_transport::control::Control;
use sealift_transport::path::Way;
use sealift_transport::session::{LeecherSession, SeederSession, SessionError, WrapChoice};
use tokio::sync::{mpsc, watch};

use crate::Leecher;
use crate::elsewhere::Elsewhere;
use crate::error::Error;
use crate::freshen::{Connection, online};
use crate::online::Online;

/// Sessions that others opened and nobody has taken yet, at most.
const ACCEPTED: usize = 4;

/// What devices are called, escaped: those of the space as it is reached now, and those that sessions were opened with.
#[derive(Clone, Default)]
pub struct Names(Arc<Mutex<Named>>);

#[derive(Default)]
struct Named {
    online: Option<Arc<Online>>,
    met: BTreeMap<DeviceId, String>,
}

impl Names {
    /// What `device` is called; its id where that is not known.
    pub fn of(&self, device: &DeviceId) -> String {
        let named = lock(&self.0);
        if let Some(name) = named.met.get(device) {
            return name.clone();
        }
        named.online.as_ref().map_or_else(|| device.short(), |online| online.name_of(device))
    }

    fn know(&self, online: Arc<Online>) {
        lock(&self.0).online = Some(online);
    }

    fn meet(&self, device: DeviceId, name: String) {
        lock(&self.0).met.insert(device, name);
    }
}

/// A space, reached.
pub struct Joined {
    online: Arc<Online>,
    wrap: WrapChoice,
    names: Names,
}

impl Reached for Joined {
    fn presence(&self) -> watch::Receiver<Presence> {
        self.online.presence()
    }

    fn is_of_use(&self) -> bool {
        self.online.is_of_use()
    }

    fn relay(&self) -> Option<Control> {
        self.online.relay().ok().cloned()
    }

    async fn session(&self, device: DeviceId) -> Result<(LeecherSession, Way), SessionError> {
        self.names.meet(device, self.online.name_of(&device));
        self.online.session(device, self.wrap).await
    }

    async fn removed(&self, member: Membership) {
        self.online.removed(member).await;
    }

    fn address(&self) -> Option<Address> {
        self.online.address()
    }

    async fn partner(&self, address: Address) -> Result<LeecherSession, SessionError> {
        self.names.meet(address.device, self.online.name_of(&address.device));
        self.online.partner(address, self.wrap).await
    }
}

/// Reaches a space.
pub struct Reach {
    leecher: Leecher,
    space: LiveSpace,
    /// What the relay said of its end.
    farewell: Farewell,
    /// Ends when another one is made.
    connection: Option<Connection>,
    wrap: WrapChoice,
    names: Names,
    elsewhere: Elsewhere,
    /// Where sessions that others open go, if they are let in.
    accepted: Option<mpsc::Sender<SeederSession>>,
}

impl Reach {
    /// Reaches `space`, which may be reached by `connection` already. The contents of the files of `offers` are looked for
    /// under other names too, if `elsewhere`.
    pub fn new(
        leecher: Leecher,
        space: SpaceState,
        connection: Option<Connection>,
        wrap: WrapChoice,
        (offers, elsewhere): (&[Vec<Offer>], bool),
    ) -> (Self, Option<Arc<Joined>>) {
        let (elsewhere, names) = (Elsewhere::new(offers, elsewhere), Names::default());
        let known = connection.as_ref().map(|connection| connection.online.shown());
        let space = known.unwrap_or_else(|| LiveSpace::new(Arc::new(space)));
        let farewell = Farewell::default();
        let mut reach = Self {
            leecher,
            space,
            farewell,
            connection: None,
            wrap,
            names,
            elsewhere,
            accepted: None,
        };
        let joined = connection.map(|connection| reach.join(connection));
        (reach, joined)
    }

    /// What devices are called.
    pub fn names(&self) -> Names {
        self.names.clone()
    }

    fn join(&mut self, connection: Connection) -> Arc<Joined> {
        let online = connection.online.clone();
        self.names.know(online.clone());
        if let Some(accepted) = &self.accepted {
            online.let_in(accepted.clone());
        }
        self.connection = Some(connection);
        Arc::new(Joined { online, wrap: self.wrap, names: self.names.clone() })
    }
}

impl Space for Reach {
    type Reached = Joined;

    async fn reach(&mut self) -> Result<Arc<Joined>, Unreachable> {
        if let Some(connection) = self.connection.take() {
            self.farewell = connection.online.farewell();
        }
        let farewell = std::mem::take(&mut self.farewell);
        let found = online(&self.leecher, self.space.clone(), farewell).await;
        let connection = found.map_err(Unreachable::from)?;
        Ok(self.join(connection))
    }

    fn near(&mut self) -> Option<Result<Arc<Joined>, Unreachable>> {
        if !self.leecher.lan {
            return None;
        }
        let space = self.space.borrow().clone();
        let members = Members::load(&self.leecher.profile, &space, self.leecher.now());
        Some(members.map_err(|error| Error::from(error).into()).map(|members| {
            let (online, reading) = Online::alone(&self.leecher, self.space.clone(), members);
            self.join(Connection { online, reading, short: None })
        }))
    }

    async fn look(&mut self, offers: &Offers<'_>) {
        if let Some(connection) = &self.connection {
            self.elsewhere.step(&self.leecher, &connection.online, offers).await;
        }
    }

    fn accept(&mut self) -> mpsc::Receiver<SeederSession> {
        let (sender, receiver) = mpsc::channel(ACCEPTED);
        if let Some(connection) = &self.connection {
            connection.online.let_in(sender.clone());
        }
        self.accepted = Some(sender);
        receiver
    }
}
