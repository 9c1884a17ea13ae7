//! A space, online: one task that reads what the relay tells and passes it to whom it concerns; where it is wanted, one that
//! listens on the local network.

mod door;
mod neighbours;

use std::sync::{Arc, Mutex, MutexGuard};

use sealift_platform::sync::lock;
use sealift_proto::control::{Address, LogHead};
use sealift_proto::identity::DeviceId;
use sealift_proto::space::Membership;
use sealift_space::members::Members;
use sealift_space::profile::space::SpaceState;
use sealift_transport::client::{
    Attendance, Farewell, LiveSpace, News, Presence, SpaceClient, removed,
};
use sealift_transport::connect::Connected;
use sealift_transport::control::{Control, Event};
use sealift_transport::path::Way;
use sealift_transport::session::{
    LeecherSession, SeederSession, SessionError, Sessions, Side, WrapChoice,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::Leecher;
use crate::error::Error;
use door::Door;
use neighbours::Neighbours;

/// What others need of a connected space while its events are being read.
pub struct Online {
    leecher: Leecher,
    /// The connection to the relay; none where the local network is all there is.
    control: Option<Control>,
    space: LiveSpace,
    members: Arc<Mutex<Members>>,
    sessions: Sessions,
    serving: Arc<Attendance>,
    /// What the relay said of its end.
    farewell: Mutex<Farewell>,
    neighbours: Neighbours,
    door: Door,
    heads: Mutex<Option<mpsc::Receiver<LogHead>>>,
}

/// Ends the reading task when dropped.
pub struct Reading(#[allow(dead_code, reason = "dropping it ends the task")] JoinSet<()>);

impl Online {
    /// Starts reading the events of `connected`; `space` shows the space from now on. The heads it holds already are returned.
    #[must_use]
    pub fn start(
        leecher: &Leecher,
        connected: Connected,
        space: LiveSpace,
    ) -> (Arc<Self>, Vec<LogHead>, Reading) {
        let (sender, receiver) = mpsc::channel(256);
        let control = connected.control.clone();
        let heads = connected.heads.clone();
        let client = SpaceClient::new(leecher, connected, space.clone());
        let (members, serving) = (client.roster(), client.attendance());
        let online = Self::new(leecher, Some(control), (space, members), serving, Some(receiver));
        let mut task = JoinSet::new();
        task.spawn(read(online.clone(), client, sender));
        if leecher.lan {
            task.spawn(neighbours::listen(online.clone()));
        }
        (online, heads, Reading(task))
    }

    /// A space of which the local network is all there is.
    #[must_use]
    pub fn alone(leecher: &Leecher, space: LiveSpace, members: Members) -> (Arc<Self>, Reading) {
        let members = Arc::new(Mutex::new(members));
        let online = Self::new(leecher, None, (space, members), Arc::default(), None);
        let mut task = JoinSet::new();
        task.spawn(neighbours::listen(online.clone()));
        (online, Reading(task))
    }

    fn new(
        leecher: &Leecher,
        control: Option<Control>,
        (space, members): (LiveSpace, Arc<Mutex<Members>>),
        serving: Arc<Attendance>,
        heads: Option<mpsc::Receiver<LogHead>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            leecher: leecher.clone(),
            control,
            space,
            members,
            sessions: Sessions::paced_both_ways(leecher.pace.clone()),
            serving,
            farewell: Mutex::default(),
            neighbours: Neighbours::default(),
            door: Door::new(leecher.pace.clone()),
            heads: Mutex::new(heads),
        })
    }

    /// The connection to the relay.
    ///
    /// # Errors
    /// When there is none.
    pub fn relay(&self) -> Result<&Control, Error> {
        self.control.as_ref().ok_or(Error::NoRelay)
    }

    /// The space as it is now.
    #[must_use]
    pub fn space(&self) -> Arc<SpaceState> {
        self.space.borrow().clone()
    }

    /// The space, for those who go on over further connections.
    #[must_use]
    pub fn shown(&self) -> LiveSpace {
        self.space.clone()
    }

    /// What the relay said of its end.
    #[must_use]
    pub fn farewell(&self) -> Farewell {
        lock(&self.farewell).clone()
    }

    /// Waits until `member` is none any more.
    pub async fn removed(&self, member: Membership) {
        removed(self.space.subscribe(), member, || self.leecher.now()).await;
    }

    /// Its members.
    pub fn members(&self) -> MutexGuard<'_, Members> {
        lock(&self.members)
    }

    /// Name of `device`, safe to show.
    #[must_use]
    pub fn name_of(&self, device: &DeviceId) -> String {
        self.members().display_name(device)
    }

    /// Who serves, as it changes.
    #[must_use]
    pub fn presence(&self) -> watch::Receiver<Presence> {
        self.serving.presence()
    }

    /// Whether `device` serves now.
    #[must_use]
    pub fn serves(&self, device: &DeviceId) -> bool {
        self.serving.presence().borrow().serving.contains(device)
    }

    /// Whether anything can still come of it: the connection to the relay stands, or somebody was heard of without one.
    #[must_use]
    pub fn is_of_use(&self) -> bool {
        let presence = self.serving.presence();
        let presence = presence.borrow();
        !presence.ended && (self.control.is_some() || !presence.serving.is_empty())
    }

    /// Heads that come from now on; can be taken once.
    #[must_use]
    pub fn take_heads(&self) -> Option<mpsc::Receiver<LogHead>> {
        lock(&self.heads).take()
    }

    /// Opens a session with the seeder `device`: on the local network if it was heard of there, else through the relay. Which
    /// way its first link takes.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn session(
        &self,
        device: DeviceId,
        choice: WrapChoice,
    ) -> Result<(LeecherSession, Way), SessionError> {
        let (session, way) = match (self.near(device, choice).await, &self.control) {
            (Some(Ok(session)), _) => (session, Way::Tcp),
            (Some(Err(error)), None) => return Err(error),
            (None, None) => return Err(SessionError::Offline),
            (_, Some(control)) => {
                let seeder = Address { device, connection: 0 };
                let space = self.space();
                let side = self.side(&space);
                (self.sessions.open(&side, control, seeder, choice).await?, Way::Relay)
            }
        };
        Ok((self.met(session)?, way))
    }

    /// Opens a session with one that fetches too, through the relay.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn partner(
        &self,
        address: Address,
        choice: WrapChoice,
    ) -> Result<LeecherSession, SessionError> {
        let control = self.control.as_ref().ok_or(SessionError::Offline)?;
        self.met(self.sessions.open(&self.side(&self.space()), control, address, choice).await?)
    }

    /// A chain under an invite that others have used up is no member's, whoever signed it.
    fn met(&self, session: LeecherSession) -> Result<LeecherSession, SessionError> {
        match self.members().meet(&session.peer.membership) {
            Ok(()) => Ok(session),
            Err(_) => Err(sealift_proto::handshake::HandshakeError::NotAllowed.into()),
        }
    }

    /// Others may open sessions with this device from now on; those go to `to`.
    pub fn let_in(&self, to: mpsc::Sender<SeederSession>) {
        self.door.open(to);
    }

    /// Where they are opened; `None` without a relay.
    #[must_use]
    pub fn address(&self) -> Option<Address> {
        self.control.as_ref().map(Control::address)
    }

    /// A session with `device` on the local network; `None` if it was not heard of there. One that does not come about there
    /// is forgotten there.
    async fn near(
        &self,
        device: DeviceId,
        choice: WrapChoice,
    ) -> Option<Result<LeecherSession, SessionError>> {
        let addresses = self.neighbours.addresses(&device)?;
        let platform = self.leecher.profile.platform();
        let opened = match neighbours::connect(platform, &addresses).await {
            Ok(stream) => {
                self.sessions.open_lan(&self.side(&self.space()), stream, device, choice).await
            }
            Err(error) => Err(error.into()),
        };
        if let Err(error) = &opened {
            tracing::debug!(%device, %error, "not on the local network");
            self.neighbours.forget(&device);
            self.serving.not_near(&device, self.control.is_some());
        }
        Some(opened)
    }

    fn side<'a>(&'a self, space: &'a SpaceState) -> Side<'a> {
        let own = self.leecher.device.key.id();
        Side {
            platform: self.leecher.profile.platform(),
            space,
            key: &self.leecher.device.key,
            address: self
                .control
                .as_ref()
                .map_or(Address { device: own, connection: 0 }, Control::address),
        }
    }
}

async fn read(online: Arc<Online>, mut client: SpaceClient, heads: mpsc::Sender<LogHead>) {
    let mut links = JoinSet::new();
    let this = online.leecher.this.clone();
    loop {
        let news = match client.next().await {
            Ok(news) => news,
            // The next connection fails for the same reason, and says so.
            Err(error) => {
                tracing::debug!(%error, "what the relay told of the space was not taken");
                client.attendance().end();
                return;
            }
        };
        match news {
            News::Session(event) => {
                online.sessions.handle(&online.side(&online.space()), &event);
                door::handle(&online, &event, &mut links).await;
            }
            // News of catalogues are a courtesy: who does not read them learns of them at the next sync.
            News::Catalogue(head) => drop(heads.try_send(head)),
            News::Record => {
                // With a new chain this device says so, as it does when it connects.
                if let Err(error) = client.connected.publish_card(&this).await {
                    tracing::debug!(%error, "the card was not published");
                }
            }
            News::Closed(why) => {
                online.sessions.handle(&online.side(&online.space()), &Event::Closed { why });
                return;
            }
            News::Leaving => *lock(&online.farewell) = client.farewell().clone(),
            News::Card => {}
        }
    }
}
