//! Whether the relay is still there.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sealift_platform::net::{BoxStream, Net};
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

/// Reason to doubt that a connection still leads anywhere.
pub(super) struct Doubt {
    bell: Notify,
    net: Arc<dyn Net>,
    /// The address of this machine that the connection has, if the machine knows it for its own.
    own: Option<IpAddr>,
}

impl Doubt {
    /// For a connection from the address `own`.
    pub(super) fn new(net: Arc<dyn Net>, own: Option<SocketAddr>) -> Self {
        let mut doubt =
            Self { bell: Notify::new(), net, own: own.map(|own| own.ip().to_canonical()) };
        if doubt.has_lost_address() {
            doubt.own = None;
        }
        doubt
    }

    /// There is reason.
    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }

    /// Whether nothing can come any more to the address that the connection has.
    fn has_lost_address(&self) -> bool {
        let lost = |own| self.net.addresses().is_ok_and(|all| !all.contains(&own));
        self.own.is_some_and(lost)
    }
}

/// Reads one message; asks for a sign of life when it is silent for long, and when `doubt` rings.
pub(super) async fn next_message(
    reader: &mut ReadHalf<TlsStream<BoxStream>>,
    outgoing: &mpsc::WeakSender<ToRelay>,
    doubt: &Doubt,
) -> io::Result<FromRelay> {
    let since = Instant::now();
    let read = read_message(reader);
    tokio::pin!(read);
    let (mut pinged, mut dead) = (false, since + DEAD_AFTER);
    loop {
        let deadline = if pinged { dead } else { since + PING_AFTER };
        tokio::select! {
            message = &mut read => return message,
            () = doubt.bell.notified() => {
                if doubt.has_lost_address() {
                    let why = "this device's address is gone";
                    return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, why));
                }
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
