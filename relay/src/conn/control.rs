//! The receiving half of a control connection: what each message does.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use sealift_proto::codec::{self, Bytes, Extensions};
use sealift_proto::control::{Address, FromRelay, Refusal, ToRelay, Welcome};
use sealift_proto::features::Features;
use sealift_proto::frame::VERSION;
use sealift_proto::identity::DeviceId;
use sealift_proto::space::Membership;
use sealift_server::frames::{FrameReadError, FrameReader};
use sealift_server::pace::Pace;
use sealift_server::reason;
use sealift_server::rejected::Rejected;
use sealift_server::silence::{Next, Silence};

use super::hello::{Greeting, check_removed};
use super::writer;
use crate::hub::{Entered, Hub, JoinPlace};
use crate::outbox::{Job, Outbox};
use crate::probes::Grant;
use crate::store::{Present, Publish, Published, PutInvite, SegmentRange, Stage, Writer};
use crate::switchboard::Key;

/// Serves a member until its connection ends.
pub(super) async fn serve_member<R, W>(
    hub: &Hub,
    mut greeting: Greeting<R, W>,
    membership: Membership,
    serving: bool,
    from: SocketAddr,
) -> Result<(), Rejected>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Entered { key, address, outbox, pace, present } = match hub.enter(membership, serving) {
        Ok(entered) => entered,
        Err(why) => {
            greeting.refuse(why, hub.limits.get().farewell).await;
            return Err(Rejected::Refused(why));
        }
    };
    let _seat = Seat { hub, key, _present: present };
    tracing::debug!(device = %address.device, connection = address.connection, "connected");
    let device = Writer {
        space: membership.space,
        device: membership.device,
        role: membership.role,
        connection: key,
    };
    let mut member = Member { hub, key, device, outbox: &outbox, pace: &pace, staged: false };
    // The owner may have removed it between the first look and its entry.
    match check_removed(hub, &membership).await {
        Ok(()) => outbox.push(&welcome(hub, address, from)),
        Err(why) => outbox.close(Some(why)),
    }
    let reading = async {
        let end = member.read_all(greeting.reader).await;
        outbox.close(end);
        member.drop_staged().await;
    };
    tokio::join!(
        reading,
        writer::run(hub, &outbox, Some((membership.space, &pace)), greeting.writer)
    );
    tracing::debug!(device = %address.device, connection = address.connection, "gone");
    ended(hub, &outbox);
    Ok(())
}

/// Serves a device that takes an invite.
pub(super) async fn serve_joining<R, W>(
    hub: &Hub,
    greeting: Greeting<R, W>,
    device: DeviceId,
    place: JoinPlace<'_>,
    from: SocketAddr,
) -> Result<(), Rejected>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let outbox = Outbox::new(&hub.limits.get(), &hub.waiting);
    outbox.push(&welcome(hub, Address { device, connection: 0 }, from));
    let reading = async {
        let joining = Joining { hub, device, outbox: &outbox };
        let patience = hub.limits.get().join_time;
        let end = tokio::time::timeout(patience, joining.read_all(greeting.reader));
        outbox.close(end.await.unwrap_or(Some(Refusal::Idle)));
    };
    tokio::join!(reading, writer::run(hub, &outbox, None, greeting.writer));
    drop(place);
    ended(hub, &outbox);
    Ok(())
}

/// Tells why the relay ended a connection, if it did.
fn ended(hub: &Hub, outbox: &Outbox) {
    let Some(why) = outbox.last_word() else { return };
    let reason = reason::of(why);
    hub.metrics.closed.add(reason);
    if why != Refusal::Shutdown {
        tracing::info!(reason, %why, "connection closed");
    }
}

fn welcome(hub: &Hub, address: Address, from: SocketAddr) -> FromRelay {
    FromRelay::Welcome(Welcome {
        version: VERSION,
        connection: address.connection,
        time: hub.platform.clock.unix_millis(),
        seen_as: Bytes::new(from.to_string().into_bytes()).unwrap_or_default(),
        features: Features::OWN,
        extensions: Extensions::default(),
    })
}

/// Takes a member off the switchboard however its task ends.
struct Seat<'a> {
    hub: &'a Hub,
    key: Key,
    _present: Present,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.hub.leave(self.key);
    }
}

/// Why a connection ends: `Err(None)` by its own wish or fault of the stream, else with a last word.
type Step = Result<(), Option<Refusal>>;

/// What comes in on one connection, at a bounded rate, with signs of life asked for.
struct Inbox<'a, R> {
    hub: &'a Hub,
    outbox: &'a Outbox,
    reader: FrameReader<R>,
    pace: Pace,
    /// When the next message may be read.
    next: Instant,
    silence: Silence,
}

impl<'a, R: AsyncRead + Unpin> Inbox<'a, R> {
    fn new(hub: &'a Hub, outbox: &'a Outbox, pace: Pace, reader: FrameReader<R>) -> Self {
        let now = Instant::now();
        Self { hub, outbox, reader, pace, next: now, silence: Silence::new(now) }
    }

    /// The next message that is not about signs of life.
    async fn next(&mut self) -> Result<ToRelay, Option<Refusal>> {
        loop {
            let frame = self.next_frame().await?;
            match codec::decode(&frame).map_err(|_| Some(Refusal::Malformed))? {
                ToRelay::Ping { nonce } => self.outbox.push(&FromRelay::Pong { nonce }),
                ToRelay::Pong { .. } => {}
                ToRelay::Bye => return Err(None),
                other => return Ok(other),
            }
        }
    }

    async fn next_frame(&mut self) -> Result<Vec<u8>, Option<Refusal>> {
        tokio::select! {
            () = async {
                if self.next > Instant::now() {
                    tokio::time::sleep_until(self.next).await;
                }
                self.outbox.room().await;
            } => {}
            () = self.outbox.closed() => return Err(None),
        }
        self.reader.awaited();
        loop {
            let until = self.silence.until(&(&*self.hub.limits.get()).into());
            tokio::select! {
                // What came while it was not read counts before its silence.
                biased;
                frame = self.reader.next() => return self.heard_frame(frame),
                () = self.outbox.closed() => return Err(None),
                () = tokio::time::sleep_until(until) => self.silent()?,
            }
        }
    }

    fn silent(&mut self) -> Step {
        match self.silence.over() {
            Next::Ask => {
                self.outbox.push(&FromRelay::Ping { nonce: 0 });
                Ok(())
            }
            Next::End => Err(Some(Refusal::Idle)),
        }
    }

    fn heard_frame(
        &mut self,
        frame: Result<Option<Vec<u8>>, FrameReadError>,
    ) -> Result<Vec<u8>, Option<Refusal>> {
        let now = Instant::now();
        self.silence.heard(now);
        match frame {
            Ok(Some(frame)) => {
                self.next = now + self.pace.take(1, frame.len(), self.hub.now());
                Ok(frame)
            }
            Ok(None) | Err(FrameReadError::Io(_)) => Err(None),
            Err(FrameReadError::Frame(_)) => Err(Some(Refusal::Malformed)),
            Err(FrameReadError::Aborted(why)) => Err(Some(why.into())),
        }
    }
}

struct Joining<'a> {
    hub: &'a Hub,
    device: DeviceId,
    outbox: &'a Outbox,
}

impl Joining<'_> {
    async fn read_all(&self, reader: FrameReader<impl AsyncRead + Unpin>) -> Option<Refusal> {
        let pace = Pace::new(&(&*self.hub.limits.get()).into(), self.hub.now());
        let mut inbox = Inbox::new(self.hub, self.outbox, pace, reader);
        loop {
            let (request, id) = match inbox.next().await {
                Ok(ToRelay::TakeInvite { request, id }) => (request, id),
                Ok(_) => return Some(Refusal::NotAllowed),
                Err(end) => return end,
            };
            let now = self.hub.platform.clock.unix_seconds();
            let taken = self.hub.store.take_invite(self.device, id, now).await;
            if let Err(why) = &taken {
                self.hub.metrics.refused.add(reason::of(*why));
            }
            self.outbox.push(&match taken {
                Ok(package) => match Bytes::new(package) {
                    Ok(package) => FromRelay::Invite { request, package },
                    Err(_) => FromRelay::Failed { request, why: Refusal::Internal },
                },
                Err(why) => FromRelay::Failed { request, why },
            });
        }
    }
}

struct Member<'a> {
    hub: &'a Hub,
    key: Key,
    device: Writer,
    outbox: &'a Outbox,
    pace: &'a Pace,
    staged: bool,
}

impl Member<'_> {
    async fn read_all(&mut self, reader: FrameReader<impl AsyncRead + Unpin>) -> Option<Refusal> {
        let mut inbox = Inbox::new(self.hub, self.outbox, self.pace.clone(), reader);
        loop {
            let message = match inbox.next().await {
                Ok(message) => message,
                Err(end) => return end,
            };
            if let Err(end) = self.handle(message).await {
                return end;
            }
        }
    }

    async fn handle(&mut self, message: ToRelay) -> Step {
        match message {
            ToRelay::Forward { to, body } => {
                let carried =
                    self.hub.forward(self.key, to, |from| FromRelay::Deliver { from, body });
                self.undeliverable(to, carried);
            }
            ToRelay::OpenLink { to, tag } => {
                let opened = self.hub.open_link(self.key, to, tag);
                self.undeliverable(to, opened);
            }
            ToRelay::Heads => {
                // First, so that nothing published from now on is missed.
                self.hub.watch_heads(self.key);
                self.outbox.push_job(Job::Heads);
            }
            ToRelay::Fetch { request, device, log, log_id, from, to } => {
                let space = self.device.space;
                let range = SegmentRange { space, device, log, log_id, from, to };
                self.outbox.push_job(Job::Fetch { request, range });
            }
            ToRelay::PutSegment { log, log_id, position, segment } => {
                self.staged = true;
                let (writer, segment) = (self.device, segment.into_vec());
                let stage = Stage { writer, log, log_id, position, segment };
                self.hub.store.stage(stage).await.map_err(Some)?;
            }
            ToRelay::Publish { request, log, follows, statement } => {
                let (writer, statement) = (self.device, statement.into_vec());
                self.publish(request, Publish { writer, log, follows, statement }).await;
            }
            ToRelay::PutInvite { request, id, deadline, uses, package } => {
                let now = self.hub.platform.clock.unix_seconds();
                let (space, package) = (self.device.space, package.into_vec());
                let put = PutInvite { space, id, deadline, uses, package, now };
                self.answer(request, self.hub.store.put_invite(put).await);
            }
            ToRelay::GetProbe { request } => {
                let random = &*self.hub.platform.random;
                let granted = self.hub.probes.grant(self.key, random, self.hub.now());
                self.outbox.push(&match granted {
                    Some(Grant { port, token, key }) => {
                        FromRelay::Probe { request, port, token, key }
                    }
                    None => FromRelay::Failed { request, why: Refusal::NotFound },
                });
            }
            ToRelay::Peers => self.hub.watch_peers(self.key),
            ToRelay::Hello(_) | ToRelay::TakeInvite { .. } => {
                return Err(Some(Refusal::NotAllowed));
            }
            // The inbox has dealt with these.
            ToRelay::Ping { .. } | ToRelay::Pong { .. } | ToRelay::Bye => {}
        }
        Ok(())
    }

    fn undeliverable(&self, to: Address, done: Result<(), Refusal>) {
        if let Err(why) = done {
            self.hub.metrics.refused.add(reason::of(why));
            self.outbox.push(&FromRelay::Undeliverable { to, why });
        }
    }

    /// Publishes and answers once it is on disk; whoever wants to know hears of it before the answer.
    async fn publish(&self, request: u32, publish: Publish) {
        let done = self.hub.store.publish(publish).await.map(|new| {
            if let Some(Published { head, removed }) = new {
                self.hub.published(self.device.space, head, &removed);
            }
        });
        self.answer(request, done);
    }

    fn answer(&self, request: u32, done: Result<(), Refusal>) {
        self.outbox.push(&match done {
            Ok(()) => FromRelay::Done { request },
            Err(why) => {
                self.hub.metrics.refused.add(reason::of(why));
                FromRelay::Failed { request, why }
            }
        });
    }

    async fn drop_staged(&self) {
        if self.staged {
            // Should the store be gone, so is what it kept aside.
            let _ = self.hub.store.drop_staged(self.device).await;
        }
    }
}
