//! A space, online: one task that reads what the relay tells and passes it to whom it concerns.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sealift_peer::connect::{Connected, Speaker};
use sealift_peer::control::{Control, Event, Events};
use sealift_peer::members::Members;
use sealift_peer::profile::space::SpaceState;
use sealift_peer::session::{LeecherSession, SessionError, Sessions, Side, WrapChoice};
use sealift_proto::control::{Address, LogHead};
use sealift_proto::identity::DeviceId;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// What others need of a connected space while its events are being read.
pub struct Online {
    speaker: Speaker,
    /// Requests go here.
    pub control: Control,
    space: SpaceState,
    members: Mutex<Members>,
    sessions: Sessions,
    serving: watch::Sender<Presence>,
    heads: Mutex<Option<mpsc::Receiver<LogHead>>>,
}

/// Who serves, and whether the connection still stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    /// Devices that serve now.
    pub serving: BTreeSet<DeviceId>,
    /// The connection to the relay has ended.
    pub ended: bool,
}

/// Ends the reading task when dropped.
pub struct Reading(#[allow(dead_code, reason = "dropping it ends the task")] JoinSet<()>);

impl Online {
    /// Starts reading the events of `connected`. The heads it holds already are returned.
    #[must_use]
    pub fn start(speaker: &Speaker, connected: Connected) -> (Arc<Self>, Vec<LogHead>, Reading) {
        let (sender, receiver) = mpsc::channel(256);
        let presence = Presence { serving: connected.serving, ended: false };
        let online = Arc::new(Self {
            speaker: speaker.clone(),
            control: connected.control,
            space: connected.space,
            members: Mutex::new(connected.members),
            sessions: Sessions::paced(speaker.pace.clone()),
            serving: watch::Sender::new(presence),
            heads: Mutex::new(Some(receiver)),
        });
        let mut task = JoinSet::new();
        task.spawn(read(online.clone(), connected.events, sender));
        (online, connected.heads, Reading(task))
    }

    /// The space.
    #[must_use]
    pub const fn space(&self) -> &SpaceState {
        &self.space
    }

    /// Its members.
    pub fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Heads that come from now on; can be taken once.
    #[must_use]
    pub fn take_heads(&self) -> Option<mpsc::Receiver<LogHead>> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Opens a session with the seeder `device`.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn session(
        &self,
        device: DeviceId,
        choice: WrapChoice,
    ) -> Result<LeecherSession, SessionError> {
        let seeder = Address { device, connection: 0 };
        let session = self.sessions.open(&self.side(), &self.control, seeder, choice).await?;
        // A chain under an invite that others have used up is no member's, whoever signed it.
        if self.members().meet(&session.peer.membership).is_err() {
            return Err(sealift_proto::handshake::HandshakeError::NotAllowed.into());
        }
        Ok(session)
    }

    fn side(&self) -> Side<'_> {
        Side {
            platform: self.speaker.profile.platform(),
            space: &self.space,
            key: &self.speaker.device.key,
            address: self.control.address(),
        }
    }
}

async fn read(online: Arc<Online>, mut events: Events, heads: mpsc::Sender<LogHead>) {
    while let Some(event) = events.recv().await {
        online.sessions.handle(&online.side(), &event);
        match event {
            Event::PeerHere(device) => {
                online.serving.send_modify(|presence| {
                    presence.serving.insert(device);
                });
            }
            Event::PeerGone(device) => {
                online.serving.send_modify(|presence| {
                    presence.serving.remove(&device);
                });
            }
            Event::Head(head) if head.log >= sealift_proto::log::FIRST_CATALOGUE => {
                // News of catalogues are a courtesy: who does not read them learns of them at the next sync.
                let _ = heads.try_send(head);
            }
            Event::Head(head) if head.log == 1 => {
                let now = online.speaker.now();
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
