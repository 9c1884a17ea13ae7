//! A handshake without a relay: OFFER and WRAP on the very connection that becomes the link (PROTOCOL.md section 6.6).
//!
//! ```text
//! leecher → seeder   preamble of kind 3, its value the leecher's device   u32 length ‖ sealed OFFER
//! seeder → leecher   u32 length ‖ sealed WRAP or REFUSE
//! leecher → seeder   opening with the ACK, and from there on a link
//! ```

use std::time::Duration;

use sealift_platform::net::BoxStream;
use sealift_proto::control::{Address, FORWARD_MAX};
use sealift_proto::frame::{LinkKind, Preamble};
use sealift_proto::handshake::{HandshakeError, RefuseCode};
use sealift_proto::identity::DeviceId;
use sealift_proto::limits;
use sealift_proto::space::Membership;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::seeder::{Acceptor, SeederSession};
use super::{SessionError, Side};

/// The number that stands for a connection where no relay has given one.
const CONNECTION: u32 = limits::LAN_CONNECTION;
/// How long a stranger may take for the whole of it.
const DEADLINE: Duration = Duration::from_secs(limits::LAN_TIME);

/// The address of `device` where no relay is.
pub(super) const fn address(device: DeviceId) -> Address {
    Address { device, connection: CONNECTION }
}

/// This side where no relay is.
pub(super) fn side<'a>(side: &Side<'a>) -> Side<'a> {
    Side { address: address(side.key.id()), ..*side }
}

/// Sends a sealed offer as `device` and waits for the sealed answer.
pub(super) async fn ask(
    stream: &mut BoxStream,
    device: &DeviceId,
    body: &[u8],
) -> Result<Vec<u8>, SessionError> {
    let preamble = Preamble { kind: LinkKind::Lan, value: *device.as_bytes() }.to_bytes();
    stream.write_all(&[&preamble[..], &framed(body)].concat()).await?;
    stream.flush().await?;
    receive(stream).await
}

impl Acceptor {
    /// Answers the offer on `stream`, whose preamble names `device`, and waits for the ACK that makes it a link. `admit` has
    /// the last word on who may come in.
    ///
    /// # Errors
    /// Why there is no session; the leecher was told what it may know.
    pub async fn lan(
        &self,
        side: &Side<'_>,
        stream: BoxStream,
        device: [u8; 32],
        admit: impl FnOnce(&Membership) -> Result<(), RefuseCode>,
    ) -> Result<SeederSession, SessionError> {
        let meeting = self.lan_now(side, stream, device, admit);
        timeout(DEADLINE, meeting).await.unwrap_or(Err(SessionError::Timeout))
    }

    async fn lan_now(
        &self,
        here: &Side<'_>,
        mut stream: BoxStream,
        device: [u8; 32],
        admit: impl FnOnce(&Membership) -> Result<(), RefuseCode>,
    ) -> Result<SeederSession, SessionError> {
        let here = side(here);
        let device = DeviceId::new(device).map_err(|_| HandshakeError::Malformed)?;
        let leecher = address(device);
        let body = receive(&mut stream).await?;
        let (answer, taken) = self.sealed_answer(&here, leecher, &body, admit);
        if let Some(answer) = answer {
            stream.write_all(&framed(&answer)).await?;
            stream.flush().await?;
        }
        taken?;
        self.acknowledged(&here, stream, leecher, None).await
    }
}

fn framed(body: &[u8]) -> Vec<u8> {
    // No longer than what a relay would forward.
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], body].concat()
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, SessionError> {
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length > FORWARD_MAX {
        return Err(HandshakeError::Malformed.into());
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

#[cfg(test)]
mod tests;
