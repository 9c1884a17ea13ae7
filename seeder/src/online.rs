//! The seeder's life at the relay: connected, publishing, answering offers; reconnecting when the connection is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_platform::sync::lock;
use sealift_proto::control::{Address, LogHead, Refusal};
use sealift_proto::handshake::RefuseCode;
use sealift_proto::identity::{DeviceId, Signed};
use sealift_proto::log::{FIRST_CATALOGUE, Head};
use sealift_proto::place::RelayPlace;
use sealift_proto::space::HostName;
use sealift_space::profile::space::SpaceState;
use sealift_transport::connect::{Connected, Patience, bear_disk, connect, jittered, relay_of};
use sealift_transport::control::{CallError, Control, Event};
use sealift_transport::device::ThisDevice;
use sealift_transport::session::{Acceptor, Side, Ticket};
use tokio::sync::watch as signal;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use crate::activity::{Activity, Lost, Teller};
use crate::catalogue::log::Author;
use crate::catalogue::plan::{Shown, compare};
use crate::catalogue::publish::{Ended, Publication};
use crate::error::Error;
use crate::invite;
use crate::lan::Neighbourhood;
use crate::owner;
use crate::session::Library;
use crate::session::Session;
use sealift_content::serve::Ways;

/// Sessions at once.
const SESSIONS: usize = 256;
/// Pause before connecting again: the first, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(20));
/// A connection that held for so long was a good one.
const GOOD: Duration = Duration::from_secs(10);
/// Pause when a newer connection of the same device took this one's place: the other may be a copy of this profile.
const REPLACED: Duration = Duration::from_secs(2);

/// How often it is tried to write what could not be written.
const SETTLE: Duration = Duration::from_secs(5);

/// How long a place that a relay named for its successor is tried.
const MOVED: Duration = Duration::from_secs(10);
/// The longest time over which a relay may spread those who come back.
const LONGEST_SPREAD: Duration = Duration::from_secs(120);

/// What a relay said of its end.
#[derive(Debug, Default)]
struct Farewell {
    /// How long to spread over.
    spread: Duration,
    /// Where a relay with the same key takes over.
    places: Vec<RelayPlace>,
}

/// What others in this process may know of the connection.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// `HOST:PORT` of the relay, while it is connected.
    pub relay: Option<String>,
    /// Members known.
    pub members: usize,
    /// Sessions open.
    pub sessions: usize,
}

/// The seeder at the relay.
pub struct Online {
    /// This device.
    pub this: ThisDevice,
    /// The relay asked for.
    pub relay: Option<RelayPlace>,
    /// What is published.
    pub publication: Publication,
    /// What is served.
    pub library: Library,
    /// Which ways content may take.
    pub ways: Ways,
    /// Where to tell what happens.
    pub teller: Teller,
    /// What others may know.
    pub live: Arc<Mutex<Live>>,
    /// Whether members on the local network are served without the relay too.
    pub lan: bool,
    /// Whether an invite is made at the start while nobody else is in the space.
    pub invites: bool,
}

/// Waits until everything is to end.
async fn stopped(shutdown: &mut signal::Receiver<bool>) {
    // That nobody is left who could say so means the same.
    let _ = shutdown.wait_for(|stop| *stop).await;
}

enum End {
    Shutdown,
    Lost(Option<Refusal>),
    Failed(Error),
}

/// One connection.
struct Station<'a> {
    online: &'a Online,
    connected: Connected,
    control: Control,
    acceptor: Arc<Acceptor>,
    /// The space as sessions use it, also those of earlier connections.
    space: &'a signal::Sender<Arc<SpaceState>>,
    sessions: &'a mut JoinSet<()>,
    opened: &'a mut u64,
    farewell: Farewell,
}

impl Online {
    /// Stays connected until `shutdown`, and then until the relay has all that is known.
    ///
    /// # Errors
    /// What no waiting mends.
    pub async fn run(
        self,
        mut space: SpaceState,
        mut shutdown: signal::Receiver<bool>,
    ) -> Result<(), Error> {
        let mut sessions = JoinSet::new();
        let shown = signal::Sender::new(Arc::new(space.clone()));
        let mut beside = JoinSet::new();
        if self.lan {
            beside.spawn(Neighbourhood::new(&self, shown.subscribe()).serve());
        }
        let (mut again, mut opened) = (false, 0);
        let mut pause = PAUSE.0;
        let mut last = None;
        let mut farewell = Farewell::default();
        loop {
            let spread = std::mem::take(&mut farewell.spread);
            let (relay, patience) = match farewell.places.pop() {
                Some(place) => (place, Patience::AtMost(MOVED)),
                None => {
                    let relay = relay_of(&self.this.profile, &space, self.relay.as_ref());
                    let relay = relay.or_else(|error| last.clone().ok_or(error))?;
                    (relay, if again { Patience::Again } else { Patience::Begin })
                }
            };
            let moving = matches!(patience, Patience::AtMost(_));
            let connecting = async {
                sleep(
                    jittered(spread * 2, &*self.this.profile.platform().random)
                        .saturating_sub(spread),
                )
                .await;
                connect(&self.this, space.clone(), &relay, true, patience).await
            };
            let connected = tokio::select! {
                () = stopped(&mut shutdown) => return Ok(()),
                connected = connecting => connected,
            };
            let since = Instant::now();
            let lost = match connected {
                Ok(connected) => {
                    let station = self.station(connected, &shown, &mut sessions, &mut opened);
                    let place = station.control.place();
                    last = Some(station.control.relay().clone());
                    self.teller.tell(Activity::Connected { relay: place.clone(), again });
                    let (end, after, said) = station.stay(again).await;
                    farewell = said;
                    self.live(|live| live.relay = None);
                    again = true;
                    space = after;
                    match end {
                        End::Shutdown => return Ok(()),
                        End::Failed(error) if !error.may_pass() => return Err(error),
                        End::Failed(error) => (place, Some(Lost::Error(error)), Duration::ZERO),
                        End::Lost(why) => {
                            let wait = match why {
                                Some(Refusal::Replaced) => REPLACED,
                                _ => Duration::ZERO,
                            };
                            (place, why.map(Lost::Refused), wait)
                        }
                    }
                }
                // The connection ended before it was of use, or the place that a relay named was none.
                Err(error) if moving || error.is_relays() || again && error.may_pass() => {
                    let place = sealift_proto::invite::host_port(&relay.host, relay.port);
                    (place, Some(Lost::Error(error.into())), Duration::ZERO)
                }
                Err(error) => return Err(error.into()),
            };
            let (relay, why, least) = lost;
            self.teller.tell(Activity::Lost { relay, why });
            pause = if since.elapsed() >= GOOD { PAUSE.0 } else { (pause * 2).min(PAUSE.1) };
            tokio::select! {
                () = stopped(&mut shutdown) => return Ok(()),
                () = sleep(least + jittered(pause, &*self.this.profile.platform().random)) => {}
            }
        }
    }

    fn station<'a>(
        &'a self,
        connected: Connected,
        space: &'a signal::Sender<Arc<SpaceState>>,
        sessions: &'a mut JoinSet<()>,
        opened: &'a mut u64,
    ) -> Station<'a> {
        let control = connected.control.clone();
        space.send_replace(Arc::new(connected.space.clone()));
        self.live(|live| {
            live.relay = Some(control.place());
            live.members = connected.members.len();
        });
        let acceptor = Arc::new(Acceptor::paced(self.this.pace.clone()));
        let farewell = Farewell::default();
        Station { online: self, connected, control, acceptor, space, sessions, opened, farewell }
    }

    fn live(&self, change: impl FnOnce(&mut Live)) {
        change(&mut lock(&self.live));
    }
}

/// What seals and signs for this device in `space`.
#[must_use]
pub fn author(this: &ThisDevice, space: &SpaceState) -> Author {
    Author {
        key: this.device.key.clone(),
        space: space.id(),
        epoch: space.epoch(),
        catalogue: space.keys().catalogue.clone(),
        random: this.profile.platform().random.clone(),
    }
}

impl Station<'_> {
    /// Works until the connection ends, or all that is known at the end of the seeder is published. How it ended, and the space
    /// as it is then.
    async fn stay(mut self, again: bool) -> (End, SpaceState, Farewell) {
        let publication = self.online.publication.clone();
        publication.log().set_author(author(&self.online.this, &self.connected.space));
        let own = self.online.this.device.key.id();
        let shown = self.connected.heads.iter().find(|head| is_own(head, &own));
        let shown = shown.and_then(|head| Signed::<Head>::from_bytes(&head.statement).ok());
        let control = self.control.clone();
        let publishing = publication.run(&control, shown, again);
        tokio::pin!(publishing);
        let mut settling = interval(SETTLE);
        self.begin(again).await;
        let end = loop {
            tokio::select! {
                ended = &mut publishing => break match ended {
                    Ended::Connection => End::Lost(None),
                    Ended::Complete => End::Shutdown,
                    Ended::Failed(error) => End::Failed(error),
                },
                Some(_) = self.sessions.join_next() => self.count_sessions(),
                _ = settling.tick() => self.settle().await,
                event = self.connected.events.recv() => match event {
                    Some(Event::Closed { why }) => break self.closed(why),
                    None => break End::Lost(None),
                    Some(event) => if let Err(error) = self.event(event).await {
                        break End::Failed(error);
                    },
                },
            }
        };
        (end, self.connected.space, self.farewell)
    }

    /// What is to be done as soon as there is a connection. Sharing goes on without it.
    async fn begin(&mut self, again: bool) {
        self.admit().await;
        if !again && let Err(error) = self.show_invite().await {
            self.failed(error);
        }
    }

    async fn admit(&mut self) {
        let this = &self.online.this;
        let admitted = owner::admit(this, &mut self.connected, &self.online.teller).await;
        if let Err(error) = bear_disk(this, admitted) {
            self.failed(error.into());
        }
        self.show_space();
    }

    /// Writes what could not be written before, and does what waited for that.
    async fn settle(&mut self) {
        let this = &self.online.this;
        if !this.unwritten.is_owed() || self.connected.write(this).is_err() {
            return;
        }
        let admitted = owner::admit(this, &mut self.connected, &self.online.teller).await;
        if admitted.is_ok() {
            if this.unwritten.settle() {
                self.online.teller.tell(Activity::Written);
            }
            self.show_space();
        }
    }

    /// Lets all sessions know the space as it is now: those with members whom a new record removed end.
    fn show_space(&self) {
        self.space.send_replace(Arc::new(self.connected.space.clone()));
    }

    /// Sharing goes on.
    fn failed(&self, error: Error) {
        self.online.teller.tell(Activity::Failed(error));
    }

    /// While nobody else is in the space, the next thing to do is to let somebody in.
    async fn show_invite(&self) -> Result<(), Error> {
        let this = &self.online.this;
        let space = &self.connected.space;
        let alone = self.connected.members.len() <= 1 && space.owner().is_some();
        if !alone || !self.online.invites {
            return Ok(());
        }
        let invite = invite::make(this, space, &self.control, &invite::Terms::default()).await?;
        let dialled = self.control.relay().clone();
        self.online.teller.tell(Activity::Invited { invite, dialled });
        Ok(())
    }

    fn closed(&self, why: Option<Refusal>) -> End {
        match why {
            Some(why @ (Refusal::NotMember | Refusal::Removed | Refusal::Expired)) => {
                let (relay, error) = (self.control.place(), CallError::Refused(why));
                End::Failed(sealift_transport::Error::Call { relay, error }.into())
            }
            why => End::Lost(why),
        }
    }

    async fn event(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Deliver { from, body } => self.deliver(from, &body).await,
            ticket @ Event::LinkTicket { .. } => {
                match Ticket::new(&self.connected.space, &self.control, &ticket) {
                    Some(ticket) => self.link(ticket),
                    None => tracing::warn!("a link to a place that is no relay was not taken"),
                }
            }
            Event::Head(head) => self.head(head).await?,
            Event::Leaving { spread, places } => self.leaving(spread, places),
            _ => {}
        }
        Ok(())
    }

    /// The relay is about to end. Only one with its key can take over.
    fn leaving(&mut self, spread: Duration, places: Vec<(HostName, u16)>) {
        let pin = self.control.relay().pin;
        let here = |(host, port)| RelayPlace { host, port, pin };
        // The first is tried first.
        let places = places.into_iter().rev().map(here).filter(|_| pin.is_some()).collect();
        self.farewell = Farewell { spread: spread.min(LONGEST_SPREAD), places };
    }

    async fn head(&mut self, head: LogHead) -> Result<(), Error> {
        let this = &self.online.this;
        if head.log >= FIRST_CATALOGUE {
            return self.own_head(&head);
        }
        let is_card = head.log == 1;
        self.connected.take_head(this, head)?;
        // Whoever was removed is served nothing more, whatever the disk and the relay take their time for.
        self.show_space();
        self.connected.save(this)?;
        if is_card {
            self.admit().await;
        } else {
            let log = &self.online.publication;
            log.log().set_author(author(this, &self.connected.space));
            self.connected.publish_card(this).await?;
        }
        self.show_space();
        self.online.live(|live| live.members = self.connected.members.len());
        Ok(())
    }

    /// A head of this device that another program made means that two use its keys.
    fn own_head(&self, head: &LogHead) -> Result<(), Error> {
        if !is_own(head, &self.online.this.device.key.id()) {
            return Ok(());
        }
        let shown = Signed::<Head>::from_bytes(&head.statement).ok();
        match compare(&self.online.publication.log(), shown.as_ref()) {
            Shown::Foreign => Err(Error::UsedTwice),
            _ => Ok(()),
        }
    }

    async fn deliver(&mut self, from: Address, body: &[u8]) {
        let this = &self.online.this;
        let (teller, Connected { members, space, .. }) = (&self.online.teller, &mut self.connected);
        let side = Side {
            platform: this.profile.platform(),
            space,
            key: &this.device.key,
            address: self.control.address(),
        };
        // Who came by which invite must not be forgotten: without that, nobody new comes in.
        let admit = |member: &_| match members.admit(&this.profile, member) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(invite)) => {
                let who = members.display_name(&member.device);
                teller.tell(Activity::Overused { who, uses: invite.uses });
                Err(RefuseCode::NotMember)
            }
            Err(error) => {
                if let Err(error) = this.bear(Err(error)) {
                    teller.tell(Activity::Failed(error.into()));
                }
                Err(RefuseCode::Busy)
            }
        };
        let result = self.acceptor.offer(&side, &self.control, from, body, admit).await;
        if let Err(error) = result {
            let who = self.connected.members.display_name(&from.device);
            self.online.teller.tell(Activity::OfferRefused { who, error });
        }
    }

    fn link(&mut self, ticket: Ticket) {
        if self.sessions.len() >= SESSIONS {
            tracing::warn!("too many sessions at once; a link was not taken");
            return;
        }
        *self.opened += 1;
        let session = Session {
            number: *self.opened,
            who: self.connected.members.display_name(&ticket.peer.device),
            this: self.online.this.clone(),
            space: self.space.subscribe(),
            address: self.control.address(),
            acceptor: self.acceptor.clone(),
            library: self.online.library.clone(),
            ways: self.online.ways.clone(),
            control: Some(self.control.clone()),
        };
        self.sessions
            .spawn(session.run(async move |acceptor, side| acceptor.link(side, ticket).await));
        self.count_sessions();
    }

    fn count_sessions(&self) {
        let open = self.sessions.len();
        self.online.live(|live| live.sessions = open);
    }
}

fn is_own(head: &LogHead, own: &DeviceId) -> bool {
    head.log == FIRST_CATALOGUE && head.device == *own
}
