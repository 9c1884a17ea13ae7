//! The seeder's life at the relay: connected, publishing, answering offers; reconnecting when the connection is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_platform::sync::lock;
use sealift_proto::control::{Address, LogHead, Refusal};
use sealift_proto::handshake::RefuseCode;
use sealift_proto::identity::{DeviceId, Signed};
use sealift_proto::log::{FIRST_CATALOGUE, Head};
use sealift_proto::place::RelayPlace;
use sealift_proto::space::Membership;
use sealift_space::profile::space::SpaceState;
use sealift_transport::client::{Farewell, News, SpaceClient};
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
    client: SpaceClient,
    control: Control,
    acceptor: Arc<Acceptor>,
    /// The space as sessions use it, also those of earlier connections.
    space: &'a signal::Sender<Arc<SpaceState>>,
    sessions: &'a mut JoinSet<()>,
    opened: &'a mut u64,
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
            let (relay, patience) = match farewell.place() {
                Some(place) => (place, Patience::AtMost(Farewell::MOVED)),
                None => {
                    let relay = relay_of(&self.this.profile, &space, self.relay.as_ref());
                    let relay = relay.or_else(|error| last.clone().ok_or(error))?;
                    (relay, if again { Patience::Again } else { Patience::Begin })
                }
            };
            let moving = matches!(patience, Patience::AtMost(_));
            let connecting = async {
                farewell.turn(&*self.this.profile.platform().random).await;
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
        self.live(|live| {
            live.relay = Some(control.place());
            live.members = connected.members().len();
        });
        let acceptor = Arc::new(Acceptor::paced(self.this.pace.clone()));
        let client = SpaceClient::new(&self.this, connected, space.clone());
        Station { online: self, client, control, acceptor, space, sessions, opened }
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
        publication.log().set_author(author(&self.online.this, &self.client.connected.space));
        let own = self.online.this.device.key.id();
        let shown = self.client.connected.heads.iter().find(|head| is_own(head, &own));
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
                news = self.client.next() => match news {
                    Ok(News::Closed(why)) => break self.closed(why),
                    Err(error) => break End::Failed(error.into()),
                    Ok(news) => if let Err(error) = self.news(news).await {
                        break End::Failed(error);
                    },
                },
            }
        };
        let (space, farewell) = self.client.into_parts();
        (end, space, farewell)
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
        let admitted = owner::admit(this, &mut self.client.connected, &self.online.teller).await;
        if let Err(error) = bear_disk(this, admitted) {
            self.failed(error.into());
        }
        self.client.show();
    }

    /// Writes what could not be written before, and does what waited for that.
    async fn settle(&mut self) {
        let this = &self.online.this;
        if !this.unwritten.is_owed() || self.client.connected.write(this).is_err() {
            return;
        }
        let admitted = owner::admit(this, &mut self.client.connected, &self.online.teller).await;
        if admitted.is_ok() {
            if this.unwritten.settle() {
                self.online.teller.tell(Activity::Written);
            }
            self.client.show();
        }
    }

    /// Sharing goes on.
    fn failed(&self, error: Error) {
        self.online.teller.tell(Activity::Failed(error));
    }

    /// While nobody else is in the space, the next thing to do is to let somebody in.
    async fn show_invite(&self) -> Result<(), Error> {
        let this = &self.online.this;
        let space = &self.client.connected.space;
        let alone = self.client.connected.members().len() <= 1 && space.owner().is_some();
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

    async fn news(&mut self, news: News) -> Result<(), Error> {
        match news {
            News::Session(Event::Deliver { from, body }) => self.deliver(from, &body).await,
            News::Session(ticket @ Event::LinkTicket { .. }) => {
                match Ticket::new(&self.client.connected.space, &self.control, &ticket) {
                    Some(ticket) => self.link(ticket),
                    None => tracing::warn!("a link to a place that is no relay was not taken"),
                }
            }
            News::Catalogue(head) => self.own_head(&head)?,
            News::Card => self.admit().await,
            News::Record => self.record().await?,
            _ => {}
        }
        self.online.live(|live| live.members = self.client.connected.members().len());
        Ok(())
    }

    async fn record(&mut self) -> Result<(), Error> {
        let this = &self.online.this;
        let log = &self.online.publication;
        log.log().set_author(author(this, &self.client.connected.space));
        Ok(self.client.connected.publish_card(this).await?)
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
        let (teller, Connected { roster, space, .. }) =
            (&self.online.teller, &self.client.connected);
        let side = Side {
            platform: this.profile.platform(),
            space,
            key: &this.device.key,
            address: self.control.address(),
        };
        // Who came by which invite must not be forgotten: without that, nobody new comes in.
        let admitted = |member: &Membership| lock(roster).admit(&this.profile, member);
        let admit = |member: &Membership| match admitted(member) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(invite)) => {
                let who = self.name_of(&member.device);
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
            let who = self.name_of(&from.device);
            self.online.teller.tell(Activity::OfferRefused { who, error });
        }
    }

    fn name_of(&self, device: &DeviceId) -> String {
        self.client.connected.members().display_name(device)
    }

    fn link(&mut self, ticket: Ticket) {
        if self.sessions.len() >= SESSIONS {
            tracing::warn!("too many sessions at once; a link was not taken");
            return;
        }
        *self.opened += 1;
        let session = Session {
            number: *self.opened,
            who: self.name_of(&ticket.peer.device),
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
