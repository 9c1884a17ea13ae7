//! Who a control connection is: the Hello and what it proves.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use sealift_proto::codec;
use sealift_proto::control::{FromRelay, HelloBody, Purpose, Refusal, TOKEN, ToRelay};
use sealift_proto::frame::VERSION;
use sealift_proto::identity::DeviceId;
use sealift_proto::space::{Chain, ChainError, Membership};
use sealift_server::frames::FrameReader;
use sealift_server::rejected::Rejected;

use crate::hub::{Hub, JoinPlace};
use crate::outbox::encode;
use crate::store::StoreError;
use crate::switchboard::rests_on;

/// A control connection that may not have shown who it is.
pub(super) struct Greeting<R, W> {
    pub(super) reader: FrameReader<R>,
    pub(super) writer: W,
}

/// Who it is.
pub(super) enum Guest<'a> {
    /// A member of a space.
    Member { membership: Membership, serving: bool },
    /// A device that wants to become one.
    Joining { device: DeviceId, place: JoinPlace<'a> },
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Greeting<R, W> {
    /// Reads and verifies the Hello.
    pub(super) async fn hello<'a>(
        &mut self,
        hub: &'a Hub,
        exporter: &[u8; 32],
        from: IpAddr,
    ) -> Result<Guest<'a>, Rejected> {
        let Some(frame) = self.reader.next().await? else {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        };
        let body = parse(&frame, exporter).map_err(Rejected::Refused)?;
        match body.purpose {
            Purpose::Join => {
                let place = hub.join_place().map_err(Rejected::Refused)?;
                Ok(Guest::Joining { device: body.device, place })
            }
            Purpose::Member { chain, serving } => {
                let membership = verify(hub, &chain, &body.device).map_err(Rejected::Refused)?;
                let token = body.extensions.get(TOKEN);
                admit(hub, &membership, token, from).await.map_err(Rejected::Refused)?;
                Ok(Guest::Member { membership, serving })
            }
        }
    }

    /// Says why not, and closes.
    pub(super) async fn refuse(&mut self, why: Refusal, patience: Duration) {
        let farewell = async {
            self.writer.write_all(&encode(&FromRelay::Refused(why))).await?;
            self.writer.shutdown().await
        };
        // The other side may be gone; it was refused all the same.
        let _ = tokio::time::timeout(patience, farewell).await;
    }
}

fn parse(frame: &[u8], exporter: &[u8; 32]) -> Result<HelloBody, Refusal> {
    let message = codec::decode(frame).map_err(|_| Refusal::Malformed)?;
    let ToRelay::Hello(hello) = message else { return Err(Refusal::NotAllowed) };
    let body = hello.verify(exporter).map_err(|_| Refusal::NotMember)?;
    if body.versions.contains(&VERSION) { Ok(body) } else { Err(Refusal::Version) }
}

fn verify(hub: &Hub, chain: &Chain, device: &DeviceId) -> Result<Membership, Refusal> {
    let now = hub.platform.clock.unix_seconds();
    let membership = chain.verify(now, &[]).map_err(|error| match error {
        ChainError::Version => Refusal::Version,
        ChainError::Invalid => Refusal::NotMember,
        ChainError::Expired { .. } => Refusal::Expired,
        ChainError::Removed => Refusal::Removed,
    })?;
    if membership.device == *device { Ok(membership) } else { Err(Refusal::NotMember) }
}

/// Whether the space is carried, and the owner has not removed the device.
async fn admit(
    hub: &Hub,
    membership: &Membership,
    token: Option<&[u8]>,
    from: IpAddr,
) -> Result<(), Refusal> {
    let facts = hub.store.facts(membership.space).await.map_err(|error| unreadable(&error))?;
    if rests_on(membership, &facts.removed) {
        return Err(Refusal::Removed);
    }
    hub.admit(membership.space, facts.known, token, from).await
}

fn unreadable(error: &StoreError) -> Refusal {
    tracing::error!(%error, "the store cannot be read");
    Refusal::Internal
}

/// Whether the owner has removed the device, by the record that is on disk.
pub(super) async fn check_removed(hub: &Hub, membership: &Membership) -> Result<(), Refusal> {
    let removed = hub.store.removed(membership.space).await.map_err(|error| unreadable(&error))?;
    if rests_on(membership, &removed) { Err(Refusal::Removed) } else { Ok(()) }
}
