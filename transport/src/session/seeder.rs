//! The seeder's side: answers offers, and takes the links that follow.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealift_platform::net::BoxStream;
use sealift_platform::random::RandomRng;
use sealift_platform::sync::lock;
use sealift_proto::codec::Bytes;
use sealift_proto::control::{Address, ToRelay};
use sealift_proto::direct::End;
use sealift_proto::handshake::{
    HandshakeError, Message, Offer, PENDING_MILLIS, Peer, Pending, RefuseCode, refuse, respond,
};
use sealift_proto::identity::Signed;
use sealift_proto::limits;
use sealift_proto::link::{OPENING_LEN, Opening, ToLeecher, ToSeeder};
use sealift_proto::space::Membership;
use sealift_proto::wrap::Suite;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use super::allowance::Allowance;
use super::ends::SeederEnds;
use super::link::{self, LinkReader, LinkWriter};
use super::paced::{Way, paced};
use super::{Place, SessionError, Side, link_place};
use crate::control::{Control, Event};
use crate::pace::Pace;
use sealift_space::profile::space::SpaceState;

/// How long the ACK may take from the ticket on.
const ACK: Duration = Duration::from_secs(limits::ACK_TIME);

/// The handshakes that wait for their ACK.
pub struct Acceptor {
    pending: Arc<Mutex<Pending>>,
    /// Tags of the links that are being connected.
    linking: Mutex<HashSet<[u8; 16]>>,
    allowance: Mutex<Allowance>,
    start: Instant,
    pace: Option<Pace>,
    way: Way,
}

impl Default for Acceptor {
    fn default() -> Self {
        Self {
            pending: Arc::default(),
            linking: Mutex::default(),
            allowance: Mutex::default(),
            start: Instant::now(),
            pace: None,
            way: Way::Writing,
        }
    }
}

/// This side's half of a link, as the relay told it.
#[derive(Debug, Clone)]
pub struct Ticket {
    ticket: [u8; 32],
    tag: [u8; 16],
    /// The other side.
    pub peer: Address,
    place: Place,
}

impl Ticket {
    /// What an event LinkTicket says; `None` if it leads elsewhere than to a relay of the space.
    #[must_use]
    pub fn new(space: &SpaceState, control: &Control, event: &Event) -> Option<Self> {
        let Event::LinkTicket { ticket, tag, peer, address } = event else {
            return None;
        };
        let place = link_place(space, control.relay(), address.clone())?;
        Some(Self { ticket: *ticket, tag: *tag, peer: *peer, place })
    }
}

/// A session whose leecher has shown that it has the keys.
pub struct SeederSession {
    /// The leecher.
    pub peer: Peer,
    /// How the key was wrapped.
    pub suite: Suite,
    /// Answers go here.
    pub writer: LinkWriter<ToLeecher>,
    /// Requests come from here.
    pub reader: LinkReader<ToSeeder>,
    /// For further links.
    pub ends: SeederEnds,
}

impl Acceptor {
    /// As the default, but links are written to no faster than `pace` allows.
    #[must_use]
    pub fn paced(pace: Option<Pace>) -> Self {
        Self { pace, ..Self::default() }
    }

    /// As [`Acceptor::paced`], for a device that fetches too: links are also read from no faster.
    #[must_use]
    pub fn paced_both_ways(pace: Option<Pace>) -> Self {
        Self { way: Way::Both, ..Self::paced(pace) }
    }

    fn millis(&self) -> u64 {
        millis(self.start)
    }

    /// Answers a forwarded message if it is an offer: with WRAP, or REFUSE where the sender is a member's device.
    /// `admit` has the last word on who may come in.
    ///
    /// # Errors
    /// Why the offer was not taken; the leecher was told what it may know.
    pub async fn offer(
        &self,
        side: &Side<'_>,
        control: &Control,
        from: Address,
        body: &[u8],
        admit: impl FnOnce(&Membership) -> Result<(), RefuseCode>,
    ) -> Result<(), SessionError> {
        let (answer, result) = self.sealed_answer(side, from, body, admit);
        if let Some(body) = answer {
            let body = Bytes::new(body).map_err(|_| HandshakeError::Malformed)?;
            control
                .send(ToRelay::Forward { to: from, body })
                .await
                .map_err(|_| SessionError::Closed)?;
        }
        result
    }

    /// What to answer to a sealed message from `from`, sealed, if anything; and whether it was an offer that was taken.
    pub(super) fn sealed_answer(
        &self,
        side: &Side<'_>,
        from: Address,
        body: &[u8],
        admit: impl FnOnce(&Membership) -> Result<(), RefuseCode>,
    ) -> (Option<Vec<u8>>, Result<(), SessionError>) {
        let offer = match side.with(|terms, _| Message::open(terms, &from.device, body)) {
            Ok(Message::Offer(offer)) => offer,
            Ok(_) => return (None, Err(HandshakeError::Unexpected.into())),
            Err(error) => return (None, Err(error.into())),
        };
        let (answer, result) = match self.answer(side, from, &offer, admit) {
            Ok(answer) => (Some(answer), Ok(())),
            Err(error) => {
                let code = match error {
                    HandshakeError::Refused(code) => Some(code),
                    error => error.code(),
                };
                let refusal = code.map(|code| refuse(side.key, &offer, code));
                (refusal, Err(error.into()))
            }
        };
        let random = &*side.platform.random;
        let seal = |answer: Message| {
            side.with(|terms, party| answer.seal(terms, &party.key.id(), random.bytes()))
        };
        (answer.map(seal), result)
    }

    fn answer(
        &self,
        side: &Side<'_>,
        from: Address,
        offer: &Signed<Offer>,
        admit: impl FnOnce(&Membership) -> Result<(), RefuseCode>,
    ) -> Result<Message, HandshakeError> {
        let now = self.millis();
        let nonce = offer.unverified().nonce;
        let mut pending = lock(&self.pending);
        if let Some(same) = pending.repeated(&from.device, &nonce, now) {
            return Ok(same);
        }
        let mut allowance = lock(&self.allowance);
        if !allowance.take(from.device, now) {
            return Err(HandshakeError::Refused(RefuseCode::Busy));
        }
        let random = &*side.platform.random;
        let awaiting =
            side.with(|terms, party| respond(terms, party, from, offer, &mut RandomRng(random)))?;
        admit(&awaiting.peer().membership).map_err(HandshakeError::Refused)?;
        let answer = awaiting.message();
        pending.insert(awaiting, now);
        self.expire_later();
        Ok(answer)
    }

    /// What is not acknowledged in time is forgotten then, also where no further offer comes.
    fn expire_later(&self) {
        let (pending, start) = (Arc::downgrade(&self.pending), self.start);
        tokio::spawn(async move {
            sleep(Duration::from_millis(PENDING_MILLIS)).await;
            if let Some(pending) = pending.upgrade() {
                let now = millis(start);
                lock(&pending).expire(now);
            }
        });
    }

    /// Connects the link of `ticket` and waits for the ACK on it. Nothing but READY is sent before the ACK verifies. The
    /// offer must have been [answered](Self::offer) before: a link that nobody waits for is not connected, nor is one twice.
    ///
    /// # Errors
    /// When the link does not come about or the ACK does not hold; the handshake is then gone.
    pub async fn link(
        &self,
        side: &Side<'_>,
        ticket: Ticket,
    ) -> Result<SeederSession, SessionError> {
        let _linking = self.begin_link(&ticket).ok_or(HandshakeError::Unexpected)?;
        timeout(ACK, self.link_now(side, ticket)).await.unwrap_or(Err(SessionError::Timeout))
    }

    fn begin_link(&self, ticket: &Ticket) -> Option<Linking<'_>> {
        let now = self.millis();
        let pending = lock(&self.pending);
        let mut linking = lock(&self.linking);
        let begins = pending.expects(&ticket.peer, &ticket.tag, now) && linking.insert(ticket.tag);
        begins.then(|| Linking { acceptor: self, tag: ticket.tag })
    }

    async fn link_now(
        &self,
        side: &Side<'_>,
        ticket: Ticket,
    ) -> Result<SeederSession, SessionError> {
        let (host, port) = &ticket.place;
        let stream = link::connect(side.platform, (host, *port), ticket.ticket, &[]).await?;
        self.acknowledged(side, stream, ticket.peer, Some(ticket.tag)).await
    }

    /// Waits for the ACK on `stream`, which must be that of `peer`, and of the link with this tag if it has one.
    pub(super) async fn acknowledged(
        &self,
        side: &Side<'_>,
        mut stream: BoxStream,
        peer: Address,
        tag: Option<[u8; 16]>,
    ) -> Result<SeederSession, SessionError> {
        let mut opening = [0; OPENING_LEN];
        stream.read_exact(&mut opening).await?;
        let opening = Opening::from_bytes(&opening);
        let now = self.millis();
        let taken = lock(&self.pending).take(&opening.session, now);
        let awaiting = taken.ok_or(HandshakeError::Unexpected)?;
        let crossed =
            tag.is_some_and(|tag| *awaiting.link_tag() != tag) || awaiting.peer().address != peer;
        if opening.link != 0 || crossed {
            return Err(HandshakeError::Unexpected.into());
        }
        let suite = awaiting.suite();
        let ready = awaiting.confirm(&opening.proof)?;
        stream.write_all(&ready.proof).await?;
        stream.flush().await?;
        let stream = paced(stream, self.way, self.pace.as_ref());
        let (reader, writer) = tokio::io::split(stream);
        let keys = ready.keys;
        let ends = SeederEnds {
            id: keys.id,
            end: End::Seeder,
            sending: keys.to_leecher,
            receiving: keys.to_seeder,
            exporter: keys.exporter,
            random: side.platform.random.clone(),
            pace: self.pace.clone(),
            way: self.way,
        };
        Ok(SeederSession {
            peer: ready.peer,
            suite,
            writer: ends.writer(writer, 0),
            reader: ends.reader(reader, 0),
            ends,
        })
    }
}

fn millis(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A link that is being connected, until it stands or fails.
struct Linking<'a> {
    acceptor: &'a Acceptor,
    tag: [u8; 16],
}

impl Drop for Linking<'_> {
    fn drop(&mut self) {
        lock(&self.acceptor.linking).remove(&self.tag);
    }
}

#[cfg(test)]
mod tests;
