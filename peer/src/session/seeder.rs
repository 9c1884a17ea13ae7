//! The seeder's side: answers offers, and takes the links that follow.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sealift_platform::random::RandomRng;
use sealift_proto::codec::Bytes;
use sealift_proto::control::{Address, ToRelay};
use sealift_proto::handshake::{
    HandshakeError, Message, Offer, Peer, Pending, RefuseCode, refuse, respond,
};
use sealift_proto::identity::Signed;
use sealift_proto::link::{LinkReceiver, LinkSender, OPENING_LEN, Opening, ToLeecher, ToSeeder};
use sealift_proto::space::{HostName, Membership};
use sealift_proto::wrap::Suite;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use super::allowance::Allowance;
use super::link::{self, LinkReader, LinkWriter};
use super::{SessionError, Side};
use crate::control::Control;

/// How long the ACK may take from the ticket on.
const ACK: Duration = Duration::from_secs(30);

/// The handshakes that wait for their ACK.
pub struct Acceptor {
    pending: Mutex<Pending>,
    allowance: Mutex<Allowance>,
    start: Instant,
}

impl Default for Acceptor {
    fn default() -> Self {
        Self { pending: Mutex::default(), allowance: Mutex::default(), start: Instant::now() }
    }
}

/// This side's half of a link, as the relay told it.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// To be shown when connecting.
    pub ticket: [u8; 32],
    /// Which offer it belongs to.
    pub tag: [u8; 16],
    /// The other side.
    pub peer: Address,
    /// Where to connect.
    pub place: (HostName, u16),
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
}

impl Acceptor {
    fn millis(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
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
        admit: impl FnOnce(&Membership) -> bool,
    ) -> Result<(), SessionError> {
        let opened = side.with(|terms, _| Message::open(terms, &from.device, body));
        let Message::Offer(offer) = opened? else {
            return Err(HandshakeError::Unexpected.into());
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
        if let Some(answer) = answer {
            let random = &*side.platform.random;
            let body =
                side.with(|terms, party| answer.seal(terms, &party.key.id(), random.bytes()));
            let body = Bytes::new(body).map_err(|_| HandshakeError::Malformed)?;
            control
                .send(ToRelay::Forward { to: from, body })
                .await
                .map_err(|_| SessionError::Closed)?;
        }
        result
    }

    fn answer(
        &self,
        side: &Side<'_>,
        from: Address,
        offer: &Signed<Offer>,
        admit: impl FnOnce(&Membership) -> bool,
    ) -> Result<Message, HandshakeError> {
        let now = self.millis();
        let nonce = offer.unverified().nonce;
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(same) = pending.repeated(&from.device, &nonce, now) {
            return Ok(same);
        }
        let mut allowance = self.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        if !allowance.take(from.device, now) {
            return Err(HandshakeError::Refused(RefuseCode::Busy));
        }
        let random = &*side.platform.random;
        let awaiting =
            side.with(|terms, party| respond(terms, party, from, offer, &mut RandomRng(random)))?;
        if !admit(&awaiting.peer().membership) {
            return Err(HandshakeError::NotAllowed);
        }
        let answer = awaiting.message();
        pending.insert(awaiting, now);
        Ok(answer)
    }

    /// Connects the link of `ticket` and waits for the ACK on it. Nothing but READY is sent before the ACK verifies.
    ///
    /// # Errors
    /// When the link does not come about or the ACK does not hold; the handshake is then gone.
    pub async fn link(
        &self,
        side: &Side<'_>,
        ticket: Ticket,
    ) -> Result<SeederSession, SessionError> {
        timeout(ACK, self.link_now(side, ticket)).await.unwrap_or(Err(SessionError::Timeout))
    }

    async fn link_now(
        &self,
        side: &Side<'_>,
        ticket: Ticket,
    ) -> Result<SeederSession, SessionError> {
        let (host, port) = &ticket.place;
        let mut stream = link::connect(side.platform, (host, *port), ticket.ticket, &[]).await?;
        let mut opening = [0; OPENING_LEN];
        stream.read_exact(&mut opening).await?;
        let opening = Opening::from_bytes(&opening);
        let now = self.millis();
        let taken =
            self.pending.lock().unwrap_or_else(PoisonError::into_inner).take(&opening.session, now);
        let awaiting = taken.ok_or(HandshakeError::Unexpected)?;
        let crossed = *awaiting.link_tag() != ticket.tag || awaiting.peer().address != ticket.peer;
        if opening.link != 0 || crossed {
            return Err(HandshakeError::Unexpected.into());
        }
        let suite = awaiting.suite();
        let ready = awaiting.confirm(&opening.proof)?;
        stream.write_all(&ready.proof).await?;
        stream.flush().await?;
        let (reader, writer) = tokio::io::split(stream);
        let keys = ready.keys;
        let sender = LinkSender::new(keys.to_leecher, keys.id, 0);
        let random = side.platform.random.clone();
        Ok(SeederSession {
            peer: ready.peer,
            suite,
            writer: LinkWriter::new(writer, sender, random),
            reader: LinkReader::new(reader, LinkReceiver::new(keys.to_seeder, keys.id, 0)),
        })
    }
}
