//! Whether the relay is still there.

use std::io;
use std::time::Duration;

use sealift_platform::net::BoxStream;
use sealift_proto::control::{FromRelay, ToRelay};
use tokio::io::ReadHalf;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_rustls::client::TlsStream;

use super::client::read_message;

/// After so long without a frame a Ping is sent.
const PING_AFTER: Duration = Duration::from_secs(10);
/// After so long without a frame the relay is taken for gone.
const DEAD_AFTER: Duration = Duration::from_secs(25);
/// Where there is reason to doubt that it can be reached, it has so long to answer.
const DOUBTED: Duration = Duration::from_secs(4);

/// Reads one message; asks for a sign of life when it is silent for long, and when `doubt` rings.
pub(super) async fn next_message(
    reader: &mut ReadHalf<TlsStream<BoxStream>>,
    outgoing: &mpsc::WeakSender<ToRelay>,
    doubt: &Notify,
) -> io::Result<FromRelay> {
    let since = Instant::now();
    let read = read_message(reader);
    tokio::pin!(read);
    let (mut pinged, mut dead) = (false, since + DEAD_AFTER);
    loop {
        let deadline = if pinged { dead } else { since + PING_AFTER };
        tokio::select! {
            message = &mut read => return message,
            () = doubt.notified() => {
                dead = dead.min(Instant::now() + DOUBTED);
            }
            () = sleep_until(deadline) => if pinged {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "nothing heard for long"));
            },
        }
        pinged = true;
        if let Some(outgoing) = outgoing.upgrade() {
            // A full queue means that the relay does not read: the deadline decides.
            let _ = outgoing.try_send(ToRelay::Ping { nonce: 0 });
        }
    }
}
