//! A space, online: one task that reads what the relay tells and passes it to whom it concerns; where it is wanted, one that
//! listens on the local network.

mod door;
mod neighbours;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use sealift_content::fetch::space::Presence;
use sealift_platform::sync::lock;
use sealift_proto::control::{Address, LogHead};
use sealift_proto::identity::DeviceId;
use sealift_space::members::Members;
use sealift_space::profile::space::SpaceState;
use sealift_transport::connect::Connected;
use sealift_transport::control::{Control, Event, Events};
use sealift_transport::path::Way;
use sealift_transport::session::{
    LeecherSession, SeederSession, SessionError, Sessions, Side, WrapChoice,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Leecher;
use crate::error::Error;
use door::Door;
use neighbours::Neighbours;

/// What others need of a connected space while its events are being read.
pub struct Online {
    leecher: Leecher,
    /// The connection to the relay; none where the local network is all there is.
    control: Option<Control>,
    space: SpaceState,
    members: Mutex<Members>,
    sessions: Sessions,
    serving: watch::Sender<Presence>,
    neighbours: Neighbours,
    door: Door,
    heads: Mutex<Option<mpsc::Receiver<LogHead>>>,
}

/// Ends the reading task when dropped.
pub struct Reading(#[allow(dead_code, reason = "dropping it ends the task")] JoinSet<()>);

impl Online {
    /// Starts reading the events of `connected`. The heads it holds already are returned.
    #[must_use]
    pub fn start(leecher: &Leecher, connected: Connected) -> (Arc<Self>, Vec<LogHead>, Reading) {
        let (sender, receiver) = mpsc::channel(256);
        let presence = Presence { serving: connected.serving, came: BTreeMap::new(), ended: false };
        let online = Arc::new(Self {
            leecher: leecher.clone(),
            control: Some(connected.control),
            space: connected.space,
            members: Mutex::new(connected.members),
            sessions: Sessions::paced_both_ways(leecher.pace.clone()),
            serving: watch::Sender::new(presence),
            neighbours: Neighbours::default(),
            door: Door::new(leecher.pace.clone()),
            heads: Mutex::new(Some(receiver)),
        });
        let mut task = JoinSet::new();
        task.spawn(read(online.clone(), connected.events, sender));
        if leecher.lan {
            task.spawn(neighbours::listen(online.clone()));
        }
        (online, connected.heads, Reading(task))
    }

    /// A space of which the local network is all there is.
    #[must_use]
    pub fn alone(leecher: &Leecher, space: SpaceState, members: Members) -> (Arc<Self>, Reading) {
        let online = Arc::new(Self {
            leecher: leecher.clone(),
            control: None,
            space,
            members: Mutex::new(members),
            sessions: Sessions::paced_both_ways(leecher.pace.clone()),
            serving: watch::Sender::default(),
            neighbours: Neighbours::default(),
            door: Door::new(leecher.pace.clone()),
            heads: Mutex::new(None),
        });
        let mut task = JoinSet::new();
        task.spawn(neighbours::listen(online.clone()));
        (online, Reading(task))
    }

    /// The connection to the relay.
    ///
    /// # Errors
    /// When there is none.
    pub fn relay(&self) -> Result<&Control, Error> {
        self.control.as_ref().ok_or(Error::NoRelay)
    }

    /// The space.
    #[must_use]
    pub const fn space(&self) -> &SpaceState {
        &self.space
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
        self.serving.subscribe()
    }

    /// Whether `device` serves now.
    #[must_use]
    pub fn serves(&self, device: &DeviceId) -> bool {
        self.serving.borrow().serving.contains(device)
    }

    /// Whether anything can still come of it: the connection to the relay stands, or somebody was heard of without one.
    #[must_use]
    pub fn is_of_use(&self) -> bool {
        let presence = self.serving.borrow();
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
                let side = self.side();
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
        self.met(self.sessions.open(&self.side(), control, address, choice).await?)
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
            Ok(stream) => self.sessions.open_lan(&self.side(), stream, device, choice).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = &opened {
            tracing::debug!(%device, %error, "not on the local network");
            self.neighbours.forget(&device);
            if self.control.is_none() {
                self.gone(&device);
            }
        }
        Some(opened)
    }

    fn here(&self, device: DeviceId) {
        self.serving.send_modify(|presence| {
            presence.serving.insert(device);
            presence.came.insert(device, Instant::now());
        });
    }

    fn gone(&self, device: &DeviceId) {
        self.serving.send_modify(|presence| {
            presence.serving.remove(device);
            presence.came.remove(device);
        });
    }

    fn side(&self) -> Side<'_> {
        let own = self.leecher.device.key.id();
        Side {
            platform: self.leecher.profile.platform(),
            space: &self.space,
            key: &self.leecher.device.key,
            address: self
                .control
                .as_ref()
                .map_or(Address { device: own, connection: 0 }, Control::address),
        }
    }
}

async fn read(online: Arc<Online>, mut events: Events, heads: mpsc::Sender<LogHead>) {
    let mut links = JoinSet::new();
    while let Some(event) = events.recv().await {
        online.sessions.handle(&online.side(), &event);
        door::handle(&online, &event, &mut links).await;
        match event {
            Event::PeerHere(device) => online.here(device),
            Event::PeerGone(device) if online.neighbours.addresses(&device).is_none() => {
                online.gone(&device);
            }
            Event::Head(head) if head.log >= sealift_proto::log::FIRST_CATALOGUE => {
                // News of catalogues are a courtesy: who does not read them learns of them at the next sync.
                let _ = heads.try_send(head);
            }
            Event::Head(head) if head.log == 1 => {
                let now = online.leecher.now();
                let _ = online.members().take_head(&online.space, &head, now);
            }
            Event::Closed { .. } => online.serving.send_modify(|presence| {
                presence.serving.clear();
                presence.ended = true;
            }),
            _ => {}
        }
    }
}
